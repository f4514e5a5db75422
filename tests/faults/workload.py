"""Checks and writes, all the time, from one seed: locks are closed behind a barrier and opened again, and
every sidecar is asked about all doors, most about those that are being closed."""

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import grpc

from pdp.decision.v1.decision_pb2 import CheckResponse
from pdp.records.v1.record_pb2 import WAIT_MODE_ALL, WAIT_MODE_LOCAL, Barrier, Change
from pdp.records.v1.record_service_pb2 import ApplyChangesRequest, GetRecordRequest
from tests.faults.checker import ward_of
from tests.faults.fleet import Fleet, Place
from tests.faults.history import Check, Ended, Lock, Write

_MOST_UNDER_WAY = 400
"""Checks at one sidecar without an answer yet; a stopped one holds so many over its waking."""
_REFUSALS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION}
_PATHS = {Barrier.PATH_FAST: "fast", Barrier.PATH_TIMED: "timed"}


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is done.

    Attributes:
        check_seconds: between two checks at one sidecar.
        hold_seconds: at most between two writes of one writer.
        give_up_seconds: after so long a writer leaves a write as unknown.
        attempt_seconds: how long one attempt may take.
    """

    check_seconds: float = 0.004
    hold_seconds: float = 0.25
    give_up_seconds: float = 25.0
    attempt_seconds: float = 4.0


class Workload:
    """Runs while its context is open; what it sees goes into the history.

    Args:
        fleet: whom to ask.
        seed: of every choice, though not of what the machine's threads do.
        doors: how many, in wards of three.
        writers: each closes and opens locks of its own.
        through: names of the sidecars that writes go through; all unless said.
        kept: locks that the writers leave alone.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        seed: int = 1,
        doors: int = 9,
        writers: int = 2,
        pace: Pace | None = None,
        through: Sequence[str] = (),
        kept: Sequence[Lock] = (),
    ) -> None:
        self.fleet, self.history = fleet, fleet.history
        self.doors = [f"door/{number}" for number in range(doors)]
        self.wards = sorted({ward_of(door) for door in self.doors})
        self._pace, self._seed = pace or Pace(), seed
        self._through = through
        self._hot: dict[int, Lock] = {}
        self._over = threading.Event()
        self._calm = threading.Event()
        locks = [lock for lock in self.locks if lock not in kept]
        self._writers = [
            threading.Thread(target=self._write_on, args=(number, locks[number::writers]), daemon=True)
            for number in range(writers)
        ]
        self._askers = [
            threading.Thread(target=self._ask_on, args=(place,), daemon=True)
            for place in fleet.places.values()
        ]
        self._under_way = {name: threading.Semaphore(_MOST_UNDER_WAY) for name in fleet.places}

    @property
    def locks(self) -> list[Lock]:
        return [*self.doors, *self.wards]

    def open_all(self) -> None:
        """Opens every lock, in one write for each; to begin with."""
        place = next(iter(self.fleet.places.values()))
        for lock in self.locks:
            write = self.write([lock], opens=True, to=place)
            assert write.how is Ended.STORED, write

    def __enter__(self) -> Self:
        for thread in self._askers + self._writers:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lets the writers finish what they began, then ends the checks, of which each gets its answer."""
        self._calm.set()
        for thread in self._writers:
            thread.join()
        self._over.set()
        for thread in self._askers:
            thread.join()
        for name, semaphore in self._under_way.items():
            for _ in range(_MOST_UNDER_WAY):
                assert semaphore.acquire(timeout=40), f"checks at {name} never ended"

    # ── checks ─────────────────────────────────────────────────────────────────────────────────────────────

    def _ask_on(self, place: Place) -> None:
        draw = random.Random(f"{self._seed} {place.name}")
        while not self._over.is_set():
            self._over.wait(self._pace.check_seconds * (0.5 + draw.random()))
            if place.up and self._under_way[place.name].acquire(timeout=0.05):
                self._ask(place, self.door(draw))

    def door(self, draw: random.Random) -> Lock:
        """One to ask about, most often one that is being closed or opened."""
        hot = [*self._hot.values()]
        if not hot or draw.random() < 0.3:
            return draw.choice(self.doors)
        lock = draw.choice(hot)
        return lock if lock in self.doors else draw.choice([d for d in self.doors if ward_of(d) == lock])

    def ask_long(self, place: Place, door: Lock) -> None:
        """A check whose evaluation takes about a second."""
        assert self._under_way[place.name].acquire(timeout=1)
        self._ask(place, door, effort=1_000)

    def watch(self, *locks: Lock) -> None:
        """From now on most checks are for these."""
        self._hot = dict(enumerate(locks))

    def _ask(self, place: Place, door: Lock, effort: int = 0) -> None:
        began, locks = time.monotonic_ns(), (door, ward_of(door))

        def answered(call: "grpc.Future[CheckResponse]") -> None:
            self.history.checks.append(_check(call, began, place.name, locks))
            self._under_way[place.name].release()

        place.ask(door, effort).add_done_callback(answered)

    # ── writes ─────────────────────────────────────────────────────────────────────────────────────────────

    def _write_on(self, number: int, locks: list[Lock]) -> None:
        draw = random.Random(f"{self._seed} writer {number}")
        while not self._calm.is_set():
            lock = draw.choice(locks)
            self._hot[number] = lock
            self.write([lock], opens=False, draw=draw, settle=draw.random() < 0.05)
            self._calm.wait(draw.random() * self._pace.hold_seconds)
            self.write([lock], opens=True, draw=draw, barrier=draw.random() < 0.2)
            self._calm.wait(draw.random() * self._pace.hold_seconds)

    def write(
        self,
        locks: Sequence[Lock],
        *,
        opens: bool,
        draw: random.Random | None = None,
        to: Place | None = None,
        barrier: bool | None = None,
        settle: bool = False,
    ) -> Write:
        """One write, repeated with its id until its outcome is known, or for as long as the pace says.

        A closing waits for all, an opening for its own sidecar, unless `barrier` says otherwise.
        """
        draw = draw or random.Random(self._seed)
        message = ApplyChangesRequest(
            changes=[_change(lock, opens=opens) for lock in locks],
            wait_mode=WAIT_MODE_ALL if (not opens if barrier is None else barrier) else WAIT_MODE_LOCAL,
            write_id=f"{draw.getrandbits(64):016x}-{time.monotonic_ns()}",
            settle=settle,
            timeout_ms=int(self._pace.attempt_seconds * 1000),
        )
        began = time.monotonic_ns()
        ends = began + int(self._pace.give_up_seconds * 1e9)
        attempt, attempts, place = _Attempt(Ended.UNKNOWN), 0, to
        while attempt.how is Ended.UNKNOWN and time.monotonic_ns() < ends:
            if attempts:
                time.sleep(0.05)
            place = to or self._some(draw)
            if place is None:
                time.sleep(0.05)
                continue
            attempts += 1
            attempt = self._attempt(place, message, first=attempts == 1)
        write = Write(
            began,
            time.monotonic_ns(),
            place.name if place else "",
            tuple(locks),
            opens=opens,
            how=attempt.how,
            path=attempt.path,
            waited_ms=(time.monotonic_ns() - began) // 1_000_000,
            settled=settle,
            token=attempt.token,
            attempts=attempts,
            error=attempt.error,
        )
        self.history.writes.append(write)
        return write

    def write_large(self, size: int, to: Place) -> None:
        """Writes about so many bytes in one step, of doors that nobody asks for."""
        assert to.records
        changes = [_change(f"door/{'x' * 1_000}{number}", opens=False) for number in range(size // 1_000)]
        message = ApplyChangesRequest(changes=changes, wait_mode=WAIT_MODE_LOCAL)
        to.records.ApplyChanges(message, timeout=30)

    def _some(self, draw: random.Random) -> Place | None:
        names = self._through or [*self.fleet.places]
        places = [self.fleet[name] for name in names if self.fleet[name].up]
        return draw.choice(places) if places else None

    def _attempt(self, place: Place, message: ApplyChangesRequest, *, first: bool) -> "_Attempt":
        assert place.records
        try:
            answer = place.records.ApplyChanges(message, timeout=self._pace.attempt_seconds + 2)
        except grpc.RpcError as error:
            # A repetition that is refused says nothing of the attempts before.
            refused = error.code() in _REFUSALS and first
            return _Attempt(Ended.REFUSED if refused else Ended.UNKNOWN, error=str(error.details()))
        if not answer.HasField("barrier"):
            return _Attempt(Ended.STORED, token=answer.state_token)
        if answer.barrier.state != Barrier.STATE_DONE:
            return _Attempt(
                Ended.UNKNOWN, token=answer.state_token, error=f"open: {answer.barrier.stragglers}"
            )
        return _Attempt(Ended.DONE, answer.state_token, _PATHS.get(answer.barrier.path, ""))

    # ── the end ────────────────────────────────────────────────────────────────────────────────────────────

    def come_to_rest(self, seconds: float = 20.0) -> None:
        """Waits until every sidecar decides on the same fresh state; then notes what all say and what is
        stored. When they do not come to that within the time, the history shows how they differ.
        """
        ends = time.monotonic() + seconds
        while True:
            finals = self.fleet.finals(self.doors)
            stale = any(
                code.startswith("STATE_")
                for final in finals
                for _, codes in final.answers.values()
                for code in codes
            )
            if (len({final.at for final in finals}) == 1 and not stale) or time.monotonic() > ends:
                break
            time.sleep(0.1)
        self.history.finals = finals
        place = next(place for place in self.fleet.places.values() if place.up)
        self.history.stored = {lock: _stored(place, lock) for lock in self.locks}


@dataclass(frozen=True, slots=True)
class _Attempt:
    how: Ended
    token: str = ""
    path: str = ""
    error: str = ""


def _change(lock: Lock, *, opens: bool) -> Change:
    kind, _, key = lock.partition("/")
    return Change(kind=kind, key=key, value_json=f'{{"id":"{key}","open":{"true" if opens else "false"}}}')


def _check(call: "grpc.Future[CheckResponse]", began: int, sidecar: str, locks: tuple[Lock, ...]) -> Check:
    ended = time.monotonic_ns()
    try:
        answer = call.result()
    except grpc.RpcError as error:
        said = f"{error.code().name}: {error.details()}"
        return Check(began, ended, sidecar, locks, None, error=said)
    except (grpc.FutureCancelledError, grpc.FutureTimeoutError) as error:
        return Check(began, ended, sidecar, locks, None, error=repr(error))
    codes = tuple(reason.code for reason in answer.reasons)
    return Check(began, ended, sidecar, locks, answer.allow, codes, answer.state_token)


def _stored(place: Place, lock: Lock) -> bool | None:
    assert place.records
    kind, _, key = lock.partition("/")
    try:
        answer = place.records.GetRecord(GetRecordRequest(kind=kind, key=key), timeout=10)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None
        raise
    return '"open":true' in answer.record.value_json.replace(" ", "")
