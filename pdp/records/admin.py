"""Records through a running sidecar's administrative address: `RecordAccess` over gRPC."""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import grpc

from pdp.errors import RecordsError
from pdp.records.access import Edit, Imported, Record
from pdp.records.documents import RefusedError
from pdp.records.importer import Progress, no_progress, read_pieces
from pdp.records.v1 import record_pb2, record_service_pb2
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub

_PIECE_BYTES = 262_144
_PAGE_RECORDS = 1_000
# Documents are small, but a page of a thousand of them may pass gRPC's usual 4 MB.
_OPTIONS = (("grpc.max_receive_message_length", 256 << 20),)
_CALL_SECONDS = 150.0


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
        """See RecordAccess."""
        request = record_service_pb2.GetRecordRequest(kind=kind, key=key)
        with self._failures():
            try:
                return _record(self._stub.GetRecord(request, timeout=_CALL_SECONDS).record)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return None
                raise

    def records(self, kind: str) -> Iterator[Record]:
        """See RecordAccess. Page by page: changes made meanwhile may be in it or not."""
        request = record_service_pb2.ListRecordsRequest(kind=kind, page_size=_PAGE_RECORDS)
        while True:
            with self._failures():
                answer = self._stub.ListRecords(request, timeout=_CALL_SECONDS)
            yield from map(_record, answer.records)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def apply(self, edits: Sequence[Edit], write_id: str | None = None) -> str:
        """See RecordAccess. Returns when the sidecar decides on the write."""
        request = record_service_pb2.ApplyChangesRequest(
            changes=map(_change, edits),
            wait_mode=record_pb2.WAIT_MODE_LOCAL,
            # With an id of its own, a call that the client library repeats is not a second write.
            write_id=write_id or secrets.token_hex(16),
        )
        with self._failures():
            return self._stub.ApplyChanges(request, timeout=_CALL_SECONDS).state_token

    def import_lines(self, source: BinaryIO, progress: Progress = no_progress) -> Imported:
        """See RecordAccess."""
        unreadable: list[RecordsError] = []

        def requests() -> Iterator[record_service_pb2.ImportRecordsRequest]:
            try:
                for piece in read_pieces(source, progress, "Sending", _PIECE_BYTES):
                    yield record_service_pb2.ImportRecordsRequest(chunk=piece)
                progress("Writing", 0, None)
            except RecordsError as error:
                # An end of the stream would be an import of the part that was read.
                unreadable.append(error)
                begun.wait()
                call.cancel()

        begun = threading.Event()
        with self._failures(lambda: unreadable[0] if unreadable else None):
            call = self._stub.ImportRecords.future(requests())
            begun.set()
            answer = call.result()
        return Imported(answer.records, answer.state_token)

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
        if code is grpc.StatusCode.UNAVAILABLE and "onnect" in details:
            return f"No sidecar answers at {self._address}; start one with `pdp serve`, or use --records URL."
        return f"The sidecar at {self._address} answered {code.name}: {details}"


def _record(record: record_pb2.Record) -> Record:
    return Record(record.kind, record.key, record.value_json.encode(), record.version)


def _change(edit: Edit) -> record_pb2.Change:
    # Bytes that are no UTF-8 are the sender's mistake, and a proto string cannot carry them.
    try:
        value = "" if edit.value is None else edit.value.decode()
    except UnicodeDecodeError as error:
        raise RecordsError(f"{edit.kind}/{edit.key}: the document is not UTF-8.") from error
    if edit.value is not None and not value.strip():
        raise RecordsError(f"{edit.kind}/{edit.key}: the document is empty.")
    return record_pb2.Change(
        kind=edit.kind, key=edit.key, value_json=value, expected_version=edit.expected_version
    )
