"""A running Redis, a stream of its own for each test, and what applies its messages."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pdp._core import Policy
from pdp.records.ingest import Ingest, Limits
from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.ingest_write import StoreWriter, Writer
from pdp.records.store import RecordStore
from tests.servers.redis import RedisServer, redis_server
from tests.unit.records.ingest.streams import GROUP, Applied, Consumer, Stream


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that keeps what it acknowledged, also when it is killed; each test has streams of its own."""
    folder = tmp_path_factory.mktemp("streams")
    with redis_server(folder, appendonly="yes", appendfsync="always") as server:
        yield server


_numbers = itertools.count(1)


@pytest.fixture
def stream(server: RedisServer) -> Iterator[Stream]:
    """A stream that is not there yet."""
    stream = Stream(server.url, f"doors-{next(_numbers)}")
    yield stream
    stream.client.close()


@pytest.fixture
def outcomes() -> Applied:
    """What came of the messages."""
    return Applied()


@pytest.fixture
def stop() -> threading.Event:
    """Ends every consumer of the test."""
    return threading.Event()


@pytest.fixture
def consumer(
    stream: Stream, store: RecordStore, policy: Policy, outcomes: Applied, stop: threading.Event
) -> Iterator[Consumer]:
    """Makes a consumer of the stream that writes into the store."""
    opened = []

    def make(
        name: str = "one",
        *,
        writer: Writer | None = None,
        kind: type[Ingest] = Ingest,
        dead_letters: int = 10_000,
        **limits: Any,
    ) -> Ingest:
        messages = SourceStream(Source(stream.url, stream.name, GROUP, name, dead_letters))
        opened.append(messages)
        return kind(
            messages,
            writer or StoreWriter(store, lambda: policy),
            stop=stop,
            count=outcomes,
            limits=Limits(**limits),
        )

    yield make
    stop.set()
    for messages in opened:
        messages.close()
