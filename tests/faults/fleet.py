"""Several sidecar processes on one store, which can be killed, stopped and started; the history says when."""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc

from pdp.decision.v1.decision_pb2 import CheckRequest, CheckResponse
from pdp.decision.v1.decision_service_pb2_grpc import DecisionServiceStub
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub
from pdp.wire import request_to_message
from tests.end_to_end.sidecar import Sidecar, Starter, http
from tests.faults.checker import ward_of
from tests.faults.history import Final, History, Lock, Outage, Stop

DOORS = Path(__file__).parent / "doors"
SERVE = ("-m", "pdp", "serve", "--json")
_DEADLINE_SECONDS = 30.0


def request(door: Lock, effort: int = 0) -> CheckRequest:
    """May somebody pass a door? `effort` squared is how many steps the evaluation takes in addition."""
    properties: dict[str, Any] = {"ward": ward_of(door).partition("/")[2]}
    if effort:
        properties["effort"] = effort
    return request_to_message(
        {
            "subject": {"type": "user", "id": "someone"},
            "action": {"name": "pass"},
            "resource": {"type": "door", "id": door.partition("/")[2], "properties": properties},
        }
    )


class Place:
    """A sidecar's place in the fleet: the process that holds it now, and clients for it."""

    def __init__(self, name: str, environment: Mapping[str, str], program: Sequence[str]) -> None:
        self.name, self.environment, self.program = name, environment, program
        self.down_since: int | None = None
        self.sidecar: Sidecar | None = None
        self.decisions: DecisionServiceStub | None = None
        self.records: RecordServiceStub | None = None

    @property
    def up(self) -> bool:
        return self.down_since is None and self.sidecar is not None

    def hold(self, sidecar: Sidecar) -> None:
        """The process that holds the place from now on."""
        self.sidecar = sidecar
        self.decisions = DecisionServiceStub(sidecar.channel())
        self.records = RecordServiceStub(sidecar.channel(sidecar.admin))

    def ask(self, door: Lock, effort: int = 0, *, cacheable: bool = False) -> "grpc.Future[CheckResponse]":
        """A check under way."""
        assert self.decisions
        message = request(door, effort)
        message.cacheable = cacheable
        asked: grpc.Future[CheckResponse] = self.decisions.Check.future(message, timeout=_DEADLINE_SECONDS)
        return asked

    def ready(self) -> dict[str, Any]:
        """What /healthz/ready says, with its status as "status"."""
        assert self.sidecar
        status, text = http(self.sidecar.http, "/healthz/ready")
        with contextlib.suppress(ValueError):
            return {"status": status, **json.loads(text)}
        return {"status": status, "text": text}

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value; the sum where several samples have these labels."""
        assert self.sidecar
        total = 0.0
        for line in http(self.sidecar.metrics, "/metrics")[1].splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name and all(f'{k}="{v}"' in sample for k, v in labels.items()):
                total += float(value)
        return total


class Fleet:
    """The sidecars of a run, by name."""

    def __init__(self, folder: Path, history: History) -> None:
        self._starter = Starter(folder)
        self.history = history
        self.places: dict[str, Place] = {}

    def __getitem__(self, name: str) -> Place:
        return self.places[name]

    def add(self, environments: Mapping[str, Mapping[str, str]], program: Sequence[str] = SERVE) -> None:
        """Starts sidecars side by side, each with variables of its own, and waits until all are ready."""
        for name, own in environments.items():
            self.places[name] = Place(name, own, program)
        self._start([self.places[name] for name in environments])

    def _start(self, places: list[Place]) -> None:
        started = [self._process(place) for place in places]
        for place, sidecar in zip(places, started, strict=True):
            self._starter.wait(sidecar)
            place.hold(sidecar)

    def _process(self, place: Place) -> Sidecar:
        variables: dict[str, Any] = {"PDP_THREADS": "2", **place.environment}
        return self._starter(policy=DOORS, ready=False, program=place.program, **variables)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """kill -9, or another signal that ends it."""
        place = self._down(name)
        assert place.sidecar
        place.sidecar.signal(number)
        place.sidecar.ended()

    def start(self, name: str, patience_seconds: float = 0.0) -> None:
        """A new process in the place of one that was killed. One that ends as its store cannot be used is
        started again, as long as there is patience.
        """
        place = self.places[name]
        ends = time.monotonic() + patience_seconds
        while True:
            try:
                self._start([place])
            except AssertionError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
            else:
                break
        self._up(place)

    @contextlib.contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """SIGSTOP, then SIGCONT. Answers may be late meanwhile, but come."""
        sidecar = self.places[name].sidecar
        assert sidecar
        began = time.monotonic_ns()
        sidecar.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            sidecar.signal(signal.SIGCONT)
            self.history.stops.append(Stop(name, began, time.monotonic_ns()))

    def _down(self, name: str) -> Place:
        place = self.places[name]
        place.down_since = time.monotonic_ns()
        return place

    def _up(self, place: Place) -> None:
        assert place.down_since is not None
        # Calls that were under way are told a moment later.
        self.history.outages.append(Outage(place.name, place.down_since, time.monotonic_ns()))
        place.down_since = None

    def finals(self, doors: Sequence[Lock]) -> list[Final]:
        """What every sidecar says of every door, now."""
        finals = []
        for place in self.places.values():
            answers = {door: place.ask(door).result() for door in doors}
            tokens = {answer.state_token for answer in answers.values()}
            shown = {
                door: (answer.allow, tuple(reason.code for reason in answer.reasons))
                for door, answer in answers.items()
            }
            finals.append(Final(place.name, " ".join(sorted(tokens)), shown))
        return finals

    def messages(self) -> str:
        """The logs, for a failed test."""
        return "\n".join(f"--- {each.log.name}\n{each.messages()}" for each in self._starter.started)

    def close(self) -> None:
        """Ends every process, stopped ones too."""
        threads = [threading.Thread(target=_end(each)) for each in self._starter.started]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _end(sidecar: Sidecar) -> Callable[[], None]:
    def end() -> None:
        if sidecar.process.poll() is None:
            sidecar.signal(signal.SIGCONT)
        sidecar.close()

    return end
