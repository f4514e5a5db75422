"""Connections to the doors that take their time: others are answered, and each of them ends."""

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.adapters.gateways.conftest import login
from tests.adapters.gateways.raw import send
from tests.adapters.test_forward_auth import asked, head
from tests.end_to_end.sidecar import Sidecar, question

BOUND = 30.0
"""How long the head of a request may take, and a connection may idle (`HEAD_TIME`), in seconds."""
LATE = 8.0
"""By how much a busy machine may be late, in seconds."""
IDLE = 500

OWN = head(asked(), "POST /decide HTTP/1.1", "keep-alive").removesuffix(b"\r\n")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# What a client of forward_auth sends at once, and what it then sends a byte of each second.
SLOW: dict[str, tuple[bytes, bytes]] = {
    "silent": (b"", b""),
    "head": (b"", OWN + b"X-A: " + b"x" * 200),
    "head-stops": (b"GET /decide HTTP/1.1\r\nX-A: ", b""),
    "empty-lines": (b"", b"\r\n" * 100),
    "preface": (b"", PREFACE[:20]),
    "preface-stops": (PREFACE[:10], b""),
    "body": (OWN + b"Content-Length: 1000\r\n\r\n", b"x" * 100),
    "body-stops": (OWN + b"Content-Length: 1000\r\n\r\nx", b""),
    "chunks": (OWN + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 100),
    "idle-after-one": (OWN + b"\r\n", b""),
    "next-head": (OWN + b"\r\n" + b"GET /", b"x" * 100),
}
# The same of the gRPC address, where Envoy asks.
SLOW_GRPC = {name: SLOW[name] for name in ("silent", "preface", "preface-stops")}


@dataclass
class Slow:
    """A client that takes its time."""

    connection: socket.socket
    left: bytes
    came: bytes = b""
    ended: bool = False

    def step(self) -> None:
        """Sends a byte more, and reads what came."""
        try:
            if self.left:
                self.connection.send(self.left[:1])
                self.left = self.left[1:]
            while piece := self.connection.recv(65_536):
                self.came += piece
            self.ended = True
        except BlockingIOError:
            pass
        except ConnectionError:
            self.ended = True


@dataclass
class Clients:
    """All of them, and the port of forward_auth."""

    port: int
    slow: dict[str, Slow] = field(default_factory=dict)


@pytest.fixture
def clients(door: Sidecar) -> Iterator[Clients]:
    clients = Clients(_port(door.addresses["forward_auth"]))
    asked_there = [(clients.port, "http", SLOW), (_port(door.grpc), "grpc", SLOW_GRPC)]
    with contextlib.ExitStack() as stack:
        for port, kind, slow in asked_there:
            for name, (first, left) in slow.items():
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                connection.sendall(first)
                connection.setblocking(False)
                clients.slow[f"{kind} {name}"] = Slow(connection, left)
        yield clients


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _others_are_answered(port: int) -> None:
    assert send(port, head([login(), *asked()])).status == 200
    assert send(port, head(asked())).status == 401


def test_slow_clients_hold_up_nobody_and_end(door: Sidecar, clients: Clients) -> None:
    began = time.monotonic()
    while (past := time.monotonic() - began) < BOUND + LATE:
        for slow in clients.slow.values():
            if not slow.ended:
                slow.step()
        if all(slow.ended for slow in clients.slow.values()):
            break
        _others_are_answered(clients.port)
        time.sleep(max(0.0, 1 - (time.monotonic() - began - past)))
    assert [name for name, slow in clients.slow.items() if not slow.ended] == []
    assert door.check(question()).reasons, "whoever asks over gRPC is answered too"
    for name, slow in clients.slow.items():
        assert b"HTTP/1.1 2" not in slow.came, name
        assert b"HTTP/1.1 5" not in slow.came, name


def test_connections_that_say_nothing_hold_up_nobody(door: Sidecar, clients: Clients) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(IDLE):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", clients.port)))
            if number % 2:
                connection.sendall(b"GET /decide HTTP/1.1\r\nHost: a\r\n")
        _others_are_answered(clients.port)
    _others_are_answered(clients.port)
