"""What is wrong with a Redis server: one clear sentence each, and nothing half done."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pdp.records.store import (
    Beat,
    Change,
    Parameters,
    Position,
    RecordStore,
    StoreError,
    UninitialisedError,
    open_store,
)
from tests.contract.records.conftest import new_redis
from tests.contract.records.fake_server import fake_server
from tests.servers.processes import free_port
from tests.servers.redis import RedisServer, redis_server

A = Change("employer", "1", b'{"a":1}')


@pytest.fixture
def store(own: RedisServer) -> Iterator[RecordStore]:
    store = open_store(new_redis(own, "faults"))
    yield store
    store.close()


def refused(url: str, sentence: str, error: type[StoreError] = StoreError) -> None:
    with pytest.raises(error, match=sentence) as caught:
        open_store(url)
    assert re.fullmatch(r"[^\n]+\.", str(caught.value))
    assert "secret" not in str(caught.value)


def test_a_port_where_nobody_is() -> None:
    refused(f"redis://127.0.0.1:{free_port()}", "cannot be reached: Connection refused")


def test_a_host_that_does_not_exist() -> None:
    refused("redis://u:secret@no-such-host.invalid", r"no-such-host\.invalid:6379 cannot be reached")


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ((b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",), "is no Redis server"),
        ((b"\x15\x03\x01\x00\x02\x02\x50\r\n",), "is no Redis server"),
        ((b"-ERR unknown command 'HELLO'\r\n",), r"is too old; the record store needs version 7\.0"),
        ((b"-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n",), r"is too old"),
        (
            (
                b"%1\r\n+proto\r\n:3\r\n",
                b"$45\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n\r\n$0\r\n\r\n",
            ),
            r"is version 6\.2\.14; the record store needs 7\.0 or later",
        ),
        ((b"-LOADING Redis is loading the dataset in memory\r\n",), "is loading its data; try again later"),
        ((b"-ERR max number of clients reached\r\n",), "cannot be reached: max number of clients reached"),
        ((), "does not answer"),
    ],
)
def test_a_server_that_is_no_redis_of_this_time(answers: tuple[bytes, ...], sentence: str) -> None:
    with fake_server(*answers) as address:
        refused(f"redis://u:secret@{address}", sentence)


def test_user_and_password(tmp_path: Path) -> None:
    with redis_server(tmp_path, requirepass="other") as server:
        refused(server.url, "asks for a user and password")
        refused(f"redis://:secret@{server.address}", "refuses this user and password")
        refused(f"redis://nobody:secret@{server.address}", "refuses this user and password")
        open_store(f"redis://:other@{server.address}").close()


def test_a_database_that_does_not_exist(own: RedisServer) -> None:
    refused(f"{own.url}/99", "has no database of that number")
    store = open_store(f"{own.url}/3")
    store.initialise(Parameters())
    store.close()
    with pytest.raises(UninitialisedError):
        open_store(own.url).head()


def test_a_server_that_throws_records_away(own: RedisServer) -> None:
    with own.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    refused(own.url, r"throws away records .*maxmemory-policy allkeys-lru.*noeviction")


def _calls(store: RecordStore) -> list[Callable[[], object]]:
    position = Position(0, bytes(20))
    return [
        store.parameters,
        store.head,
        lambda: store.write([A]),
        lambda: store.get("employer", "1"),
        lambda: store.page("employer"),
        lambda: store.fetch(0, [("employer", "1")]),
        lambda: store.changes_since(position),
        lambda: store.snapshot().__enter__(),
        lambda: store.beat(Beat("one", 1, position, 0, 4_000)),
        lambda: store.view(0),
        store.members,
        lambda: store.forget("one", 1),
    ]


def test_a_store_that_is_not_initialised(own: RedisServer) -> None:
    store = open_store(own.url)
    for call in _calls(store):
        with pytest.raises(UninitialisedError, match="is not initialised"):
            call()
    store.close()


def test_a_store_that_was_emptied(own: RedisServer, store: RecordStore) -> None:
    written = store.write([A])
    store.beat(Beat("one", 1, written.position, 1, 4_000))
    with own.client() as client:
        client.flushall()
    for call in _calls(store):
        with pytest.raises(UninitialisedError):
            call()
    # Initialised again on the same server it is another epoch and another history, from the first answer on.
    store.initialise(Parameters())
    head = store.head()
    assert head.epoch != written.epoch
    assert head.position.seq == 0
    assert store.members() == []
    assert store.changes_since(written.position) is None


def test_a_store_that_was_initialised_with_other_shards(own: RedisServer, store: RecordStore) -> None:
    store.write([A])
    with own.client() as client:
        client.flushall()
    url = f"{own.url}?namespace={store._primaries._url.namespace}"  # type: ignore[attr-defined]
    other = open_store(url)
    other.initialise(Parameters(shards=2))
    # With the wrong number of shards a record that stands would be looked for where it is not.
    for call in (lambda: store.get("employer", "1"), lambda: store.write([A]), store.head):
        with pytest.raises(StoreError, match="with 2 shards; start this process again"):
            call()
    other.close()


def test_keys_of_another_program(own: RedisServer) -> None:
    with own.client() as client:
        client.set("{pdp:0}:counter", "1")
        store = open_store(own.url)
        with pytest.raises(StoreError, match=r"keys that begin with \{pdp:0\}: but no record store"):
            store.initialise(Parameters())
        client.flushall()
        client.hset("{pdp:0}:meta", "format", "2")
        client.hset("{pdp:0}:meta", "genesis", "x")
        for call in (lambda: store.initialise(Parameters()), store.head, store.parameters):
            with pytest.raises(StoreError, match=r"has format 2, and this version of poortwachter knows 1"):
                call()
        client.set("{pdp:0}:meta", "1")
        for call in (lambda: store.initialise(Parameters()), store.parameters):
            with pytest.raises(StoreError, match="has keys of another program"):
                call()
    store.close()


@pytest.mark.parametrize(
    "parameters", [Parameters(lease_ms=0), Parameters(clock_rate_ppm=-1), Parameters(shards=0)]
)
def test_parameters_that_no_store_can_have(redis: RedisServer, parameters: Parameters) -> None:
    store = open_store(f"{redis.url}?namespace=never")
    with pytest.raises(StoreError):
        store.initialise(parameters)
    with pytest.raises(UninitialisedError):
        store.parameters()
    store.close()


def test_a_full_memory_changes_nothing(own: RedisServer, store: RecordStore) -> None:
    """And the sidecars go on, as what they hold stays true."""
    written = store.write([A])
    with own.client() as client:
        client.config_set("maxmemory", "1mb")
        many = (Change("item", str(number), b"x" * 1000) for number in range(20_000))
        for changes in ([A._replace(value=b"{}")], [A._replace(value=None)], many):
            with pytest.raises(StoreError, match=r"has no memory left \(maxmemory\); nothing was changed"):
                store.write(changes)
        assert store.head().position == written.position
        assert store.counts() == {"employer": 1}
        assert store.get("employer", "1") is not None
        assert store.beat(Beat("one", 1, written.position, 1, 4_000)).position == written.position
        assert store.view(2).behind == 1
        store.forget("one", 1)
        assert not client.keys("*staged*")
        client.config_set("maxmemory", "0")
    store.write([A._replace(value=None)])


def test_memory_that_fills_up_during_a_large_write(own: RedisServer, store: RecordStore) -> None:
    store.write([A])
    with own.client() as client:
        limit = client.info("memory")["used_memory"] + 6_000_000
        client.config_set("maxmemory", str(limit))
        with pytest.raises(StoreError, match="no memory left"):
            store.write(Change("item", str(number), b"x" * 1000) for number in range(20_000))
        assert store.counts() == {"employer": 1}
        assert store.head().position.seq == 1
        assert not client.keys("*staged*")
        assert not client.keys("*lock*")


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    with redis_server(tmp_path, save="3600 1", enable_protected_configs="yes") as server:
        store = open_store(new_redis(server, "disk"))
        store.write([A])
        with server.client() as client:
            folder = tmp_path / "gone"
            folder.mkdir()
            client.config_set("dir", str(folder))
            shutil.rmtree(folder)
            client.bgsave()
            while client.info("persistence")["rdb_bgsave_in_progress"]:
                time.sleep(0.01)
            with pytest.raises(StoreError, match="cannot write its data to disk"):
                store.write([A._replace(value=b"{}")])
            assert store.get("employer", "1") == ("employer", "1", b'{"a":1}', 1)
            client.config_set("save", "")
        store.close()


def test_too_few_replicas_for_the_server_itself(own: RedisServer, store: RecordStore) -> None:
    with own.client() as client:
        client.config_set("min-replicas-to-write", "1")
    with pytest.raises(StoreError, match="too few replicas"):
        store.write([A])
