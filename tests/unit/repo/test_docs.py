"""The documentation names every setting, metric and rule of the check that there is."""

import re
from dataclasses import fields
from pathlib import Path

from pdp.config import Settings

ROOT = Path(__file__).resolve().parents[3]
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
POLICIES = (ROOT / "docs/policies.md").read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    settings = {field.name for field in fields(Settings) if field.metadata}
    assert settings
    assert not {name for name in settings if f"`{name}`" not in OPERATIONS}


def test_every_metric_is_documented() -> None:
    named = re.findall(r'"(pdp_\w+)"', (ROOT / "pdp/core/src/metrics.rs").read_text(encoding="utf-8"))
    assert named
    assert not {name for name in named if f"`{name}`" not in OPERATIONS}
    assert not set(re.findall(r"`(pdp_\w+)`", OPERATIONS)) - set(named)


def test_the_rules_of_the_policy_check_are_those_documented() -> None:
    sources = (file.read_text(encoding="utf-8") for file in (ROOT / "pdp/policy/check").glob("*.py"))
    text = "\n".join(sources)
    rules = {
        rule for found in re.findall(r"Rules? (`[^:]*):", text) for rule in re.findall(r"`([\w-]+)`", found)
    }
    reported = set(re.findall(r'\badd\(\s*[^"]*?"([a-z]+(?:-[a-z]+)*)",', text))
    assert rules
    assert reported <= rules
    table = POLICIES.split("| rule | refused", 1)[1].split("\n\n", 1)[0]
    documented = {
        rule for row in table.splitlines()[2:] for rule in re.findall(r"`([\w-]+)`", row.split("|")[1])
    }
    assert documented == rules
