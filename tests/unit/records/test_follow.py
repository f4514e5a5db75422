"""A core follows its store: loaded with a proof, moved by changes, stale when proofs end, and well again."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from pdp._core import Core, Policy
from pdp.records.follow import Follower
from pdp.records.history import History
from pdp.records.shard import Host, ShardFollower
from pdp.records.store import (
    Beat,
    Change,
    Delta,
    ForkError,
    Head,
    Position,
    RecordStore,
    StoreError,
    StoreSnapshot,
    Written,
    open_store,
)
from pdp.records.timing import Timing
from tests.unit.records.serving import shortened

Decides = Callable[[Core, str], bool]

MS = 1_000_000
SHORT = Timing(lease_ns=300 * MS, beat_ns=50 * MS, wait_ns=400 * MS, settle_ns=400 * MS)


def door(name: str, *, is_open: bool = True) -> Change:
    return Change("door", name, b'{"id":"%s","open":%s}' % (name.encode(), b"true" if is_open else b"false"))


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "not within the time"
        time.sleep(0.005)


class Tampered:
    """A store that fails when told to, and whose beats can be answered otherwise."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self.error: Exception | None = None
        self.beats: list[Beat] = []
        self.snapshots = 0
        self.answer_beat: Callable[[Head], Head] = lambda head: head

    def beat(self, beat: Beat, shard: int = 0) -> Head:
        self._fail()
        self.beats.append(beat)
        return self.answer_beat(self._store.beat(beat, shard))

    def changes_since(self, position: Position, shard: int = 0, at_most: int = 200_000) -> Delta | None:
        self._fail()
        return self._store.changes_since(position, shard, at_most)

    def wait_for_news(self, position: Position, shard: int = 0, seconds: float = 0.25) -> None:
        self._fail()
        self._store.wait_for_news(position, shard, seconds)

    def snapshot(self, shard: int = 0, kinds: Any = None) -> AbstractContextManager[StoreSnapshot]:
        self._fail()
        self.snapshots += 1
        return self._store.snapshot(shard, kinds)

    def _fail(self) -> None:
        if self.error:
            raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
def store(tmp_path: Any) -> Iterator[RecordStore]:
    """With the lease of `SHORT`."""
    store = shortened(f"sqlite:{tmp_path / 'records.db'}", lease_ms=300)
    yield store
    store.close()


@pytest.fixture
def tampered(store: RecordStore) -> Tampered:
    return Tampered(store)


@pytest.fixture
def shard(tampered: Tampered, core: Core) -> ShardFollower:
    """Moved by the test alone."""
    return ShardFollower(tampered, core, 0, SHORT, Host(instance="me"))


@contextmanager
def followed(store: object, core: Core) -> Iterator[Follower]:
    follower = Follower(store, core, timing=SHORT)  # type: ignore[arg-type]
    with suppress(StoreError):
        follower.load()
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def drained_everywhere(store: RecordStore, written: Written) -> bool:
    return store.view(written.position.seq).behind == 0


def code(core: Core) -> str:
    request = {
        "subject": {"type": "user", "id": "alice"},
        "action": {"name": "pass"},
        "resource": {"type": "door", "id": "a"},
    }
    answer: dict[str, Any] = json.loads(core.check(json.dumps(request).encode()))
    return "ALLOW" if answer["allow"] else str(answer["reasons"][0]["code"])


def test_a_state_is_published_with_its_first_proof(
    store: RecordStore, tampered: Tampered, core: Core, shard: ShardFollower
) -> None:
    assert code(core) == "STATE_UNAVAILABLE"
    written = store.write([door("a")])
    assert shard.look()
    assert core.ready()
    assert core.state_token() == written.token()
    assert 0 < core.fresh_for_ns() <= SHORT.lease_ns
    assert code(core) == "ALLOW"
    # Registered, and not taken for drained: answers may still have come from a state before.
    assert [(beat.instance, beat.position, beat.drained) for beat in tampered.beats] == [
        ("me", written.position, 0)
    ]
    assert [member.instance for member in store.members()] == ["me"]


def test_without_further_proofs_a_state_goes_stale(
    store: RecordStore, core: Core, shard: ShardFollower
) -> None:
    store.write([door("a")])
    shard.look()
    until(lambda: core.fresh_for_ns() <= 0, 2.0)
    assert code(core) == "STATE_STALE"
    shard.beat()
    assert code(core) == "ALLOW"


def test_looks_apply_changes_only(
    store: RecordStore, tampered: Tampered, core: Core, shard: ShardFollower, passes: Decides
) -> None:
    shard.look()
    store.write([door("a")])
    store.write([door("b"), door("c")])
    assert shard.look()
    assert not shard.look()
    assert (passes(core, "a"), passes(core, "b"), passes(core, "c")) == (True, True, True)
    written = store.write([Change("door", "a", None), door("b", is_open=False)])
    shard.look()
    assert (passes(core, "a"), passes(core, "b"), passes(core, "c")) == (False, False, True)
    assert tampered.snapshots == 1
    assert shard.position == written.position


def test_a_large_change_is_loaded_as_a_snapshot(
    store: RecordStore, tampered: Tampered, core: Core, shard: ShardFollower, passes: Decides
) -> None:
    shard.look()
    written = store.write(door(f"{number}") for number in range(210_000))
    shard.look()
    assert tampered.snapshots == 2
    assert core.state_token() == written.token()
    assert passes(core, "209999")


def test_a_proof_counts_once_its_head_is_held(store: RecordStore, core: Core, shard: ShardFollower) -> None:
    store.write([door("a")])
    shard.look()
    until(lambda: core.fresh_for_ns() <= 0, 2.0)
    store.write([door("a", is_open=False)])
    shard.beat()
    assert code(core) == "STATE_STALE"
    shard.look()
    assert code(core) == "DOOR_CLOSED"
    assert core.fresh_for_ns() > 0


def test_a_proof_of_another_history_never_counts(
    store: RecordStore, tampered: Tampered, core: Core, shard: ShardFollower
) -> None:
    store.write([door("a")])
    shard.look()
    until(lambda: core.fresh_for_ns() <= 0, 2.0)
    tampered.answer_beat = lambda head: Head(head.epoch, Position(head.position.seq, b"x" * 20))
    shard.beat()
    tampered.answer_beat = lambda head: Head(head.epoch, Position(head.position.seq + 1, b"x" * 20))
    shard.beat()
    store.write([door("b")])
    shard.look()
    assert code(core) == "STATE_STALE"


def test_a_reply_from_before_a_load_says_nothing_of_what_was_loaded(
    store: RecordStore, tampered: Tampered, core: Core, shard: ShardFollower
) -> None:
    store.write([door("a")])
    shard.look()

    def loads_meanwhile(head: Head) -> Head:
        tampered.answer_beat = lambda head: head
        shard.load()
        until(lambda: core.fresh_for_ns() <= 0, 2.0)
        return head

    tampered.answer_beat = loads_meanwhile
    shard.beat()
    assert core.fresh_for_ns() <= 0


def test_a_fork_leads_to_a_load(
    store: RecordStore, tampered: Tampered, core: Core, shard: ShardFollower
) -> None:
    store.write([door("a")])
    shard.look()

    def fork(_head: Head) -> Head:
        tampered.answer_beat = lambda head: head
        raise ForkError("not in the history")

    tampered.answer_beat = fork
    with pytest.raises(ForkError):
        shard.beat()
    # Decisions go on within the deadline that stands; nothing prolongs it but the load.
    assert code(core) == "ALLOW"
    shard.beat()
    assert len(tampered.beats) == 2
    assert shard.look()
    assert tampered.snapshots == 2
    assert core.fresh_for_ns() > 0


def test_a_restored_store_is_loaded_anew(
    store: RecordStore, core: Core, shard: ShardFollower, passes: Decides
) -> None:
    """The history goes back and on again: equal numbers, other records."""
    store.write([door("a")])
    shard.look()
    store.write([door("b")])
    shard.look()
    with store._file.connection() as db:  # type: ignore[attr-defined]
        db.execute("DELETE FROM writes WHERE seq = 2")
        db.execute("DELETE FROM records WHERE seq = 2")
        db.execute("UPDATE meta SET head = 1, chain = (SELECT chain FROM writes WHERE seq = 1)")
    written = store.write([door("c")])
    assert written.position.seq == 2
    shard.look()
    assert (passes(core, "a"), passes(core, "b"), passes(core, "c")) == (True, False, True)
    assert core.state_token() == written.token()


def test_what_is_under_way_is_not_drained(
    store: RecordStore, tampered: Tampered, core: Core, shard: ShardFollower
) -> None:
    store.write([door("a")])
    shard.look()
    request = (
        b'{"subject":{"type":"u","id":"x"},"action":{"name":"pass"},"resource":{"type":"door","id":"a"}}'
    )
    held = core.hold(request)
    store.write([door("a", is_open=False)], barrier=True)
    shard.look()
    shard.beat()
    assert (tampered.beats[-1].position.seq, tampered.beats[-1].drained) == (2, 1)
    assert store.view(2).stragglers == (("me", tampered.beats[-1].number),)
    held.release()
    shard.beat()
    assert tampered.beats[-1].drained == 2
    assert store.view(2).behind == 0


def test_a_waiting_write_is_acknowledged_at_once(store: RecordStore, core: Core) -> None:
    slow = Timing(lease_ns=300 * MS, beat_ns=3_600_000 * MS, wait_ns=0, settle_ns=0)
    follower = Follower(store, core, timing=slow)
    follower.load()
    follower.start()
    try:
        for number in range(5):
            written = store.write([door(f"{number}")], barrier=True)
            until(partial(drained_everywhere, store, written), 2.0)
    finally:
        follower.stop()


def test_another_process_is_followed(store: RecordStore, core: Core, passes: Decides) -> None:
    other = open_store(f"sqlite:{store._file.path}")  # type: ignore[attr-defined]
    with followed(store, core):
        for number in range(5):
            other.write([door(f"{number}")])
            until(lambda number=number: passes(core, f"{number}"), 2.0)  # type: ignore[misc]
    other.close()


def test_catching_up(store: RecordStore, core: Core, passes: Decides) -> None:
    with followed(store, core) as follower:
        for number in range(20):
            follower.catch_up(store.write([door(f"{number}")]))
            assert passes(core, f"{number}")
        elsewhere = Written(0, "epoch", Position(99, bytes(20)))
        with pytest.raises(StoreError, match=r"does not decide on 99\.00000000"):
            follower.catch_up(elsewhere, timeout_seconds=0.05)


def test_an_outage_is_reported_once_and_decisions_continue_for_a_lease(
    store: RecordStore, tampered: Tampered, core: Core, passes: Decides, caplog: pytest.LogCaptureFixture
) -> None:
    store.write([door("a")])
    with followed(tampered, core):
        tampered.error = StoreError("The store is away.")
        assert code(core) == "ALLOW"
        until(lambda: code(core) == "STATE_STALE", 3.0)
        store.write([door("b")])
        tampered.error = None
        until(lambda: passes(core, "b"), 3.0)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert sorted(message.partition(" after")[0] for message in told) == [
        "Following the record store fails: The store is away.",
        "Following the record store works again",
        "Proving that the records are fresh fails: The store is away.",
        "Proving that the records are fresh works again",
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_defect_ends_neither_following_nor_proving(
    store: RecordStore, tampered: Tampered, core: Core, passes: Decides, caplog: pytest.LogCaptureFixture
) -> None:
    with followed(tampered, core):
        tampered.error = ZeroDivisionError("a defect")
        until(lambda: sum(record.exc_info is not None for record in caplog.records) == 2)
        store.write([door("a")])
        tampered.error = None
        until(lambda: passes(core, "a"))


def test_a_store_that_is_away_at_first_is_loaded_later(
    store: RecordStore, tampered: Tampered, core: Core, passes: Decides
) -> None:
    store.write([door("a")])
    tampered.error = StoreError("away")
    with followed(tampered, core):
        assert not core.ready()
        tampered.error = None
        until(lambda: core.ready() and passes(core, "a"))


def test_a_record_that_the_policy_s_schema_refuses_is_never_decided_on(
    store: RecordStore, core: Core, shard: ShardFollower
) -> None:
    store.write([door("a")])
    shard.look()
    store.write([Change("door", "123456782", b'{"id":"123456782","open":"yes"}')])
    with pytest.raises(StoreError, match=r"kind door .*open: .*doctor") as caught:
        shard.look()
    assert "123456782" not in str(caught.value)
    with pytest.raises(StoreError, match="kind door"):
        shard.load()
    until(lambda: core.fresh_for_ns() <= 0, 2.0)
    assert code(core) == "STATE_STALE"


def test_times_are_checked_as_they_are_stored(store: RecordStore, shard: ShardFollower) -> None:
    store.write([Change("door", "a", b'{"built_at":1772442000000,"id":"a","open":true}')])
    shard.look()
    store.write([Change("door", "a", b'{"built_at":"2026-03-02T09:00:00Z","id":"a","open":true}')])
    with pytest.raises(StoreError, match="built_at"):
        shard.look()


def test_leaving(store: RecordStore, core: Core) -> None:
    with followed(store, core) as follower:
        until(store.members)
    follower.leave()
    assert store.members() == []


def test_on_demand_records_are_fetched_when_they_are_used(
    store: RecordStore, policy: Policy, passes: Decides
) -> None:
    core = Core(on_demand_bytes=1_000_000, freshness_wait_ms=3_000)
    core.set_policy(policy)
    store.write([door("a"), door("b", is_open=False)])
    follower = Follower(store, core, timing=SHORT, on_demand=True)
    follower.load()
    follower.start()
    try:
        assert (passes(core, "a"), passes(core, "b"), passes(core, "c")) == (True, False, False)
        store.write([door("a", is_open=False), door("c")])
        until(lambda: not passes(core, "a") and passes(core, "c"))
    finally:
        follower.stop()


def test_a_history_knows_what_it_holds() -> None:
    history = History(Position(5, b"5" * 20))
    history.append(Position(6, b"6" * 20))
    assert history.contains(Position(5, b"5" * 20))
    assert history.contains(Position(6, b"6" * 20))
    assert not history.contains(Position(6, b"5" * 20))
    assert not history.contains(Position(4, b"4" * 20))
    assert history.covers(Position(4, b"4" * 20))
    assert not history.covers(Position(7, b"7" * 20))


def test_stopping_before_starting_and_twice(store: RecordStore, core: Core) -> None:
    Follower(store, core, timing=SHORT).stop()
    with followed(store, core) as follower:
        follower.stop()
