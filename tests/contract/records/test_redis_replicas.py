"""Replicas that must acknowledge, and Sentinels that promote one of them."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pdp.records.store import (
    Beat,
    Change,
    ForkError,
    Parameters,
    RecordStore,
    StoreError,
    UnconfirmedError,
    Written,
    open_store,
)
from tests.contract.records.conftest import confirmed
from tests.servers.redis import (
    RedisServer,
    redis_sentinels,
    redis_with_replicas,
    wait_for,
)

A = Change("employer", "1", b'{"a":1}')


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[RedisServer]]:
    """A primary and one replica."""
    with redis_with_replicas(tmp_path, 1) as servers:
        yield servers


@pytest.fixture
def store(servers: list[RedisServer]) -> Iterator[RecordStore]:
    store = open_store(f"{servers[0].url}?acks=1")
    confirmed(lambda: store.initialise(Parameters()))
    yield store
    store.close()


def beat(store: RecordStore, number: int = 1) -> Beat:
    position = store.head().position
    return Beat("one", number, position, position.seq, 4_000)


def test_nothing_counts_without_its_acknowledgement(servers: list[RedisServer], store: RecordStore) -> None:
    assert (store.acks, store.promotion_seconds) == (1, 0.0)
    first = confirmed(lambda: store.write([A], "id-1"))
    confirmed(lambda: store.beat(beat(store)))
    servers[1].pause()
    try:
        for _ in range(2):
            with pytest.raises(UnconfirmedError, match=r"Only 0 of the 1 replicas"):
                store.write([A._replace(value=b"{}")], "id-2")
        # What was acknowledged once needs to be again, as does a write of nothing, and every beat.
        with pytest.raises(UnconfirmedError):
            store.write([A], "id-1")
        with pytest.raises(UnconfirmedError):
            store.write([])
        with pytest.raises(UnconfirmedError):
            store.beat(beat(store, 2))
        # Looking needs none.
        assert store.head().position.seq == 2
        assert store.view(9).behind == 1
    finally:
        servers[1].go_on()
    second = confirmed(lambda: store.write([A._replace(value=b"{}")], "id-2"))
    assert second.position.seq == 2
    assert confirmed(lambda: store.write([A], "id-1")) == first
    confirmed(lambda: store.beat(beat(store, 3)))


def test_a_large_write_needs_acknowledgements_too(
    servers: list[RedisServer], store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.records.redis_large._AHEAD_BYTES", 100_000)
    monkeypatch.setattr("pdp.records.redis_large._FOLLOW_MS", 100)
    monkeypatch.setattr("pdp.records.redis_large._FOLLOW_TIMES", 3)
    changes = [Change("item", str(number), b"x" * 50) for number in range(12_000)]
    confirmed(lambda: store.write(changes, "large"))
    with servers[1].client() as replica:
        assert replica.hlen("{pdp:0}:doc:item") == 12_000
        assert not replica.keys("*staged*")
    servers[1].pause()
    try:
        with pytest.raises(UnconfirmedError, match="do not keep up"):
            store.write(changes)
        assert store.head().position.seq == 1
    finally:
        servers[1].go_on()


def test_a_replica_is_no_record_store(servers: list[RedisServer], store: RecordStore) -> None:
    replica = open_store(servers[1].url)
    for call in (replica.head, lambda: replica.write([A]), lambda: replica.get("employer", "1")):
        with pytest.raises(StoreError, match="is not the primary"):
            call()
    replica.close()


def test_a_primary_that_is_deposed_while_it_waits(servers: list[RedisServer], store: RecordStore) -> None:
    store.head()
    servers[1].pause()
    try:
        with servers[0].client() as client:
            timer = threading.Timer(0.15, client.replicaof, args=("127.0.0.1", servers[1].port))
            timer.start()
            with pytest.raises(UnconfirmedError, match="stopped to be the primary"):
                store.write([A])
            timer.join()
    finally:
        servers[1].go_on()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[tuple[list[RedisServer], str]]:
    """A primary, two replicas and three Sentinels; the servers, and the URL of the store."""
    with redis_with_replicas(tmp_path, 2) as servers, redis_sentinels(tmp_path, servers[0]) as sentinels:
        hosts = ",".join(sentinel.address for sentinel in sentinels)
        yield servers, f"redis+sentinel://{hosts}/records?acks=1&promotion_seconds=10"


def _write_again(store: RecordStore, changes: list[Change], write_id: str) -> Written:
    """Repeats a write until it is confirmed, as a waiter does."""
    ends = time.monotonic() + 30
    while True:
        try:
            return store.write(changes, write_id)
        except StoreError:
            assert time.monotonic() < ends
            time.sleep(0.05)


def test_a_failover_is_followed(fleet: tuple[list[RedisServer], str]) -> None:
    servers, url = fleet
    store = open_store(url)
    confirmed(lambda: store.initialise(Parameters()))
    assert (store.acks, store.promotion_seconds) == (1, 10.0)
    before = confirmed(lambda: store.write([A], "id-1"))
    confirmed(lambda: store.beat(beat(store)))
    # Replicas have all of it, so that whichever is promoted does too.
    with servers[0].client() as primary:
        wait_for(lambda: primary.wait(2, 100) == 2)
    servers[0].kill()
    after = _write_again(store, [A._replace(value=b"{}")], "id-2")
    assert after.position.seq == 2
    assert after.epoch != before.epoch
    assert store.members() == []
    again = confirmed(lambda: store.write([A], "id-1"))
    assert again == Written(0, after.epoch, before.position)
    confirmed(lambda: store.beat(beat(store, 2)))
    delta = store.changes_since(before.position)
    assert delta is not None
    assert [step.position for step in delta.steps] == [after.position]
    store.close()


def test_a_deposed_primary_proves_nothing(fleet: tuple[list[RedisServer], str]) -> None:
    servers, url = fleet
    store = open_store(url)
    confirmed(lambda: store.initialise(Parameters()))
    stands = confirmed(lambda: store.write([A], "id-1")).position
    with servers[0].client() as primary:
        wait_for(lambda: primary.wait(2, 100) == 2)
    # It hangs, another one is promoted, and then it wakes up and believes to be the primary still.
    servers[0].pause()
    _write_again(store, [A._replace(value=b"{}")], "id-2")
    servers[0].go_on()
    old = open_store(f"{servers[0].url}?acks=1")
    deadline = time.monotonic() + 1.5
    proofs = 0
    while time.monotonic() < deadline:
        with suppress(StoreError):
            head = old.beat(Beat("two", 1, stands, 0, 4_000))
            # Nobody who was given a proof may lack what was confirmed elsewhere.
            assert head.position.seq >= 2
            proofs += 1
        if "slave" in _role(servers[0]):
            break
    assert not proofs
    old.close()
    store.close()


def _role(server: RedisServer) -> str:
    with server.client() as client:
        return str(client.info("replication")["role"])


def test_what_a_failover_lost_is_a_fork(tmp_path: Path) -> None:
    """A history that went on elsewhere is told apart, although its numbers are the same."""
    with redis_with_replicas(tmp_path, 1) as servers:
        store = open_store(servers[0].url)
        store.initialise(Parameters())
        store.write([A])
        with servers[0].client() as primary:
            wait_for(lambda: primary.wait(1, 100) == 1)
        with servers[1].client() as replica:
            replica.replicaof("NO", "ONE")
        lost = store.write([A._replace(value=b"lost")], "lost").position
        other = open_store(servers[1].url)
        kept = other.write([A._replace(value=b"kept")], "kept").position
        assert lost.seq == kept.seq
        assert other.changes_since(lost) is None
        with pytest.raises(ForkError):
            other.beat(Beat("one", 1, lost, 0, 4_000))
        for opened in (store, other):
            opened.close()


def test_sentinels_that_cannot_be_asked(redis: RedisServer, tmp_path: Path) -> None:
    with redis_sentinels(tmp_path, redis, number=1) as sentinels:
        _refusals(redis, sentinels[0].address)


def _refusals(redis: RedisServer, first: str) -> None:
    # One that answers is enough.
    open_store(f"redis+sentinel://127.0.0.1:1,{first}/records?acks=1").close()
    with pytest.raises(StoreError, match="know no service 'other'"):
        open_store(f"redis+sentinel://{first}/other?acks=1")
    with pytest.raises(StoreError, match=r"No Sentinel can be asked for the primary: .*refused"):
        open_store("redis+sentinel://127.0.0.1:1/records?acks=1")
    with pytest.raises(StoreError, match=r"is a Sentinel; write redis\+sentinel"):
        open_store(f"redis://{first}")
    with pytest.raises(StoreError, match="is neither a Sentinel nor part of a Cluster"):
        open_store(f"redis+sentinel://{redis.address}/records?acks=1")
    with pytest.raises(StoreError, match=r"write redis://"):
        open_store(f"redis+cluster://{redis.address}?acks=0")
