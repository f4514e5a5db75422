"""Several shards: histories of their own, one store to look at."""

from collections.abc import Iterator

import pytest

from pdp.records.keys import shard_of
from pdp.records.store import (
    Beat,
    Change,
    ForkError,
    Parameters,
    RecordStore,
    SpreadError,
    StoreError,
    open_store,
)
from tests.contract.records.conftest import make_every_write_large, new_redis
from tests.servers.redis import RedisServer

SHARDS = 3
KEYS = [f"{number:03}" for number in range(60)]


@pytest.fixture
def url(redis: RedisServer) -> str:
    return new_redis(redis, "shards", Parameters(shards=SHARDS))


@pytest.fixture
def store(url: str) -> Iterator[RecordStore]:
    store = open_store(url)
    yield store
    store.close()


def of_shard(shard: int) -> list[Change]:
    return [Change("item", key, b"{}") for key in KEYS if shard_of("item", key, SHARDS) == shard]


def test_each_shard_has_its_own_history(store: RecordStore) -> None:
    assert store.parameters() == Parameters(shards=SHARDS)
    zero = [store.head(shard).position for shard in range(SHARDS)]
    assert len({position.chain for position in zero}) == SHARDS
    written = [store.write(of_shard(shard)) for shard in range(SHARDS)]
    written.append(store.write(of_shard(2)[:1]))
    assert [(w.shard, w.position.seq) for w in written] == [(0, 1), (1, 1), (2, 1), (2, 2)]
    assert [store.head(shard).position.seq for shard in range(SHARDS)] == [1, 1, 2]
    assert written[0].token() == f"1.{written[0].position.chain[:4].hex()}"
    assert written[3].token() == f"2:2.{written[3].position.chain[:4].hex()}"
    delta = store.changes_since(zero[2], 2)
    assert delta is not None
    assert [step.position for step in delta.steps] == [written[2].position, written[3].position]
    assert store.changes_since(written[2].position, 1) is None
    assert store.news(zero[1], 1, seconds=5) == store.changes_since(zero[1], 1)


def test_records_are_found_where_they_are(store: RecordStore) -> None:
    for shard in range(SHARDS):
        store.write(of_shard(shard))
        store.write(
            [
                Change("other", str(number), b"{}")
                for number in range(60)
                if shard_of("other", str(number), SHARDS) == shard
            ]
        )
    assert store.counts() == {"item": 60, "other": 60}
    assert all(store.get("item", key) is not None for key in KEYS)
    read: list[str] = []
    while page := store.page("item", read[-1] if read else "", 7):
        assert len(page) == 7 or page[-1].key == KEYS[-1]
        read += [record.key for record in page]
    assert read == KEYS
    for shard in range(SHARDS):
        with store.snapshot(shard, ["item"]) as snapshot:
            found = sorted(record.key for chunk in snapshot.chunks() for record in chunk)
        assert found == [change.key for change in of_shard(shard)]
        fetched = store.fetch(shard, [("item", found[0])])
        assert fetched.position == store.head(shard).position
        assert fetched.records[0].value == b"{}"


@pytest.mark.parametrize("large", [False, True])
def test_a_write_over_several_shards_is_refused(
    store: RecordStore,
    monkeypatch: pytest.MonkeyPatch,
    large: bool,
) -> None:
    if large:
        make_every_write_large(monkeypatch)
    with pytest.raises(SpreadError, match="is in another shard"):
        store.write(of_shard(0) + of_shard(1))
    assert store.counts() == {}
    assert [store.head(shard).position.seq for shard in range(SHARDS)] == [0] * SHARDS
    store.write(of_shard(0))


def test_an_empty_write_gives_a_head(store: RecordStore) -> None:
    assert store.write([]).position == store.head(0).position


def test_each_shard_has_its_own_registry(store: RecordStore) -> None:
    store.write(of_shard(1))
    for shard in range(SHARDS):
        position = store.head(shard).position
        store.beat(Beat("one", shard + 1, position, position.seq, 4_000), shard)
    assert [store.members(shard)[0].number for shard in range(SHARDS)] == [1, 2, 3]
    assert [store.view(1, shard).behind for shard in range(SHARDS)] == [1, 0, 1]
    with pytest.raises(ForkError):
        store.beat(Beat("one", 9, store.head(1).position, 0, 4_000), 0)
    store.forget("one", 2, 1)
    assert [len(store.members(shard)) for shard in range(SHARDS)] == [1, 0, 1]


def test_an_initialisation_that_was_interrupted(redis: RedisServer, url: str, store: RecordStore) -> None:
    namespace, genesis = url.rpartition("=")[2], store.head(2).position.chain
    with redis.client() as client:
        # The first shard is the last one to be initialised.
        client.delete(f"{{{namespace}:0}}:meta", f"{{{namespace}:1}}:meta")
    with pytest.raises(StoreError):
        store.parameters()
    for other in (Parameters(lease_ms=5_000, shards=SHARDS), Parameters(shards=SHARDS + 1)):
        with pytest.raises(StoreError, match="other parameters"):
            store.initialise(other)
    with redis.client() as client:
        assert client.exists(f"{{{namespace}:2}}:meta")
        assert not client.keys(f"{{{namespace}:3}}*")
    store.initialise(Parameters(shards=SHARDS))
    assert store.parameters() == Parameters(shards=SHARDS)
    assert store.head(2).position.chain == genesis


def test_the_lease_of_all_shards_is_changed(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdp.records.redis.wait_until_proofs_ran_out", lambda *_: None)
    before = [store.head(shard) for shard in range(SHARDS)]
    store.change_lease(Parameters(lease_ms=6_000, shards=SHARDS))
    for shard in range(SHARDS):
        head = store.head(shard)
        assert head.epoch != before[shard].epoch
        store.beat(Beat("one", 1, head.position, 0, 6_000), shard)
