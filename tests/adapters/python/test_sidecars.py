"""Which sidecar is asked, for how long, and when no more."""

import pytest

from poortwachter_client import RetryOptions
from poortwachter_client.sidecars import Balance, Course, Sidecars
from tests.adapters.python.test_watch_laws import SECOND, ManualClock

ADDRESSES = ("a:1", "b:1", "c:1")


def _sidecars(
    clock: ManualClock, balance: Balance = "first", number: int = 3, retries: RetryOptions | None = None
) -> Sidecars:
    return Sidecars(ADDRESSES[:number], clock=clock, balance=balance, retries=retries or RetryOptions())


def _order(sidecars: Sidecars) -> str:
    return "".join(each.address[0] for each in sidecars.order())


def test_the_first_that_does_not_fail_is_asked_first() -> None:
    clock = ManualClock()
    sidecars = _sidecars(clock)
    a, b, _ = sidecars.all
    assert [_order(sidecars) for _ in range(2)] == ["abc", "abc"]
    sidecars.failed(a, "UNAVAILABLE")
    assert _order(sidecars) == "bca"
    clock.steady += SECOND // 10
    sidecars.failed(b, "UNAVAILABLE")
    assert _order(sidecars) == "cab", "last comes the one that failed last"
    sidecars.succeeded(b)
    assert _order(sidecars) == "bca"
    clock.steady += SECOND
    assert _order(sidecars) == "abc", "it has rested"


def test_each_in_turn() -> None:
    sidecars = _sidecars(ManualClock(), "round_robin")
    assert [_order(sidecars) for _ in range(4)] == ["abc", "bca", "cab", "abc"]
    sidecars.failed(sidecars.all[1], "UNAVAILABLE")
    assert {_order(sidecars)[0] for _ in range(6)} == {"a", "c"}


def test_one_that_goes_on_failing_rests_longer_and_longer() -> None:
    clock = ManualClock()
    sidecars = _sidecars(clock)
    a = sidecars.all[0]
    rests = []
    for _ in range(12):
        sidecars.failed(a, "UNAVAILABLE")
        rests.append((a.rests_until_ns - clock.steady) / SECOND)
        sidecars.failed(a, "UNAVAILABLE")  # of a call that was under way
        clock.steady = a.rests_until_ns
    assert rests[0] < 0.31
    assert rests[3] > rests[0] * 4
    assert all(7.9 < rest < 12.1 for rest in rests[6:])


@pytest.mark.parametrize(
    ("number", "attempts", "timeouts"),
    [(1, 3, [1.0]), (2, 3, [0.5, 1.0]), (3, 3, [0.5, 0.5, 1.0]), (3, 1, [1.0]), (3, 2, [0.5, 1.0])],
)
def test_an_attempt_leaves_time_for_those_that_are_left(
    number: int, attempts: int, timeouts: list[float]
) -> None:
    """No time passes here: each part is of all."""
    sidecars = _sidecars(ManualClock(), number=number, retries=RetryOptions(attempts=attempts))
    course = Course(sidecars, 1.0)
    given = []
    for _ in timeouts:
        attempt = course.next()
        assert attempt is not None
        given.append(attempt.timeout)
        course.failed(attempt, "UNAVAILABLE")
    assert given == timeouts


def test_no_attempt_begins_after_the_time_is_over() -> None:
    clock = ManualClock()
    course = Course(_sidecars(clock), 1.0)
    first = course.next()
    assert first is not None
    clock.steady += SECOND
    course.failed(first, "UNAVAILABLE")
    assert course.next() is None
    assert course.is_late()


def test_the_budget_comes_back_with_successes() -> None:
    sidecars = _sidecars(ManualClock(), number=1, retries=RetryOptions(tokens=4, refill=0.5))
    a = sidecars.all[0]
    sidecars.failed(a, "UNAVAILABLE")
    assert sidecars.may_repeat()
    sidecars.failed(a, "UNAVAILABLE")
    assert not sidecars.may_repeat()
    sidecars.succeeded(a)
    assert sidecars.may_repeat()
