"""The portal from day to day: lockouts and blocks by the command line, metrics, and a busy process."""

import json
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from pdp.decision.v1.decision_pb2 import CheckResponse
from tests.end_to_end import portal
from tests.end_to_end.sidecar import EXAMPLE, PORTAL, Sidecar, Starter, http, pdp, program, question, until


@pytest.fixture
def sidecar(start: Starter) -> Sidecar:
    """A sidecar of the portal's bundle with a small portal."""
    return start(policy=PORTAL, records=portal.records())


def _codes(answer: CheckResponse) -> list[str]:
    return [reason.code for reason in answer.reasons]


def _done(*arguments: str) -> str:
    done = pdp(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_user_may_and_the_employer_is_accountable(sidecar: Sidecar) -> None:
    answer = sidecar.check(portal.request())
    assert answer.allow, _codes(answer)
    assert dict(answer.accountable) == {"kvk": portal.EMPLOYER}


def test_an_incident_closes_the_portal_until_it_is_ended(sidecar: Sidecar) -> None:
    assert sidecar.check(portal.request()).allow
    name = _done("incident", "declare", "--portal", "--nature", "Storing", "--yes", "--admin", sidecar.admin)
    answer = sidecar.check(portal.request())
    assert _codes(answer) == ["INCIDENT_LOCKOUT"]
    assert answer.reasons[0].article == "4.2"
    assert dict(answer.reasons[0].details)["nature"] == "Storing"
    assert name in _done("incident", "list", "--admin", sidecar.admin)
    _done("incident", "end", name, "--yes", "--admin", sidecar.admin)
    assert sidecar.check(portal.request()).allow


@pytest.mark.parametrize(
    ("subject", "identifier"),
    [("account", portal.USER), ("organisation", portal.EMPLOYER), ("employer", portal.EMPLOYER)],
)
def test_a_block_takes_effect_at_once_and_is_lifted(sidecar: Sidecar, subject: str, identifier: str) -> None:
    who = (subject, identifier, "--yes", "--admin", sidecar.admin)
    _done("block", *who, "--ground", "suspected_misuse")
    assert _codes(sidecar.check(portal.request())) == ["ACCOUNT_BLOCKED"]
    _done("unblock", *who)
    assert sidecar.check(portal.request()).allow


def test_a_termination_ends_access(sidecar: Sidecar) -> None:
    who = ("account", portal.USER, "--yes", "--admin", sidecar.admin)
    _done("terminate", *who, "--ground", "misuse")
    assert _codes(sidecar.check(portal.request())) == ["ACCESS_TERMINATED"]


def test_a_change_in_the_store_by_another_process_takes_effect(sidecar: Sidecar, tmp_path: Path) -> None:
    store = ("--records", f"sqlite:{tmp_path / 'state.db'}", "--policy", str(PORTAL))
    _done("block", "account", portal.USER, "--ground", "misuse", "--yes", *store)
    until(lambda: not sidecar.check(portal.request()).allow, 5, "the block")
    assert _codes(sidecar.check(portal.request())) == ["ACCOUNT_BLOCKED"]


def test_a_refused_change_changes_nothing(sidecar: Sidecar, tmp_path: Path) -> None:
    lines = tmp_path / "changes.jsonl"
    lines.write_text(
        json.dumps({"kind": "account", "key": portal.USER, "value": None})
        + '\n{"kind": "employer", "key": "87654321", "value": {"kvk": "8765432"}}\n',
        encoding="utf-8",
    )
    done = pdp("records", "import", str(lines), "--admin", sidecar.admin)
    assert done.returncode == 3
    assert "line 2" in done.stderr
    assert "kvk" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sidecar.check(portal.request()).allow


def test_the_log_holds_no_personal_data(sidecar: Sidecar) -> None:
    sidecar.check(portal.request())
    _done("block", "account", portal.USER, "--ground", "misuse", "--yes", "--admin", sidecar.admin)
    sidecar.check(portal.request())
    sidecar.signal()
    assert sidecar.ended() == 0
    for word in (portal.USER, portal.EMPLOYER):
        assert word not in sidecar.messages()


def _samples(page: str, name: str) -> dict[str, float]:
    pattern = re.compile(rf"^{name}(\{{.*\}})? ([0-9.e+-]+)$", re.MULTILINE)
    return {labels: float(value) for labels, value in pattern.findall(page)}


def test_metrics_count_what_was_decided(sidecar: Sidecar) -> None:
    assert sidecar.check(portal.request()).allow
    assert sidecar.check(portal.request()).allow
    sidecar.check(portal.request("no-such-action"))
    sidecar.check(portal.request(service="no-such-service"))
    status, page = http(sidecar.metrics, "/metrics")
    assert status == 200
    decisions = _samples(page, "pdp_decisions_total")
    assert decisions['{action="read",outcome="allow",service="verzuim"}'] == 2
    assert decisions['{action="other",outcome="deny",service="verzuim"}'] == 1
    assert decisions['{action="read",outcome="deny",service="other"}'] == 1
    assert "no-such" not in page
    reasons = _samples(page, "pdp_denial_reasons_total")
    assert reasons['{action="other",code="ACTION_NOT_OF_SERVICE",service="verzuim"}'] == 1
    assert _samples(page, "pdp_decision_duration_seconds_count") == {"": 4}
    assert _samples(page, "pdp_decision_cache_hits_total") == {"": 1}
    assert _samples(page, "pdp_records")['{kind="account"}'] == 1
    assert _samples(page, "pdp_policy_info") == {f'{{revision="{sidecar.revision}"}}': 1}
    assert _samples(page, "pdp_ready") == {"": 1}
    assert 0 <= _samples(page, "pdp_state_age_seconds")[""] < 5
    assert portal.USER not in page
    assert portal.EMPLOYER not in page


def test_promtool_finds_nothing_to_say_about_the_metrics(sidecar: Sidecar) -> None:
    sidecar.check(portal.request())
    page = http(sidecar.metrics, "/metrics")[1]
    arguments = [program("promtool"), "check", "metrics"]
    done = subprocess.run(arguments, input=page, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


HOLDS_THE_GIL = """
import json, sys, threading, time
from dataclasses import asdict
from pdp.config import load_settings
from pdp.serve import run

def hold():
    sys.stdin.readline()
    print("held", flush=True)
    sum(range(60_000_000))  # one call into C: it never lets another thread in
    print("released", flush=True)

def announce(ready):
    threading.Thread(target=hold, daemon=True).start()
    print(json.dumps(asdict(ready)), flush=True)

run(load_settings(), announce)
"""


def test_checks_are_answered_while_the_gil_is_held(start: Starter) -> None:
    sidecar = start(records=EXAMPLE / "records.jsonl", program=("-c", HOLDS_THE_GIL))
    sidecar.check(question())
    assert sidecar.process.stdin is not None
    assert sidecar.process.stdout is not None
    sidecar.process.stdin.write("go\n")
    sidecar.process.stdin.flush()
    assert sidecar.process.stdout.readline() == "held\n"
    released: list[float] = []
    output = sidecar.process.stdout
    reader = threading.Thread(target=lambda: released.append(time.monotonic() if output.readline() else 0.0))
    reader.start()
    began, answered = time.monotonic(), 0
    with pytest.raises(TimeoutError):
        http(sidecar.metrics, "/metrics", timeout=0.3)  # Python serves this page, so it proves the test
    while not released:
        assert sidecar.check(question()).allow
        answered += 1
    reader.join()
    assert released[0] - began > 0.3
    assert answered > 20


def test_checks_are_answered_while_python_is_busy(start: Starter, tmp_path: Path) -> None:
    """An import keeps the process's Python busy; answering needs none of it."""
    sidecar = start(records=EXAMPLE / "records.jsonl")
    lines = tmp_path / "many.jsonl"
    with lines.open("w", encoding="utf-8") as file:
        for number in range(60_000):
            value = {"id": f"user-{number}", "properties": {}}
            file.write(json.dumps({"kind": "user", "key": f"user-{number}", "value": value}) + "\n")
    sidecar.check(question())
    tokens: list[str] = []
    importing = threading.Thread(target=lambda: tokens.append(sidecar.load(lines)))
    importing.start()
    longest, answered = 0.0, 0
    while importing.is_alive():
        began = time.monotonic()
        assert sidecar.check(question()).allow
        longest, answered = max(longest, time.monotonic() - began), answered + 1
    importing.join()
    assert len(tokens) == 1
    assert answered > 100
    assert longest < 1.0
    assert sidecar.check(question("user-59999", "read")).reasons[0].code == "ACTION_NOT_GRANTED"
