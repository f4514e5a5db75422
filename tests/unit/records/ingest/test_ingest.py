"""Messages of a real Redis stream become records, whoever of the group gets them."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from pdp._core import Policy
from pdp.records.ingest import Ingest
from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.ingest_write import Checked, StoreWriter
from pdp.records.store import Change, RecordStore, WriteIdReusedError
from tests.servers.redis import wait_for
from tests.unit.records.ingest.streams import GROUP, Applied, Consumer, Stream, Troubled, door, is_open


def test_messages_become_records(
    stream: Stream, store: RecordStore, consumer: Consumer, outcomes: Applied
) -> None:
    stream.add("a", 1, door("a"))
    stream.add("b", 1, door("b"), id="event 2")
    stream.add("a", 2, door("a", is_open=False))
    stream.add("b", 2)
    stream.add("never", 1, "")
    consumer().drain()
    assert is_open(store, "a") is False
    assert is_open(store, "b") is None
    assert stream.pending() == 0
    assert outcomes == {"applied": 5}
    assert stream.dead() == []


def test_messages_from_before_the_group_count(stream: Stream, store: RecordStore, consumer: Consumer) -> None:
    stream.add("a", 1, door("a"))
    consumer().drain()
    assert is_open(store, "a") is True


def test_an_empty_stream_is_made(stream: Stream, consumer: Consumer, outcomes: Applied) -> None:
    consumer().drain()
    assert stream.client.type(stream.name) == b"stream"
    assert outcomes == {}


def test_an_older_version_and_a_repetition_change_nothing(
    stream: Stream, store: RecordStore, consumer: Consumer, outcomes: Applied
) -> None:
    stream.add("a", 5, door("a"))
    consumer().drain()
    head = store.head()
    stream.add("a", 4, door("a", is_open=False))
    stream.add("a", 5, door("a", is_open=False))
    consumer("two").drain()
    assert store.head() == head
    assert is_open(store, "a") is True
    assert outcomes == {"applied": 1, "repeated": 2}


def test_one_write_for_many_messages(stream: Stream, store: RecordStore, consumer: Consumer) -> None:
    for number in range(250):
        stream.add(str(number), 1, door(str(number)))
    consumer(batch=100).drain()
    assert store.head().position.seq == 3
    assert store.counts() == {"door": 250}


def test_the_same_record_again_is_another_write(
    stream: Stream, store: RecordStore, consumer: Consumer
) -> None:
    for version in (1, 2, 3):
        stream.add("a", version, door("a", is_open=version == 3))
        stream.add(f"b-{version}", 1, door(f"b-{version}"))
    consumer().drain()
    assert store.head().position.seq == 3
    assert is_open(store, "a") is True


def test_another_bundle_makes_another_document_of_the_same_message(
    store: RecordStore, policy: Policy
) -> None:
    writer = StoreWriter(store, lambda: policy)
    first = Change("door", "a", b'{"id":"a","open":true}', source_version=1)
    assert writer.write([first], "id-1")
    other = first._replace(value=b'{"id":"a","open":false}')
    with pytest.raises(WriteIdReusedError):
        store.write([other], "id-1")
    assert not writer.write([other], "id-1")
    assert writer.write([other._replace(source_version=2)], "id-1")
    assert is_open(store, "a") is False


def test_two_consumers_share_the_load(
    stream: Stream, store: RecordStore, consumer: Consumer, outcomes: Applied, stop: threading.Event
) -> None:
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(consumer(name, batch=5).run) for name in ("one", "two")]
        for version in range(1, 11):
            for number in range(20):
                stream.add(str(number), version, door(str(number), is_open=version == 10))
        wait_for(lambda: outcomes.total() == 200)
        stop.set()
        for run in runs:
            run.result(timeout=10)
    assert all(is_open(store, str(number)) for number in range(20))
    assert outcomes["dead"] == 0
    assert stream.pending() == 0
    consumers = stream.client.xinfo_consumers(stream.name, GROUP)
    assert sorted(each["name"] for each in consumers) == [b"one", b"two"]


def test_a_dead_consumers_messages_are_taken_over(
    stream: Stream, store: RecordStore, consumer: Consumer, outcomes: Applied
) -> None:
    for number in range(30):
        stream.add(str(number), 1, door(str(number)))
    crashed = SourceStream(Source(stream.url, stream.name, GROUP, "crashed"))
    crashed.join()
    assert len(crashed.new(25).entries) == 25
    crashed.close()
    consumer("two", idle_ms=60_000, batch=4).drain()
    assert store.counts() == {"door": 5}
    assert stream.pending() == 25
    time.sleep(0.06)
    consumer("two", idle_ms=50, batch=4).drain()
    assert store.counts() == {"door": 30}
    assert stream.pending() == 0
    assert outcomes == {"applied": 30}


def test_a_running_consumer_takes_over_by_itself(
    stream: Stream, store: RecordStore, consumer: Consumer, stop: threading.Event
) -> None:
    crashed = SourceStream(Source(stream.url, stream.name, GROUP, "crashed"))
    crashed.join()
    stream.add("a", 1, door("a"))
    assert crashed.new(1).entries
    crashed.close()
    thread = threading.Thread(target=consumer("two", idle_ms=400).run)
    thread.start()
    wait_for(lambda: is_open(store, "a") is True)
    stop.set()
    thread.join(5)


def test_own_pending_messages_come_first(
    stream: Stream, store: RecordStore, policy: Policy, consumer: Consumer
) -> None:
    for number in range(7):
        stream.add(str(number), 1, door(str(number)))
    before = SourceStream(Source(stream.url, stream.name, GROUP, "one"))
    before.join()
    assert len(before.new(5).entries) == 5
    before.close()
    order: list[str] = []

    class Watching(Troubled):
        def write(self, changes: Sequence[Change], write_id: str) -> bool:
            order.extend(change.key for change in changes)
            return super().write(changes, write_id)

    writer = Watching(StoreWriter(store, lambda: policy), failures=0)
    consumer("one", writer=writer, batch=2).drain()
    assert order == [str(number) for number in range(7)]
    assert stream.pending() == 0


def test_a_consumer_leaves_only_without_pending_messages(stream: Stream) -> None:
    messages = SourceStream(Source(stream.url, stream.name, GROUP, "one"))
    messages.join()
    bad = stream.add("a", 1, door("a"))
    messages.new(1)
    messages.leave()
    assert messages.pending() == 1
    messages.acknowledge([bad])
    messages.leave()
    assert stream.client.xinfo_consumers(stream.name, GROUP) == []
    messages.close()


class AcknowledgingFirst(Ingest):
    """What must never be: with it a crash between the two loses the messages."""

    def _settle(self, group: list[Checked]) -> None:
        self._acknowledge(group)
        super()._settle(group)


class Crash(BaseException):
    pass


@pytest.mark.parametrize(("kind", "lost"), [(Ingest, 0), (AcknowledgingFirst, 1)])
def test_a_crash_before_the_write_loses_nothing_unless_acknowledged_first(
    stream: Stream, store: RecordStore, policy: Policy, consumer: Consumer, kind: type[Ingest], lost: int
) -> None:
    class Crashing(Troubled):
        def write(self, changes: Sequence[Change], write_id: str) -> bool:
            raise Crash

    stream.add("a", 1, door("a"))
    with pytest.raises(Crash):
        consumer(kind=kind, writer=Crashing(StoreWriter(store, lambda: policy), 0)).drain()
    consumer(kind=kind).drain()
    assert (is_open(store, "a") is None) == bool(lost)
