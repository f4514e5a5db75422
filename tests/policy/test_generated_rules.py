"""What the check passes fails closed: over policies generated from a grammar of Rego (`rego_grammar.py`).

A policy is asked on inputs in which one value is spoiled: it is missing, or of a kind that the policy never
asks for. When it allows, then it must allow whatever proper value stands there instead: that it could not be
seen was no help. And OPA in strict mode, in which an error ends the evaluation, must allow as well.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.policy.check.allow import check_allow
from pdp.policy.check.program import Program
from pdp.policy.check.report import Report
from pdp.policy.check.syntax import parse
from pdp.policy.opa import Opa
from pdp.policy.sources import read_folder
from tests.policy.bundles import write_bundle
from tests.policy.rego_grammar import Grammar

ABSENT: Any = object()
OTHER_KINDS: tuple[Any, ...] = (None, ["zz"], {"zz": "zz"})
PROPER: dict[tuple[str | int, ...], tuple[Any, ...]] = {
    ("person", "since"): (900, 5000, 0, 1),
    ("person", "extra"): ("ok", "ban", 0, 1, 2000, "an"),
    ("person", "groups"): (["ok"], ["ban"], []),
    ("person", "passes"): ([{"until": 2000}], [{"until": 5}]),
    ("person", "passes", 0, "until"): (2000, 5, 0),
    ("notices", "n1", "until"): (2000, 300, 0, 1),
    ("notices", "n2", "until"): (2000, 300),
}
WHOLE: dict[str, Any] = {
    "subject": {"type": "user", "id": "an", "properties": {}},
    "action": {"name": "enter", "properties": {}},
    "resource": {"type": "door", "id": "1", "properties": {}},
    "context": {},
    "time": 1000,
    "records": {
        "person": {
            "id": "an",
            "level": 2,
            "since": 900,
            "groups": ["ok", "x"],
            "passes": [{"until": 2000}, {"until": 500}],
            "extra": "ok",
        },
        "notices": {"n1": {"from": 5, "until": 2000}, "n2": {"from": 7, "until": 300}},
    },
}


def put(document: Any, path: Sequence[str | int], value: Any) -> Any:
    """A copy with another value among the records; ABSENT takes it away."""
    copy = deepcopy(document)
    target = copy["records"]
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    if value is ABSENT:
        del target[path[-1]]
    return copy


def spoiled() -> list[tuple[Any, list[Any]]]:
    """(an input with a spoiled value, the same with proper ones), for some inputs."""
    banned = put(put(WHOLE, ("person", "groups"), ["ban"]), ("person", "level"), 0)
    found = []
    for whole in (WHOLE, banned):
        for path, values in PROPER.items():
            proper = [put(whole, path, value) for value in values]
            bad = (ABSENT, *OTHER_KINDS) if path[-1] == "extra" else (ABSENT,)
            found += [(put(whole, path, value), proper) for value in bad]
    return found


SPOILED = spoiled()
INPUTS = {json.dumps(one): one for bad, proper in SPOILED for one in (bad, *proper)}
NUMBER_OF = {text: number for number, text in enumerate(INPUTS)}


class Generated:
    """A bundle of generated policies: those that OPA itself accepts, and which of them the check passes."""

    def __init__(self, folder: Path, opa: Opa, seeds: Sequence[int]) -> None:
        self._folder, self._opa = folder, opa
        self.policies = {
            f"_{number}": Grammar.policy(seed, f"_{number}") for number, seed in enumerate(seeds)
        }
        while refused := self._refused_by_opa():
            self.policies = {name: text for name, text in self.policies.items() if name not in refused}
        sources = read_folder(folder / "bundle")
        modules = parse(sources, opa, folder / "bundle")
        self.passed: set[str] = set()
        for name in self.policies:
            declaration = replace(sources.declaration, entrypoint=f"door/decision{name}")
            report = Report({})
            check_allow(Program(replace(sources, declaration=declaration), modules), report)
            if not report.findings:
                self.passed.add(name)

    def _refused_by_opa(self) -> set[str]:
        lines, owners = ["package door"], [""]
        for name, text in self.policies.items():
            added = ["", *text.splitlines()]
            lines += added
            owners += [name] * len(added)
        write_bundle(self._folder / "bundle", {"door.rego": "\n".join(lines) + "\n"})
        return {owners[problem.row - 1] for problem in self._opa.problems(self._folder / "bundle")}

    def allows(self, name: str, *, strict: bool = False) -> list[bool | None]:
        """What OPA decides on each of INPUTS; [] when that fails, as it may in strict mode.

        It fails as well when the policy asks, with its types known, for what can never be.
        """
        (self._folder / "input.json").write_text(json.dumps({"inputs": list(INPUTS.values())}))
        query = f"[x | some i in input.inputs; x := data.door.allow{name} with input as i]"
        arguments = ["eval", "--format", "json", "--bundle", "bundle", "--input", "input.json"]
        arguments += ["--strict-builtin-errors"] if strict else []
        document = json.loads(self._opa.run([*arguments, query], folder=self._folder).stdout)
        found: list[bool | None] = []
        if "errors" not in document:
            found = document["result"][0]["expressions"][0]["value"]
        elif any(error["code"] == "eval_conflict_error" for error in document["errors"]):
            assert name not in self.passed, f"two values at once: {self.policies[name]}"
        return found


def fails_open(answers: Sequence[bool | None]) -> Mapping[str, Any] | None:
    """An input on which an allow comes of a spoiled value."""
    for bad, proper in SPOILED:
        if answers[NUMBER_OF[json.dumps(bad)]] is not True:
            continue
        if not all(answers[NUMBER_OF[json.dumps(one)]] is True for one in proper):
            return {"input": bad}
    return None


seeds = st.lists(st.integers(0, 2**40), min_size=30, max_size=30)


@pytest.mark.timeout(600)
@settings(max_examples=25)
@given(seeds)
def test_what_the_check_passes_fails_closed(opa: Opa, seeds: list[int]) -> None:
    with TemporaryDirectory() as temporary:
        generated = Generated(Path(temporary), opa, seeds)
        for name in sorted(generated.passed):
            answers = generated.allows(name)
            if True not in answers:
                continue
            assert fails_open(answers) is None, generated.policies[name]
            assert generated.allows(name, strict=True) == answers, generated.policies[name]


def test_the_grammar_is_worth_it(opa: Opa, tmp_path: Path) -> None:
    """Of policies that allow, a good part passes; and there are some that fail open: those are refused."""
    generated = Generated(tmp_path, opa, range(150))
    allowing = {name: answers for name in generated.policies if True in (answers := generated.allows(name))}
    assert len(allowing.keys() & generated.passed) > len(allowing) / 5
    failing = {name for name, answers in allowing.items() if fails_open(answers)}
    assert len(failing) >= 3
    assert not failing & generated.passed
