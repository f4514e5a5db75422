"""Writes that wait, watches and the list of sidecars, over real gRPC on a SQLite store."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from pdp._core import Core, Policy
from pdp.errors import RecordsError
from pdp.records.access import Edit, StoreAccess
from pdp.records.admin import AdminAccess
from pdp.records.service import Served
from pdp.records.store import Beat, Change, RecordStore, StoreError, open_store
from pdp.records.v1 import record_pb2, record_service_pb2
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub
from pdp.records.waiting import Wait, WaitFor
from tests.unit.records.serving import LEASE_MS, serving

Barrier = record_pb2.Barrier
W_SECONDS = LEASE_MS / 1000 * 1.1 / 0.9 + 0.1


@pytest.fixture
def stub(channel: grpc.Channel) -> RecordServiceStub:
    return RecordServiceStub(channel)


def note(key: str, text: str = "ja") -> record_pb2.Change:
    return record_pb2.Change(kind="note", key=key, value_json=json.dumps({"text": text}))


def door(key: str) -> record_pb2.Change:
    return record_pb2.Change(kind="door", key=key, value_json=json.dumps({"id": key, "open": True}))


def apply(
    stub: RecordServiceStub, *changes: record_pb2.Change, mode: int = 0, **fields: object
) -> record_service_pb2.ApplyChangesResponse:
    request = record_service_pb2.ApplyChangesRequest(changes=changes, wait_mode=mode, **fields)  # type: ignore[arg-type]
    return stub.ApplyChanges(request, timeout=60)


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def settle(served: Served) -> None:
    """Waits until the process knows that the registry is complete."""
    time.sleep(served.timing.settle_ns / 1e9)


@pytest.mark.parametrize(
    ("change", "mode", "waits"),
    [
        (note("a"), record_pb2.WAIT_MODE_UNSPECIFIED, True),
        (note("a"), record_pb2.WAIT_MODE_LOCAL, False),
        (door("a"), record_pb2.WAIT_MODE_UNSPECIFIED, False),
        (door("a"), record_pb2.WAIT_MODE_ALL, True),
    ],
)
def test_what_a_write_waits_for(
    stub: RecordServiceStub, core: Core, change: record_pb2.Change, mode: int, waits: bool
) -> None:
    began = time.monotonic()
    answer = apply(stub, change, mode=mode, write_id="mine")
    assert answer.HasField("barrier") is waits
    assert answer.state_token == core.state_token()
    if waits:
        assert (answer.barrier.state, answer.barrier.confirmed) == (Barrier.STATE_DONE, True)
        assert answer.barrier.write_id == "mine"
        assert answer.barrier.waited_ms == pytest.approx((time.monotonic() - began) * 1000, abs=500)
    assert time.monotonic() - began < W_SECONDS + 2


def test_once_the_registry_is_known_a_write_holds_in_a_moment(
    stub: RecordServiceStub, served: Served, core: Core
) -> None:
    settle(served)
    for number in range(5):
        answer = apply(stub, note(str(number)))
        assert answer.barrier.path == Barrier.PATH_FAST
        assert answer.barrier.waited_ms < 1_000
    names = {name: samples for name, _, _, _, samples in core.metrics()}
    assert any("fast" in labels and value == 5 for samples in names.values() for labels, value in samples)


def test_a_silent_sidecar_makes_it_wait_for_its_lease_and_is_forgotten(
    stub: RecordServiceStub, served: Served, store: RecordStore
) -> None:
    settle(served)
    head = store.head().position
    store.beat(Beat("gone", 1, head, head.seq, LEASE_MS, '{"name":"a host"}'))
    pending = apply(stub, note("a"), write_id="w", timeout_ms=500)
    assert (pending.barrier.state, pending.barrier.path) == (Barrier.STATE_PENDING, Barrier.PATH_UNSPECIFIED)
    assert list(pending.barrier.stragglers) == ["a host"]
    assert pending.barrier.confirmed
    assert pending.state_token == store.head().position.token()
    began = time.monotonic()
    answer = apply(stub, note("a"), write_id="w")
    assert answer.state_token == pending.state_token
    assert answer.barrier.path in (Barrier.PATH_TIMED, Barrier.PATH_FAST)
    assert time.monotonic() - began < W_SECONDS + 2
    apply(stub, note("b"))
    assert "gone" not in [member.instance for member in store.members()]


def test_a_write_that_settles_waits_longer(stub: RecordServiceStub, served: Served) -> None:
    settle(served)
    assert apply(stub, note("a"), settle=True).barrier.waited_ms >= 200


def test_a_store_that_is_away_leaves_the_write_open(
    stub: RecordServiceStub, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise StoreError("The disk is away.")

    monkeypatch.setattr(store, "write", failing)
    answer = apply(stub, note("a"), timeout_ms=300)
    assert (answer.barrier.state, answer.barrier.confirmed) == (Barrier.STATE_PENDING, False)
    assert answer.state_token == ""


def test_the_wait_ends_before_the_caller_gives_up(
    stub: RecordServiceStub, store: RecordStore, served: Served
) -> None:
    head = store.head().position
    store.beat(Beat("gone", 1, head, head.seq, LEASE_MS))
    request = record_service_pb2.ApplyChangesRequest(changes=[note("a")])
    assert stub.ApplyChanges(request, timeout=1.5).barrier.state == Barrier.STATE_PENDING


def test_a_caller_that_goes_frees_its_place_and_the_write_stands(
    stub: RecordServiceStub, store: RecordStore, served: Served
) -> None:
    requests = [record_service_pb2.ApplyChangesRequest(changes=[note(str(number))]) for number in range(12)]
    calls = [stub.ApplyChanges.future(request) for request in requests]
    until(lambda: store.counts().get("note") == 12)
    with pytest.raises(grpc.RpcError) as caught:
        apply(stub, note("a"))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert store.get("note", "a") is None
    assert apply(stub, door("b")).state_token
    for call in calls:
        call.cancel()
    time.sleep(0.5)
    assert apply(stub, note("a"), timeout_ms=10).barrier.write_id
    assert store.counts()["note"] == 13


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [({"wait_mode": 7}, "wait_mode: 7 is unknown"), ({"timeout_ms": 700_000}, "timeout_ms: 700000 is more")],
)
def test_waits_that_are_refused(stub: RecordServiceStub, fields: dict[str, int], sentence: str) -> None:
    request = record_service_pb2.ApplyChangesRequest(changes=[note("a")], **fields)  # type: ignore[arg-type]
    with pytest.raises(grpc.RpcError) as caught:
        stub.ApplyChanges(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (caught.value.details() or "").startswith(sentence)


def test_an_older_message_changes_nothing(stub: RecordServiceStub, store: RecordStore) -> None:
    newer = note("a", "new")
    newer.source_version = 5
    older = note("a", "old")
    older.source_version = 4
    apply(stub, newer, mode=record_pb2.WAIT_MODE_LOCAL)
    answer = apply(stub, older, mode=record_pb2.WAIT_MODE_LOCAL)
    assert answer.state_token == store.head().position.token()
    stored = store.get("note", "a")
    assert stored is not None
    assert json.loads(stored.value) == {"text": "new"}


def test_a_lease_that_was_changed_meanwhile_proves_nothing(
    stub: RecordServiceStub, store: RecordStore, served: Served
) -> None:
    settle(served)
    with store._file.connection() as db:  # type: ignore[attr-defined]
        db.execute("UPDATE meta SET lease_ms = 9000")
    answer = apply(stub, note("a"), timeout_ms=4000)
    assert answer.barrier.state == Barrier.STATE_PENDING


def test_sidecars_are_listed_with_how_far_they_are(
    stub: RecordServiceStub, store: RecordStore, served: Served, url: str, policy: Policy
) -> None:
    other_core, other_store = Core(), open_store(url)
    other_core.set_policy(policy)
    other = serving(other_store, other_core, policy, "there")
    try:
        apply(stub, door("a"))
        other.follower.stop()
        time.sleep(0.2)
        store.write([Change("note", "b", b"{}")])
        time.sleep(LEASE_MS / 1000)
        answer = stub.ListSidecars(record_service_pb2.ListSidecarsRequest())
        here, there = sorted(answer.sidecars, key=lambda sidecar: sidecar.name)
        assert (here.name, there.name) == ("here", "there")
        assert (here.self, there.self) == (True, False)
        assert here.policy_revision == policy.revision
        assert here.instance == served.follower.instance
        assert (here.shards[0].applied, here.shards[0].lag) == (2, 0)
        assert there.shards[0].lag >= 1
        access = StoreAccess(store, lambda: policy)
        assert [member.instance for member in access.sidecars()] == [here.instance, there.instance]
    finally:
        other.follower.stop()
        other_store.close()


def watching(
    stub: RecordServiceStub, *kinds: str
) -> tuple[Iterator[record_service_pb2.WatchRecordsResponse], record_service_pb2.WatchRecordsResponse]:
    """A watch, and its first answer."""
    call = stub.WatchRecords(record_service_pb2.WatchRecordsRequest(kinds=kinds), timeout=60)
    return call, next(call)


def test_a_watch_tells_changes_in_order(stub: RecordServiceStub, core: Core, store: RecordStore) -> None:
    apply(stub, door("before"))
    watch, first = watching(stub)
    assert (first.state_token, len(first.changed)) == (core.state_token(), 0)
    apply(stub, door("a"), door("b"))
    answer = next(watch)
    assert [(r.kind, r.key, json.loads(r.value_json)["open"]) for r in answer.changed] == [
        ("door", "a", True),
        ("door", "b", True),
    ]
    assert answer.state_token == store.head().position.token()
    store.write([Change("door", "a", None)])
    answer = next(watch)
    assert [(r.key, r.value_json, r.version) for r in answer.changed] == [("a", "", 3)]


def test_a_watch_of_some_kinds(stub: RecordServiceStub) -> None:
    watch, _ = watching(stub, "note")
    apply(stub, door("a"))
    apply(stub, note("b"), mode=record_pb2.WAIT_MODE_LOCAL)
    assert [record.key for record in next(watch).changed] == ["b"]
    with pytest.raises(grpc.RpcError) as caught:
        watching(stub, "gate")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_large_change_comes_in_pieces(stub: RecordServiceStub, store: RecordStore) -> None:
    watch, _ = watching(stub)
    store.write([Change("note", f"{number:05}", b'{"text":"ja"}') for number in range(1_200)])
    answers = [next(watch) for _ in range(3)]
    assert [len(answer.changed) for answer in answers] == [500, 500, 200]
    assert len({answer.state_token for answer in answers}) == 1


def test_a_history_that_is_another_one_resets_a_watch(stub: RecordServiceStub, store: RecordStore) -> None:
    apply(stub, door("a"))
    watch, _ = watching(stub)
    time.sleep(0.1)
    with store._file.connection() as db:  # type: ignore[attr-defined]
        db.execute("UPDATE writes SET chain = randomblob(20) WHERE seq = 1")
        db.execute("UPDATE meta SET chain = (SELECT chain FROM writes WHERE seq = 1)")
    answer = next(watch)
    assert answer.reset
    assert answer.state_token == store.head().position.token()


def test_watches_are_bounded_and_give_their_place_back(stub: RecordServiceStub) -> None:
    calls = [watching(stub)[0] for _ in range(8)]
    with pytest.raises(grpc.RpcError) as caught:
        watching(stub)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for call in calls:
        call.cancel()  # type: ignore[attr-defined]
    time.sleep(1.5)
    watching(stub)


def test_the_command_lines_access_tells_how_a_wait_ended(admin: str, served: Served) -> None:
    settle(served)
    access = AdminAccess(admin)
    try:
        applied = access.apply([Edit("note", "a", b"{}")], "w", Wait(WaitFor.ALL, 10.0))
        assert applied.waited is not None
        assert (applied.waited.path, applied.waited.write_id, applied.waited.pending) == ("fast", "w", False)
        assert access.apply([Edit("door", "a", b'{"id":"a","open":true}')]).waited is None
        assert [member.is_self for member in access.sidecars()] == [True]
    finally:
        access.close()


def test_a_read_rides_out_a_failover(admin: str, store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write([Change("note", "a", b"{}")])
    got, failures = store.get, iter(range(3))

    def failing(kind: str, key: str) -> object:
        if next(failures, None) is not None:
            raise StoreError("The primary is away.")
        return got(kind, key)

    monkeypatch.setattr(store, "get", failing)
    access = AdminAccess(admin)
    record = access.get("note", "a")
    assert record is not None
    monkeypatch.setattr("pdp.records.admin._FAILOVER_SECONDS", 0.3)
    failures = iter(range(100))
    with pytest.raises(RecordsError, match="The primary is away"):
        access.get("note", "a")
    access.close()


def test_a_fresh_process_waits_until_older_proofs_have_run_out(store: RecordStore, policy: Policy) -> None:
    access = StoreAccess(store, lambda: policy)
    began = time.monotonic()
    applied = access.apply([Edit("note", "a", b"{}")])
    assert applied.waited is not None
    assert applied.waited.path in ("timed", "fast")
    assert W_SECONDS - 0.2 < time.monotonic() - began < W_SECONDS + 2
    assert access.longest_wait_seconds() == pytest.approx(W_SECONDS, abs=0.01)


def test_many_writes_that_wait_at_once(stub: RecordServiceStub, served: Served) -> None:
    settle(served)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda number: apply(stub, note(str(number))), range(40)))
    assert {answer.barrier.state for answer in answers} == {Barrier.STATE_DONE}
