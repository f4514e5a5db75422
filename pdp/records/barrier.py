"""The lockout barrier: a write that returns when no sidecar can decide without it any more.

A sidecar answers only while it holds a freshness proof, and every proof started before the write runs out
after a known time. Waiting that time is always enough, whoever is registered (the timed path); the registry
makes the usual case fast (the fast path). The protocol and its proof: `docs/decisions`, the lockout barrier.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from pdp.records.store import (
    Change,
    ConflictError,
    LeaseMismatchError,
    RecordStore,
    RegistryView,
    SpreadError,
    StoreError,
    UninitialisedError,
    WriteIdReusedError,
    Written,
)
from pdp.records.timing import Clock, Timing, boottime_ns

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 0.05
# What no repetition mends: nothing was written, or what was is not this write.
_FINAL = (ConflictError, LeaseMismatchError, SpreadError, WriteIdReusedError)


class Path(Enum):
    """What made a write hold everywhere."""

    FAST = "fast"
    TIMED = "timed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a waiting write ended.

    Attributes:
        write_id: to repeat the write with, which then waits on.
        written: the write; None: not acknowledged in time, it may stand or not.
        path: None: pending; the write may stand and must be treated as in force.
        waited_seconds: since the write was first sent.
        stragglers: sidecars that had not said that they decide on it, at most ten.
        problem: why it is pending where the store itself said so, "" otherwise.
    """

    write_id: str
    written: Written | None
    path: Path | None
    waited_seconds: float
    stragglers: tuple[str, ...] = ()
    problem: str = ""


class _Late(Exception):
    """The caller's time is over."""


class Barrier:
    """Writes that wait for every sidecar; one for each process, as it learns how long an epoch has lasted.

    Args:
        store: where the records and the registry are.
        timing: from the store's parameters.
        clock: nanoseconds of this process's CLOCK_BOOTTIME.
        pause: sleeps for some seconds.
    """

    def __init__(
        self,
        store: RecordStore,
        timing: Timing,
        *,
        clock: Clock = boottime_ns,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store, self._timing, self._clock, self._pause = store, timing, clock, pause
        # INVARIANT: the moment at which a reply of the epoch was first received, never an earlier one.
        self._since: dict[tuple[int, str], int] = {}
        # Of members that were behind: their latest beat, and when it was first seen.
        self._beats: dict[tuple[int, str], tuple[int, int]] = {}

    def observe(self, shard: int, epoch: str) -> int:
        """Notes that a reply of this epoch was received just now; gives the moment of the first one."""
        return self._since.setdefault((shard, epoch), self._clock())

    def silent(self, shard: int, instance: str, number: int) -> bool:
        """Notes the latest beat of a member that is behind. True when it has been the same for so long that
        every proof of that member has run out.
        """
        known, first = self._beats.get((shard, instance), (None, 0))
        if known != number:
            self._beats[shard, instance] = (number, self._clock())
            return False
        return self._clock() - first >= self._timing.wait_ns

    def forget(self, shard: int, instance: str, number: int) -> None:
        """Takes a silent member out of the registry; if it lives, its next beat registers it again."""
        self._store.forget(instance, number, shard)
        self._beats.pop((shard, instance), None)

    def write(
        self,
        changes: Sequence[Change],
        write_id: str,
        *,
        timeout_seconds: float = 20.0,
        settle_seconds: float = 0.0,
    ) -> Outcome:
        """Writes, and returns when the write holds everywhere or the time is over.

        Args:
            changes: what to change, in one shard.
            write_id: of this write; repeating one that stands waits for it again and writes nothing.
            timeout_seconds: cancelling the wait never undoes the write.
            settle_seconds: waited in addition: after as long as gateways wait for an answer, no answer to a
                request that began before is used either.

        Raises:
            StoreError: the write is refused; nothing was changed.
        """
        attempt = _Attempt(
            self,
            (self._store, self._timing, self._clock, self._pause),
            list(changes),
            write_id,
            timeout_seconds,
        )
        return attempt.run(settle_seconds)


class _Attempt:
    """One call of `Barrier.write`."""

    def __init__(
        self,
        barrier: Barrier,
        means: tuple[RecordStore, Timing, Clock, Callable[[float], object]],
        changes: list[Change],
        write_id: str,
        timeout_seconds: float,
    ) -> None:
        self._barrier, self._changes, self._write_id = barrier, changes, write_id
        self._store, self._timing, self._clock, self._pause = means
        self._began = self._clock()
        self._ends = self._began + int(timeout_seconds * 1e9)
        self._written: Written | None = None
        self._stragglers: tuple[tuple[str, int], ...] = ()
        self._problem = ""

    def run(self, settle_seconds: float) -> Outcome:
        """See Barrier.write."""
        try:
            path = self._until_it_holds()
            self._sleep(settle_seconds)
        except _Late:
            return self._outcome(None)
        return self._outcome(path)

    def _until_it_holds(self) -> Path:
        while True:
            self._written = written = self._confirmed()
            path = self._wait(written, confirmed_at=self._clock())
            # Same epoch, same place in the history: no failover in between lost it. Otherwise all anew.
            if path and self._confirmed() == written:
                return path

    def _confirmed(self) -> Written:
        """The write, acknowledged by the replicas after this call began."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                written = self._store.write(self._changes, self._write_id, barrier=True)
            except _FINAL:
                raise
            except StoreError as error:
                # A store that was emptied after it had the write may come back with it, by a failover.
                if isinstance(error, UninitialisedError) and self._written is None:
                    raise
                self._problem = str(error)
                self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                self._problem = ""
                self._barrier.observe(written.shard, written.epoch)
                return written

    def _wait(self, written: Written, confirmed_at: int) -> Path | None:
        """What made it hold; None: another epoch answered meanwhile."""
        settled = self._barrier.observe(written.shard, written.epoch) + self._timing.settle_ns
        run_out = max(confirmed_at + self._timing.wait_ns, settled)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            if self._clock() >= run_out:
                return Path.TIMED
            view = self._view(written)
            if view is not None:
                if view.epoch != written.epoch:
                    return None
                if view.behind == 0 and self._clock() >= settled:
                    return Path.FAST
            left = (run_out - self._clock()) / 1e9
            self._sleep(min(pause, max(left, 0.0)))
            pause = min(1.5 * pause, _LONGEST_PAUSE_SECONDS)

    def _view(self, written: Written) -> RegistryView | None:
        try:
            view = self._store.view(written.position.seq, written.shard)
        except StoreError as error:
            self._problem = str(error)
            return None
        self._problem = ""
        self._barrier.observe(written.shard, view.epoch)
        self._stragglers = view.stragglers
        for instance, number in view.stragglers:
            if self._barrier.silent(written.shard, instance, number):
                self._forget(written.shard, instance, number)
        return view

    def _forget(self, shard: int, instance: str, number: int) -> None:
        try:
            self._barrier.forget(shard, instance, number)
        except StoreError as error:
            self._problem = str(error)

    def _sleep(self, seconds: float) -> None:
        left = (self._ends - self._clock()) / 1e9
        if left < seconds:
            if left > 0:
                self._pause(left)
            raise _Late
        if seconds > 0:
            self._pause(seconds)

    def _outcome(self, path: Path | None) -> Outcome:
        return Outcome(
            write_id=self._write_id,
            written=self._written,
            path=path,
            waited_seconds=(self._clock() - self._began) / 1e9,
            stragglers=() if path else tuple(instance for instance, _ in self._stragglers),
            problem=self._problem,
        )
