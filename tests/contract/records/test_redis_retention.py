"""The history in Redis is kept for a time; what is older is forgotten in small pieces, with its write ids."""

from collections.abc import Iterator

import pytest

from pdp.records.store import Beat, Change, ForkError, RecordStore, open_store
from tests.contract.records.conftest import make_every_write_large, new_redis
from tests.servers.redis import RedisServer


@pytest.fixture
def store(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordStore]:
    """A store that keeps three entries, however young."""
    monkeypatch.setattr("pdp.records.redis_write.RETENTION_MS", 0)
    monkeypatch.setattr("pdp.records.redis_write.KEPT_ENTRIES", 3)
    store = open_store(new_redis(redis, "retention"))
    yield store
    store.close()


def change(number: int) -> Change:
    return Change("item", str(number), b"{}")


def test_what_is_older_needs_a_new_snapshot(store: RecordStore) -> None:
    positions = [store.head().position]
    positions += [store.write([change(number)], f"write-{number}").position for number in range(10)]
    known = [store.changes_since(position) is not None for position in positions]
    # Three entries, and up to two more that are not forgotten yet.
    assert known == sorted(known)
    assert sum(known) in {4, 5, 6}
    assert store.counts() == {"item": 10}
    oldest = positions[known.index(True) + 1]
    for position in positions[1:]:
        beat = Beat("one", 1, position, 0, 4_000)
        if position.seq >= oldest.seq:
            store.beat(beat)
        else:
            with pytest.raises(ForkError):
                store.beat(beat)


def test_a_write_id_is_forgotten_with_its_entry(store: RecordStore) -> None:
    written = [store.write([change(number)], f"write-{number}") for number in range(10)]
    assert store.write([change(9)], "write-9") == written[9]
    assert store.write([change(8)], "write-8") == written[8]
    assert store.write([change(0)], "write-0").position.seq == 11


def test_only_what_is_old_is_forgotten(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    zero = store.head().position
    monkeypatch.setattr("pdp.records.redis_write.RETENTION_MS", 60_000)
    for number in range(10):
        store.write([change(number)])
    assert store.changes_since(zero) is not None


def test_it_is_forgotten_in_small_pieces(
    redis: RedisServer, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.records.redis_write.RETENTION_MS", 60_000)
    for number in range(20):
        store.write([change(number)], f"write-{number}")
    monkeypatch.setattr("pdp.records.redis_write.RETENTION_MS", -1_000)
    with redis.client() as client:
        namespace = store._primaries._url.namespace  # type: ignore[attr-defined]
        lengths = []
        for number in range(20):
            store.write([change(number)])
            lengths.append(client.xlen(f"{{{namespace}:0}}:stream"))
            assert client.hlen(f"{{{namespace}:0}}:writes") == lengths[-1]
    assert lengths[:3] == [19, 18, 17]
    assert lengths[-1] in {4, 5}


def test_a_large_write_forgets_too(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store.write([change(0)]).position
    make_every_write_large(monkeypatch)
    for number in range(8):
        store.write([change(number), change(number + 1)])
    assert store.changes_since(first) is None
    assert store.changes_since(store.head().position) == ([], [])
