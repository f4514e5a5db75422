"""Records through a running sidecar's administrative address: `RecordAccess` over gRPC."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import grpc

from pdp.errors import RecordsError
from pdp.records import messages
from pdp.records.access import Edit, Imported, Record
from pdp.records.documents import RefusedError
from pdp.records.fleet import FleetMember
from pdp.records.importer import Progress, no_progress, read_pieces
from pdp.records.v1 import record_service_pb2
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub
from pdp.records.waiting import AS_DECLARED, Applied, UnknownOutcomeError, Wait

_PIECE_BYTES = 262_144
_PAGE_RECORDS = 1_000
# Documents are small, but a page of a thousand of them may pass gRPC's usual 4 MB.
_OPTIONS = (("grpc.max_receive_message_length", 256 << 20),)
_CALL_SECONDS = 150.0
# In which a sidecar says how a wait ended, after the wait's own time.
_ANSWER_SECONDS = 10.0
_FAILOVER_SECONDS, _AGAIN_SECONDS = 8.0, 0.2
# With these a write may stand: the sidecar, or its store, was lost in the middle of it.
_UNKNOWN = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
)


class AdminAccess:
    """A `RecordAccess` through the sidecar whose `--admin` address this is ("HOST:PORT")."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._stub = RecordServiceStub(self._channel)

    def kinds(self) -> dict[str, int]:
        """See RecordAccess."""
        with self._failures():
            answer = self._stub.ListKinds(record_service_pb2.ListKindsRequest(), timeout=_CALL_SECONDS)
        return {count.kind: count.records for count in answer.kinds}

    def get(self, kind: str, key: str) -> Record | None:
        """See RecordAccess. Rides out a failover of the store, as lockouts look at records first."""
        request = record_service_pb2.GetRecordRequest(kind=kind, key=key)
        patient_until = time.monotonic() + _FAILOVER_SECONDS
        with self._failures():
            while True:
                try:
                    return messages.record_of(self._stub.GetRecord(request, timeout=_CALL_SECONDS).record)
                except grpc.RpcError as error:
                    if error.code() is grpc.StatusCode.NOT_FOUND:
                        return None
                    away = error.code() is grpc.StatusCode.UNAVAILABLE and not _never_connected(error)
                    if not away or time.monotonic() >= patient_until:
                        raise
                    time.sleep(_AGAIN_SECONDS)

    def records(self, kind: str) -> Iterator[Record]:
        """See RecordAccess. Page by page: changes made meanwhile may be in it or not."""
        request = record_service_pb2.ListRecordsRequest(kind=kind, page_size=_PAGE_RECORDS)
        while True:
            with self._failures():
                answer = self._stub.ListRecords(request, timeout=_CALL_SECONDS)
            yield from map(messages.record_of, answer.records)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def apply(self, edits: Sequence[Edit], write_id: str | None = None, wait: Wait = AS_DECLARED) -> Applied:
        """See RecordAccess. Returns when the sidecar decides on the write, or as `wait` says."""
        # With an id of its own, a call that the client library repeats is not a second write.
        request = messages.apply_message(
            [messages.change_message(edit) for edit in edits], write_id or secrets.token_hex(16), wait
        )
        seconds = max(_CALL_SECONDS, wait.timeout_seconds + _ANSWER_SECONDS)
        with self._failures():
            try:
                answer = self._stub.ApplyChanges(request, timeout=seconds)
            except grpc.RpcError as error:
                if error.code() in _UNKNOWN and not _never_connected(error):
                    raise UnknownOutcomeError(self._sentence(error)) from error
                raise
        waited = messages.waited_of(answer.barrier) if answer.HasField("barrier") else None
        return Applied(answer.state_token, waited)

    def import_lines(self, source: BinaryIO, progress: Progress = no_progress) -> Imported:
        """See RecordAccess."""
        unreadable: list[RecordsError] = []
        sent = threading.Event()

        def requests() -> Iterator[record_service_pb2.ImportRecordsRequest]:
            try:
                for piece in read_pieces(source, progress, "Sending", _PIECE_BYTES):
                    yield record_service_pb2.ImportRecordsRequest(chunk=piece)
                sent.set()
            except RecordsError as error:
                # An end of the stream would be an import of the part that was read.
                unreadable.append(error)
                begun.wait()
                call.cancel()

        begun = threading.Event()
        answer = record_service_pb2.ImportRecordsResponse()
        with self._failures(lambda: unreadable[0] if unreadable else None):
            call = self._stub.ImportRecords(requests())
            begun.set()
            total = None
            for answer in call:
                # What is checked at the end is what there is to write; until all is sent, nobody knows.
                if sent.is_set() and answer.step == "Checking":
                    total = answer.records
                progress(answer.step, answer.records, total)
        if not answer.state_token:
            raise UnknownOutcomeError(
                f"The sidecar at {self._address} did not say how the import ended; look first."
            )
        return Imported(answer.records, answer.state_token)

    def sidecars(self) -> list[FleetMember]:
        """See RecordAccess."""
        with self._failures():
            answer = self._stub.ListSidecars(record_service_pb2.ListSidecarsRequest(), timeout=_CALL_SECONDS)
        return [messages.sidecar_of(sidecar) for sidecar in answer.sidecars]

    def close(self) -> None:
        """See RecordAccess."""
        self._channel.close()

    @contextmanager
    def _failures(self, cause: Callable[[], RecordsError | None] = lambda: None) -> Iterator[None]:
        """Turns a failed call into one sentence."""
        try:
            yield
        except grpc.RpcError as error:
            known = cause()
            if known:
                raise known from error
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise RefusedError("", "", error.details() or "") from error
            raise RecordsError(self._sentence(error)) from error

    def _sentence(self, error: grpc.RpcError) -> str:
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.FAILED_PRECONDITION:
            return details
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return f"{self._address} is not the administrative address of a sidecar."
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"The sidecar at {self._address} did not answer in time; a write may stand, so look first."
        if _never_connected(error):
            return f"No sidecar answers at {self._address}; start one with `pdp serve`, or use --records URL."
        return f"The sidecar at {self._address} answered {code.name}: {details}"


def _never_connected(error: grpc.RpcError) -> bool:
    """Whether the call certainly reached nobody."""
    details = (error.details() or "").lower()
    refused = "failed to connect" in details or "dns resolution failed" in details
    return error.code() is grpc.StatusCode.UNAVAILABLE and refused
