"""A core follows its store: at once after a local write, soon after another's, and through failures."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from pdp._core import Core
from pdp.records.follow import Follower
from pdp.records.store import Change, Position, RecordStore, StoreError, StoreSnapshot, open_store

Decides = Callable[[Core, str], bool]


def door(name: str, *, is_open: bool = True) -> Change:
    return Change("door", name, b'{"id":"%s","open":%s}' % (name.encode(), b"true" if is_open else b"false"))


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "not within the time"
        time.sleep(0.005)


class FailingStore:
    """A store that fails when told to, and counts what is asked of it."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self.error: Exception | None = None
        self.looks = self.snapshots = 0

    def head(self) -> Position:
        self.looks += 1
        if self.error:
            raise self.error
        return self._store.head()

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        self.snapshots += 1
        return self._store.snapshot()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@contextmanager
def started(follower: Follower) -> Iterator[Follower]:
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def test_the_first_look_loads_a_snapshot(store: RecordStore, core: Core, passes: Decides) -> None:
    position = store.write([door("a"), door("b", is_open=False)])
    follower = Follower(store, core)
    assert follower.position is None
    assert not core.ready()
    follower.look()
    assert core.ready()
    assert follower.position == position
    assert core.state_token() == position.token()
    assert passes(core, "a")
    assert not passes(core, "b")


def test_later_looks_apply_changes_only(store: RecordStore, core: Core, passes: Decides) -> None:
    counted = FailingStore(store)
    follower = Follower(counted, core)  # type: ignore[arg-type]
    follower.look()
    store.write([door("a")])
    position = store.write([door("b"), door("c")])
    follower.look()
    assert (passes(core, "a"), passes(core, "b"), passes(core, "c")) == (True, True, True)
    store.write([Change("door", "a", None), door("b", is_open=False)])
    follower.look()
    assert (passes(core, "a"), passes(core, "b"), passes(core, "c")) == (False, False, True)
    assert counted.snapshots == 1
    assert follower.position is not None
    assert follower.position.seq == position.seq + 1


def test_a_large_change_is_loaded_as_a_snapshot(store: RecordStore, core: Core, passes: Decides) -> None:
    follower = Follower(store, core)
    follower.look()
    position = store.write(door(f"{number}") for number in range(210_000))
    follower.look()
    assert core.state_token() == position.token()
    assert passes(core, "209999")


def test_catching_up_makes_a_write_visible(store: RecordStore, core: Core, passes: Decides) -> None:
    follower = Follower(store, core)
    for number in range(20):
        follower.catch_up(store.write([door(f"{number}")]))
        assert passes(core, f"{number}")


def test_catching_up_in_many_threads(store: RecordStore, core: Core, passes: Decides) -> None:
    follower, seen = Follower(store, core), []

    def work(name: int) -> None:
        for number in range(10):
            follower.catch_up(store.write([door(f"{name}-{number}")]))
            seen.append(passes(core, f"{name}-{number}"))

    with started(follower):
        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [True] * 40


def test_catching_up_with_a_position_that_the_store_lacks(store: RecordStore, core: Core, url: str) -> None:
    other = open_store(url + ".other")
    position = other.write([door("a")])
    other.close()
    with pytest.raises(StoreError, match=f"no longer holds {position.token()}"):
        Follower(store, core).catch_up(position)


def test_catching_up_gives_up_while_another_load_is_under_way(store: RecordStore, core: Core) -> None:
    follower = Follower(store, core)
    position = store.write([door("a")])
    with follower._looking, pytest.raises(StoreError, match="is still loading records"):
        follower.catch_up(position, timeout_seconds=0.01)
    follower.catch_up(position)


def test_another_process_is_followed(store: RecordStore, core: Core, url: str, passes: Decides) -> None:
    other = open_store(url)
    with started(Follower(store, core)):
        for number in range(5):
            other.write([door(f"{number}")])
            before = time.monotonic()
            until(lambda number=number: passes(core, f"{number}"))  # type: ignore[misc]
            assert time.monotonic() - before < 2.0
    other.close()


def test_notify_wakes_the_thread(store: RecordStore, core: Core, passes: Decides) -> None:
    with started(Follower(store, core, poll_seconds=3600.0)) as follower:
        until(core.ready)
        store.write([door("a")])
        follower.notify()
        until(lambda: passes(core, "a"))


def test_a_store_that_fails_is_reported_once_and_retried(
    store: RecordStore, core: Core, passes: Decides, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pdp.records.follow")
    failing, pauses, now = FailingStore(store), [], [100.0]

    def wait(event: threading.Event, seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds
        if len(pauses) == 2:
            failing.error = StoreError("The disk is away.")
        if len(pauses) == 12:
            store.write([door("b")])
            failing.error = None
        if len(pauses) == 14:
            event.wait(60)

    store.write([door("a")])
    follower = Follower(
        failing,  # type: ignore[arg-type]
        core,
        clock=lambda: now[0],
        wait=wait,
        jitter=lambda: 1.0,
    )
    with started(follower):
        until(lambda: len(pauses) == 14)
    assert pauses[:2] == [0.05, 0.05]
    assert pauses[2:12] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0]
    assert pauses[12:14] == [0.05, 0.05]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "The disk is away. Decisions continue on the records loaded.",
        "The record store is followed again after 26.3 s.",
    ]
    assert (passes(core, "a"), passes(core, "b")) == (True, True)


def test_the_pauses_are_jittered(store: RecordStore, core: Core) -> None:
    failing, pauses = FailingStore(store), []
    failing.error = StoreError("away")

    def wait(event: threading.Event, seconds: float) -> None:
        pauses.append(seconds)
        event.wait(0.0 if len(pauses) < 3 else 60.0)

    with started(Follower(failing, core, wait=wait, jitter=lambda: 0.0)):  # type: ignore[arg-type]
        until(lambda: len(pauses) == 3)
    assert pauses == [0.05, 0.1, 0.2]


def test_decisions_continue_while_the_store_fails(store: RecordStore, core: Core, passes: Decides) -> None:
    failing = FailingStore(store)
    store.write([door("a")])
    follower = Follower(failing, core)  # type: ignore[arg-type]
    follower.look()
    failing.error = StoreError("away")
    with pytest.raises(StoreError):
        follower.look()
    assert passes(core, "a")


def test_a_defect_does_not_end_following(
    store: RecordStore, core: Core, passes: Decides, caplog: pytest.LogCaptureFixture
) -> None:
    failing = FailingStore(store)
    failing.error = ZeroDivisionError("a defect")
    with started(Follower(failing, core, jitter=lambda: 0.0)):  # type: ignore[arg-type]
        until(lambda: failing.looks > 1)
        store.write([door("a")])
        failing.error = None
        until(lambda: core.ready() and passes(core, "a"))
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [
        True
    ]


def test_a_restored_store_is_loaded_anew(store: RecordStore, core: Core, url: str, passes: Decides) -> None:
    """The history goes back and on again: equal numbers, other records."""
    follower = Follower(store, core)
    store.write([door("a")])
    follower.look()
    store.write([door("b")])
    follower.look()
    path = url.removeprefix("sqlite:")
    with store._file.connection() as db:  # type: ignore[attr-defined]
        db.execute("DELETE FROM writes WHERE seq = 2")
        db.execute("DELETE FROM records WHERE seq = 2")
        db.execute("UPDATE meta SET head = 1, chain = (SELECT chain FROM writes WHERE seq = 1)")
    other = open_store(f"sqlite:{path}")
    position = other.write([door("c")])
    other.close()
    assert position.seq == 2
    follower.look()
    assert (passes(core, "a"), passes(core, "b"), passes(core, "c")) == (True, False, True)
    assert core.state_token() == position.token()


def test_stopping_before_starting_and_twice(store: RecordStore, core: Core) -> None:
    Follower(store, core).stop()
    with started(Follower(store, core)) as follower:
        follower.stop()
