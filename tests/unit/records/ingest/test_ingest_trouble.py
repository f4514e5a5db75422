"""Trouble with the records or the stream is waited out; what is wrong from the start is told."""

import threading
import time

import pytest

from pdp._core import Policy
from pdp.errors import RecordsError
from pdp.records.ingest_server import StreamError
from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.ingest_write import StoreWriter
from pdp.records.store import RecordStore
from tests.servers.redis import RedisServer, wait_for
from tests.unit.records.ingest.streams import GROUP, Applied, Consumer, Stream, Troubled, door, is_open


def test_trouble_of_the_store_is_no_bad_message(
    stream: Stream, store: RecordStore, policy: Policy, consumer: Consumer, outcomes: Applied
) -> None:
    stream.add("a", 1, door("a"))
    writer = Troubled(StoreWriter(store, lambda: policy), failures=4)
    consumer(writer=writer).drain()
    assert len(writer.ids) == 5
    # The same id each time: it may have been written.
    assert len(set(writer.ids)) == 1
    assert store.head().position.seq == 1
    assert stream.dead() == []
    assert stream.pending() == 0
    assert outcomes.total() == 1


def test_nothing_new_is_read_during_trouble_and_a_stop_ends_it(
    stream: Stream,
    store: RecordStore,
    policy: Policy,
    consumer: Consumer,
    stop: threading.Event,
    outcomes: Applied,
) -> None:
    for number in range(10):
        stream.add(str(number), 1, door(str(number)))
    writer = Troubled(StoreWriter(store, lambda: policy), failures=1_000_000)
    thread = threading.Thread(target=consumer(writer=writer, batch=2).run)
    thread.start()
    wait_for(lambda: len(writer.ids) > 3)
    assert stream.pending() == 2
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert outcomes == {}
    stop.clear()
    consumer().drain()
    assert store.counts() == {"door": 10}


def test_draining_gives_up(stream: Stream, store: RecordStore, policy: Policy, consumer: Consumer) -> None:
    stream.add("a", 1, door("a"))
    writer = Troubled(StoreWriter(store, lambda: policy), failures=1_000_000)
    with pytest.raises(RecordsError, match="The record store is not there"):
        consumer(writer=writer, patience_seconds=0.3).drain()
    assert stream.pending() == 1


def test_a_group_or_stream_that_is_gone_is_made_again(
    stream: Stream, store: RecordStore, consumer: Consumer, outcomes: Applied, stop: threading.Event
) -> None:
    thread = threading.Thread(target=consumer(block_ms=50).run)
    thread.start()
    stream.add("a", 1, door("a"))
    wait_for(lambda: outcomes.total() == 1)
    stream.client.delete(stream.name)
    stream.add("b", 1, door("b"))
    wait_for(lambda: outcomes.total() == 2)
    assert is_open(store, "b") is True
    stop.set()
    thread.join(5)


def test_redis_is_killed_and_comes_back(
    server: RedisServer,
    stream: Stream,
    store: RecordStore,
    consumer: Consumer,
    outcomes: Applied,
    stop: threading.Event,
) -> None:
    thread = threading.Thread(target=consumer(batch=3).run)
    thread.start()
    for number in range(100):
        stream.add(str(number), 1, door(str(number)))
    server.kill()
    time.sleep(0.3)
    server.start()
    stream.add("after", 1, door("after"))
    wait_for(lambda: store.counts() == {"door": 101})
    wait_for(lambda: stream.pending() == 0)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert outcomes["dead"] == 0


@pytest.mark.parametrize("suffix", ["", ":dead"])
def test_a_key_that_is_no_stream(stream: Stream, consumer: Consumer, suffix: str) -> None:
    stream.client.set(stream.name + suffix, "text")
    with pytest.raises(StreamError, match=f"the key {stream.name}{suffix} is something else"):
        consumer(patience_seconds=0.1).drain()


def test_a_password_that_is_wrong(server: RedisServer, stream: Stream) -> None:
    url = server.url.replace("redis://", "redis://user:secret@")
    messages = SourceStream(Source(url, stream.name, GROUP, "one"))
    with pytest.raises(StreamError, match="refuses this user and password") as caught:
        messages.join()
    assert "secret" not in str(caught.value)
    messages.close()


@pytest.mark.parametrize("url", ["sqlite:x", "http://localhost", "redis://localhost:x", "localhost", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(StreamError, match=r"^The stream doors: "):
        SourceStream(Source(url, "doors", GROUP, "one"))
