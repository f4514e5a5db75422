"""The security team's commands on the portal's own bundle: what they write, ask and refuse."""

import hashlib
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pdp.records.access import StoreAccess

ROOT = Path(__file__).resolve().parents[3]
IN_AN_HOUR = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
IN_TWO_HOURS = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")

Run = Callable[..., tuple[int, str, str]]


def document(access: StoreAccess, kind: str, key: str) -> dict[str, Any]:
    record = access.get(kind, key)
    assert record is not None, f"{kind}/{key}"
    value: dict[str, Any] = json.loads(record.value)
    return value


def begins_at_once(value: dict[str, Any]) -> bool:
    age = datetime.now(UTC) - datetime.fromisoformat(value["from"])
    return timedelta(seconds=59) < age < timedelta(seconds=120)


def test_an_incident_from_beginning_to_end(pdp: Run, access: StoreAccess) -> None:
    code, output, errors = pdp("incident", "declare", "--portal", "--nature", "Storing", "--yes")
    assert code == 0, errors
    name = output.strip()
    assert re.fullmatch(r"inc-[0-9]{8}-[0-9a-f]{6}", name)
    assert "The whole portal is closed now; state 2." in errors
    value = document(access, "incident", name)
    assert begins_at_once(value)
    assert datetime.now(UTC) - datetime.fromisoformat(value["announced_at"]) < timedelta(seconds=30)
    assert value["scope"] == {"portal": True}
    assert (value["kind"], value["nature"]) == ("incident", "Storing")
    assert value["message"] == {
        "nl": "De toegang tot het portaal is tijdelijk onderbroken. Probeer het later opnieuw.",
        "en": "Access to the portal is interrupted for now. Try again later.",
    }
    assert "expected_end" not in value
    _, output, _ = pdp("incident", "list")
    assert f"{name}  running  the whole portal  from " in output
    assert 'incident "Storing"' in output
    code, output, _ = pdp("incident", "end", name, "--yes")
    assert code == 0
    assert "ended_at" in document(access, "incident", name)
    code, _, errors = pdp("incident", "end", name, "--yes")
    assert code == 3
    assert f"Incident {name} was ended already" in errors
    _, output, errors = pdp("incident", "list")
    assert (output, errors) == ("", "No incident runs or is announced.\n")
    _, output, _ = pdp("incident", "list", "--all", "--json")
    assert json.loads(output)["state"] == "ended"


def test_a_threat_to_services_and_employers(pdp: Run, access: StoreAccess) -> None:
    code, output, errors = pdp(
        "incident", "declare", "--service", "ziekmelden", "--service", "wga", "--kind", "threat", "--json",
        "--expected-end", IN_TWO_HOURS, "--message-nl", "Even dicht.", "--message-en", "Closed.", "--yes",
    )  # fmt: skip
    assert code == 0, errors
    value = document(access, "incident", json.loads(output)["id"])
    assert value["scope"] == {"services": ["ziekmelden", "wga"]}
    assert value["message"] == {"nl": "Even dicht.", "en": "Closed."}
    assert value["expected_end"] == IN_TWO_HOURS
    assert "nature" not in value
    code, output, errors = pdp("incident", "declare", "--employer", "11111111", "--yes")
    assert code == 0
    assert "Note: there is no record of employer 11111111." in errors
    assert document(access, "incident", output.strip())["scope"] == {"employers": ["11111111"]}


def test_an_announced_incident(pdp: Run, access: StoreAccess) -> None:
    code, output, errors = pdp("incident", "announce", "--portal", "--from", IN_AN_HOUR, "--yes")
    assert code == 0, errors
    name = output.strip()
    value = document(access, "incident", name)
    assert value["from"] == IN_AN_HOUR
    assert value["message"]["nl"].startswith("De toegang tot het portaal is onderbroken vanaf ")
    assert "announced" in pdp("incident", "list")[1]
    assert pdp("incident", "end", name, "--yes")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["declare"], "Say what it closes"),
        (["declare", "--portal", "--service", "wga"], "Say what it closes"),
        (["declare", "--service", "wgaa"], "There is no service 'wgaa' in the catalogue"),
        (["declare", "--portal", "--expected-end", "2020-01-01T00:00:00Z"], "is not after the beginning"),
        (["declare", "--portal", "--expected-end", "2030-01-01T00:00:00"], "has no zone"),
        (["declare", "--portal", "--expected-end", "tomorrow"], "is not an RFC 3339 time"),
        (["declare", "--employer", "123"], "scope.employers[0]: must be a KvK number: eight digits"),
        (["announce", "--portal"], "Missing option '--from'"),
        (["announce", "--portal", "--from", "2020-01-01T00:00:00Z"], "is not in the future"),
        (["end", "inc-1"], "There is no incident 'inc-1'"),
    ],
)
def test_incidents_that_are_refused(
    pdp: Run, access: StoreAccess, arguments: list[str], sentence: str
) -> None:
    code, output, errors = pdp("incident", *arguments, "--yes")
    assert (code, output) == (3, "")
    assert sentence in errors
    assert access.kinds()["incident"] == 0


def test_a_block_and_its_lifting(pdp: Run, access: StoreAccess) -> None:
    code, output, errors = pdp(
        "block", "account", "u1", "--ground", "misuse", "--until", IN_AN_HOUR, "--reference", "T1", "--yes"
    )
    assert code == 0, errors
    assert output.startswith(f"Blocked account u1 until {IN_AN_HOUR}; state 2.")
    value = document(access, "block", "account:u1")
    assert begins_at_once(value)
    del value["from"]
    assert value == {"ground": "misuse", "until": IN_AN_HOUR, "reference": "T1"}
    code, output, _ = pdp("unblock", "account", "u1", "--yes", "--json")
    assert code == 0
    assert json.loads(output)["key"] == "account:u1"
    assert access.get("block", "account:u1") is None
    code, _, errors = pdp("unblock", "account", "u1", "--yes")
    assert (code, errors) == (3, "Error: There is no block of account u1; nothing was done.\n")


def test_a_measure_may_come_before_what_it_is_about_and_says_so(pdp: Run, access: StoreAccess) -> None:
    for kind, name in (("account", "typo"), ("employer", "87654321")):
        note = f"Note: there is no record of {kind} {name}.\n"
        for measure in (("block", "misuse"), ("terminate", "special_circumstances")):
            code, output, errors = pdp(measure[0], kind, name, "--ground", measure[1], "--yes")
            assert (code, errors) == (0, note)
            assert f"{kind} {name}" in output
        assert document(access, "block", f"{kind}:{name}")["ground"] == "misuse"
    code, _, errors = pdp("unblock", "account", "other", "--yes")
    assert code == 3
    assert errors == (
        "Note: there is no record of account other.\n"
        "Error: There is no block of account other; nothing was done.\n"
    )
    code, _, errors = pdp("terminate", "account", "other", "--undo", "--yes")
    assert code == 3
    assert errors == (
        "Note: there is no record of account other.\n"
        "Error: The access of account other was not ended; nothing was done.\n"
    )
    for arguments in (("block", "account", "u1", "--ground", "misuse"), ("unblock", "account", "u1")):
        assert pdp(*arguments, "--yes")[2] == ""


def test_a_block_that_stands_is_replaced_only_when_asked(pdp: Run, access: StoreAccess) -> None:
    block = ("block", "employer", "11111111", "--yes", "--ground")
    assert pdp(*block, "misuse")[0] == 0
    code, _, errors = pdp(*block, "suspected_misuse", "--until", IN_AN_HOUR)
    assert code == 3
    assert "Employer 11111111 is blocked already (misuse, from " in errors
    assert pdp(*block, "suspected_misuse", "--until", IN_AN_HOUR, "--replace")[0] == 0
    assert document(access, "block", "employer:11111111")["ground"] == "suspected_misuse"


def test_a_block_that_is_over_is_replaced(pdp: Run, access: StoreAccess) -> None:
    line = {
        "kind": "block",
        "key": "account:u1",
        "value": {"ground": "misuse", "from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"},
    }
    access.import_lines(io.BytesIO(json.dumps(line).encode()))
    assert pdp("block", "account", "u1", "--ground", "third_party_report", "--yes")[0] == 0
    assert "until" not in document(access, "block", "account:u1")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["account", "u1"], "Missing option '--ground'"),
        (["account", "u1", "--ground", "dislike"], "'dislike' is not one of"),
        (["user", "u1", "--ground", "misuse"], "'user' is not one of"),
        (["employer", "123", "--ground", "misuse"], "block/employer:123: "),
        (
            ["account", "u1", "--ground", "misuse", "--until", "2020-01-01T00:00:00Z"],
            "is not after the beginning",
        ),
    ],
)
def test_blocks_that_are_refused(pdp: Run, access: StoreAccess, arguments: list[str], sentence: str) -> None:
    code, _, errors = pdp("block", *arguments, "--yes")
    assert code == 3
    assert sentence in errors
    assert access.kinds()["block"] == 0


def test_a_termination_grows_shrinks_and_goes(pdp: Run, access: StoreAccess) -> None:
    end = ("terminate", "account", "u2", "--yes")
    code, output, errors = pdp(*end, "--ground", "misuse", "--service", "wga")
    assert code == 0, errors
    assert output.startswith("Done: end the access of account u2 to service wga; state 2.")
    assert begins_at_once(document(access, "termination", "account:u2"))
    assert pdp(*end, "--ground", "misuse", "--service", "ziekmelden")[0] == 0
    assert document(access, "termination", "account:u2")["services"] == ["wga", "ziekmelden"]
    code, _, errors = pdp(*end, "--ground", "special_circumstances")
    assert code == 3
    assert "was ended already, on the ground misuse" in errors
    assert pdp(*end, "--undo", "--service", "wga")[0] == 0
    assert document(access, "termination", "account:u2")["services"] == ["ziekmelden"]
    code, _, errors = pdp(*end, "--undo", "--service", "wga")
    assert code == 3
    assert "was ended to service ziekmelden, not to service wga by itself" in errors
    assert pdp(*end, "--undo", "--service", "ziekmelden")[0] == 0
    assert access.get("termination", "account:u2") is None


def test_a_termination_of_everything(pdp: Run, access: StoreAccess) -> None:
    end = ("terminate", "employer", "22222222", "--yes")
    assert pdp(*end, "--ground", "special_circumstances", "--reference", "T2")[0] == 0
    value = document(access, "termination", "employer:22222222")
    assert (value["services"], value["reference"]) == ("*", "T2")
    code, _, errors = pdp(*end, "--undo", "--service", "wga")
    assert code == 3
    assert "was ended to everything, not to service wga by itself" in errors
    code, output, _ = pdp(*end, "--undo")
    assert code == 0
    assert "give employer 22222222 back its access to everything" in output
    code, _, errors = pdp(*end, "--undo")
    assert code == 3
    assert errors.endswith("Error: The access of employer 22222222 was not ended; nothing was done.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say why, with --ground."),
        (["--undo", "--ground", "misuse"], "--ground does not go with --undo"),
        (["--undo", "--from", "2030-01-01T00:00:00Z"], "--from does not go with --undo"),
        (["--ground", "misuse", "--service", "wgaa"], "There is no service 'wgaa'"),
    ],
)
def test_terminations_that_are_refused(
    pdp: Run, access: StoreAccess, arguments: list[str], sentence: str
) -> None:
    code, _, errors = pdp("terminate", "account", "u1", *arguments, "--yes")
    assert code == 3
    assert sentence in errors
    assert access.kinds()["termination"] == 0


def test_terms(pdp: Run, access: StoreAccess, tmp_path: Path) -> None:
    text = tmp_path / "terms.txt"
    text.write_bytes(b"voorwaarden")
    publish = ("terms", "publish", "--yes", "--url", "https://example.nl/v", "--version")
    code, output, errors = pdp(
        *publish, "4.2", "--effective-at", "2026-02-01T00:00:00Z", "--published-at", "2026-01-01T00:00:00Z",
        "--content", str(text),
    )  # fmt: skip
    assert code == 0, errors
    assert output.startswith("Published version 4.2 of the terms; state 2.")
    assert document(access, "terms", "4.2") == {
        "version": "4.2",
        "url": "https://example.nl/v",
        "published_at": "2026-01-01T00:00:00Z",
        "effective_at": "2026-02-01T00:00:00Z",
        "content_sha256": hashlib.sha256(b"voorwaarden").hexdigest(),
    }
    assert pdp(*publish, "4.3", "--effective-at", IN_AN_HOUR, "--content-sha256", "AB" * 32)[0] == 0
    assert document(access, "terms", "4.3")["content_sha256"] == "ab" * 32
    code, _, errors = pdp(*publish, "4.2", "--effective-at", IN_AN_HOUR)
    assert code == 3
    assert "Version 4.2 of the terms is published already" in errors
    _, output, _ = pdp("terms", "list", "--json")
    assert [(v["version"], v["in_force"]) for v in map(json.loads, output.splitlines())] == [
        ("4.2", True),
        ("4.3", False),
    ]
    assert "4.2  in force from 2026-02-01T00:00:00Z" in pdp("terms", "list")[1]
    assert pdp(*publish, "5", "--effective-at", IN_AN_HOUR, "--content", str(tmp_path / "missing"))[0] == 3
    assert pdp(*publish, "5", "--effective-at", IN_AN_HOUR, "--content-sha256", "12")[0] == 3
