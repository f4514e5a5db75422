"""Large writes to Redis: prepared in pieces, committed in one step, whatever happens meanwhile."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdp.records.keys import Keys
from pdp.records.redis_changes import Limit
from pdp.records.store import (
    Change,
    ConflictError,
    RecordStore,
    StoredRecord,
    StoreError,
    WriteIdReusedError,
    open_store,
)
from tests.contract.records.conftest import new_redis
from tests.servers.redis import RedisServer, wait_for

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def url(redis: RedisServer) -> str:
    return new_redis(redis, "large")


@pytest.fixture
def store(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordStore]:
    """A store in which writes are large from 20 changes on."""
    monkeypatch.setattr("pdp.records.redis_write.LARGEST", Limit(20, 1_000_000))
    monkeypatch.setattr("pdp.records.redis_write.PIECE", Limit(7, 1_000_000))
    monkeypatch.setattr("pdp.records.redis_large._COPY_AT_ONCE", 5)
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture
def other(url: str) -> Iterator[RecordStore]:
    """Another process on the same store."""
    store = open_store(url)
    yield store
    store.close()


def many(number: int = 50, value: bytes = b"{}", kind: str = "item") -> list[Change]:
    return [Change(kind, f"{key:03}", value) for key in range(number)]


def everything(store: RecordStore) -> dict[tuple[str, str], tuple[bytes, int]]:
    with store.snapshot() as snapshot:
        found = {(r.kind, r.key): (r.value, r.version) for chunk in snapshot.chunks() for r in chunk}
    with store.snapshot() as snapshot:
        ordered = [(r.kind, r.key) for chunk in snapshot.chunks(in_order=True) for r in chunk]
    assert ordered == sorted(found)
    return found


def all_keys(redis: RedisServer, url: str) -> set[str]:
    prefix = Keys(url.rpartition("=")[2], 0).prefix
    with redis.client() as client:
        return {key.decode().removeprefix(prefix) for key in client.keys(f"{prefix}*")}


def test_it_is_one_step_that_followers_load_anew(store: RecordStore, redis: RedisServer, url: str) -> None:
    store.write([Change("item", "007", b"old"), Change("item", "other", b"old"), Change("else", "1", b"{}")])
    before = store.head().position
    written = store.write(many(), "large-1", barrier=True)
    assert written.position.seq == 2
    assert store.head() == (written.epoch, written.position)
    assert store.changes_since(before) is None
    assert store.changes_since(written.position) == ([], [])
    after = store.write([Change("item", "007", b"new")]).position
    delta = store.changes_since(written.position)
    assert delta is not None
    assert [step.position for step in delta.steps] == [after]
    assert everything(store) == {
        ("else", "1"): (b"{}", 1),
        ("item", "other"): (b"old", 1),
        ("item", "007"): (b"new", 3),
        **{("item", f"{key:03}"): (b"{}", 2) for key in range(50) if key != 7},
    }
    assert store.get("item", "001") == StoredRecord("item", "001", b"{}", 2)
    assert store.page("item", "048") == [
        StoredRecord("item", "049", b"{}", 2),
        StoredRecord("item", "other", b"old", 1),
    ]
    assert store.fetch(0, [("item", "003")]).records[0].version == 2
    # Versions can be required as of any other write.
    store.write([Change("item", "003", b"changed", expected_version=2)])
    with pytest.raises(ConflictError):
        store.write([Change("item", "003", b"changed", expected_version=2)])
    assert not any(key.startswith("staged") or key == "lock" for key in all_keys(redis, url))
    with redis.client() as client:
        assert all(client.ttl(key) == -1 for key in client.keys(f"*{url.rpartition('=')[2]}:*"))


def test_deleting_everything(store: RecordStore, redis: RedisServer, url: str) -> None:
    store.write(many())
    written = store.write([change._replace(value=None) for change in many()])
    assert everything(store) == {}
    assert store.counts() == {}
    assert store.head().position == written.position
    assert all_keys(redis, url) == {"meta", "stream", "writes", "kinds", "large"}


def test_a_repeat_changes_nothing(store: RecordStore, redis: RedisServer, url: str) -> None:
    first = store.write(many(), "large-1")
    store.write([Change("item", "001", b"later")])
    assert store.write(iter(many()), "large-1") == first
    assert everything(store)["item", "001"] == (b"later", 2)
    with pytest.raises(WriteIdReusedError):
        store.write(many(51), "large-1")
    # Its size does not matter.
    with pytest.raises(WriteIdReusedError):
        store.write(many(1), "large-1")
    store.write(many(1), "small")
    with pytest.raises(WriteIdReusedError):
        store.write(many(), "small")
    assert not any(key.startswith("staged") for key in all_keys(redis, url))


def test_what_is_refused_leaves_no_trace(store: RecordStore, redis: RedisServer, url: str) -> None:
    store.write([Change("item", "001", b"old")])
    before, keys = everything(store), all_keys(redis, url)

    def broken() -> Iterator[Change]:
        yield from many()
        raise LookupError("half way")

    with pytest.raises(LookupError):
        store.write(broken())
    last = Change("item", "001", b"new", expected_version=7)
    for changes in ([*many(30, kind="new"), last], [last, *many(30, kind="new")]):
        with pytest.raises(ConflictError, match=r"item/001: expected version 7, but it stands at version 1"):
            store.write(changes)
    with pytest.raises(ConflictError, match=r"item/002: expected no such record, but it stands"):
        store.write([*many(30), Change("item", "002", b"new", expected_version=0)])
    with pytest.raises(StoreError, match="source version"):
        store.write([*many(30), Change("item", "002", b"new", source_version=-1)])
    assert everything(store) == before
    assert store.head().position.seq == 1
    assert all_keys(redis, url) == keys


def test_one_at_a_time(store: RecordStore, other: RecordStore) -> None:
    def changes() -> Iterator[Change]:
        yield from many(30)
        with pytest.raises(StoreError, match="Another large write"):
            other.write(many(30, kind="other"))
        other.write(many(5, kind="small"))

    store.write(changes())
    other.write(many(30, kind="other"))
    assert store.counts() == {"item": 30, "other": 30, "small": 5}


def test_an_expected_version_counts_when_the_write_is_committed(
    store: RecordStore, other: RecordStore
) -> None:
    store.write([Change("item", "x", b"1")])

    def changes() -> Iterator[Change]:
        yield Change("item", "x", b"3", expected_version=1)
        yield from many(30)
        other.write([Change("item", "x", b"2")])

    with pytest.raises(ConflictError, match=r"item/x: expected version 1, but it stands at version 2"):
        store.write(changes())
    assert everything(store) == {("item", "x"): (b"2", 2)}


def test_a_large_write_in_between_cannot_be_brought_over(
    store: RecordStore, other: RecordStore, redis: RedisServer, url: str
) -> None:
    """As when the lock of one that paused for long had expired."""

    def changes() -> Iterator[Change]:
        yield from many(30)
        with redis.client() as client:
            (lock,) = client.keys(f"*{url.rpartition('=')[2]}*:lock")
            client.delete(lock)
        other.write(many(30, b"other"))

    with pytest.raises(StoreError, match="is gone; nothing of it was changed"):
        store.write(changes())
    assert everything(store)["item", "001"] == (b"other", 1)
    assert store.head().position.seq == 1


@pytest.mark.parametrize("part", ["doc:item", "keys:item", "source:item", "deleted", "expected", "state"])
def test_what_has_expired_is_noticed(store: RecordStore, redis: RedisServer, url: str, part: str) -> None:
    store.write([Change("item", "x", b"1", source_version=1)])
    before = everything(store)

    def changes() -> Iterator[Change]:
        yield Change("item", "x", None, expected_version=1)
        yield Change("item", "y", b"1", source_version=1)
        yield from many(40)
        with redis.client() as client:
            (key,) = client.keys(f"*{url.rpartition('=')[2]}*:staged:*:{part}")
            client.delete(key)

    with pytest.raises(StoreError, match="is gone; nothing of it was changed"):
        store.write(changes())
    assert everything(store) == before
    store.write(many())


def _random_changes(random_: random.Random, number: int) -> list[Change]:
    return [
        Change(
            random_.choice(["a", "b"]),
            str(random_.randrange(12)),
            random_.choice([None, b"%d" % random_.randrange(1000), b"%d" % random_.randrange(1000)]),
            source_version=random_.choice([None, random_.randrange(9), random_.randrange(9)]),
        )
        for _ in range(number)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_what_others_write_meanwhile_comes_before_it(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """However they are interleaved, the result is that of the small writes first and the large one last."""
    monkeypatch.setattr("pdp.records.redis_write.LARGEST", Limit(5, 1_000_000))
    monkeypatch.setattr("pdp.records.redis_write.PIECE", Limit(2, 1_000_000))
    monkeypatch.setattr("pdp.records.redis_large._COPY_AT_ONCE", 2)
    random_ = random.Random(seed)
    first = _random_changes(random_, 4)
    small = [_random_changes(random_, random_.randrange(1, 5)) for _ in range(6)]
    # Of each record at most one change: of several, which one a source version leaves out could differ.
    large = list({change[:2]: change for change in _random_changes(random_, 20)}.values())
    url, model = new_redis(redis, "model"), open_store(f"sqlite:{tmp_path / 'model.db'}")
    store, other = open_store(url), open_store(url)

    def changes() -> Iterator[Change]:
        waiting = list(small)
        for change in large:
            yield change
            while waiting and random_.random() < 0.4:
                other.write(waiting.pop(0))
        while waiting:
            other.write(waiting.pop(0))

    store.write(first)
    written = store.write(changes(), "large")
    for step in (first, *small):
        model.write(step)
    expected = model.write(large, "large")
    assert written.position.seq == expected.position.seq
    assert store.head().position == written.position
    assert everything(store) == everything(model)
    # The source versions that stand are the same, too.
    for kind in ("a", "b"):
        for key in map(str, range(12)):
            for number in range(9):
                probe = [Change(kind, key, b"probe", source_version=number)]
                assert store.write(probe).position.seq == model.write(probe).position.seq
    for opened in (store, other, model):
        opened.close()


WRITER = """
import sys, time
from pdp.records.redis_changes import Limit
import pdp.records.redis_write
from pdp.records.store import Change, open_store

pdp.records.redis_write.LARGEST = Limit(20, 1_000_000)

def changes():
    for number in range(5_000):
        yield Change("item", str(number), b"new")
        if number == 4_000:
            print("half way", flush=True)
            time.sleep(60)

open_store(sys.argv[1]).write(changes())
"""


def test_a_writer_that_is_killed_leaves_nothing_but_what_expires(
    store: RecordStore, redis: RedisServer, url: str
) -> None:
    store.write(many(30))
    before, keys = everything(store), all_keys(redis, url)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half way\n"
        writer.kill()
    assert everything(store) == before
    assert store.head().position.seq == 1
    left = all_keys(redis, url) - keys
    assert "lock" in left
    assert len(left) > 2
    namespace = Keys(url.rpartition("=")[2], 0)
    with redis.client() as client:
        assert all(0 < client.ttl(namespace.prefix + key) <= 600 for key in left)
        # Small writes go on, and once the lock has expired large ones do too.
        store.write([Change("item", "small", b"{}")])
        with pytest.raises(StoreError, match="Another large write"):
            store.write(many(40))
        for key in left:
            client.pexpire(namespace.prefix + key, 1)
    wait_for(lambda: all_keys(redis, url) == keys)
    assert store.write(many(40)).position.seq == 3
    assert store.counts() == {"item": 41}
