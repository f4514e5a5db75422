"""The waiter of the lockout barrier, step by step on a clock that the test moves."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pdp.records.barrier import Barrier, Outcome, Path
from pdp.records.store import (
    Change,
    ConflictError,
    Position,
    RegistryView,
    StoreError,
    UnconfirmedError,
    UninitialisedError,
    Written,
)
from pdp.records.timing import Timing

SECOND = 1_000_000_000
TIMING = Timing(lease_ns=4 * SECOND, beat_ns=SECOND, wait_ns=5 * SECOND, settle_ns=6 * SECOND)
CHANGES = [Change("lock", "1", b"{}")]
AT_THREE = Written(0, "e1", Position(3, b"3" * 20))

Step = Written | StoreError


class Time:
    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    @property
    def seconds(self) -> float:
        return self.now / SECOND - 1_000


class Registry:
    """A store that plays a script: what each write gives (the last one again and again), and whom a view
    names at what time."""

    def __init__(self, time: Time, *writes: Step) -> None:
        self._time, self._writes = time, list(writes)
        self.written = 0
        self.forgotten: list[tuple[str, int, float]] = []
        self.view_at: Callable[[float], RegistryView | StoreError] = lambda _at: RegistryView("e1", 0, ())

    def write(self, changes: Sequence[Change], write_id: str, *, barrier: bool) -> Written:
        assert (list(changes), write_id, barrier) == (CHANGES, "id", True)
        self.written += 1
        step = self._writes.pop(0) if len(self._writes) > 1 else self._writes[0]
        if isinstance(step, StoreError):
            raise step
        return step

    def view(self, seq: int, shard: int) -> RegistryView:
        assert (seq, shard) == (3, 0)
        view = self.view_at(self._time.seconds)
        if isinstance(view, StoreError):
            raise view
        return view

    def forget(self, instance: str, number: int, shard: int) -> None:
        self.forgotten.append((instance, number, round(self._time.seconds, 1)))


@pytest.fixture
def time() -> Time:
    return Time()


def barrier_on(time: Time, store: Registry, *, seen_for: float = 100.0) -> Barrier:
    """Of a process that has known epoch e1 for some seconds."""
    barrier = Barrier(store, TIMING, clock=time, pause=time.pause)  # type: ignore[arg-type]
    time.now -= int(seen_for * SECOND)
    barrier.observe(0, "e1")
    time.now += int(seen_for * SECOND)
    return barrier


def write(barrier: Barrier, **options: Any) -> Outcome:
    return barrier.write(CHANGES, "id", **options)


def test_fast_when_everybody_has_drained_it(time: Time) -> None:
    store = Registry(time, AT_THREE)
    store.view_at = lambda at: RegistryView("e1", int(at < 0.02), (("a", 7),) if at < 0.02 else ())
    outcome = write(barrier_on(time, store))
    assert outcome.path is Path.FAST
    assert outcome.written == AT_THREE
    assert 0.02 <= outcome.waited_seconds < 0.05
    assert outcome.stragglers == ()
    # Once to write it, once to see that it still stands.
    assert store.written == 2


def test_timed_when_somebody_never_does(time: Time) -> None:
    store = Registry(time, AT_THREE)
    store.view_at = lambda _at: RegistryView("e1", 1, (("a", 7),))
    outcome = write(barrier_on(time, store))
    assert outcome.path is Path.TIMED
    assert outcome.waited_seconds == pytest.approx(5.0, abs=0.01)


def test_an_epoch_s_registry_counts_only_once_it_has_lasted(time: Time) -> None:
    """Whoever registered in the epoch before may not be in it, and still hold a proof."""
    outcome = write(barrier_on(time, Registry(time, AT_THREE), seen_for=0.0))
    assert outcome.waited_seconds == pytest.approx(6.0, abs=0.06)
    time.now += 100 * SECOND
    outcome = write(barrier_on(time, Registry(time, AT_THREE), seen_for=5.5))
    assert outcome.path is Path.FAST
    assert outcome.waited_seconds == pytest.approx(0.5, abs=0.06)


def test_another_epoch_while_waiting_begins_anew(time: Time) -> None:
    in_two = Written(0, "e2", Position(3, b"3" * 20))
    store = Registry(time, AT_THREE, in_two)
    store.view_at = lambda _at: RegistryView("e2", 0, ())
    outcome = write(barrier_on(time, store))
    assert outcome.written == in_two
    # Epoch e2 was first heard of when the view came.
    assert outcome.waited_seconds == pytest.approx(6.0, abs=0.06)


def test_a_write_that_moved_meanwhile_begins_anew(time: Time) -> None:
    moved = Written(0, "e1", Position(4, b"4" * 20))
    store = Registry(time, AT_THREE, moved)
    store.view = lambda seq, shard: RegistryView("e1", 0, ())  # type: ignore[method-assign]
    outcome = write(barrier_on(time, store))
    assert outcome.written == moved
    assert store.written == 4


def test_a_time_out_names_what_is_open(time: Time) -> None:
    store = Registry(time, AT_THREE)
    store.view_at = lambda _at: RegistryView("e1", 2, (("a", 7), ("b", 9)))
    outcome = write(barrier_on(time, store), timeout_seconds=2.0)
    assert (outcome.path, outcome.written, outcome.stragglers) == (None, AT_THREE, ("a", "b"))
    assert outcome.waited_seconds == pytest.approx(2.0)


def test_a_write_that_is_not_acknowledged_may_stand(time: Time) -> None:
    store = Registry(time, UnconfirmedError("no replica"))
    outcome = write(barrier_on(time, store), timeout_seconds=2.0)
    assert (outcome.path, outcome.written, outcome.problem) == (None, None, "no replica")


def test_a_write_is_repeated_until_it_is_acknowledged(time: Time) -> None:
    store = Registry(time, StoreError("away"), UnconfirmedError("no replica"), AT_THREE)
    outcome = write(barrier_on(time, store))
    assert (outcome.path, outcome.problem) == (Path.FAST, "")


@pytest.mark.parametrize("error", [ConflictError("lock", "1", 0, 2), UninitialisedError("empty")])
def test_a_refusal_is_told_at_once(time: Time, error: StoreError) -> None:
    with pytest.raises(type(error)):
        write(barrier_on(time, Registry(time, error)))
    assert time.seconds == 0


def test_a_store_that_is_emptied_meanwhile_is_waited_for(time: Time) -> None:
    store = Registry(time, AT_THREE, UninitialisedError("empty"), AT_THREE)
    assert write(barrier_on(time, store)).path is Path.FAST


def test_views_that_fail_leave_the_timed_path(time: Time) -> None:
    store = Registry(time, AT_THREE)
    store.view_at = lambda _at: StoreError("away")
    outcome = write(barrier_on(time, store))
    assert outcome.path is Path.TIMED


def test_a_silent_member_is_forgotten_so_that_the_next_wait_is_short(time: Time) -> None:
    store = Registry(time, AT_THREE)
    beats = {"dead": 7}
    store.view_at = lambda at: (
        RegistryView("e1", 0, ()) if store.forgotten else RegistryView("e1", 1, (("dead", beats["dead"]),))
    )
    barrier = barrier_on(time, store)
    assert write(barrier).path is Path.TIMED
    assert store.forgotten == []
    outcome = write(barrier)
    assert outcome.path is Path.FAST
    assert outcome.waited_seconds < 0.1
    assert [name for name, _, _ in store.forgotten] == ["dead"]


def test_a_member_that_beats_is_never_forgotten(time: Time) -> None:
    store = Registry(time, AT_THREE)
    store.view_at = lambda at: RegistryView("e1", 1, (("slow", int(at)),))
    barrier = barrier_on(time, store)
    for _ in range(3):
        assert write(barrier).path is Path.TIMED
    assert store.forgotten == []


def test_settling_waits_for_gateways_too(time: Time) -> None:
    outcome = write(barrier_on(time, Registry(time, AT_THREE)), settle_seconds=1.0)
    assert outcome.path is Path.FAST
    assert outcome.waited_seconds == pytest.approx(1.0, abs=0.01)
    late = write(barrier_on(time, Registry(time, AT_THREE)), settle_seconds=1.0, timeout_seconds=0.5)
    assert late.path is None


def test_the_times_follow_from_the_lease() -> None:
    from pdp.records.store import Parameters

    strict = Timing.of(Parameters())
    assert strict.wait_ns == pytest.approx(4e9 * 1.1 / 0.9 + 1e8, rel=1e-6)
    assert strict.settle_ns == strict.wait_ns
    relaxed = Timing.of(Parameters(), promotion_seconds=30.0)
    assert relaxed.settle_ns == pytest.approx(strict.wait_ns + 33e9, rel=1e-6)
