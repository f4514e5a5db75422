"""What handlers of the administrative service share: statuses for failures, and an end to their waiting."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import grpc

from pdp.errors import RecordsError
from pdp.records.documents import RefusedError
from pdp.records.store import (
    ConflictError,
    LeaseMismatchError,
    SpreadError,
    StoreError,
    UninitialisedError,
    WriteIdReusedError,
)
from pdp.records.waiting import UnknownOutcomeError

# Refused for what stands in the store; the same call again is refused again.
_PRECONDITIONS = (ConflictError, LeaseMismatchError, SpreadError, UninitialisedError, WriteIdReusedError)


class CallOverError(RecordsError):
    """The caller has gone, or the sidecar stops; nobody waits for the answer any more."""


class Pauses:
    """Pauses of handlers that end as soon as their call is over: its caller has gone, or the sidecar stops.

    Otherwise a wait of many seconds would hold its thread, and with it the end of the process.
    """

    def __init__(self) -> None:
        self._of_thread = threading.local()

    @contextmanager
    def until(self, over: threading.Event) -> Iterator[None]:
        """While this is open, pauses of this thread end with `over`."""
        self._of_thread.over = over
        try:
            yield
        finally:
            self._of_thread.over = None

    def pause(self, seconds: float) -> None:
        """Sleeps for some seconds. Raises CallOverError when the call is over before."""
        over: threading.Event | None = getattr(self._of_thread, "over", None)
        if (over or threading.Event()).wait(seconds):
            raise CallOverError("The call is over; a write may stand.")


def over(context: grpc.ServicerContext) -> threading.Event:
    """Set once the call is over: answered, cancelled, past its deadline, or cut off by a stop."""
    ended = threading.Event()
    if not context.add_callback(ended.set):
        ended.set()
    return ended


@contextmanager
def statuses(context: grpc.ServicerContext) -> Iterator[None]:
    """Turns what is refused or fails into a gRPC status."""
    try:
        yield
    except RefusedError as error:
        abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except _PRECONDITIONS as error:
        abort(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except (StoreError, UnknownOutcomeError) as error:
        abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
    except CallOverError as error:
        abort(context, grpc.StatusCode.CANCELLED, str(error))
    except RecordsError as error:
        abort(context, grpc.StatusCode.INTERNAL, str(error))


def abort(context: grpc.ServicerContext, code: grpc.StatusCode, details: str) -> NoReturn:
    """Ends the call with a status."""
    context.abort(code, details)
    raise AssertionError("abort returned")


class Places:
    """A bounded number of calls of one sort at once, so that others always find a thread.

    Args:
        number: how many.
        sentence: what one too many is told.
    """

    def __init__(self, number: int, sentence: str) -> None:
        self._free, self._sentence = threading.Semaphore(number), sentence

    @contextmanager
    def one(self, context: grpc.ServicerContext) -> Iterator[None]:
        """A place while this is open; RESOURCE_EXHAUSTED when there is none."""
        if not self._free.acquire(blocking=False):
            abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, self._sentence)
        try:
            yield
        finally:
            self._free.release()
