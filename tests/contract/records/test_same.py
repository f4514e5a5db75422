"""All stores do the same: random writes with every kind of condition have one result, whatever the store."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdp.records.store import (
    Change,
    ConflictError,
    RecordStore,
    StoredRecord,
    WriteIdReusedError,
    open_store,
)
from tests.contract.records.conftest import make_every_write_large, new_redis
from tests.servers.redis import RedisServer

KINDS, KEYS = ("a", "b"), tuple("xyz")


@pytest.fixture(params=["small", "large"])
def stores(
    request: pytest.FixtureRequest, redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[RecordStore]]:
    if request.param == "large":
        make_every_write_large(monkeypatch)
    stores = [open_store(f"sqlite:{tmp_path / 'records.db'}"), open_store(new_redis(redis, "same"))]
    yield stores
    for store in stores:
        store.close()


def _change(random_: random.Random, versions: range) -> Change:
    return Change(
        random_.choice(KINDS),
        random_.choice(KEYS),
        random_.choice([None, b"%d" % random_.randrange(100), b""]),
        expected_version=random_.choice([None, None, None, 0, random_.choice(versions)]),
        source_version=random_.choice([None, random_.randrange(30), random_.randrange(2**60)]),
    )


def _outcome(store: RecordStore, changes: list[Change], write_id: str) -> object:
    """What a write did, without what differs by nature (epoch and chain)."""
    try:
        return store.write(changes, write_id).position.seq
    except ConflictError as error:
        return (error.kind, error.key, error.expected, error.found)
    except WriteIdReusedError:
        return "reused"


def _state(store: RecordStore) -> list[StoredRecord]:
    with store.snapshot() as snapshot:
        return sorted(record for chunk in snapshot.chunks() for record in chunk)


@pytest.mark.parametrize("seed", range(12))
def test_random_writes_have_one_result(
    stores: list[RecordStore], seed: int, request: pytest.FixtureRequest
) -> None:
    random_, large = random.Random(seed), "large" in request.node.name
    seen = set()
    for _ in range(40):
        at = stores[0].head().position.seq
        versions = range(max(1, at - 3), at + 1) or range(1, 2)
        changes = [_change(random_, versions) for _ in range(random_.randrange(6))]
        write_id = f"id-{random_.randrange(30)}"
        outcomes = [_outcome(store, changes, write_id) for store in stores]
        # A large write tells another one of several conflicts.
        is_conflict = [isinstance(outcome, tuple) for outcome in outcomes]
        assert outcomes[0] == outcomes[1] or (large and all(is_conflict)), changes
        seen.add(type(outcomes[0]))
        assert _state(stores[0]) == _state(stores[1])
        for kind in KINDS:
            assert stores[0].page(kind) == stores[1].page(kind)
    assert seen == {int, tuple, str}
    assert stores[0].counts() == stores[1].counts()
