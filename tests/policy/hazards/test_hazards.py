"""Each hazard: real OPA compiles the policy and allows by it; the check refuses it; a safe twin passes.

A hazard is a pair of files. `NAME.bad.rego` says above its package which `rule` refuses it and an input on
which OPA `allows`; `# refused` marks the line. `NAME.good.rego` says an input on which it allows. By it OPA
must not allow on the input of the bad one, unless the host would never let that input in: it holds a record
that its schema refuses.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pdp import _core
from pdp.policy.bundle import BundleError, load_bundle
from pdp.policy.check import check_sources
from pdp.policy.moments import format_moment
from pdp.policy.opa import Opa
from pdp.policy.sources import read_folder
from tests.policy.bundles import compile_unchecked, write_bundle

HERE = Path(__file__).parent
NAMES = sorted(path.name.removesuffix(".bad.rego") for path in HERE.glob("*.bad.rego"))
ARTICLES = """package door.articles

grown if input.records.person.level > 3

known if input.records.person.id == input.subject.id
"""
BROKEN_ARTICLES = ARTICLES + "\nwelcome if to_number(input.records.person.extra) > 0\n"


def said(text: str, name: str) -> str:
    """What the comments above a policy say of it."""
    found = re.search(rf"^# {name}: (.*)$", text, re.MULTILINE)
    return found.group(1) if found else ""


def allowed(opa: Opa, folder: Path, policy_input: str, *, strict: bool = False) -> Any:
    """What real OPA gives for the decision's `allow`; None when it is undefined, or fails in strict mode."""
    (folder / "input.json").write_text(policy_input)
    arguments = ["eval", "--format", "json", "--bundle", ".", "--input", "input.json"]
    if strict:
        arguments.append("--strict-builtin-errors")
    done = opa.run([*arguments, "data.door.decision.allow"], folder=folder)
    document = json.loads(done.stdout)
    if "errors" in document:
        assert strict, document
        return None
    return document["result"][0]["expressions"][0]["value"] if "result" in document else None


def host_checks(folder: Path, opa: Opa, records: dict[str, Any]) -> None:
    """Writes records as the host does, times as users write them. Raises RecordError."""
    policy = compile_unchecked(folder, opa).policy
    by_user = as_written({"person": [records["person"]], "notice": list(records["notices"].values())})
    for kind, values in by_user.items():
        for value in values:
            policy.canonical(kind, value.get("id", "a"), json.dumps(value).encode())


def as_written(value: Any) -> Any:
    """Numbers under the names of times as RFC 3339."""
    if isinstance(value, dict):
        return {
            key: format_moment(item)
            if key in ("from", "until", "since") and isinstance(item, int)
            else as_written(item)
            for key, item in value.items()
        }
    return [as_written(item) for item in value] if isinstance(value, list) else value


def small(folder: Path, text: str, articles: str) -> Path:
    files = {"door.rego": text}
    if "data.door.articles" in text:
        files["articles/articles.rego"] = articles
    return write_bundle(folder, files)


@pytest.mark.parametrize("name", NAMES)
def test_the_hazard_bites_and_is_refused(name: str, tmp_path: Path, opa: Opa) -> None:
    text = (HERE / f"{name}.bad.rego").read_text()
    folder = small(tmp_path, text, BROKEN_ARTICLES)
    assert opa.problems(folder) == [], "OPA itself has nothing against it"
    assert allowed(opa, folder, said(text, "allows")) is True, "it bites"
    if said(text, "strict"):
        assert allowed(opa, folder, said(text, "allows"), strict=True) is None
    marked = [row for row, line in enumerate(text.splitlines(), start=1) if line.endswith("# refused")]
    findings = check_sources(read_folder(folder), opa)
    places = [(finding.file, finding.row) for finding in findings if finding.rule == said(text, "rule")]
    assert [("door.rego", row) for row in marked] == places, [finding.render() for finding in findings]
    shown = next(finding for finding in findings if finding.rule == said(text, "rule")).render()
    assert shown.startswith(f"door.rego:{marked[0]}:")
    assert "^" in shown
    assert "hint: " in shown


@pytest.mark.parametrize("name", NAMES)
def test_its_safe_twin_passes(name: str, tmp_path: Path, opa: Opa) -> None:
    text = (HERE / f"{name}.good.rego").read_text()
    folder = small(tmp_path, text, ARTICLES)
    findings = check_sources(read_folder(folder), opa)
    assert not findings, [finding.render() for finding in findings]
    assert allowed(opa, folder, said(text, "allows")) is True, "it is of use"
    bad = (HERE / f"{name}.bad.rego").read_text()
    if not said(bad, "strict") and allowed(opa, folder, said(bad, "allows")) is True:
        with pytest.raises(_core.RecordError):
            host_checks(folder, opa, json.loads(said(bad, "allows"))["records"])


@pytest.mark.parametrize("name", NAMES[::6])  # loading asks the very same check
def test_it_is_never_loaded(name: str, tmp_path: Path, opa: Opa) -> None:
    text = (HERE / f"{name}.bad.rego").read_text()
    folder = small(tmp_path / "bundle", text, BROKEN_ARTICLES)
    with pytest.raises(BundleError, match=re.escape("is refused: ") + r"\S+\.rego:\d+:\d+: \["):
        load_bundle(folder, opa=opa.program, cache_dir=tmp_path / "cache")
