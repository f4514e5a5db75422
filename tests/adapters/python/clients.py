"""Both clients, asked in the same way, and writes that hold when they return."""

import asyncio
import json
import signal
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

from pdp.records.v1.record_pb2 import WAIT_MODE_ALL, Change
from pdp.records.v1.record_service_pb2 import ApplyChangesRequest, ApplyChangesResponse
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub
from poortwachter_client import AsyncClient, Client, Decision, InvalidRequest
from tests.end_to_end.sidecar import Sidecar, http, until

Metadata = Sequence[tuple[str, str | bytes]]


class Asking(Protocol):
    """What `Client` has, and `Looped` too."""

    def check(
        self, request: Mapping[str, Any], *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Decision: ...

    def check_many(
        self, requests: Sequence[Mapping[str, Any]], *, timeout: float | None = None
    ) -> list[Decision | InvalidRequest]: ...

    @property
    def watching(self) -> bool: ...

    @property
    def cached(self) -> int: ...

    def connect(self) -> None: ...

    def close(self) -> None: ...


class Looped:
    """An `AsyncClient` in an event loop of its own thread."""

    def __init__(self, addresses: Sequence[str], **settings: Any) -> None:
        self.client = AsyncClient(addresses, **settings)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)

    def check(
        self, request: Mapping[str, Any], *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Decision:
        decision: Decision = self._run(self.client.check(request, timeout=timeout, metadata=metadata))
        return decision

    def check_many(
        self, requests: Sequence[Mapping[str, Any]], *, timeout: float | None = None
    ) -> list[Decision | InvalidRequest]:
        answers: list[Decision | InvalidRequest] = self._run(
            self.client.check_many(requests, timeout=timeout)
        )
        return answers

    @property
    def watching(self) -> bool:
        return self.client.watching

    @property
    def cached(self) -> int:
        return self.client.cached

    def connect(self) -> None:
        self._run(self.client.connect())

    def close(self) -> None:
        if self._thread.is_alive():
            self._run(self.client.close())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(timeout=10)
            self.loop.close()


KINDS: dict[str, Any] = {"sync": Client, "asyncio": Looped}

both = pytest.mark.parametrize("kind", KINDS)
"""For tests that must hold for both clients."""


@contextmanager
def asking(kind: str, addresses: Sequence[str], **settings: Any) -> Iterator[Asking]:
    """A client that ends with the test. Its time-out is for a busy machine unless the test has one."""
    client: Asking = KINDS[kind](addresses, **{"timeout": 10.0, **settings})
    try:
        yield client
    finally:
        client.close()


def watching(client: Asking) -> None:
    """Waits until answers can be kept."""
    client.connect()
    until(lambda: client.watching, 20, "the watch")


def kept(client: Asking, request: Mapping[str, Any]) -> Decision:
    """Waits until a request is answered from the cache."""
    until(lambda: client.check(request).cached, 20, "a kept answer")
    return client.check(request)


@contextmanager
def stopped(sidecar: Sidecar) -> Iterator[None]:
    """SIGSTOP, then SIGCONT, and until it answers again: another signal before that may wait for a while."""
    sidecar.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        sidecar.signal(signal.SIGCONT)
        http(sidecar.http, "/healthz/live")


def write_for_all(
    sidecar: Sidecar, *records: tuple[str, str, Mapping[str, Any] | None]
) -> ApplyChangesResponse:
    """Writes with wait=all: when this returns, nobody may answer from a state without it."""
    changes = [
        Change(kind=kind, key=key, value_json="" if value is None else json.dumps(value))
        for kind, key, value in records
    ]
    stub = RecordServiceStub(sidecar.channel(sidecar.admin))
    request = ApplyChangesRequest(changes=changes, wait_mode=WAIT_MODE_ALL)
    response: ApplyChangesResponse = stub.ApplyChanges(request, timeout=40, wait_for_ready=True)
    return response


BLOCK = {"ground": "misuse", "from": "2020-01-01T00:00:00Z", "reference": "B-1"}
