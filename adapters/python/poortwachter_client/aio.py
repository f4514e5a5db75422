"""The client for asyncio: the twin of `client`; what they share is in `core`."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

import grpc
from grpc import aio

from poortwachter_client.cache import Watch
from poortwachter_client.contract.decision_service_pb2 import WatchRequest
from poortwachter_client.contract.decision_service_pb2_grpc import DecisionServiceStub
from poortwachter_client.core import CHANNEL_OPTIONS, Core, Metadata, Options, Request
from poortwachter_client.decision import Decision
from poortwachter_client.errors import InvalidRequest
from poortwachter_client.settings import Settings
from poortwachter_client.sidecars import JITTER, Sidecar
from poortwachter_client.watching import FIRST_REST_SECONDS, MOST_REST_SECONDS

if TYPE_CHECKING:
    from poortwachter_client.contract.decision_service_pb2_grpc import DecisionServiceAsyncStub


class AsyncClient:
    """Asks sidecars "allow?" from an event loop; in another loop it begins anew. Otherwise as `Client`."""

    def __init__(self, addresses: Sequence[str], **settings: Unpack[Settings]) -> None:
        self._addresses, self._options = tuple(addresses), Options(**settings)
        self._options.checked(addresses)
        self._connections: _Connections | None = None
        self._closed = False

    async def check(
        self,
        request: Request,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        metadata: Metadata = (),
    ) -> Decision:
        """See `Client.check`."""
        connections = self._connected()
        core = connections.core
        key, kept = core.kept(request)
        if kept is not None:
            return kept
        question = core.question(request, key, timeout)
        while attempt := question.next():
            if attempt.pause:
                await asyncio.sleep(attempt.pause)
            stub = connections.stubs[attempt.sidecar.number]
            try:
                response = await stub.Check(
                    question.message(attempt), timeout=attempt.timeout, metadata=core.metadata(metadata)
                )
            except grpc.RpcError as error:
                question.failed(attempt, error)
            else:
                return question.answered(attempt, response)
        return question.denied()

    async def check_many(
        self,
        requests: Sequence[Request],
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        metadata: Metadata = (),
    ) -> list[Decision | InvalidRequest]:
        """See `Client.check_many`."""
        connections = self._connected()
        core = connections.core
        batch = core.batch(requests, timeout)
        while not batch.empty and (attempt := batch.next()):
            if attempt.pause:
                await asyncio.sleep(attempt.pause)
            stub = connections.stubs[attempt.sidecar.number]
            try:
                response = await stub.CheckBatch(
                    batch.message, timeout=attempt.timeout, metadata=core.metadata(metadata)
                )
            except grpc.RpcError as error:
                batch.failed(attempt, error)
            else:
                return batch.answered(attempt, response)
        return batch.denied()

    @property
    def watching(self) -> bool:
        """See `Client.watching`."""
        return self._connections is not None and self._connections.core.watching

    @property
    def cached(self) -> int:
        """See `Client.cached`."""
        return 0 if self._connections is None else self._connections.core.cached

    async def connect(self) -> None:
        """See `Client.connect`."""
        self._connected()

    async def close(self) -> None:
        """See `Client.close`."""
        self._closed = True
        connections, self._connections = self._connections, None
        if connections is not None and connections.of_here():
            await connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _connected(self) -> "_Connections":
        connections = self._connections
        if connections is None or not connections.of_here():
            if self._closed:
                raise RuntimeError("the client is closed")
            connections = self._connections = _Connections(Core(self._addresses, self._options))
        return connections


class _Connections:
    """A channel to each sidecar, and the task of its watch where answers are kept."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
        self._channels = [_channel(each.address, core.options) for each in core.sidecars.all]
        self.stubs = [_stub(channel) for channel in self._channels]
        self._tasks: list[asyncio.Task[None]] = []
        if core.cache is not None:
            for sidecar, stub in zip(core.sidecars.all, self.stubs, strict=True):
                self._tasks.append(asyncio.create_task(_watch_on(core, sidecar, stub)))

    def of_here(self) -> bool:
        """Whether they are of this event loop and process: elsewhere nobody would tell what to forget."""
        return self._loop is asyncio.get_running_loop() and self._pid == os.getpid()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels:
            await channel.close()


def _channel(address: str, options: Options) -> aio.Channel:
    if options.credentials is not None:
        return aio.secure_channel(address, options.credentials, options=CHANNEL_OPTIONS)
    return aio.insecure_channel(address, options=CHANNEL_OPTIONS)


def _stub(channel: aio.Channel) -> "DecisionServiceAsyncStub":
    return DecisionServiceStub(channel)


async def _watch_on(core: Core, sidecar: Sidecar, stub: "DecisionServiceAsyncStub") -> None:
    """Keeps the stream to one sidecar open, and opens it again whenever it is lost."""
    rest = FIRST_REST_SECONDS
    while True:
        if await _watch_once(core, sidecar, stub):
            rest = FIRST_REST_SECONDS
        await asyncio.sleep(rest * JITTER.uniform(0.5, 1.0))
        rest = min(2 * rest, MOST_REST_SECONDS)


async def _watch_once(core: Core, sidecar: Sidecar, stub: "DecisionServiceAsyncStub") -> bool:
    """One stream until it is lost. Gives whether it told anything."""
    watch = core.watch()
    due = asyncio.Event()

    def give_up() -> None:
        stream.cancel()

    stream = stub.Watch(_pings(watch, due, give_up), metadata=core.metadata(()))
    sidecar.watch = watch
    try:
        async for message in stream:
            if watch.take(message):
                due.set()
    except grpc.RpcError:
        pass
    except asyncio.CancelledError:
        # So ends the stream that was given up, too; the task is not to end with it.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    finally:
        watch.lost()
        sidecar.watch = None
        due.set()
        stream.cancel()
    return watch.told


async def _pings(
    watch: Watch, due: asyncio.Event, give_up: Callable[[], object]
) -> AsyncIterator[WatchRequest]:
    while not watch.is_lost:
        yield watch.ping()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(due.wait(), watch.ping_seconds)
        due.clear()
        if watch.silent:
            watch.lost()
            give_up()
