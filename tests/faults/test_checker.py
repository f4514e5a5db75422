"""The checker over made-up histories: it catches each kind of anomaly, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.checker import judge
from tests.faults.history import Check, Ended, Final, History, Loss, Outage, Stop, Write

WAIT = 100
Event = Check | Write | Outage | Stop | Loss | Final
DOOR, WARD = "door/0", "ward/0"


def check(began: int, ended: int = 0, *codes: str, **other: Any) -> Check:
    """Allowed unless there are codes; takes one tick unless said."""
    values: dict[str, Any] = {"sidecar": "a", "locks": (DOOR, WARD), "allow": not codes} | other
    return Check(began, ended or began + 1, codes=codes, **values)


def closed(began: int, ended: int, how: Ended = Ended.DONE, **other: Any) -> Write:
    return Write(began, ended, "a", (DOOR,), opens=False, how=how, **other)


def opened(began: int, ended: int, how: Ended = Ended.STORED, **other: Any) -> Write:
    return Write(began, ended, "a", (DOOR,), opens=True, how=how, **other)


def history(*events: Event, **stored: bool) -> History:
    doors: dict[str, bool | None] = {f"door/{name[-1]}": is_open for name, is_open in stored.items()}
    made = History(WAIT, gateway_timeout_ns=50, way_ns=10, stored=doors)
    for event in events:
        lists: dict[type, list[Any]] = {
            Check: made.checks,
            Write: made.writes,
            Outage: made.outages,
            Stop: made.stops,
            Loss: made.losses,
            Final: made.finals,
        }
        lists[type(event)].append(event)
    return made


def kinds(*events: Event, **stored: bool) -> set[str]:
    return judge(history(*events, **stored)).kinds()


def test_an_allow_that_began_after_the_barrier_returned() -> None:
    assert kinds(closed(10, 20), check(21)) == {"allowed after a lockout"}
    assert kinds(closed(10, 20), check(5_000)) == {"allowed after a lockout"}


def test_an_allow_by_the_lock_of_a_ward() -> None:
    assert kinds(replace(closed(10, 20), locks=(WARD,)), check(21)) == {"allowed after a lockout"}


@pytest.mark.parametrize(
    "seen",
    [
        check(15),
        check(19, 25),
        check(20, 25),
        check(21, 0, "DOOR_CLOSED"),
        check(21, 0, "STATE_STALE"),
        check(21, locks=("door/1", "ward/0")),
    ],
)
def test_what_a_barrier_permits(seen: Check) -> None:
    assert kinds(closed(10, 20), seen) == set()


def test_allows_after_the_lifting_began() -> None:
    lifted = opened(30, 40)
    assert kinds(closed(10, 20), lifted, check(25, 29)) == {"allowed after a lockout"}
    assert kinds(closed(10, 20), lifted, check(25, 31), check(31)) == set()


def test_a_lifting_that_is_refused_lifts_nothing() -> None:
    refused = opened(30, 40, Ended.REFUSED)
    assert kinds(closed(10, 20), refused, check(45)) == {"allowed after a lockout"}


def test_an_unknown_lifting_from_before_may_still_come() -> None:
    assert kinds(opened(1, 5, Ended.UNKNOWN), closed(10, 20), check(25)) == set()
    assert kinds(opened(1, 5), closed(10, 20), check(25)) == {"allowed after a lockout"}


@pytest.mark.parametrize("how", [Ended.UNKNOWN, Ended.REFUSED])
def test_a_lockout_that_did_not_return_promises_nothing(how: Ended) -> None:
    assert kinds(closed(10, 20, how), check(500)) == set()


def test_a_stored_closing_holds_once_older_proofs_ran_out() -> None:
    stored = closed(10, 20, Ended.STORED)
    assert kinds(stored, check(120)) == set()
    assert kinds(stored, check(121)) == {"allowed after a lockout"}


def test_a_denial_by_an_old_state() -> None:
    again = (closed(10, 20), opened(30, 40))
    assert kinds(*again, check(139, 0, "DOOR_CLOSED")) == set()
    assert kinds(*again, check(141, 0, "DOOR_CLOSED")) == {"denied by an old state"}
    assert kinds(*again, check(141, 0, "STATE_STALE"), check(141, 0, "WARD_CLOSED")) == set()
    assert kinds(closed(10, 20), opened(30, 40, Ended.DONE), check(41, 0, "DOOR_CLOSED")) == {
        "denied by an old state"
    }


def test_a_late_answer_counts_only_when_the_write_settled() -> None:
    late = check(15, 30)
    verdict = judge(history(closed(10, 20), late))
    assert (verdict.anomalies, verdict.late, verdict.latest_ms) == ([], 1, 0)
    settled = closed(10, 20, settled=True)
    assert kinds(settled, late) == {"used after a settled lockout"}
    # The gateway gave up after 50 ticks.
    assert kinds(settled, check(15, 66)) == set()


def test_an_answer_that_was_not_waited_for() -> None:
    fast = closed(10, 20, path="fast")
    assert kinds(fast, check(15, 30)) == set()
    assert kinds(fast, check(15, 31)) == {"answered after a fast lockout"}
    assert kinds(closed(10, 20, path="timed"), check(15, 31)) == set()
    # It slept, and was forgotten meanwhile.
    assert kinds(fast, check(15, 31), Stop("a", 16, 30)) == set()
    assert kinds(fast, check(15, 31), Stop("b", 16, 30)) == {"answered after a fast lockout"}


def test_every_check_gets_an_answer_unless_its_sidecar_is_down() -> None:
    none = check(15, 18, allow=None)
    assert kinds(none) == {"no answer"}
    assert kinds(none, Outage("b", 10, 20)) == {"no answer"}
    assert kinds(none, Outage("a", 17, 20)) == set()
    assert kinds(none, Outage("a", 19, 20)) == {"no answer"}


@pytest.mark.parametrize(
    "strange",
    [
        check(1, 0, "POLICY_ERROR"),
        check(1, 0, "DOOR_CLOSED", allow=True),
        check(1, allow=False),
        check(1, 0, "DOOR_CLOSED", "STATE_STALE"),
        check(1, 0, "DOOR_CLOSED", "POLICY_ERROR"),
    ],
)
def test_a_strange_answer(strange: Check) -> None:
    assert kinds(strange) == {"a strange answer"}


def test_the_last_acknowledged_write_is_in_the_store() -> None:
    assert kinds(closed(10, 20), door_0=False) == set()
    assert kinds(closed(10, 20), door_0=True) == {"lost write"}
    assert kinds(closed(10, 20), opened(30, 40), door_0=False) == {"lost write"}
    # Its outcome is unknown: both are right.
    assert kinds(closed(10, 20), opened(30, 40, Ended.UNKNOWN), door_0=True) == set()
    assert kinds(closed(10, 20), opened(30, 40, Ended.UNKNOWN), door_0=False) == set()
    assert kinds(closed(10, 20), opened(30, 40, Ended.REFUSED), door_0=True) == {"lost write"}


def test_a_store_that_was_emptied_keeps_nothing() -> None:
    emptied = Loss(30, 40)
    assert kinds(closed(10, 20), emptied, check(25)) == {"allowed after a lockout"}
    assert kinds(closed(10, 20), emptied, check(31), door_0=True) == set()
    assert kinds(closed(10, 35), emptied, check(41)) == set()
    assert kinds(emptied, closed(41, 50), check(51)) == {"allowed after a lockout"}


def test_a_copy_keeps_what_it_has() -> None:
    restored = Loss(30, 40, kept=22)
    assert kinds(closed(10, 20), restored, check(45)) == {"allowed after a lockout"}
    assert kinds(closed(10, 20), restored, door_0=True) == {"lost write"}
    assert kinds(closed(10, 23), restored, check(45), door_0=True) == set()
    # Lifted after the copy was made: the lifting is lost, and who allows by it is right in its time.
    assert kinds(closed(10, 20), opened(25, 27), restored, check(35)) == set()


def test_sidecars_that_differ_in_the_end() -> None:
    one = Final("a", "7.aa", {DOOR: (False, ("DOOR_CLOSED",))})
    assert kinds(one, replace(one, sidecar="b")) == set()
    assert kinds(one, replace(one, sidecar="b", at="6.bb")) == {"diverged"}
    assert kinds(one, replace(one, sidecar="b", answers={DOOR: (True, ())})) == {"diverged"}


def test_sidecars_that_differ_from_the_store_in_the_end() -> None:
    made = history(Final("a", "7.aa", {DOOR: (True, ())}), door_0=False)
    made.stored[WARD] = True
    assert judge(made).kinds() == {"a wrong answer in the end"}
    made.stored[DOOR] = True
    assert judge(made).anomalies == []


def test_it_says_how_much_it_judged() -> None:
    verdict = judge(history(closed(10, 20), opened(30, 40), check(22, 0, "DOOR_CLOSED"), check(50)))
    assert (verdict.closings, verdict.judged) == (1, 1)
