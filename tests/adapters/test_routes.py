"""`pdp routes` and what a bundle makes of its routes.yaml: loaded, checked, part of the revision, tested."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdp.cli import main
from pdp.policy.bundle import BundleError, build, load_bundle
from pdp.policy.routes import found, load_route_table
from pdp.policy.sources import read_folder

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "policies/examples/authzen-certification"
WITH_ROUTES = sorted(file.parent for file in (ROOT / "policies").rglob("routes.yaml"))
RECORD = {"type": "record", "id": "record-1"}
READ: dict[str, Any] = {
    "description": "a record is read",
    "request": {"method": "GET", "target": "/records/record-1"},
    "want": {"route": "read", "action": {"name": "read"}, "resource": RECORD},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example's bundle, to change."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "bundle"))


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `pdp`: (exit code, standard output, standard error)."""

    def run(*words: object) -> tuple[int, str, str]:
        try:
            code: object = main.run([str(word) for word in words])
        except SystemExit as ended:
            code = ended.code
        output = capsys.readouterr()
        assert isinstance(code, int)
        return code, output.out, output.err

    return run


def _table(folder: Path, *cases: Any) -> Path:
    table = folder / "table.yaml"
    table.write_text(yaml.safe_dump(list(cases)), encoding="utf-8")
    return table


@pytest.mark.parametrize("bundle", WITH_ROUTES, ids=lambda folder: folder.name)
def test_the_table_of_every_bundle_passes_and_reaches_every_route(bundle: Path, ran: Any) -> None:
    code, out, err = ran("routes", "test", "--policy", bundle)
    assert code == 0, out + err
    assert "Coverage: 100.0 % of the routes." in out


def test_a_case_that_fails_shows_what_was_wanted_and_what_is(folder: Path, ran: Any) -> None:
    wrong = {**READ, "want": {**READ["want"], "resource": {**RECORD, "id": "record-2"}}}
    table = _table(folder, READ, wrong, {**READ, "want": "unknown"})
    code, out, _ = ran("routes", "test", "--policy", folder, "--threshold", "0", table)
    assert code == 1
    assert f"{table}: a record is read\n  GET /records/record-1\nwanted " in out
    wanted, got = re.findall(r"(?:wanted|   got) (\{.*\})", out)[:2]
    assert json.loads(wanted)["resource"] == {**RECORD, "id": "record-2"}
    assert json.loads(got)["resource"]["id"] == "record-1"
    assert "wanted unknown\n" in out
    assert "Cases: 1 of 3 passed." in out


def test_routes_that_no_case_reaches_fail_unless_fewer_are_enough(folder: Path, ran: Any) -> None:
    table = _table(folder, READ)
    code, out, _ = ran("routes", "test", "--policy", folder, table)
    assert code == 1
    assert out.endswith(
        "Coverage: 33.3 % of the routes.\n  no case reaches write\n  no case reaches delete\n"
    )
    assert ran("routes", "test", "--policy", folder, "--threshold", "33", table)[0] == 0
    code, out, _ = ran("routes", "test", "--policy", folder, "--json", table)
    coverage = json.loads(out)["coverage"]
    assert (code, coverage["missed"]) == (1, ["write", "delete"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "must hold a list of cases"),
        ("- {description: a, request: {method: GET, target: /}}", "case 1 must have description"),
        ("- {description: a, request: {method: GET}, want: unknown}", "case 1: request must have method and"),
        ("- {description: a, request: {method: GET, target: /}, want: denied}", "want must be unknown"),
        (
            "- {description: a, request: {method: GET, target: /, headers: [a]}, want: unknown}",
            "case 1: headers must be names",
        ),
        ("- {description: a, request: {method: 'G T', target: /}, want: unknown}", "its method is none"),
        ("- {description: a, description: b}", ":1: the key 'description' stands here twice"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(folder: Path, ran: Any, text: str, why: str) -> None:
    table = folder / "table.yaml"
    table.write_text(text)
    code, _, err = ran("routes", "test", "--policy", folder, table)
    assert code == main.FAILED
    assert why in err


def test_a_bundle_without_routes_says_so(folder: Path, ran: Any) -> None:
    (folder / "routes.yaml").unlink()
    code, _, err = ran("routes", "test", "--policy", folder)
    assert (code, "has no routes.yaml" in err) == (main.FAILED, True)
    assert json.loads(ran("routes", "find", "GET", "/records/x", "--policy", folder)[1]) == "unknown"


def test_find_prints_the_question(folder: Path, ran: Any) -> None:
    code, out, _ = ran("routes", "find", "HEAD", "/records/record-1", "-H", "Accept: */*", "--policy", folder)
    assert code == 0
    asked = {"action": {"name": "read", "properties": {}}, "resource": {**RECORD, "properties": {}}}
    assert json.loads(out) == {"route": "read", "context": {}, **asked}
    assert ran("routes", "find", "GET", "/", "-H", "no colon", "--policy", folder)[0] == main.FAILED


def test_list_prints_every_route(folder: Path, ran: Any) -> None:
    routes = folder / "routes.yaml"
    more = '  - {name: "x [b]", path: "/x/**", methods: [GET, POST], public: true}\n'
    routes.write_text(routes.read_text() + more)
    code, out, _ = ran("routes", "list", "--policy", folder)
    assert (code, [line.split() for line in out.splitlines()[1:]]) == (
        0,
        [
            ["read", "GET", "/records/{record}", "read", "record", "{record}"],
            ["write", "PUT", "/records/{record}", "write", "record", "{record}"],
            ["delete", "DELETE", "/records/{record}", "delete", "record", "{record}"],
            ["x", "[b]", "GET", "POST", "/x/**", "public"],
        ],
    )
    routes.unlink()
    assert len(ran("routes", "list", "--policy", folder)[1].splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("routes: [{name: a, path: a, methods: [GET], public: true}]", "routes[0].path: the target does not"),
        ("routes: [{name: a, path: /a, public: true}]", "routes[0]: missing field `methods`"),
        ('variables: {v: "a)|(b"}\nroutes: []', 'variables.v: "a)|(b" is no regular expression'),
        ("routes:\n  - {name: a, name: b}", "routes.yaml:2: the key 'name' stands here twice"),
        ("routes: [", "routes.yaml:1: "),
        ("", "invalid type: null"),
    ],
)
def test_routes_that_cannot_be_meant_pass_neither_check_nor_build_nor_load(
    folder: Path, ran: Any, text: str, why: str
) -> None:
    (folder / "routes.yaml").write_text(text)
    code, out, _ = ran("policy", "check", "--json", folder)
    finding = json.loads(out)["findings"][0]
    assert (code, finding["file"], finding["rule"]) == (1, "routes.yaml", "loading")
    assert why in finding["message"] or why in f"routes.yaml: {finding['message']}"
    with pytest.raises(BundleError, match=re.escape("routes.yaml")):
        load_bundle(folder)


def test_routes_belong_to_the_revision_and_their_tests_do_not(folder: Path) -> None:
    revision = read_folder(folder).revision
    (folder / "routes_test.yaml").write_text("[]")
    assert read_folder(folder).revision == revision
    routes = folder / "routes.yaml"
    routes.write_text(routes.read_text().replace("methods: [PUT]", "methods: [PUT, PATCH]"))
    assert read_folder(folder).revision != revision


def test_a_built_bundle_has_the_same_routes(folder: Path) -> None:
    archive = folder.parent / "bundle.tar.gz"
    archive.write_bytes(build(folder))
    sources, built = load_bundle(folder), load_bundle(archive)
    assert built.revision == sources.revision
    assert built.policy.routes == sources.policy.routes == ["read", "write", "delete"]
    for case in load_route_table(EXAMPLE / "routes_test.yaml"):
        answers = [
            found(bundle.policy, case.method, case.target, case.headers) for bundle in (sources, built)
        ]
        assert answers[0] == answers[1]


def test_the_examples_of_the_documentation_work(folder: Path, ran: Any) -> None:
    text = (ROOT / "docs/routes.md").read_text(encoding="utf-8")
    routes, table = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (folder / "routes.yaml").write_text(routes, encoding="utf-8")
    target = "/webdiensten/ziekmelden/nummers/123456782?vestiging=000012345678"
    answer = found(load_bundle(folder).policy, "POST", target)
    assert answer["resource"]["properties"] == {
        "fiscal_number": "123456782",
        "branch_number": "000012345678",
    }
    (folder / "table.yaml").write_text(table, encoding="utf-8")
    portal = ROOT / "policies/portal"
    code, out, err = ran("routes", "test", "--policy", portal, "--threshold", "0", folder / "table.yaml")
    assert code == 0, out + err
    policy = load_bundle(folder).policy
    headers = re.findall(r"the headers (.*?);", text)
    for name in re.findall(r"`([\w-]+)`", headers[0]):
        answer = found(policy, "GET", "/static/x", [(name, "/accounts")])
        assert answer == {"refused": "the request asks to be taken for one of another method or path"}, name
