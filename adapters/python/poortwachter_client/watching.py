"""Keeps a `Watch` stream open to each sidecar, from threads: the sync twin of `aio`'s tasks."""

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import grpc

from poortwachter_client.cache import Watch
from poortwachter_client.contract.decision_service_pb2 import WatchRequest, WatchResponse
from poortwachter_client.sidecars import JITTER, Sidecar

FIRST_REST_SECONDS = 0.05
MOST_REST_SECONDS = 2.0


class Stream(Protocol):
    """An open stream, as gRPC gives it."""

    def __iter__(self) -> Iterator[WatchResponse]:
        """What it tells."""

    def cancel(self) -> object:
        """Ends it."""


Open = Callable[[Iterator[WatchRequest]], Stream]


class Watching:
    """The stream to one sidecar, opened again whenever it is lost.

    Args:
        sidecar: whose `watch` is set while a stream is open.
        watch: makes the watch of a new stream.
        open_stream: opens it.
    """

    def __init__(self, sidecar: Sidecar, watch: Callable[[], Watch], open_stream: Open) -> None:
        self._sidecar, self._watch, self._open = sidecar, watch, open_stream
        self._over = threading.Event()
        self._due = threading.Event()
        self._stream: Stream | None = None
        self._thread = threading.Thread(
            target=self._watch_on, name=f"poortwachter watch {sidecar.address}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Ends the stream and its thread; what it kept is forgotten."""
        self._over.set()
        self._due.set()
        if self._stream is not None:
            self._stream.cancel()
        self._thread.join(timeout=5.0)

    def _watch_on(self) -> None:
        rest = FIRST_REST_SECONDS
        while not self._over.is_set():
            if self._watch_once():
                rest = FIRST_REST_SECONDS
            self._over.wait(rest * JITTER.uniform(0.5, 1.0))
            rest = min(2 * rest, MOST_REST_SECONDS)

    def _watch_once(self) -> bool:
        """One stream until it is lost. Gives whether it told anything."""
        watch = self._watch()
        self._due.clear()
        stream = self._stream = self._open(self._pings(watch))
        self._sidecar.watch = watch
        try:
            for message in stream:
                if watch.take(message):
                    self._due.set()
                if self._over.is_set():
                    break
        except grpc.RpcError:
            pass
        finally:
            watch.lost()
            self._sidecar.watch = None
            self._due.set()
            stream.cancel()
        return watch.told

    def _pings(self, watch: Watch) -> Iterator[WatchRequest]:
        while not watch.is_lost and not self._over.is_set():
            yield watch.ping()
            self._due.wait(watch.ping_seconds)
            self._due.clear()
            if watch.silent and self._stream is not None:
                watch.lost()
                self._stream.cancel()
