"""Whatever the order, however often: each record ends as its highest version says."""

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdp._core import Policy
from pdp.records.ingest import Ingest, Limits, _groups
from pdp.records.ingest_message import Message
from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.ingest_write import Checked, StoreWriter
from pdp.records.store import Change, RecordStore, open_store
from tests.servers.redis import RedisServer
from tests.unit.records.ingest.streams import GROUP, Applied, Stream, door, is_open

KEYS = "abcd"
MESSAGES = st.lists(
    st.tuples(st.sampled_from(KEYS), st.integers(0, 6) | st.integers(2**53 - 1, 2**53 + 2)), max_size=40
)
names = iter(range(1_000_000))


def state(key: str, version: int) -> dict[str, object] | None:
    """What a version says: every third deletes."""
    return door(key, is_open=version % 2 == 0) if version % 3 else None


@contextmanager
def new_store() -> Iterator[RecordStore]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:{Path(folder) / 'records.db'}")
        yield store
        store.close()


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=MESSAGES, batch=st.integers(1, 12), split=st.integers(0, 40))
def test_the_highest_version_wins(
    server: RedisServer, policy: Policy, messages: list[tuple[str, int]], batch: int, split: int
) -> None:
    stream, outcomes = Stream(server.url, f"any-order-{next(names)}"), Applied()
    source = Source(stream.url, stream.name, GROUP, "one")
    with new_store() as store:
        opened = [SourceStream(source), SourceStream(source)]
        one, two = (
            Ingest(
                messages,
                StoreWriter(store, lambda: policy),
                stop=threading.Event(),
                count=outcomes,
                limits=Limits(batch=batch),
            )
            for messages in opened
        )
        for number, (key, version) in enumerate(messages):
            stream.add(key, version, state(key, version))
            if number == split:
                one.drain()
        two.drain()
        for key in KEYS:
            versions = [version for each, version in messages if each == key]
            expected = state(key, max(versions)) if versions else None
            assert is_open(store, key) == (expected["open"] if expected else None)
        assert outcomes.total() == len(messages)
        assert outcomes["dead"] == 0
        assert stream.pending() == 0
        for each in opened:
            each.close()
    stream.client.delete(stream.name)
    stream.client.close()


CHECKED = st.builds(
    lambda key, size, shard: Checked(
        Message("1-0", "door", key, b"", 1, size), Change("door", f"{shard}{key}", b""), shard
    ),
    st.sampled_from(KEYS),
    st.integers(0, 700_000),
    st.integers(0, 2),
)


@given(st.lists(CHECKED, max_size=30))
def test_groups_lose_nothing_and_keep_the_order_of_each_record(checked: list[Checked]) -> None:
    groups = list(_groups(checked))
    together = [one for group in groups for one in group]
    assert sorted(map(id, together)) == sorted(map(id, checked))
    for shard in range(3):
        assert [one for one in together if one.shard == shard] == [
            one for one in checked if one.shard == shard
        ]
    for group in groups:
        assert len({one.shard for one in group}) == 1
        assert len({one.change.key for one in group}) == len(group)
        assert len(group) == 1 or sum(one.message.size for one in group) <= 1_048_576


def test_documents_stay_as_they_were_sent(server: RedisServer, policy: Policy) -> None:
    stream = Stream(server.url, "documents")
    with new_store() as store:
        messages = SourceStream(Source(stream.url, stream.name, GROUP, "one"))
        document = {"id": "é\u0000\U0001f6aa", "open": True, "built_at": "2026-03-02T09:00:00Z"}
        stream.add(str(document["id"]), 1, json.dumps(document, ensure_ascii=False))
        Ingest(messages, StoreWriter(store, lambda: policy), stop=threading.Event()).drain()
        ((record,),) = (store.page("door"),)
        assert json.loads(policy.readable("door", record.value)) == document
        messages.close()
    stream.client.close()
