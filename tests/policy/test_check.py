"""The check, beyond the hazards: forms that it does not know, schemas, several files, and what is loaded."""

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pdp.policy import check
from pdp.policy.archive import pack
from pdp.policy.bundle import BundleError, build, load_bundle
from pdp.policy.check import check_sources, compile_sources
from pdp.policy.check.report import Report
from pdp.policy.check.schemas import check_schemas
from pdp.policy.opa import Opa
from pdp.policy.sources import read_folder
from tests.policy.bundles import write_bundle

DECISION = """package door

decision := {"allow": allow, "reasons": []}

default allow := false

"""
SAFE = DECISION + "allow if input.records.person.level > 2\n"
FORMS = """
allow if {
	pairs := {["a", input.subject.id]}
	pairs[["a", id]] # unknown-form
	id == "an" # unknown-form
}

allow if {input.subject.id: 1}.an == 1 # unknown-form

allow if numbered["a"] == {"b"}

numbered[id] contains "b" if some id, _ in input.records.notices # unknown-form

allow if $"{input.subject.id}" == "an" # builtin-can-fail

allow if {
	[_, id] = [1, input.subject.id]
	print(id) # builtin-can-fail
	id == "an"
}

allow if {
	net.cidr_contains("10.0.0.0/8", input.subject.id) # builtin-can-fail
	rego.metadata.rule() == input.records.person.level # builtin-can-fail host-builtin
}

allow if {
	walk(input.records.notices, [_, "x"]) # builtin-can-fail unknown-form
}

allow if input.records.person.level > numbers.range(0, 1)[0] # builtin-can-fail unchecked-comparison

allow if object.remove({"a": true}, input.records.person.groups).a # builtin-can-fail

allow if graph.reachable({"a": ["b"]}, {"a"}) == {"a", "b"} # builtin-can-fail

allow if time.now_ns() > 0 # builtin-can-fail unchecked-comparison host-builtin
"""


def findings(folder: Path, opa: Opa, files: dict[str, str]) -> list[check.Finding]:
    return check_sources(read_folder(write_bundle(folder, files)), opa)


def rules(found: list[check.Finding]) -> set[tuple[str, str]]:
    return {(finding.place, finding.rule) for finding in found}


def test_what_is_not_known_is_refused_with_its_place(opa: Opa, tmp_path: Path) -> None:
    text = DECISION + FORMS.lstrip()
    found = findings(tmp_path, opa, {"door.rego": text})
    wanted = {
        (row, rule)
        for row, line in enumerate(text.splitlines(), start=1)
        if "# " in line
        for rule in line.rsplit("# ", 1)[1].split()
    }
    assert {(finding.row, finding.rule) for finding in found} == wanted, [one.render() for one in found]
    for finding in found:
        assert finding.file == "door.rego"
        place, source, caret, *hint = finding.render("d/").splitlines()
        assert place.startswith(f"d/door.rego:{finding.row}:{finding.col}: [{finding.rule}] ")
        assert source.strip() == text.splitlines()[finding.row - 1].strip()
        assert caret.strip() == "^"
        assert hint[0].startswith("    hint: ")


@pytest.mark.parametrize(
    ("files", "refused"),
    [
        pytest.param(
            {
                "door.rego": f"{DECISION}allow if data.door.z.open\n\nz[name] := 1 if some name in {{2}}\n",
                "z.rego": "package door.z\n\nopen if not data.door.q\n",
            },
            ("door.rego:7:10", "unknown-form"),
            id="a package under a partial object",
        ),
        pytest.param(
            {
                "door.rego": f"{DECISION}allow if 1 in {{2}}\n",
                "other.rego": "package other\n\ninternal.member_2(_, _) := true\n",
                ".manifest": '{"roots": ["door", "other"]}',
            },
            ("other.rego:3:1", "unknown-form"),
            id="what `in` means, said in another package",
        ),
        pytest.param(
            {
                "door.rego": DECISION.replace("door\n", "door\n\nimport data.other as internal\n", 1)
                + "allow if 1 in {2}\n",
                "other.rego": "package other\n\nmember_2(_, _) := true\n",
                ".manifest": '{"roots": ["door", "other"]}',
            },
            ("door.rego:3:1", "unknown-form"),
            id="what `in` means, imported",
        ),
        pytest.param(
            {
                "door.rego": f"{DECISION}allow if data.door.open == false\n",
                "one.rego": "package door\n\ndefault open := false\n",
                "two.rego": "package door\n\nopen if input.records.person.since > 0\n",
            },
            ("door.rego:7:10", "fallback-compared"),
            id="a rule in several files",
        ),
        pytest.param(
            {
                "door.rego": f"{DECISION}allow if input.records.person.level < data.door.limit\n",
                "door/data.yaml": "limit: 1:30\n",
            },
            ("door.rego:7:10", "unchecked-comparison"),
            id="YAML as OPA reads it: a text",
        ),
        pytest.param(
            {
                "door.rego": SAFE,
                "helper_test.rego": "package door\n\nopen if input.time > 0\n",
                "more.rego": "package door\n\nallow if open_\n\nopen_ if data.door.open\n",
            },
            ("more.rego:5:10", "unknown-reference"),
            id="a rule that only a test has",
        ),
        pytest.param(
            {"door.rego": f"{DECISION}allow if {'[' * 400}1{']' * 400} == input.context.x\n"},
            ("bundle.yaml", "unknown-form"),
            id="nested too deeply to be followed",
        ),
        pytest.param(
            {"door.rego": SAFE.replace("decision :=", "verdict :=")},
            ("bundle.yaml", "entrypoint"),
            id="no decision",
        ),
    ],
)
def test_bundles_of_several_files(
    opa: Opa, tmp_path: Path, files: dict[str, str], refused: tuple[str, str]
) -> None:
    assert refused in rules(findings(tmp_path, opa, files))


MOMENT = {"type": "string", "format": "date-time"}


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"properties": {"a": {"tpye": "string"}}}, "#/properties/a"),
        ({"properties": {"a": {"type": "strng"}}}, "#/properties/a"),
        (
            {"properties": {"a": {"$id": "http://x/y", "$ref": "#/$defs/m"}}, "$defs": {"m": {}}},
            "#/properties/a",
        ),
        ({"properties": {"a": {"$ref": "other.json"}}}, "#/properties/a"),
        ({"properties": {"a": {"$ref": "#anchor"}}}, "#/properties/a"),
        (
            {"properties": {"a": {"$ref": "#/$defs/a%20b"}}, "$defs": {"a%20b": {"type": "string"}}},
            "#/properties/a",
        ),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "#"),
        ({"definitions": {}}, "#"),
        ({"patternProperties": {"^a$": MOMENT}}, "#/patternProperties/^a$"),
        ({"properties": {"a": {"type": "array", "prefixItems": [MOMENT]}}}, "#/properties/a/prefixItems/0"),
        ({"properties": {"a": {"allOf": [MOMENT]}}}, "#/properties/a/allOf/0"),
        ({"properties": {"a": {"anyOf": [{"$ref": "#/$defs/m"}]}}, "$defs": {"m": MOMENT}}, "#/$defs/m"),
        ({"properties": {"a": {"format": "date-time"}}}, "#/properties/a"),
        ({"properties": {"a": {**MOMENT, "const": "2026-03-02T09:00:00Z"}}}, "#/properties/a"),
        ({"properties": {"a": {"type": ["string", "integer"], "format": "date-time"}}}, "#/properties/a"),
        ({"properties": {"a": {"type": "string"}}, "additionalProperties": MOMENT}, "#"),
        ({"properties": {"a": MOMENT, "b": {"$ref": "#"}}}, "#/properties/b"),
    ],
)
def test_schemas_that_the_host_reads_differently(tmp_path: Path, schema: Any, pointer: str) -> None:
    files = {"door.rego": SAFE, "schemas/notice.schema.json": json.dumps(schema)}
    report = Report({})
    check_schemas(read_folder(write_bundle(tmp_path, files)), report)
    assert [(one.file, one.rule) for one in report.findings] == [("schemas/notice.schema.json", "schema")]
    assert report.findings[0].message.startswith(f"{pointer}: ")


def test_schemas_with_times_where_the_host_looks_for_them(tmp_path: Path) -> None:
    maybe = {"type": ["string", "null"], "format": "date-time", "description": "x"}
    schema = {
        "$id": "https://portal.example/notice",
        "$defs": {"moment": MOMENT},
        "properties": {
            "a": {"$ref": "#/$defs/moment"},
            "b": maybe,
            "c": {"type": "array", "items": {"type": "object", "properties": {"d": MOMENT}}},
            "e": {"type": "object", "additionalProperties": MOMENT},
        },
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        "x-owner": "somebody",
    }
    report = Report({})
    files = {"door.rego": SAFE, "schemas/notice.schema.json": json.dumps(schema)}
    check_schemas(read_folder(write_bundle(tmp_path, files)), report)
    assert not report.findings


def test_a_time_that_may_be_null_is_no_number(opa: Opa, tmp_path: Path) -> None:
    person = {"properties": {"since": {"type": ["string", "null"], "format": "date-time"}}}
    found = findings(
        tmp_path,
        opa,
        {
            "door.rego": f"{DECISION}allow if input.records.person.since <= input.time\n",
            "schemas/person.schema.json": json.dumps(person),
        },
    )
    assert rules(found) == {("door.rego:7:10", "unchecked-comparison")}


@pytest.mark.parametrize(
    ("files", "place", "rule"),
    [
        ({"schemas/notice.schema.json": '{"minLength": "x"}'}, "schemas/notice.schema.json", "loading"),
        ({"schemas/notice.schema.json": '{"format": "uuid"}'}, "schemas/notice.schema.json", "loading"),
        ({"door/data.yaml": "limit: .inf\n"}, "", "opa-check"),
        ({"door/data.json": "{"}, "", "opa-check"),
        ({"door.rego": "package door\n\nallow if {\n"}, "door.rego:4:0", "opa-parse-error"),
    ],
)
def test_the_check_refuses_what_loading_refuses(
    opa: Opa, tmp_path: Path, files: dict[str, str], place: str, rule: str
) -> None:
    folder = tmp_path / "bundle"
    found = findings(folder, opa, {"door.rego": SAFE, **files})
    assert (place, rule) in rules(found)
    for text in (found[0].render(f"{folder}/"), found[0].render()):
        assert ": :" not in text
        assert not text.startswith(":")
    where = f"{place}: " if place else ""
    with pytest.raises(BundleError, match=re.escape(f"is refused: {where}[{rule}] ")) as refusal:
        load_bundle(folder, opa=opa.program, cache_dir=tmp_path / "cache")
    assert ".." not in str(refusal.value).replace(str(folder), "")


@pytest.mark.parametrize(
    "manifest", [{"rego_version": 0}, {"Rego_Version": 0}, {"file_rego_versions": {"/x": 0}}]
)
def test_a_manifest_that_changes_what_rego_means(tmp_path: Path, manifest: Any) -> None:
    with pytest.raises(BundleError, match=r"\.manifest "):
        read_folder(write_bundle(tmp_path, {"door.rego": SAFE, ".manifest": json.dumps(manifest)}))


def passed_by_another_check(folder: Path, opa: Opa, text: str) -> bytes:
    """A built bundle that an older version of the check would have let through."""
    sources = read_folder(write_bundle(folder, {"door.rego": text, "door/data.yaml": "limit: 5\n"}))
    wasm, data = compile_sources(sources, opa)
    return pack(sources, wasm=wasm, data=data, opa=opa.version, check="0123456789abcdef")


def test_a_bundle_that_another_check_passed_is_checked_again(opa: Opa, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    file = tmp_path / "older.tar.gz"
    file.write_bytes(passed_by_another_check(tmp_path / "good", opa, SAFE))
    loaded = load_bundle(file, opa=opa.program, cache_dir=cache)
    assert loaded.record["check"] == check.digest()
    assert loaded.warnings
    assert loaded.revision == read_folder(tmp_path / "good").revision
    assert json.loads(loaded.data) == {"door": {"limit": 5}}
    file.write_bytes(
        passed_by_another_check(tmp_path / "bad", opa, f"{DECISION}allow if not input.context.x\n")
    )
    with pytest.raises(BundleError, match=r"older\.tar\.gz is refused: door\.rego:7:10: \[negation\]"):
        load_bundle(file, opa=opa.program, cache_dir=cache)


def test_without_opa_a_bundle_that_another_check_passed_is_refused(opa: Opa, tmp_path: Path) -> None:
    file = tmp_path / "built.tar.gz"
    file.write_bytes(passed_by_another_check(tmp_path / "bundle", opa, SAFE))
    with pytest.raises(BundleError, match="was passed by the check of another version"):
        load_bundle(file, opa=tmp_path / "nothing", cache_dir=tmp_path / "cache")
    file.write_bytes(build(tmp_path / "bundle", opa=opa.program))
    assert load_bundle(file, opa=tmp_path / "nothing", cache_dir=tmp_path / "cache").warnings == ()
    with tarfile.open(file) as packed:
        assert {"door.rego", "policy.wasm"} <= set(packed.getnames()), "the sources that are checked again"
