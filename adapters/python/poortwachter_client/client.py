"""The client for threads. `aio` is its twin; what they share is in `core`."""

import os
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from poortwachter_client.contract.decision_service_pb2_grpc import DecisionServiceStub
from poortwachter_client.core import CHANNEL_OPTIONS, Core, Metadata, Options, Request
from poortwachter_client.decision import Decision
from poortwachter_client.errors import InvalidRequest
from poortwachter_client.settings import Settings
from poortwachter_client.watching import Watching


class Client:
    """Asks sidecars "allow?". Safe to use from many threads; make one for a process and keep it.

    Connections are made at the first call, and anew in a process that was forked from one that had some.

    Args:
        addresses: of the sidecars, each of one sidecar: `HOST:PORT`, `unix:PATH`.
        settings: see `Settings`.

    Raises:
        ValueError: a setting makes no sense, or nothing protects the way to an address on another machine.
    """

    def __init__(self, addresses: Sequence[str], **settings: Unpack[Settings]) -> None:
        self._addresses, self._options = tuple(addresses), Options(**settings)
        self._options.checked(addresses)
        self._lock = threading.Lock()
        self._connections: _Connections | None = None
        self._closed = False

    def check(self, request: Request, *, timeout: float | None = None, metadata: Metadata = ()) -> Decision:
        """Decides one request, a mapping in AuthZEN's shape (`subject`, `action`, `resource`, `context`).

        A PDP that cannot be asked within `timeout` seconds is a denial, `PDP_UNAVAILABLE`. `metadata` goes
        along, e.g. a `traceparent`. Raises InvalidRequest.
        """
        connections = self._connected()
        core = connections.core
        key, kept = core.kept(request)
        if kept is not None:
            return kept
        question = core.question(request, key, timeout)
        while attempt := question.next():
            if attempt.pause:
                time.sleep(attempt.pause)
            stub = connections.stubs[attempt.sidecar.number]
            try:
                response = stub.Check(
                    question.message(attempt), timeout=attempt.timeout, metadata=core.metadata(metadata)
                )
            except grpc.RpcError as error:
                question.failed(attempt, error)
            else:
                return question.answered(attempt, response)
        return question.denied()

    def check_many(
        self, requests: Sequence[Request], *, timeout: float | None = None, metadata: Metadata = ()
    ) -> list[Decision | InvalidRequest]:
        """Decides at most 1,000 requests at one moment, in order. An invalid one gives its error in place.

        Always asks a sidecar. Raises InvalidRequest when there are too many.
        """
        connections = self._connected()
        core = connections.core
        batch = core.batch(requests, timeout)
        while not batch.empty and (attempt := batch.next()):
            if attempt.pause:
                time.sleep(attempt.pause)
            stub = connections.stubs[attempt.sidecar.number]
            try:
                response = stub.CheckBatch(
                    batch.message, timeout=attempt.timeout, metadata=core.metadata(metadata)
                )
            except grpc.RpcError as error:
                batch.failed(attempt, error)
            else:
                return batch.answered(attempt, response)
        return batch.denied()

    @property
    def watching(self) -> bool:
        """Whether answers of at least one sidecar can be kept now."""
        return self._connections is not None and self._connections.core.watching

    @property
    def cached(self) -> int:
        """How many answers are kept."""
        return 0 if self._connections is None else self._connections.core.cached

    def connect(self) -> None:
        """Makes the connections now instead of at the first call."""
        self._connected()

    def close(self) -> None:
        """Ends all connections; what was kept is forgotten. Calls after this raise RuntimeError."""
        with self._lock:
            self._closed = True
            connections, self._connections = self._connections, None
        if connections is not None and connections.pid == os.getpid():
            connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connected(self) -> "_Connections":
        connections = self._connections
        if connections is not None and connections.pid == os.getpid():
            return connections
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._connections is None or self._connections.pid != os.getpid():
                self._connections = _Connections(Core(self._addresses, self._options))
            return self._connections


class _Connections:
    """A channel to each sidecar, and its watch where answers are kept.

    Those of one process: after a fork nobody would tell the child what to forget, so it begins with nothing.
    """

    def __init__(self, core: Core) -> None:
        self.core, self.pid = core, os.getpid()
        self._channels = [_channel(each.address, core.options) for each in core.sidecars.all]
        self.stubs = [DecisionServiceStub(channel) for channel in self._channels]
        self._watching: list[Watching] = []
        if core.cache is not None:
            for sidecar, stub in zip(core.sidecars.all, self.stubs, strict=True):
                self._watching.append(Watching(sidecar, core.watch, _opening(stub, core)))

    def close(self) -> None:
        for watching in self._watching:
            watching.close()
        for channel in self._channels:
            channel.close()


def _channel(address: str, options: Options) -> grpc.Channel:
    if options.credentials is not None:
        return grpc.secure_channel(address, options.credentials, options=CHANNEL_OPTIONS)
    return grpc.insecure_channel(address, options=CHANNEL_OPTIONS)


def _opening(stub: DecisionServiceStub, core: Core) -> Any:
    return lambda pings: stub.Watch(pings, metadata=core.metadata(()))
