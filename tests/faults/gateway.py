"""A gateway that keeps answers on one sidecar, as the contract of `Watch` allows. In trouble it is deaf: it
uses what it keeps under the lease that it has, and hears of nothing."""

import contextlib
import queue
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from pdp.decision.v1.decision_pb2 import CheckResponse
from pdp.decision.v1.decision_service_pb2 import WatchRequest, WatchResponse
from tests.faults.checker import ward_of
from tests.faults.fleet import Place
from tests.faults.history import Check, History, Lock
from tests.faults.workload import Workload

_PING_SECONDS = 0.15
_RATE_ERROR = 0.1
_SHORTENED = (1 - _RATE_ERROR) / (1 + _RATE_ERROR)


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: CheckResponse
    tags: frozenset[str]


class Gateway:
    """One gateway; `ask` is what its users do.

    Args:
        place: of its sidecar.
        history: gets its answers.
        minds_leases: whether it does as it should.
    """

    def __init__(self, place: Place, history: History, *, minds_leases: bool = True) -> None:
        self._place, self._history, self._minds_leases = place, history, minds_leases
        self.name = f"gateway of {place.name}"
        self.from_cache = 0
        self._deaf = threading.Event()
        self._lock = threading.Lock()
        self._kept: dict[Lock, _Kept] = {}
        self._leased_until = 0
        self._generation = 0
        self._sequences: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch_on, daemon=True)
        self._thread.start()

    @contextmanager
    def deafened(self) -> Iterator[None]:
        """While this is open it hears nothing, and says nothing."""
        self._deaf.set()
        try:
            yield
        finally:
            self._deaf.clear()

    def close(self) -> None:
        """Ends it."""
        self._over.set()
        self._thread.join()

    def ask(self, door: Lock) -> None:
        """Answers from what it keeps, otherwise from its sidecar."""
        began = time.monotonic_ns()
        with self._lock:
            leased = time.monotonic_ns() < self._leased_until or not self._minds_leases
            kept = self._kept.get(door) if leased else None
        if kept:
            self.from_cache += 1
            self._note(began, door, kept.answer)
        elif self._place.up:
            try:
                answer = self._place.ask(door, cacheable=True).result()
            except grpc.RpcError:
                return
            self._note(began, door, answer)
            self._keep(door, answer)

    def _note(self, began: int, door: Lock, answer: CheckResponse) -> None:
        codes = tuple(reason.code for reason in answer.reasons)
        locks = (door, ward_of(door))
        check = Check(began, time.monotonic_ns(), self.name, locks, answer.allow, codes, answer.state_token)
        self._history.checks.append(check)

    def _keep(self, door: Lock, answer: CheckResponse) -> None:
        terms = answer.cache
        with self._lock:
            fits = terms.generation == self._generation and len(terms.sequences) == len(self._sequences)
            newer = all(own >= told for own, told in zip(terms.sequences, self._sequences, strict=False))
            if answer.HasField("cache") and self._sequences and fits and newer:
                self._kept[door] = _Kept(answer, frozenset(terms.tags))

    # ── the watch ──────────────────────────────────────────────────────────────────────────────────────────

    def _watch_on(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(grpc.RpcError):
                self._watch()
            # The lease goes on without the watch, and what is kept can be used until it ends.
            self._over.wait(max(0.05, (self._leased_until - time.monotonic_ns()) / 1e9))

    def _watch(self) -> None:
        if not self._place.up or self._place.decisions is None:
            return
        sent: dict[int, int] = {}
        pings: queue.SimpleQueue[WatchRequest | None] = queue.SimpleQueue()
        ended = threading.Event()
        # What an earlier watch was told says nothing of what this one will not be told.
        with self._lock:
            self._kept.clear()
            self._generation, self._sequences = 0, []
        self._ping(sent, pings)

        def ping_on() -> None:
            while not ended.wait(_PING_SECONDS) and not self._over.is_set():
                if not self._deaf.is_set():
                    self._ping(sent, pings)
            pings.put(None)

        pinger = threading.Thread(target=ping_on, daemon=True)
        pinger.start()
        try:
            for message in self._place.decisions.Watch(_until_none(pings)):
                while self._deaf.is_set() and not self._over.is_set():
                    time.sleep(0.005)
                self._take(message, sent)
                if message.forget or not message.ping:
                    self._ping(sent, pings)
        finally:
            ended.set()
            pinger.join()

    def _ping(self, sent: dict[int, int], pings: "queue.SimpleQueue[WatchRequest | None]") -> None:
        with self._lock:
            number = len(sent) + 1
            sent[number] = time.monotonic_ns()
            pings.put(WatchRequest(ping=number, generation=self._generation, sequences=self._sequences))

    def _take(self, message: WatchResponse, sent: dict[int, int]) -> None:
        with self._lock:
            if message.generation != self._generation:
                self._kept.clear()
            gone = set(message.forget)
            for door in [door for door, kept in self._kept.items() if kept.tags & gone]:
                del self._kept[door]
            self._generation, self._sequences = message.generation, list(message.sequences)
            if message.ping and message.HasField("lease"):
                lease = message.lease.seconds * 1_000_000_000 + message.lease.nanos
                self._leased_until = max(self._leased_until, sent[message.ping] + int(lease * _SHORTENED))


@contextmanager
def gateways_of(workload: Workload, *, minds_leases: bool = True) -> Iterator[dict[str, Gateway]]:
    """A gateway for each sidecar of a workload, asked all the time."""
    gateways = {
        name: Gateway(place, workload.history, minds_leases=minds_leases)
        for name, place in workload.fleet.places.items()
    }
    over = threading.Event()

    def ask_on(gateway: Gateway) -> None:
        draw = random.Random(gateway.name)
        while not over.wait(0.003):
            gateway.ask(workload.door(draw))

    threads = [threading.Thread(target=ask_on, args=(each,)) for each in gateways.values()]
    for thread in threads:
        thread.start()
    try:
        yield gateways
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for gateway in gateways.values():
            gateway.close()


def _until_none(pings: "queue.SimpleQueue[WatchRequest | None]") -> Iterator[WatchRequest]:
    while (ping := pings.get()) is not None:
        yield ping
