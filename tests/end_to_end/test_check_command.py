"""`pdp check`: the same answers offline and from a running sidecar, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.sidecar import EXAMPLE, Sidecar, pdp, question

OFFLINE = ("--policy", str(EXAMPLE), "--records", str(EXAMPLE / "records.jsonl"))
ONE_OF_EACH_ANSWER = ("decision_id", "state_token")


def _file(folder: Path, content: object) -> str:
    path = folder / "request.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def _where(sidecar: Sidecar, place: str) -> tuple[str, ...]:
    return OFFLINE if place == "offline" else ("--server", sidecar.grpc)


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("place", ["offline", "server"])
def test_the_exit_code_is_the_answer(sidecar: Sidecar, tmp_path: Path, place: str) -> None:
    where = _where(sidecar, place)
    allowed = pdp("check", *where, _file(tmp_path, question()))
    assert (allowed.returncode, allowed.stderr) == (0, "")
    assert _lines(allowed.stdout)[0]["allow"] is True

    denied = pdp("check", *where, _file(tmp_path, question("bob", "write")))
    assert (denied.returncode, denied.stderr) == (1, "")
    decision = _lines(denied.stdout)[0]
    assert [reason["code"] for reason in decision["reasons"]] == ["ACTION_NOT_GRANTED"]
    assert set(decision) == {
        "allow",
        "reasons",
        "obligations",
        "notices",
        "accountable",
        "valid_until",
        "policy_revision",
        "state_token",
        "decision_id",
    }

    invalid = pdp("check", *where, _file(tmp_path, {**question(), "action": {}}))
    assert invalid.returncode == 2
    assert _lines(invalid.stdout) == [{"error": {"field": "action.name", "message": "is required"}}]
    assert "action.name: is required" in invalid.stderr
    assert len(invalid.stderr.splitlines()) == 1


@pytest.mark.parametrize("place", ["offline", "server"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"subject":{},"subject":{}}', "nonsense"])
def test_what_is_no_request_is_invalid(sidecar: Sidecar, tmp_path: Path, place: str, text: str) -> None:
    done = pdp("check", *_where(sidecar, place), _file(tmp_path, text))
    assert done.returncode == 2
    assert [line["error"]["field"] for line in _lines(done.stdout)] == [""]


@pytest.mark.parametrize("place", ["offline", "server"])
def test_lines_stay_aligned(sidecar: Sidecar, place: str) -> None:
    where = _where(sidecar, place)
    good = [json.dumps(question()), json.dumps(question("bob", "write")), json.dumps(question())]
    done = pdp("check", *where, "-", given="\n".join(good) + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line["allow"] for line in _lines(done.stdout)] == [True, False, True]

    done = pdp("check", *where, "-", given="\n".join([good[0], "{", good[1]]))
    assert done.returncode == 2
    assert ["error" in line for line in _lines(done.stdout)] == [False, True, False]


def test_one_line_on_standard_input_counts_as_one_request() -> None:
    assert pdp("check", *OFFLINE, "-", given=json.dumps(question())).returncode == 0
    assert pdp("check", *OFFLINE, "-", given=json.dumps(question("bob", "write"))).returncode == 1
    nothing = pdp("check", *OFFLINE, "-")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "no request" in nothing.stderr


def test_offline_and_server_print_the_same(sidecar: Sidecar) -> None:
    requests = [question(*who) for who in (("alice",), ("bob", "write"), ("zed", "fly", "record-9"))]
    given = "".join(json.dumps(request) + "\n" for request in [*requests, question("")])
    offline = _lines(pdp("check", *OFFLINE, "-", given=given).stdout)
    server = _lines(pdp("check", "--server", sidecar.grpc, "-", given=given).stdout)
    for line in (*offline, *server):
        for name in ONE_OF_EACH_ANSWER:
            line.pop(name, None)
    assert offline == server
    assert len(offline) == 4


def test_dutch_stays_readable(tmp_path: Path) -> None:
    request = question("zoë", "write")
    done = pdp("check", *OFFLINE, _file(tmp_path, request))
    assert "\\u" not in done.stdout


def test_at_is_the_clock(tmp_path: Path) -> None:
    at = ("--at", "2026-03-02T09:00:00Z")
    near = _file(tmp_path, question(context={"time": "2026-03-02T10:00:05+01:00"}))
    assert pdp("check", *OFFLINE, *at, near).returncode == 0
    far = _file(tmp_path, question(context={"time": "2026-03-02T09:00:30Z"}))
    done = pdp("check", *OFFLINE, *at, far)
    assert done.returncode == 2
    assert _lines(done.stdout)[0]["error"]["field"] == "context.time"
    assert pdp("check", *OFFLINE, *at, "--clock-skew-seconds", "60", far).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--policy", str(EXAMPLE), "--records", "none.jsonl", "-"], "none.jsonl: No such file or directory"),
        (["--policy", str(EXAMPLE), "--records", str(EXAMPLE), "-"], "Is a directory"),
        (["--policy", "no/such/bundle", "-"], "no/such/bundle"),
        ([*OFFLINE, "none.json"], "Cannot read the request none.json: No such file or directory."),
        ([*OFFLINE, "--at", "noon", "-"], "'noon' is not an RFC 3339 time"),
        ([*OFFLINE, "--at", "2026-03-02T09:00:00", "-"], "has no zone"),
        (["--server", "127.0.0.1:1", "-"], "127.0.0.1:1"),
        (["--server", "127.0.0.1:1", "--records", "x", "-"], "--records is for deciding offline"),
    ],
)
def test_what_cannot_be_decided_is_one_sentence_and_another_exit_code(
    arguments: list[str], part: str
) -> None:
    done = pdp("check", *arguments, given=json.dumps(question()))
    assert done.returncode == 3
    assert done.stdout == ""
    assert part in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", "line 2: "),
        ('{"kind":"nothing","key":"x","value":{}}', "line 2: "),
        ('{"kind":"user","key":"x","value":{"id":"x"}}', "line 2: value.properties: is required."),
        ('{"kind":"user","key":"x","value":{"id":"y","properties":{}}}', "line 2: "),
    ],
)
def test_a_record_that_is_refused_is_named_with_its_line(tmp_path: Path, line: str, part: str) -> None:
    records = tmp_path / "records.jsonl"
    first = (EXAMPLE / "records.jsonl").read_text(encoding="utf-8").splitlines()[0]
    records.write_text(f"{first}\n{line}\n", encoding="utf-8")
    arguments = ("--policy", str(EXAMPLE), "--records", str(records), "-")
    done = pdp("check", *arguments, given=json.dumps(question()))
    assert done.returncode == 3
    assert part in done.stderr
    assert len(done.stderr.splitlines()) == 1
