"""docs/authzen.md: its examples are sent as they stand, and what it says comes back."""

import json
import re
from typing import Any

import pytest

from pdp.policy.declaration import load_yaml
from tests.adapters.authzen.door import JSON, Door
from tests.adapters.authzen.test_certification import TABLE
from tests.end_to_end.sidecar import ROOT

PAGE = (ROOT / "docs" / "authzen.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```http\n(.*?)```\n+```json\n(.*?)```", PAGE, re.DOTALL)


def _covers(expected: Any, got: Any) -> bool:
    """Whether all that is expected came; "…" stands for any text that is not empty."""
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(
            name in got and _covers(expected[name], got[name]) for name in expected
        )
    if isinstance(expected, list):
        return isinstance(got, list) and len(expected) == len(got) and all(map(_covers, expected, got))
    return isinstance(got, str) and got != "" if expected == "…" else bool(expected == got)


@pytest.mark.parametrize(("sent", "expected"), EXAMPLES)
def test_examples(door: Door, sent: str, expected: str) -> None:
    head, _, body = sent.partition("\n\n")
    line, *headers = head.splitlines()
    method, path = line.split()
    named = dict(header.split(": ", 1) for header in headers)
    answer = door.send(method, path, body.strip().encode(), JSON | named)
    assert _covers(json.loads(expected), answer.body), answer.body


def test_the_page_is_complete() -> None:
    assert len(EXAMPLES) == 4
    search = load_yaml(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0], "docs")["search"]
    assert set(search) == {"subject", "resource", "action"}
    named = PAGE.split("## Certification scenario", 1)[1]
    for level in TABLE["levels"]:
        assert level.split()[0].capitalize() in named
