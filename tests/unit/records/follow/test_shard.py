"""One shard: loaded with a proof, moved by changes, stale when proofs end."""

import pytest

from pdp._core import Core
from pdp.records.history import History
from pdp.records.shard import ShardFollower
from pdp.records.store import (
    Change,
    ForkError,
    Head,
    Position,
    RecordStore,
    StoreError,
)
from tests.unit.records.follow.following import SHORT, Decides, Tampered, code, door, until


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


def test_a_history_knows_what_it_holds() -> None:
    history = History(Position(5, b"5" * 20))
    history.append(Position(6, b"6" * 20))
    assert history.contains(Position(5, b"5" * 20))
    assert history.contains(Position(6, b"6" * 20))
    assert not history.contains(Position(6, b"5" * 20))
    assert not history.contains(Position(4, b"4" * 20))
    assert history.covers(Position(4, b"4" * 20))
    assert not history.covers(Position(7, b"7" * 20))
