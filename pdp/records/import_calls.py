"""An import as it is served: checked while it arrives, then written, with answers that tell how far it is."""

import queue
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future

from pdp._core import Policy
from pdp.records.calls import CallOverError
from pdp.records.importer import CheckedLines
from pdp.records.store import RecordStore, Written
from pdp.records.v1.record_service_pb2 import ImportRecordsResponse

# Between two answers; enough to see it move.
_TELL_SECONDS = 0.25


def run_import(
    store: RecordStore, policy: Policy, chunks: Iterator[bytes], over: threading.Event
) -> Generator[ImportRecordsResponse, None, tuple[int, list[Written]]]:
    """Runs an import; yields its progress, returns the number of records and the writes.

    Args:
        store: where to.
        policy: whose schemas the records must meet.
        chunks: the file, in pieces of any size.
        over: set when the caller has gone; what is not written by then is not written at all.

    Raises:
        RefusedError: a bad line.
        StoreError: it cannot be written.
    """
    with CheckedLines(policy) as lines:
        told = time.monotonic()
        for chunk in chunks:
            lines.feed(chunk)
            if time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                yield ImportRecordsResponse(records=lines.records, step="Checking")
        lines.finish()
        if over.is_set():
            # Whatever ended the pieces, it was not the end of the file.
            raise CallOverError("The caller has gone; nothing was imported.")
        yield ImportRecordsResponse(records=lines.records, step="Checking")
        written = yield from _write(store, lines, over)
        return lines.records, written


def _write(
    store: RecordStore, lines: CheckedLines, over: threading.Event
) -> Generator[ImportRecordsResponse, None, list[Written]]:
    """Writes in a thread of its own, as the store takes the lines in one call that lasts."""
    progress: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    outcome: Future[list[Written]] = Future()
    given_up = threading.Event()

    def report(_step: str, done: int, _total: int | None) -> None:
        # Raising from within the changes undoes them.
        if over.is_set() or given_up.is_set():
            raise CallOverError("The caller has gone; nothing was imported.")
        progress.put(done)

    def work() -> None:
        try:
            outcome.set_result(lines.write_to(store, report))
        except BaseException as error:  # noqa: BLE001 - raised again by the waiting thread
            outcome.set_exception(error)
        progress.put(None)

    thread = threading.Thread(target=work, name="records-import")
    thread.start()
    try:
        told = 0.0
        while (done := progress.get()) is not None:
            if time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                yield ImportRecordsResponse(records=done, step="Writing")
    finally:
        given_up.set()
        thread.join()
    return outcome.result()
