"""The stores that the conformance suite runs over: add one here and every test runs over it too."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from pdp.records.redis_changes import Limit
from pdp.records.store import Parameters, RecordStore, UnconfirmedError, open_store
from tests.servers.redis import RedisServer, redis_server

STORES = ("sqlite", "redis")
# Also with every write prepared in pieces, whatever its size; followers of such writes load anew.
ALL_WAYS_TO_WRITE = (*STORES, "redis-large")
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server that all tests share; each has name spaces of its own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, to break."""
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture(params=STORES)
def new_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Makes an empty, initialised store with a name and gives its URL."""
    if request.param == "sqlite":
        return lambda name: _sqlite(tmp_path, name)
    if request.param == "redis-large":
        make_every_write_large(monkeypatch)
    server: RedisServer = request.getfixturevalue("redis")
    return lambda name: new_redis(server, name)


def make_every_write_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one change on; in pieces of three."""
    monkeypatch.setattr("pdp.records.redis_write.LARGEST", Limit(1, 1))
    monkeypatch.setattr("pdp.records.redis_write.PIECE", Limit(3, 1_000_000))
    monkeypatch.setattr("pdp.records.redis_large._COPY_AT_ONCE", 4)


def _sqlite(folder: Path, name: str) -> str:
    url = f"sqlite:{folder / name}.db"
    open_store(url).close()
    return url


def new_redis(server: RedisServer, name: str, parameters: Parameters | None = None) -> str:
    """The URL of an empty, initialised store in a name space that no other test has."""
    url = f"{server.url}?namespace={name}-{next(_NUMBERS)}"
    store = open_store(url)
    store.initialise(parameters or Parameters())
    store.close()
    return url


T = TypeVar("T")


def confirmed(call: Callable[[], T], seconds: float = 30.0) -> T:
    """What a call gives once the replicas acknowledge it; on a busy machine these may be late."""
    ends = time.monotonic() + seconds
    while True:
        try:
            return call()
        except UnconfirmedError:
            assert time.monotonic() < ends, "never confirmed"


@pytest.fixture
def url(new_url: Callable[[str], str]) -> str:
    """The URL of an empty store."""
    return new_url("records")


@pytest.fixture
def store(url: str) -> Iterator[RecordStore]:
    """An empty store."""
    store = open_store(url)
    yield store
    store.close()
