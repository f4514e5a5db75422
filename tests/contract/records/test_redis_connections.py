"""Connections to Redis that break, servers that hang: nothing is repeated, nothing mixed up."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from pdp.records.store import (
    Beat,
    Change,
    LeaseMismatchError,
    RecordStore,
    StoreError,
    UnconfirmedError,
    open_store,
)
from tests.contract.records.conftest import new_redis
from tests.servers.redis import RedisServer, redis_server, start_redis

A = Change("employer", "1", b'{"a":1}')


@pytest.fixture
def store(own: RedisServer) -> Iterator[RecordStore]:
    store = open_store(new_redis(own, "faults"))
    yield store
    store.close()


def test_a_server_that_hangs(own: RedisServer, store: RecordStore) -> None:
    written = store.write([A], "id-1")
    own.pause()
    try:
        began = time.monotonic()
        with pytest.raises(UnconfirmedError, match="did not answer in time"):
            store.write([A._replace(value=b"{}")], "id-2")
        with pytest.raises(StoreError, match=r"did not answer in time|does not answer") as caught:
            store.head()
        assert not isinstance(caught.value, UnconfirmedError)
        assert time.monotonic() - began < 6.0
    finally:
        own.go_on()
    # Whether it happened is told by repeating it, once.
    again = store.write([A._replace(value=b"{}")], "id-2")
    assert again.position.seq == 2
    assert store.head().position == again.position
    assert again.epoch == written.epoch


def _run_forever(client: Redis) -> None:
    with suppress(ResponseError):
        client.eval("while true do end", 0)


def test_a_busy_script(own: RedisServer, store: RecordStore) -> None:
    with own.client() as client:
        client.config_set("busy-reply-threshold", "50")
        runaway = threading.Thread(target=_run_forever, args=(client,))
        runaway.start()
        time.sleep(0.3)
        try:
            with pytest.raises(StoreError, match="busy with a long script"):
                store.head()
        finally:
            with own.client() as other:
                other.script_kill()
            runaway.join()
    store.head()


def test_connections_that_were_closed_meanwhile(own: RedisServer, store: RecordStore) -> None:
    store.write([A])
    with own.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    # A connection that is found closed is not used.
    assert store.write([A]).position.seq == 2


def test_a_server_that_forgot_its_scripts(own: RedisServer, store: RecordStore) -> None:
    store.write([A])
    with own.client() as client:
        client.script_flush()
    assert store.head().position.seq == 1
    assert store.write([A]).position.seq == 2


def test_a_restart_is_another_epoch_of_the_same_history(tmp_path: Path) -> None:
    server = start_redis(tmp_path, appendonly="yes", appendfsync="always")
    try:
        store = open_store(new_redis(server, "restart"))
        written = store.write([A])
        store.beat(Beat("one", 1, written.position, 1, 4_000))
        server.kill()
        with pytest.raises(StoreError):
            store.head()
        assert server.start()
        head = store.head()
        assert head.position == written.position
        assert head.epoch != written.epoch
        # Whoever asks first empties the registry, as registrations may have been lost.
        assert store.view(99) == (head.epoch, 0, ())
        assert store.write([A], "again").epoch == head.epoch
        store.close()
    finally:
        server.stop()


def test_the_registry_of_an_earlier_epoch_never_counts(tmp_path: Path) -> None:
    with redis_server(tmp_path, enable_debug_command="yes") as server:
        store = open_store(new_redis(server, "epoch"))
        before = store.head()
        store.beat(Beat("one", 1, before.position, 0, 4_000))
        with server.client() as client:
            # As after a failover: the same data, another replication id.
            client.execute_command("DEBUG", "CHANGE-REPL-ID")
        after = store.beat(Beat("two", 1, before.position, 0, 4_000))
        assert after == store.head()
        assert after.epoch != before.epoch
        assert [member.instance for member in store.members()] == ["two"]
        store.close()


def test_what_was_read_is_still_there_after_many_failures(own: RedisServer, store: RecordStore) -> None:
    """No connection is left with an answer that another call would take for its own."""
    store.write([A])
    for _ in range(20):
        with pytest.raises(LeaseMismatchError):
            store.beat(Beat("one", 1, store.head().position, 0, 1))
        with suppress(KeyboardInterrupt), store.snapshot() as snapshot:
            next(snapshot.chunks())
            raise KeyboardInterrupt
        assert store.get("employer", "1") is not None
    with own.client() as client:
        assert len(client.client_list()) < 10


def test_waiting_for_news_ends_with_the_server(own: RedisServer, store: RecordStore) -> None:
    position = store.head().position
    timer = threading.Timer(0.2, own.kill)
    timer.start()
    began = time.monotonic()
    with pytest.raises(StoreError, match="was lost"):
        store.news(position, seconds=10)
    assert time.monotonic() - began < 5.0
    timer.join()


def test_a_connection_that_is_cut_during_a_write(own: RedisServer) -> None:
    """Nothing is repeated behind the caller's back."""
    new_redis(own, "cut")
    with _relay(own.port) as (address, cut), own.client() as client:
        (meta,) = client.keys("*meta")
        namespace = meta.decode()[1:].split(":")[0]
        store = open_store(f"redis://{address}?namespace={namespace}")
        store.write([A])
        cut.set()
        with pytest.raises(UnconfirmedError, match="was lost"):
            store.write([A._replace(value=b"{}")], "id-2")
        assert client.hget(meta, "head") == b"2"
        cut.clear()
        assert store.write([A._replace(value=b"{}")], "id-2").position.seq == 2
        store.close()


class _relay:  # noqa: N801 - used as a function
    """A relay to a port; while `cut` is set it passes what is asked and closes at the answer."""

    def __init__(self, port: int) -> None:
        self._port, self._cut = port, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> tuple[str, threading.Event]:
        threading.Thread(target=self._accept, daemon=True).start()
        return f"127.0.0.1:{self._listener.getsockname()[1]}", self._cut

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            outer = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._pass, args=(inner, outer, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(outer, inner, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if answers and self._cut.is_set():
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                end.close()
