"""Keeps a core at the head of its record store: a snapshot first, then changes by sequence number."""

import logging
import random
import threading
import time
from collections.abc import Callable

from pdp._core import Core
from pdp.records.store import Position, RecordStore, StoreError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
_FIRST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 5.0


class Follower:
    """A thread that looks at the store's head and brings the core up to it.

    A look that fails leaves the core as it is, so that decisions continue; it is logged once and repeated
    with a growing, jittered pause until the store answers again. Writers of this process call `catch_up` and
    so need not wait for the next look.

    Args:
        store: where the records are.
        core: what decides on them.
        poll_seconds: pause between two looks.
        clock: monotonic seconds.
        wait: waits for an event for at most some seconds.
        jitter: gives numbers in [0, 1).
    """

    def __init__(
        self,
        store: RecordStore,
        core: Core,
        *,
        poll_seconds: float = POLL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._core = store, core
        self._poll_seconds, self._clock, self._wait, self._jitter = poll_seconds, clock, wait, jitter
        self._looking = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._position: Position | None = None
        self._failures, self._failing_since = 0, 0.0

    @property
    def position(self) -> Position | None:
        """The position that the core decides on, None before the first snapshot."""
        return self._position

    def start(self) -> None:
        """Starts following in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="records-follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops following; a look under way is finished first. The core keeps its state."""
        self._stopping = True
        self._wake.set()
        if self._thread:
            self._thread.join()

    def notify(self) -> None:
        """Makes the thread look now rather than after its pause."""
        self._wake.set()

    def look(self) -> None:
        """Looks at the store once and brings the core to its head. Raises StoreError."""
        with self._looking:
            self._look()

    def catch_up(self, position: Position, timeout_seconds: float = 30.0) -> None:
        """Returns once the core decides on `position` or a later one; does the work in the caller's thread.

        Raises:
            StoreError: not within the time, or the store cannot be read or has another history by now.
        """
        if not self._looking.acquire(timeout=timeout_seconds):
            raise StoreError(
                f"This sidecar does not decide on {position.token()} yet: it is still loading records."
            )
        try:
            if not self._covers(position):
                self._look()
            if not self._covers(position):
                raise StoreError(f"The record store no longer holds {position.token()}.")
        finally:
            self._looking.release()

    def _covers(self, position: Position) -> bool:
        own = self._position
        return own is not None and own.epoch == position.epoch and own.seq >= position.seq

    def _look(self) -> None:
        head = self._store.head()
        if head != self._position:
            delta = self._store.changes_since(self._position) if self._position else None
            if delta is None:
                self._load()
            else:
                at = delta.position
                self._core.apply(delta.changes, at.epoch, at.seq, at.chain)
                self._position = at
        self._core.confirm_fresh()

    def _load(self) -> None:
        started, records = self._clock(), 0
        with self._store.snapshot() as stored:
            state = self._core.snapshot()
            for chunk in stored.chunks():
                state.add(chunk)
                records += len(chunk)
            at = stored.position
        self._core.install(state, at.epoch, at.seq, at.chain)
        self._position = at
        log.info("Loaded %d records at state %s in %.1f s.", records, at.token(), self._clock() - started)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            pause = self._look_or_pause()
            if not self._stopping:
                self._wait(self._wake, pause)

    def _look_or_pause(self) -> float:
        """One look; gives the seconds until the next."""
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - whatever it is, following must go on
            return self._failed(error)
        if self._failures:
            log.warning(
                "The record store is followed again after %.1f s.", self._clock() - self._failing_since
            )
            self._failures = 0
        return self._poll_seconds

    def _failed(self, error: Exception) -> float:
        if not self._failures:
            self._failing_since = self._clock()
            unforeseen = None if isinstance(error, StoreError) else error
            log.error("%s Decisions continue on the records loaded.", error, exc_info=unforeseen)
        # The exponent is bounded, as an outage of days must not overflow a float.
        pause = min(_FIRST_BACKOFF_SECONDS * 2.0 ** min(self._failures, 16), _LONGEST_BACKOFF_SECONDS)
        self._failures += 1
        return pause * (0.5 + self._jitter() / 2)
