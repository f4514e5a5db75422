"""Where the stream and the records may be: Sentinel with a failover, a Cluster, TLS, records in shards."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from pdp._core import Policy
from pdp.records.ingest import Ingest
from pdp.records.ingest_dead import DeadLetters
from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.ingest_write import StoreWriter
from pdp.records.store import Parameters, RecordStore, open_store
from tests.servers.certificates import Authority
from tests.servers.redis import (
    RedisServer,
    redis_cluster,
    redis_sentinels,
    redis_server,
    redis_with_replicas,
    wait_for,
)
from tests.unit.records.ingest.streams import GROUP, Applied, Stream, door, is_open

Outcomes = Applied


@contextmanager
def running(source: Source, store: RecordStore, policy: Policy, outcomes: Applied) -> Iterator[None]:
    """A consumer that runs while the context is open."""
    messages, stop = SourceStream(source), threading.Event()
    ingest = Ingest(messages, StoreWriter(store, lambda: policy), stop=stop, count=outcomes)
    thread = threading.Thread(target=ingest.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        messages.close()
    assert not thread.is_alive()


def test_a_failover_of_the_streams_redis(
    tmp_path: Path, store: RecordStore, policy: Policy, outcomes: Applied
) -> None:
    with (
        redis_with_replicas(tmp_path, 1) as (primary, replica),
        redis_sentinels(tmp_path, primary, "streams") as sentinels,
    ):
        addresses = ",".join(sentinel.address for sentinel in sentinels)
        source = Source(f"redis+sentinel://{addresses}/streams", "doors", GROUP, "one")
        before = Stream(primary.url, "doors")
        with running(source, store, policy, outcomes):
            for number in range(50):
                before.add(str(number), 1, door(str(number)))
            # A sender that wants its message to survive a failover waits for the replica.
            assert before.client.wait(1, 2_000) == 1
            primary.kill()
            wait_for(lambda: replica.client().info("replication")["role"] == "master", seconds=30)
            after = Stream(replica.url, "doors")
            after.add("after", 1, door("after"))
            after.add("bad", "x")
            wait_for(lambda: store.counts() == {"door": 51}, seconds=30)
            wait_for(lambda: outcomes["dead"] == 1 and after.pending() == 0)
        assert len(after.dead()) == 1


def test_a_stream_in_a_cluster(tmp_path: Path, store: RecordStore, policy: Policy, outcomes: Applied) -> None:
    with redis_cluster(tmp_path) as nodes:
        url = f"redis+cluster://{nodes[1].address}"
        with redis.RedisCluster(host="127.0.0.1", port=nodes[0].port) as client:
            # In each of the three nodes.
            for name in ("{a}doors", "{b}doors", "{c}doors"):
                for number in range(20):
                    fields = {"kind": "door", "key": f"{name}{number}", "version": 1}
                    client.xadd(name, fields | {"value": f'{{"id":"{name}{number}","open":true}}'})
                client.xadd(name, {"kind": "gate", "key": "x", "version": 1})
                with running(Source(url, name, GROUP, "one"), store, policy, outcomes):
                    wait_for(lambda: outcomes.total() >= 21)
                outcomes.clear()
                letters = DeadLetters(url, name)
                (letter,) = letters
                letters.replay(letter.id)
                assert list(letters) == []
                letters.close()
        assert store.counts() == {"door": 60}


def test_tls_with_a_clients_certificate(
    tmp_path: Path, store: RecordStore, policy: Policy, outcomes: Applied
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("server")
    mine, my_key = authority.sign("ingest")
    files = {
        "tls_cert_file": str(certificate),
        "tls_key_file": str(key),
        "tls_ca_cert_file": str(authority.certificate),
    }
    with redis_server(tmp_path, **files) as server:
        options = f"ssl_ca_certs={authority.certificate}&ssl_certfile={mine}&ssl_keyfile={my_key}"
        url = f"rediss://{server.address}/0?{options}"
        stream = Stream(url, "doors")
        stream.add("a", 1, door("a"))
        with running(Source(url, "doors", GROUP, "one"), store, policy, outcomes):
            wait_for(lambda: is_open(store, "a") is True)


@pytest.fixture
def in_redis(server: RedisServer, tmp_path: Path) -> Callable[[int], RecordStore]:
    """Opens an empty store in Redis with so many shards."""

    def make(shards: int) -> RecordStore:
        store = open_store(f"{server.url}?namespace={tmp_path.name.replace('_', '-')}")
        store.initialise(Parameters(shards=shards))
        return store

    return make


@pytest.mark.parametrize("shards", [1, 3])
def test_records_in_redis(
    stream: Stream, policy: Policy, outcomes: Applied, in_redis: Callable[[int], RecordStore], shards: int
) -> None:
    store = in_redis(shards)
    for version in (2, 1, 3):
        for number in range(30):
            stream.add(str(number), version, door(str(number), is_open=version == 3))
    stream.raw("kind", "note", "key", "n", "version", "1", "value", "{}")
    messages = SourceStream(Source(stream.url, stream.name, GROUP, "one"))
    writer = StoreWriter(store, lambda: policy)
    start = store.head(store.shard_of("note", "n")).position
    Ingest(messages, writer, stop=threading.Event(), count=outcomes).drain()
    assert all(is_open(store, str(number)) for number in range(30))
    assert outcomes.total() == 91
    assert outcomes["dead"] == 0
    # A kind whose writes wait for all is marked.
    delta = store.changes_since(start, store.shard_of("note", "n"))
    assert delta is not None
    assert [step.barrier for step in delta.steps].count(True) == 1
    # Of each shard one write for each version of its records, as far as the batches go.
    assert sum(store.head(shard).position.seq for shard in range(shards)) <= 4 * shards
    messages.close()
    store.close()
