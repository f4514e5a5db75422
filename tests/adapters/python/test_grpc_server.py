"""The interceptors of gRPC servers, on real servers of threads and of asyncio, asking a real sidecar."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from poortwachter_client import AsyncClient, Client
from poortwachter_client.grpc_server import AsyncInterceptor, Interceptor, public, requires
from poortwachter_client.requirement import current_decision
from tests.adapters.python.portal_apps import NOWHERE, READ
from tests.end_to_end import portal
from tests.end_to_end.sidecar import Sidecar
from tests.end_to_end.sidecar import health as health_of
from tests.servers.processes import free_port

SERVICE = "portal.v1.Absence"
USER = (("user", "yes"),)
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def subject(context: Any) -> Any:
    """Stands for a login: it goes by the call's metadata."""
    known = dict(context.invocation_metadata()).get("user") == "yes"
    return portal.request()["subject"] if known else None


def number(request: bytes) -> dict[str, str]:
    return {"fiscal_number": request.decode()}


def _accountable() -> bytes:
    decision = current_decision()
    assert decision is not None
    return str((decision.accountable or {}).get("kvk")).encode()


class Absence:
    """Each kind of method; what they answer is who is accountable."""

    @requires(**READ)
    def unary_unary(self, request: bytes, context: Any) -> bytes:
        return _accountable()

    @requires(**READ)
    def unary_stream(self, request: bytes, context: Any) -> Iterator[bytes]:
        for _ in range(3):
            yield _accountable()

    @requires(**READ)
    def stream_unary(self, requests: Iterator[bytes], context: Any) -> bytes:
        assert len(list(requests)) == 2
        return _accountable()

    @requires(**READ)
    def stream_stream(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for _ in requests:
            yield _accountable()

    @requires(**NOWHERE)
    def nowhere(self, request: bytes, context: Any) -> bytes:
        return b"never"

    @requires(**READ, properties=number)
    def fiscal(self, request: bytes, context: Any) -> bytes:
        return b"never"

    def undeclared(self, request: bytes, context: Any) -> bytes:
        return b"never"

    @public
    def open_to_all(self, request: bytes, context: Any) -> bytes:
        return b"open" if current_decision() is None else b"decided"


class AsyncAbsence:
    """The same for a server of asyncio."""

    @requires(**READ)
    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        return _accountable()

    @requires(**READ)
    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield _accountable()

    @requires(**READ)
    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        assert len([each async for each in requests]) == 2
        return _accountable()

    @requires(**READ)
    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> None:
        async for _ in requests:
            await context.write(_accountable())

    @requires(**NOWHERE)
    async def nowhere(self, request: bytes, context: Any) -> bytes:
        return b"never"

    @requires(**READ, properties=number)
    async def fiscal(self, request: bytes, context: Any) -> bytes:
        return b"never"

    async def undeclared(self, request: bytes, context: Any) -> bytes:
        return b"never"

    @public
    async def open_to_all(self, request: bytes, context: Any) -> bytes:
        return b"open" if current_decision() is None else b"decided"


def _handlers(absence: Any) -> Any:
    names = {name: name for name in KINDS}
    names |= dict.fromkeys(("nowhere", "fiscal", "undeclared", "open_to_all"), "unary_unary")
    handlers = {
        name: getattr(grpc, f"{kind}_rpc_method_handler")(getattr(absence, name))
        for name, kind in names.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


@contextmanager
def _of_threads(pdp: str) -> Iterator[str]:
    with Client([pdp], timeout=5.0) as client:
        gate = Interceptor(client, subject=subject, public_services=("grpc.health.v1.Health",))
        server = grpc.server(ThreadPoolExecutor(4), interceptors=[gate])
        server.add_generic_rpc_handlers((_handlers(Absence()),))
        health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait(10)


@contextmanager
def _of_asyncio(pdp: str) -> Iterator[str]:
    started: list[int] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with AsyncClient([pdp], timeout=5.0) as client:
            gate = AsyncInterceptor(client, subject=subject, public_services=("grpc.health.v1.Health",))
            server = aio.server(interceptors=[gate])
            server.add_generic_rpc_handlers((_handlers(AsyncAbsence()),))
            health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
            started.append(server.add_insecure_port("127.0.0.1:0"))
            await server.start()
            ready.set()
            await asyncio.to_thread(over.wait)
            await server.stop(0)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield f"127.0.0.1:{started[0]}"
    finally:
        over.set()
        thread.join(20)


SERVERS: dict[str, Callable[[str], Any]] = {"threads": _of_threads, "asyncio": _of_asyncio}


@pytest.fixture(scope="module", params=SERVERS)
def channel(request: pytest.FixtureRequest, pdp: Sidecar) -> Iterator[grpc.Channel]:
    with SERVERS[request.param](pdp.grpc) as address, grpc.insecure_channel(address) as channel:
        yield channel


def _call(channel: grpc.Channel, name: str, request: bytes = b"", metadata: Any = USER) -> list[bytes]:
    """Calls a method of any kind; gives all that it answers."""
    kind = name if name in KINDS else "unary_unary"
    method = getattr(channel, kind)(f"/{SERVICE}/{name}")
    sent = iter([request, request]) if kind.startswith("stream") else request
    answer = method(sent, metadata=metadata, timeout=20)
    return list(answer) if kind.endswith("stream") else [answer]


def _refused(channel: grpc.Channel, name: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
    with pytest.raises(grpc.RpcError) as raised:
        _call(channel, name, **more)
    error: Any = raised.value
    return error.code().name, error.details(), dict(error.trailing_metadata() or ())


@pytest.mark.parametrize(("kind", "messages"), list(zip(KINDS, (1, 3, 1, 2), strict=True)), ids=KINDS)
def test_who_is_allowed_gets_through_with_the_decision(
    channel: grpc.Channel, kind: str, messages: int
) -> None:
    assert _call(channel, kind) == [portal.EMPLOYER.encode()] * messages
    status, codes, metadata = _refused(channel, kind, metadata=())
    assert (status, codes) == ("UNAUTHENTICATED", "ACCOUNT_UNKNOWN, AUTHENTICATION_INVALID")
    assert metadata["poortwachter-reason-codes"] == "ACCOUNT_UNKNOWN,AUTHENTICATION_INVALID"
    assert len(metadata["poortwachter-decision-id"]) == 32


@pytest.mark.parametrize(
    ("name", "request_", "status", "says"),
    [
        ("nowhere", b"", "PERMISSION_DENIED", "SERVICE_UNKNOWN"),
        ("undeclared", b"", "PERMISSION_DENIED", "ROUTE_UNKNOWN"),
        ("fiscal", b"123456782", "PERMISSION_DENIED", "FISCAL_NUMBER_NOT_OF_EMPLOYER"),
        ("fiscal", b"7", "INVALID_ARGUMENT", "resource.properties.fiscal_number"),
        ("fiscal", b"\xff", "UNKNOWN", ""),
    ],
)
def test_what_is_denied_never_runs(
    channel: grpc.Channel, name: str, request_: bytes, status: str, says: str
) -> None:
    said, details, _ = _refused(channel, name, request=request_)
    assert said == status
    assert says in details


def test_what_needs_no_decision_gets_none(channel: grpc.Channel) -> None:
    assert _call(channel, "open_to_all", metadata=()) == [b"open"]
    assert health_of(channel) == health_pb2.HealthCheckResponse.SERVING
    assert _refused(channel, "unknown")[0] == "UNIMPLEMENTED"


@pytest.mark.parametrize("server", SERVERS)
def test_a_pdp_that_cannot_be_asked_is_no_decision(server: str) -> None:
    with SERVERS[server](f"127.0.0.1:{free_port()}") as address, grpc.insecure_channel(address) as channel:
        assert _refused(channel, "unary_unary")[:2] == ("UNAVAILABLE", "PDP_UNAVAILABLE")


def test_a_method_that_is_not_async_is_refused_in_a_server_of_asyncio() -> None:
    """It would hold up the event loop."""
    gate = AsyncInterceptor(AsyncClient(["127.0.0.1:1"]), subject=subject)
    with pytest.raises(TypeError, match="not async"):
        gate._wrap(Absence().unary_unary, None, False, False)
