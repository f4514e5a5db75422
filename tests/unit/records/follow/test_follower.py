"""A follower in its threads: at once after a write, through outages and defects, and away in order."""

import logging
from functools import partial

import pytest

from pdp._core import Core, Policy
from pdp.records.follow import Follower
from pdp.records.store import (
    Position,
    RecordStore,
    StoreError,
    Written,
    open_store,
)
from pdp.records.timing import Timing
from tests.unit.records.follow.following import (
    MS,
    SHORT,
    Decides,
    Tampered,
    code,
    door,
    drained_everywhere,
    followed,
    until,
)


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


def test_stopping_before_starting_and_twice(store: RecordStore, core: Core) -> None:
    Follower(store, core, timing=SHORT).stop()
    with followed(store, core) as follower:
        follower.stop()
