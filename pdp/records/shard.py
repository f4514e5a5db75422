"""One shard of the records in a core: loaded, followed by sequence number, and proved fresh.

Loading proves nothing, and neither does following: a source may be behind, or deposed. A core may allow only
while it holds a freshness proof: the store's primary said at a known moment where its history stands, and the
state contains all of that. Each proof lasts for a lease from the moment before it was asked for. No state is
ever withdrawn: one without new proofs runs out by itself. See `docs/decisions`, the lockout barrier.
"""

import logging
import random
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from pdp._core import Core, RecordError, Snapshot
from pdp.records.history import History
from pdp.records.store import Beat, ForkError, Position, RecordStore, StoreError, UnconfirmedError
from pdp.records.timing import Clock, Timing, boottime_ns

log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 0.05, 1.0
_NEWS_SECONDS = 0.25
_PACE_NS = 4_000_000
_DRAIN_LOOK_SECONDS = 0.001


@contextmanager
def fitting() -> Iterator[None]:
    """Turns a stored record that the policy's schemas refuse into a StoreError, without its key: that may be
    a citizen's number. Nobody decides on such a record: the state that lacks it goes stale.
    """
    try:
        yield
    except RecordError as error:
        place = f"{error.field}: " if error.field else ""
        raise StoreError(
            f"A stored record of kind {error.kind} is not as this policy's schema would have it "
            f"({place}{error.message}); `pdp doctor` names it. Write it again under this policy, or run the "
            "policy that it was written under."
        ) from error
    except ValueError as error:
        raise StoreError(f"The record store's history was changed by hand: {error}.") from error


class Signal(Protocol):
    """Wakes one waiting thread; a call of `set` before `wait` counts for the next `wait`."""

    def set(self) -> None:
        """Wakes it."""

    def wait(self, seconds: float) -> None:
        """Returns when woken, at the latest after some seconds."""


class ThreadSignal:
    """A `Signal` between threads."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """See Signal."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """See Signal."""
        self._event.wait(seconds)
        self._event.clear()


@dataclass(frozen=True, slots=True)
class Host:
    """What a shard's follower needs of its process; a simulation gives its own.

    Attributes:
        clock: nanoseconds of CLOCK_BOOTTIME, the one that the core compares deadlines with.
        signal: makes a Signal.
        random: gives numbers in [0, 1), for jitter.
        instance: random id of this process start.
        about: what `pdp sidecars list` shows of it, one line of JSON.
        observe: told the shard and the epoch of each reply to a beat.
        kinds: the only kinds to hold, None: all.
    """

    clock: Clock = boottime_ns
    signal: Callable[[], Signal] = ThreadSignal
    random: Callable[[], float] = random.random
    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    about: Callable[[], str] = lambda: "{}"
    observe: Callable[[int, str], object] = lambda _shard, _epoch: None
    kinds: Callable[[], Sequence[str] | None] = lambda: None


class ShardFollower:
    """Keeps one shard of a core at the head of its store. `follow` and `beat_on` run in a thread each.

    INVARIANT: what is under `_publishing` changes together with the core, and nothing waits for the store
    while holding it.
    """

    def __init__(self, store: RecordStore, core: Core, shard: int, timing: Timing, host: Host) -> None:
        self._store, self._core, self._shard = store, core, shard
        self._timing, self._host = timing, host
        self._publishing = threading.Condition()
        self._history: History | None = None
        # Counts loads: a reply to a beat of an earlier state says nothing about this one.
        self._generation = 0
        # (Deadline, head) of proofs whose head the state does not hold yet.
        self._proofs: list[tuple[int, Position]] = []
        self._number = 0
        # A beat is wanted as soon as this sequence number is drained.
        self._wanted = 0
        self._must_load = True
        self._stopping = False
        self._beat_signal, self._follow_signal = host.signal(), host.signal()

    @property
    def position(self) -> Position | None:
        """The position that the core decides on; None before the first load."""
        history = self._history
        return history.position if history else None

    def load(self) -> int:
        """Loads the shard anew and publishes it with its first proof; gives the number of records.

        Decisions continue on the old state meanwhile, for as long as its own proofs last.

        Raises:
            StoreError: the store cannot be read, or gives no proof.
        """
        with self._publishing:
            self._generation += 1
            generation = self._generation
            self._must_load = True
        state, records = self._core.snapshot(), 0
        with self._store.snapshot(self._shard, self._host.kinds()) as stored:
            for chunk in stored.chunks():
                with fitting():
                    state.add(chunk)
                records += len(chunk)
            history = History(stored.position)
        self._complete(state, history)
        deadline = self._first_proof(state, history)
        with self._publishing:
            if generation != self._generation:
                raise StoreError("Another load of the same records began meanwhile.")
            at = history.position
            self._core.install(self._shard, state, at.seq, at.chain, deadline_ns=deadline)
            self._history, self._proofs, self._must_load = history, [], False
            self._publishing.notify_all()
        self._want_beat(at.seq)
        return records

    def _complete(self, state: Snapshot, history: History) -> None:
        """Brings a state under construction to where the store's history stands."""
        delta = self._store.changes_since(history.position, self._shard)
        if delta is None:
            raise StoreError("The record store's history moved on while its records were read.")
        with fitting():
            state.apply(delta.writes)
        for step in delta.steps:
            history.append(step.position)

    def _first_proof(self, state: Snapshot, history: History) -> int:
        """Registers the state under construction and gives the deadline of its first proof. Nothing counts as
        drained: answers may still come from the state before."""
        asked, head = self._beat(history.position, drained=0)
        while not history.contains(head):
            before = history.position
            if self._host.clock() >= asked + self._timing.lease_ns or before.seq > head.seq:
                raise StoreError("The record store gives no proof of the records that it holds.")
            self._complete(state, history)
            if history.position == before:
                self._follow_signal.wait(_FIRST_BACKOFF_SECONDS)
        return asked + self._timing.lease_ns

    def look(self, seconds: float = 0.0) -> bool:
        """Applies what is new in the store, or loads it anew where that is needed. False: nothing was new.

        Args:
            seconds: to wait for something new at most; 0: also looks whether the history is another one.
        """
        with self._publishing:
            history, generation = self._history, self._generation
            must_load = self._must_load
        delta = None
        if history is not None and not must_load:
            at, shard = history.position, self._shard
            delta = self._store.news(at, shard, seconds) if seconds else self._store.changes_since(at, shard)
        if delta is None:
            self._log_load(self.load())
            return True
        if not delta.steps:
            return False
        with self._publishing:
            if history is None or generation != self._generation:
                return True
            at = delta.steps[-1].position
            with fitting():
                self._core.apply(self._shard, delta.writes, at.seq, at.chain)
            for step in delta.steps:
                history.append(step.position)
            self._settle()
            self._publishing.notify_all()
        waited_for = [step.position.seq for step in delta.steps if step.barrier]
        if waited_for:
            self._want_beat(waited_for[-1])
        return True

    def _log_load(self, records: int) -> None:
        self._core.count_event("load", "full" if self._host.kinds() is None else "on_demand")
        at = self.position
        token = at.token(self._shard) if at else ""
        log.info("Loaded %d records at state %s.", records, token)

    def beat(self) -> None:
        """Asks for one freshness proof. Raises StoreError when there is none."""
        with self._publishing:
            if self._must_load or self._history is None:
                return
            generation, position = self._generation, self._history.position
        try:
            # What is drained is read after the position, so never above it.
            asked, head = self._beat(position, self._core.drained(self._shard))
        except ForkError:
            with self._publishing:
                if generation == self._generation:
                    self._must_load = True
            self._follow_signal.set()
            raise
        with self._publishing:
            if generation != self._generation or self._must_load:
                return
            self._proofs.append((asked + self._timing.lease_ns, head))
            self._settle()

    def _beat(self, position: Position, drained: int) -> tuple[int, Position]:
        """One beat, counted; gives the moment before it was sent, and the head that the store named."""
        with self._publishing:
            self._number += 1
            number = self._number
        beat = Beat(
            instance=self._host.instance,
            number=number,
            position=position,
            drained=drained,
            lease_ms=self._timing.lease_ns // 1_000_000,
            about=self._host.about(),
        )
        asked = self._host.clock()
        try:
            head = self._store.beat(beat, self._shard)
        except StoreError as error:
            self._core.count_event("beat", _label(error))
            raise
        self._core.count_event("beat", "proof")
        self._host.observe(self._shard, head.epoch)
        return asked, head.position

    def _settle(self) -> None:
        """Proofs whose head the state holds count; those whose head is of another history never will."""
        history = self._history
        if history is None:
            return
        waiting = []
        for deadline, head in self._proofs:
            if history.contains(head):
                self._core.prolong(self._shard, deadline)
            elif head.seq > history.position.seq and deadline > self._host.clock():
                waiting.append((deadline, head))
        self._proofs = waiting

    def _want_beat(self, seq: int) -> None:
        self._wanted = max(self._wanted, seq)
        self._beat_signal.set()

    def follow(self) -> None:
        """Follows until stopped. Failures are logged once and repeated with growing, jittered pauses."""
        trouble = _Trouble("Following the record store", self._host)
        looked = self._host.clock()
        while not self._stopping:
            try:
                if not self.look(_NEWS_SECONDS):
                    self.look()
                # What comes in quick succession is taken in together, at a fraction of the cost.
                early = looked + _PACE_NS - self._host.clock()
                if early > 0:
                    self._follow_signal.wait(early / 1e9)
                looked = self._host.clock()
            except Exception as error:  # noqa: BLE001 - whatever it is, following must go on
                self._follow_signal.wait(trouble.began(error))
            else:
                trouble.over()

    def beat_on(self) -> None:
        """Beats until stopped: at an interval, and at once when a waiting write is drained."""
        trouble = _Trouble("Proving that the records are fresh", self._host)
        due = self._host.clock()
        while not self._stopping:
            wanted = self._wanted
            drained = bool(wanted) and self._core.drained(self._shard) >= wanted
            if drained or self._host.clock() >= due:
                pause = self._timing.beat_ns * (0.8 + 0.4 * self._host.random())
                try:
                    self.beat()
                except Exception as error:  # noqa: BLE001 - whatever it is, beating must go on
                    pause = min(pause, trouble.began(error) * 1e9)
                else:
                    trouble.over()
                    if drained and self._wanted == wanted:
                        self._wanted = 0
                due = self._host.clock() + int(pause)
            left = max((due - self._host.clock()) / 1e9, 0.0)
            self._beat_signal.wait(min(left, _DRAIN_LOOK_SECONDS) if self._wanted else left)

    def wait_until(self, holds: Callable[[History], bool], seconds: float) -> bool:
        """Waits until the state's history is as `holds` says; False: not within the time."""
        with self._publishing:
            return self._publishing.wait_for(
                lambda: self._history is not None and holds(self._history), timeout=seconds
            )

    def stop(self) -> None:
        """Makes `follow` and `beat_on` return soon; the core keeps its state until that runs out."""
        self._stopping = True
        self._beat_signal.set()
        self._follow_signal.set()

    def leave(self) -> None:
        """Takes this sidecar out of the registry; only after it has stopped to answer."""
        self._store.forget(self._host.instance, self._number, self._shard)


class _Trouble:
    """Logs when something fails first and works again, and how long to pause in between."""

    def __init__(self, what: str, host: Host) -> None:
        self._what, self._host = what, host
        self._failures, self._since = 0, 0

    def began(self, error: Exception) -> float:
        """Notes a failure; gives the seconds to pause."""
        if not self._failures:
            self._since = self._host.clock()
            unforeseen = None if isinstance(error, StoreError) else error
            log.error("%s fails: %s", self._what, error, exc_info=unforeseen)
        # The exponent is bounded, as an outage of days must not overflow a float.
        pause = min(_FIRST_BACKOFF_SECONDS * 2.0 ** min(self._failures, 16), _LONGEST_BACKOFF_SECONDS)
        self._failures += 1
        return pause * (0.5 + self._host.random() / 2)

    def over(self) -> None:
        """Notes a success."""
        if self._failures:
            seconds = (self._host.clock() - self._since) / 1e9
            log.warning("%s works again after %.1f s.", self._what, seconds)
            self._failures = 0


def _label(error: StoreError) -> str:
    if isinstance(error, ForkError):
        return "fork"
    return "unconfirmed" if isinstance(error, UnconfirmedError) else "failed"
