"""A PDP whose answers a test chooses, over real gRPC: for what a real sidecar does only in trouble."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
from google.protobuf.duration_pb2 import Duration

from poortwachter_client.contract import decision_pb2, decision_service_pb2
from poortwachter_client.contract.decision_service_pb2_grpc import (
    DecisionServiceServicer,
    add_DecisionServiceServicer_to_server,
)

Check = Callable[[decision_pb2.CheckRequest, grpc.ServicerContext], decision_pb2.CheckResponse]


def allowing(request: decision_pb2.CheckRequest, context: grpc.ServicerContext) -> decision_pb2.CheckResponse:
    """Allows, with terms for the cache where they are asked for."""
    response = decision_pb2.CheckResponse(allow=True, decision_id="0" * 32)
    if request.cacheable:
        response.cache.CopyFrom(decision_pb2.CacheTerms(tags=["door/x"], generation=1, sequences=[1]))
    return response


class FakePdp(DecisionServiceServicer):
    """Serves until its context ends.

    Attributes:
        calls: how many checks came.
        metadata: of the last one.
        lease_seconds: what each ping is granted; None: pings are not answered.
    """

    def __init__(
        self,
        check: Check = allowing,
        address: str = "127.0.0.1:0",
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._check = check
        self.calls = 0
        self.metadata: dict[str, Any] = {}
        self.lease_seconds: float | None = 60.0
        self.streams: list[queue.SimpleQueue[decision_service_pb2.WatchResponse | None]] = []
        self._server = grpc.server(ThreadPoolExecutor(8))
        add_DecisionServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call, unused-ignore]
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        self.address = address if address.startswith("unix:") else f"127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self.streams:
            stream.put(None)
        self._server.stop(0).wait(10)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.calls += 1
        self.metadata = dict(context.invocation_metadata())
        return self._check(request, context)

    def CheckBatch(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.calls += 1
        results = [
            decision_service_pb2.CheckBatchResult(response=self._check(r, context)) for r in request.requests
        ]
        return decision_service_pb2.CheckBatchResponse(results=results)

    def CheckStream(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")

    def Watch(self, request_iterator: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        told: queue.SimpleQueue[decision_service_pb2.WatchResponse | None] = queue.SimpleQueue()
        self.streams.append(told)
        context.add_callback(lambda: told.put(None))

        def pong() -> None:
            for ping in request_iterator:
                if self.lease_seconds is not None:
                    told.put(self.news(ping=ping.ping, lease=self.lease_seconds))

        threading.Thread(target=_quietly, args=(pong,), daemon=True).start()
        yield from iter(told.get, None)

    def news(
        self, *forget: str, ping: int = 0, lease: float | None = None, generation: int = 1
    ) -> decision_service_pb2.WatchResponse:
        """A message of a watch."""
        message = decision_service_pb2.WatchResponse(
            ping=ping, generation=generation, sequences=[1], forget=forget
        )
        if lease is not None:
            message.lease.CopyFrom(Duration(seconds=int(lease), nanos=int(lease % 1 * 1e9)))
        return message


def failing(status: grpc.StatusCode, details: str = "as the test wants", times: int = 10**9) -> Check:
    """Fails so many times, then allows."""
    left = [times]

    def check(
        request: decision_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> decision_pb2.CheckResponse:
        left[0] -= 1
        if left[0] >= 0:
            context.abort(status, details)
        return allowing(request, context)

    return check


def _quietly(work: Callable[[], None]) -> None:
    try:
        work()
    except (grpc.RpcError, ValueError, RuntimeError, Exception):  # noqa: BLE001 - the call has ended
        return
