"""`pdp.records.v1.RecordService`: reads and changes the account state."""

import base64
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import grpc

from pdp._core import Policy
from pdp.records import messages
from pdp.records.access import StoreAccess
from pdp.records.barrier import Barrier
from pdp.records.calls import Pauses, Places, abort, over, statuses
from pdp.records.documents import RefusedError
from pdp.records.fleet import fleet
from pdp.records.follow import Follower
from pdp.records.import_calls import run_import
from pdp.records.store import RecordStore, StoreError, Written
from pdp.records.timing import Timing
from pdp.records.v1 import record_service_pb2
from pdp.records.v1.record_service_pb2_grpc import RecordServiceServicer
from pdp.records.waiting import Waited
from pdp.records.watch import watch

log = logging.getLogger(__name__)

# An import occupies a thread as long as its caller likes; the others stay free for a lockout.
_IMPORTS_AT_ONCE = 2
_WATCHES_AT_ONCE = 8
# The protocol asks one poll loop of each waiting write.
_BARRIERS_AT_ONCE = 12
THREADS = _IMPORTS_AT_ONCE + _WATCHES_AT_ONCE + _BARRIERS_AT_ONCE + 8
_DEFAULT_PAGE, _LARGEST_PAGE = 100, 1_000
# A large import is loaded as a new snapshot.
_CATCH_UP_SECONDS = 120.0
# What holds everywhere holds here too; more than a moment only when this sidecar itself is stale.
_CATCH_UP_AFTER_ALL_SECONDS = 2.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Served:
    """What the service works on.

    Attributes:
        store: where the records are.
        policy: gives the policy in force, whose schemas apply.
        follower: keeps this sidecar's core at the store's head; a write returns once it has been applied.
        barrier: of this process; its pauses must be those of `pauses`.
        timing: of the barrier.
        pauses: how handlers wait.
        settle_seconds: how long gateways wait for an answer.
        count: told how each wait for all ended: "fast", "timed" or "pending".
    """

    store: RecordStore
    policy: Callable[[], Policy]
    follower: Follower
    barrier: Barrier
    timing: Timing
    pauses: Pauses
    settle_seconds: float = 1.0
    count: Callable[[str], None] = lambda _path: None


class RecordService(RecordServiceServicer):
    """`pdp.records.v1.RecordService` over a store."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._access = StoreAccess(
            served.store,
            served.policy,
            barrier=served.barrier,
            timing=served.timing,
            settle_seconds=served.settle_seconds,
        )
        again = "under way already; try again later."
        self._imports = Places(_IMPORTS_AT_ONCE, f"{_IMPORTS_AT_ONCE} imports are {again}")
        self._watches = Places(_WATCHES_AT_ONCE, f"{_WATCHES_AT_ONCE} watches are {again}")
        self._barriers = Places(_BARRIERS_AT_ONCE, f"{_BARRIERS_AT_ONCE} waiting writes are {again}")

    def ListKinds(  # noqa: N802 - the contract's name
        self,
        request: record_service_pb2.ListKindsRequest,  # noqa: ARG002
        context: grpc.ServicerContext,
    ) -> record_service_pb2.ListKindsResponse:
        """Every kind with its number of records."""
        with statuses(context):
            kinds = self._access.kinds()
        return record_service_pb2.ListKindsResponse(
            kinds=[record_service_pb2.KindCount(kind=kind, records=number) for kind, number in kinds.items()]
        )

    def GetRecord(  # noqa: N802
        self, request: record_service_pb2.GetRecordRequest, context: grpc.ServicerContext
    ) -> record_service_pb2.GetRecordResponse:
        """One record, or NOT_FOUND."""
        with statuses(context):
            record = self._access.get(request.kind, request.key)
        if record is None:
            abort(context, grpc.StatusCode.NOT_FOUND, f"There is no {request.kind} {request.key!r}.")
        return record_service_pb2.GetRecordResponse(record=messages.record_message(record))

    def ListRecords(  # noqa: N802
        self, request: record_service_pb2.ListRecordsRequest, context: grpc.ServicerContext
    ) -> record_service_pb2.ListRecordsResponse:
        """A page of a kind's records, in the order of their keys."""
        size = request.page_size or _DEFAULT_PAGE
        if size > _LARGEST_PAGE:
            sentence = f"page_size: {size} is more than {_LARGEST_PAGE:,}"
            abort(context, grpc.StatusCode.INVALID_ARGUMENT, sentence)
        with statuses(context):
            records = self._access.page(request.kind, _after(request.page_token), size + 1)
        more = len(records) > size
        records = records[:size]
        return record_service_pb2.ListRecordsResponse(
            records=map(messages.record_message, records),
            next_page_token=_page_token(records[-1].key) if more else "",
        )

    def ApplyChanges(  # noqa: N802
        self, request: record_service_pb2.ApplyChangesRequest, context: grpc.ServicerContext
    ) -> record_service_pb2.ApplyChangesResponse:
        """All changes or none; returns when they hold as the wait mode says, or the time is over."""
        if not request.changes:
            abort(context, grpc.StatusCode.INVALID_ARGUMENT, "changes: there is none")
        edits = [messages.edit_of(change) for change in request.changes]
        ended = over(context)
        with statuses(context):
            wait = messages.wait_of(request, context.time_remaining())
            waits = self._access.waits_for_all(edits, wait)
            place = self._barriers.one(context) if waits else nullcontext()
            with place, self._served.pauses.until(ended):
                written, waited = self._access.write(edits, request.write_id, wait)
        if waited:
            self._after_all(written, waited, ended)
        elif written:
            self._catch_up(written, context, ended)
        return record_service_pb2.ApplyChangesResponse(
            state_token=written.token() if written else "",
            barrier=messages.barrier_message(waited) if waited else None,
        )

    def _after_all(self, written: Written | None, waited: Waited, ended: threading.Event) -> None:
        """Counts and logs how a wait ended. What holds everywhere is normally decided on here at once; where
        this sidecar itself lags behind it denies, and the caller is told the truth all the same.
        """
        self._served.count(waited.path or "pending")
        if waited.pending or written is None:
            log.warning(
                "Write %s is pending after %.1f s (%s); open: %s.%s",
                waited.write_id,
                waited.seconds,
                "acknowledged" if waited.confirmed else "not acknowledged",
                ", ".join(waited.stragglers) or "unknown",
                f" {waited.problem}" if waited.problem else "",
            )
        elif not self._caught_up(written, _CATCH_UP_AFTER_ALL_SECONDS, ended):
            log.warning("This sidecar does not decide on %s yet, which holds everywhere.", written.token())

    def ImportRecords(  # noqa: N802
        self,
        request_iterator: Iterator[record_service_pb2.ImportRecordsRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[record_service_pb2.ImportRecordsResponse]:
        """The whole import or nothing (with several shards: shard by shard); checked before it is written."""
        ended = over(context)
        chunks = (request.chunk for request in request_iterator)
        with self._imports.one(context), statuses(context):
            records, written = yield from run_import(self._served.store, self._served.policy(), chunks, ended)
        for each in written:
            self._catch_up(each, context, ended)
        token = ",".join(each.token() for each in written)
        yield record_service_pb2.ImportRecordsResponse(records=records, state_token=token, step="Writing")

    def WatchRecords(  # noqa: N802
        self, request: record_service_pb2.WatchRecordsRequest, context: grpc.ServicerContext
    ) -> Iterator[record_service_pb2.WatchRecordsResponse]:
        """Every change from now on. The first answer comes at once and only names the state that "now" is."""
        with statuses(context):
            unknown = sorted(set(request.kinds) - set(self._served.policy().kinds))
            if unknown:
                raise RefusedError("kinds", "", f"the bundle declares no kind {unknown[0]!r}")
            with self._watches.one(context):
                yield from watch(
                    self._served.store,
                    self._served.policy,
                    self._served.follower,
                    set(request.kinds),
                    over(context),
                )

    def ListSidecars(  # noqa: N802
        self,
        request: record_service_pb2.ListSidecarsRequest,  # noqa: ARG002
        context: grpc.ServicerContext,
    ) -> record_service_pb2.ListSidecarsResponse:
        """The sidecars in the store's registry."""
        with statuses(context):
            members = fleet(self._served.store, self._served.follower.instance)
        return record_service_pb2.ListSidecarsResponse(sidecars=map(messages.sidecar_message, members))

    def _catch_up(self, written: Written, context: grpc.ServicerContext, ended: threading.Event) -> None:
        if not self._caught_up(written, _CATCH_UP_SECONDS, ended):
            sentence = f"The write stands as {written.token()}, but this sidecar does not decide on it yet."
            abort(context, grpc.StatusCode.UNAVAILABLE, sentence)

    def _caught_up(self, written: Written, seconds: float, ended: threading.Event) -> bool:
        """Whether this sidecar decides on the write, within some seconds."""
        ends = time.monotonic() + seconds
        while not ended.is_set():
            left = ends - time.monotonic()
            try:
                self._served.follower.catch_up(written, max(min(left, _LOOK_SECONDS), 0.0))
            except StoreError:
                if left <= 0:
                    return False
            else:
                return True
        return False


def _page_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _after(page_token: str) -> str:
    try:
        return base64.b64decode(page_token, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise RefusedError("page_token", "", "not one that this service gave") from error
