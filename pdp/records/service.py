"""The administrative gRPC server: reads and changes the account state, with health and reflection."""

import base64
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pdp._core import Policy
from pdp.errors import RecordsError, ServeError
from pdp.records.access import Edit, Record, StoreAccess
from pdp.records.documents import RefusedError
from pdp.records.follow import Follower
from pdp.records.store import ConflictError, Position, RecordStore, StoreError, WriteIdReusedError
from pdp.records.v1 import record_pb2, record_service_pb2
from pdp.records.v1.record_service_pb2_grpc import (
    RecordServiceServicer,
    add_RecordServiceServicer_to_server,
)

SERVICE_NAME = "pdp.records.v1.RecordService"

_THREADS = 8
# An import occupies a thread as long as its caller likes; the others stay free for a lockout.
_IMPORTS_AT_ONCE = 2
_DEFAULT_PAGE, _LARGEST_PAGE = 100, 1_000
# A large import is loaded as a new snapshot.
_CATCH_UP_SECONDS = 120.0


class RecordService(RecordServiceServicer):
    """`pdp.records.v1.RecordService` over a store.

    Args:
        store: where the records are.
        policy_provider: gives the policy in force, whose schemas apply.
        follower: keeps this sidecar's core at the store's head; a write returns once it has been applied.
    """

    def __init__(self, store: RecordStore, policy_provider: Callable[[], Policy], follower: Follower) -> None:
        self._access = StoreAccess(store, policy_provider)
        self._follower = follower
        self._imports = threading.Semaphore(_IMPORTS_AT_ONCE)

    def ListKinds(  # noqa: N802 - the contract's name
        self,
        request: record_service_pb2.ListKindsRequest,  # noqa: ARG002
        context: grpc.ServicerContext,
    ) -> record_service_pb2.ListKindsResponse:
        """Every kind with its number of records."""
        with _statuses(context):
            kinds = self._access.kinds()
        return record_service_pb2.ListKindsResponse(
            kinds=[record_service_pb2.KindCount(kind=kind, records=number) for kind, number in kinds.items()]
        )

    def GetRecord(  # noqa: N802
        self, request: record_service_pb2.GetRecordRequest, context: grpc.ServicerContext
    ) -> record_service_pb2.GetRecordResponse:
        """One record, or NOT_FOUND."""
        with _statuses(context):
            record = self._access.get(request.kind, request.key)
        if record is None:
            _abort(context, grpc.StatusCode.NOT_FOUND, f"There is no {request.kind} {request.key!r}.")
        return record_service_pb2.GetRecordResponse(record=_message(record))

    def ListRecords(  # noqa: N802
        self, request: record_service_pb2.ListRecordsRequest, context: grpc.ServicerContext
    ) -> record_service_pb2.ListRecordsResponse:
        """A page of a kind's records, in the order of their keys."""
        size = request.page_size or _DEFAULT_PAGE
        if size > _LARGEST_PAGE:
            _abort(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                f"page_size: {size} is more than {_LARGEST_PAGE:,}",
            )
        with _statuses(context):
            records = self._access.page(request.kind, _after(request.page_token), size + 1)
        more = len(records) > size
        records = records[:size]
        return record_service_pb2.ListRecordsResponse(
            records=map(_message, records), next_page_token=_page_token(records[-1].key) if more else ""
        )

    def ApplyChanges(  # noqa: N802
        self, request: record_service_pb2.ApplyChangesRequest, context: grpc.ServicerContext
    ) -> record_service_pb2.ApplyChangesResponse:
        """All changes or none; returns when this sidecar decides on them."""
        if not request.changes:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "changes: there is none")
        with _statuses(context):
            position = self._access.write([_edit(change) for change in request.changes], request.write_id)
        self._catch_up(position, context)
        return record_service_pb2.ApplyChangesResponse(state_token=position.token())

    def ImportRecords(  # noqa: N802
        self,
        request_iterator: Iterator[record_service_pb2.ImportRecordsRequest],
        context: grpc.ServicerContext,
    ) -> record_service_pb2.ImportRecordsResponse:
        """The whole import or nothing; checked into a temporary file before anything is written."""
        if not self._imports.acquire(blocking=False):
            _abort(
                context, grpc.StatusCode.RESOURCE_EXHAUSTED, "Other imports are under way; try again later."
            )
        try:
            with (
                _statuses(context),
                self._access.check_lines(request.chunk for request in request_iterator) as lines,
            ):
                position = self._access.write_lines(lines)
                records = lines.records
        finally:
            self._imports.release()
        self._catch_up(position, context)
        return record_service_pb2.ImportRecordsResponse(records=records, state_token=position.token())

    def _catch_up(self, position: Position, context: grpc.ServicerContext) -> None:
        try:
            self._follower.catch_up(position, _CATCH_UP_SECONDS)
        except RecordsError as error:
            _abort(
                context,
                grpc.StatusCode.UNAVAILABLE,
                f"The write stands as {position.token()}, but this sidecar does not decide on it: {error}",
            )


def build_admin_server(
    address: str,
    store: RecordStore,
    policy_provider: Callable[[], Policy],
    follower: Follower,
) -> tuple[grpc.Server, str]:
    """The administrative server, bound but not started, and the address that it is bound to.

    Args:
        address: "HOST:PORT"; port 0 takes a free one.
        store: where the records are.
        policy_provider: gives the policy in force.
        follower: the follower of this sidecar's core.

    Raises:
        ServeError: the address cannot be bound.
    """
    # Without this option two sidecars could share the port, and each would get some of the calls.
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="admin"), options=(("grpc.so_reuseport", 0),)
    )
    add_RecordServiceServicer_to_server(RecordService(store, policy_provider, follower), server)
    health_service = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    for name in ("", SERVICE_NAME):
        health_service.set(name, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ServeError(
            f"The administrative address {address} cannot be used: another program has it, "
            "or it is not an address of this machine."
        ) from error
    return server, f"{address.rpartition(':')[0]}:{port}"


@contextmanager
def _statuses(context: grpc.ServicerContext) -> Iterator[None]:
    """Turns what is refused or fails into a gRPC status."""
    try:
        yield
    except RefusedError as error:
        _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except (ConflictError, WriteIdReusedError) as error:
        _abort(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except StoreError as error:
        _abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
    except RecordsError as error:
        _abort(context, grpc.StatusCode.INTERNAL, str(error))


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, details: str) -> NoReturn:
    context.abort(code, details)
    raise AssertionError("abort returned")


def _message(record: Record) -> record_pb2.Record:
    return record_pb2.Record(
        kind=record.kind, key=record.key, value_json=record.value.decode(), version=record.version
    )


def _edit(change: record_pb2.Change) -> Edit:
    return Edit(
        change.kind,
        change.key,
        change.value_json.encode() or None,
        change.expected_version if change.HasField("expected_version") else None,
    )


def _page_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _after(page_token: str) -> str:
    try:
        return base64.b64decode(page_token, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise RefusedError("page_token", "", "not one that this service gave") from error
