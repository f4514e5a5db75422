"""Measures that wait for all sidecars: what they say, and how they are repeated when that is left open."""

import json
import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from pdp.cli.main import run
from pdp.records.access import StoreAccess
from pdp.records.store import Beat, RecordStore, StoreError, open_store
from tests.unit.records.serving import PORTAL_LEASE_MS

Run = Callable[..., tuple[int, str, str]]

DECLARE = ("incident", "declare", "--portal", "--nature", "Storing", "--yes")
BLOCK = ("block", "account", "u1", "--ground", "misuse", "--yes")
TERMINATE = ("terminate", "account", "u2", "--ground", "misuse", "--service", "wga", "--yes")
IN_AN_HOUR = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
ANNOUNCE = ("incident", "announce", "--portal", "--from", IN_AN_HOUR, "--yes")


@pytest.fixture
def silent(url: str, access: StoreAccess) -> RecordStore:
    """The store, with a member in its registry that has gone."""
    store = open_store(url)
    head = store.head().position
    store.beat(Beat("gone", 1, head, head.seq, PORTAL_LEASE_MS, '{"name":"the host that went"}'))
    return store


@pytest.mark.parametrize("measure", [DECLARE, ANNOUNCE, BLOCK, TERMINATE])
def test_a_measure_says_that_it_is_in_force_everywhere(pdp: Run, measure: tuple[str, ...]) -> None:
    code, output, errors = pdp(*measure)
    assert code == 0, errors
    assert "In force everywhere after " in output + errors
    time.sleep(0.6)
    code, output, _ = pdp("block", "account", "u4", "--ground", "misuse", "--yes", "--json")
    barrier = json.loads(output)["barrier"]
    assert (code, barrier["state"], barrier["path"], barrier["confirmed"]) == (0, "done", "fast", True)
    assert barrier["waited_ms"] < 1_000


@pytest.mark.parametrize(
    "lifting",
    [
        ("unblock", "account", "u1", "--yes"),
        ("terminate", "account", "u2", "--undo", "--yes"),
    ],
)
def test_lifting_does_not_wait_unless_asked(pdp: Run, silent: RecordStore, lifting: tuple[str, ...]) -> None:
    pdp(*BLOCK, "--wait", "local")
    pdp(*TERMINATE, "--wait", "local")
    code, output, errors = pdp(*lifting)
    assert code == 0, errors
    assert "In force" not in output + errors
    pdp(*BLOCK, "--wait", "local")
    pdp(*TERMINATE, "--wait", "local")
    code, output, errors = pdp(*lifting, "--wait", "all", "--timeout", "0.1")
    assert (code, output) == (4, "")
    assert "the host that went" in errors


def test_an_incident_is_ended_without_waiting(pdp: Run, silent: RecordStore) -> None:
    name = pdp(*DECLARE, "--wait", "local")[1].strip()
    code, output, errors = pdp("incident", "end", name, "--yes")
    assert code == 0, errors
    assert "In force" not in output


@pytest.mark.parametrize("measure", [DECLARE, ANNOUNCE, BLOCK, TERMINATE])
def test_a_measure_left_open_says_so_and_is_repeated_with_the_command_that_it_gives(
    pdp: Run, silent: RecordStore, capsys: pytest.CaptureFixture[str], measure: tuple[str, ...]
) -> None:
    code, output, errors = pdp(*measure, "--timeout", "0.1")
    assert code == 4
    assert "not known to be in force everywhere after 0.1 s; open: the host that went." in errors
    assert "It may stand and must be treated as in force." in errors
    name = output.strip()
    head = silent.head().position
    command = errors.strip().splitlines()[-1].strip()
    assert command.startswith("pdp ")
    words = shlex.split(command)[1:]
    words[words.index("--timeout") + 1] = "10"
    for _ in range(2):
        assert run(words) == 0
        captured = capsys.readouterr()
        assert "In force everywhere after " in captured.out + captured.err
        assert name in captured.out
        assert silent.head().position == head


def test_lifting_is_repeated_too(pdp: Run, silent: RecordStore, capsys: pytest.CaptureFixture[str]) -> None:
    pdp(*TERMINATE, "--wait", "local")
    pdp(
        "terminate",
        "account",
        "u2",
        "--ground",
        "misuse",
        "--service",
        "ziekmelden",
        "--yes",
        "--wait",
        "local",
    )
    pdp(*BLOCK, "--wait", "local")
    name = pdp(*DECLARE, "--wait", "local")[1].strip()
    for lifting in (
        ("unblock", "account", "u1"),
        ("incident", "end", name),
        ("terminate", "account", "u2", "--undo", "--service", "wga"),
        ("terminate", "account", "u2", "--undo"),
    ):
        code, _, errors = pdp(*lifting, "--yes", "--wait", "all", "--timeout", "0.1")
        assert code == 4, errors
        words = shlex.split(errors.strip().splitlines()[-1])[1:]
        words[words.index("--timeout") + 1] = "10"
        head = silent.head().position
        assert run(words) == 0, capsys.readouterr().err
        assert silent.head().position == head
        gone = silent.head().position
        silent.beat(Beat("gone", 2, gone, gone.seq - 1, PORTAL_LEASE_MS, '{"name":"the host that went"}'))


def test_an_open_measure_as_json(pdp: Run, silent: RecordStore) -> None:
    code, output, _ = pdp(*BLOCK, "--timeout", "0.1", "--json")
    document = json.loads(output)
    barrier = document["barrier"]
    assert code == 4
    assert document["state_token"] == silent.head().position.token()
    assert (barrier["state"], barrier["path"]) == ("pending", None)
    assert barrier["stragglers"] == ["the host that went"]
    assert barrier["repeat"].endswith(
        f"--yes --timeout 0.1 --json --admin {barrier['repeat'].split()[-3]} --write-id {barrier['write_id']}"
    )


def test_a_store_that_is_away_leaves_a_measure_open(
    pdp: Run, monkeypatch: pytest.MonkeyPatch, access: StoreAccess
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise StoreError("The disk is away.")

    monkeypatch.setattr("pdp.records.sqlite.SqliteStore.write", failing)
    code, _, errors = pdp(*BLOCK, "--timeout", "0.2")
    assert code == 4
    assert "Not known to be written after 0.2 s." in errors
    code, _, errors = pdp(*BLOCK, "--wait", "local")
    assert code == 4
    assert "The disk is away." in errors
    assert "must be treated as in force" in errors


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("abc", "is no id that a measure printed"),
        ("20261399T000000.000Z-1", "is no id that a measure printed"),
        ("29990101T000000.000Z-1", "names a moment that lies ahead"),
    ],
)
def test_ids_that_no_measure_printed(pdp: Run, given: str, sentence: str) -> None:
    code, _, errors = pdp(*BLOCK, "--write-id", given)
    assert code == 3
    assert sentence in errors


def test_a_repeat_after_another_block_is_refused(pdp: Run, access: StoreAccess) -> None:
    assert pdp(*BLOCK, "--wait", "local")[0] == 0
    code, _, errors = pdp(*BLOCK, "--write-id", "20260302T090000.000Z-1f9a3c")
    assert code == 3
    assert "is blocked already" in errors


def test_records_wait_as_declared_or_asked(pdp: Run, tmp_path: object) -> None:
    value = '{"kvk": "12345678"}'
    with open(f"{tmp_path}/employer.json", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(value)
    put = ("records", "put", "employer", "12345678", f"{tmp_path}/employer.json")
    code, output, errors = pdp(*put)
    assert (code, "In force" in output) == (0, False), errors
    code, output, errors = pdp(*put, "--wait", "all")
    assert (code, "In force" in output) == (0, True), errors
    code, output, errors = pdp("records", "delete", "employer", "12345678", "--wait", "all")
    assert (code, "In force" in output) == (0, True), errors


def test_offline_it_says_how_long_it_will_wait(
    url: str, access: StoreAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    assert run([*BLOCK, "--records", url]) == 0
    captured = capsys.readouterr()
    assert "Waiting about 0 s, until no sidecar can decide without it; through a sidecar" in captured.err
    assert "In force everywhere after " in captured.out
    assert time.monotonic() - began > PORTAL_LEASE_MS / 1000


def test_the_sidecars_are_listed(
    pdp: Run, url: str, silent: RecordStore, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, errors = pdp("sidecars", "list")
    assert code == 0, errors
    rows = [line.split() for line in output.splitlines()]
    assert rows[0] == ["sidecar", "instance", "applied", "lag", "policy"]
    assert rows[1][:2] == ["*", "here"]
    assert rows[2][:4] == ["the", "host", "that", "went"]
    pdp(*BLOCK, "--wait", "local")
    code, output, _ = pdp("sidecars", "list", "--json")
    listed = {member["name"]: member for member in map(json.loads, output.splitlines())}
    assert listed["the host that went"]["lag"] == 1
    assert listed["the host that went"]["self"] is False
    assert listed["here"]["self"] is True
    assert run(["sidecars", "list", "--records", url, "--json"]) == 0
    offline = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {member["instance"] for member in offline} == {m["instance"] for m in listed.values()}
    assert not any(member["self"] for member in offline)


def test_nobody_is_registered(url: str, access: StoreAccess, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sidecars", "list", "--records", url]) == 0
    assert capsys.readouterr() == ("", "No sidecar is registered.\n")
