"""Account state in Redis: from a write to the decisions that see it, barriers, a storm of changes, misses.

One Redis, three sidecars that share the servers' core; the load generator, the writers and Redis have the
other one.
"""

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self

import grpc
from google.protobuf.json_format import ParseDict

from bench import servers
from bench.load import CHECK, Load, Measured, Target, measure_once, middle, write_bodies
from bench.portal import POLICY, Portal
from pdp.decision.v1 import decision_pb2
from pdp.decision.v1.decision_service_pb2_grpc import DecisionServiceStub
from pdp.records.store import Change, RecordStore, open_store
from pdp.records.v1 import record_pb2, record_service_pb2
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub

Say = Callable[[str], None]

SIDECARS = 3
STORM_CHANGES = 5_000
"""Changes a second during the storm, in writes of ten."""
_STORM_WRITE = 10
_CHECK_RATE = 300.0
"""Checks a second at each sidecar while writes are timed."""


@dataclass(frozen=True)
class Latencies:
    """Of one kind of event: how many, and milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    most_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latencies":
        """Of at least one event."""
        ordered = [each * 1000 for each in sorted(seconds)]
        last = len(ordered) - 1
        return cls(len(ordered), ordered[last // 2], ordered[round(last * 0.99)], ordered[last])


@dataclass(frozen=True)
class Freshness:
    """What was measured; memory in bytes, times in seconds unless the name says otherwise."""

    visible: Latencies
    barrier: Latencies
    fast: int
    quiet: Measured
    storm: Measured
    storm_changes: float
    large: Portal
    load_seconds: float
    load_memory: int
    missed: Measured
    held: Measured


def measure_freshness(accounts: int, large: Portal, work: Path, say: Say, *, events: int) -> Freshness:
    """Measures all; `accounts`: of the portal that is written to, `large`: the one to load as a snapshot."""
    with ExitStack() as stack:
        url = stack.enter_context(_redis(work))
        small = _portal_in(url, accounts, work, say)
        fleet = [
            stack.enter_context(
                servers.sidecar(url, POLICY, cache_bytes=0).running(work / f"sidecar-{number}.log")
            )
            for number in range(SIDECARS)
        ]
        say("from a write to the decisions that see it")
        bodies = write_bodies(work / "checks.bin", small.check_requests())
        with _checks(fleet, bodies, work):
            visible = _visible(url, fleet, events)
            say("barriers")
            barrier, fast = _barriers(fleet[0], events)
    with ExitStack() as stack:
        url = stack.enter_context(_redis(work))
        small = _portal_in(url, accounts, work, say)
        # One sidecar: each in production has a core of its own for this work.
        alone = servers.sidecar(url, POLICY, cache_bytes=0).running(work / "storm.log")
        say(f"a storm of {STORM_CHANGES:,} changes a second")
        quiet, storm, changes = _storm(url, stack.enter_context(alone), bodies)
    with ExitStack() as stack:
        url = stack.enter_context(_redis(work))
        _fill(url, large, work, say)
        say(f"loading {large.accounts:,} accounts from Redis")
        starting = servers.sidecar(url, POLICY, cache_bytes=0)
        with starting.running(work / "large.log") as loaded:
            load_seconds, load_memory = loaded.start_seconds, loaded.memory_bytes()
        missed, held = _on_demand(url, large, work, say)
    return Freshness(
        *(visible, barrier, fast, quiet, storm, changes, large, load_seconds, load_memory, missed, held)
    )


@contextmanager
def _redis(work: Path) -> Iterator[str]:
    """A Redis that keeps nothing on disk; gives its URL, initialised."""
    (address,) = servers.free_addresses(1)
    port = address.rpartition(":")[2]
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    starting = servers.Starting(command, address, core=servers.LOAD_CORE)
    with starting.running(work / "redis.log"):
        url = f"redis://{address}"
        _pdp("records", "init", "--records", url)
        yield url


def _pdp(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pdp", *arguments], cwd=servers.ROOT, check=True)


def _portal_in(url: str, accounts: int, work: Path, say: Say) -> Portal:
    portal = Portal.make(accounts, work, say)
    _fill(url, portal, work, say)
    return portal


def _fill(url: str, portal: Portal, work: Path, say: Say) -> None:
    say(f"{portal.records:,} records into Redis")
    lines = work / "portal.jsonl"
    policy = ["--policy", str(POLICY)]
    _pdp("records", "export", "--records", portal.store, *policy, "--output", str(lines))
    _pdp("records", "import", "--records", url, *policy, str(lines))
    lines.unlink()


@contextmanager
def _checks(fleet: Sequence[servers.Server], bodies: Path, work: Path) -> Iterator[None]:
    """Steady checks at every sidecar while the context is open."""
    program = str(servers.ROOT / "target/release/pdp-bench-load")
    running = []
    for number, server in enumerate(fleet):
        options = {
            "--protocol": "grpc",
            "--address": server.address,
            "--path": CHECK,
            "--bodies": str(bodies),
            "--connections": "1",
            "--rate": str(_CHECK_RATE),
            "--warmup": "0",
            "--duration": "3600",
        }
        command = ["taskset", "--cpu-list", str(servers.LOAD_CORE), program]
        with (work / f"checks-{number}.log").open("wb") as log:
            running.append(
                subprocess.Popen(
                    [*command, *(word for option in options.items() for word in option)],
                    stdout=log,
                    stderr=log,
                )
            )
    try:
        yield
    finally:
        for process in running:
            process.terminate()
            process.wait()


def _asked(token: str) -> decision_pb2.CheckRequest:
    request = {
        "subject": {"type": "user", "id": "bench"},
        "action": {"name": "read"},
        "resource": {"type": "portal", "id": "werkgeversportaal"},
        "at_least_as_fresh": token,
    }
    return ParseDict(request, decision_pb2.CheckRequest())


def _block(number: int) -> Change:
    document = json.dumps({"from": 0, "ground": "misuse"}, separators=(",", ":")).encode()
    return Change("block", f"account:bench-{number}", document)


def _visible(url: str, fleet: Sequence[servers.Server], events: int) -> Latencies:
    """From before a write is sent until every sidecar has answered a check on a state that holds it."""
    store, random = open_store(url), Random(1)
    channels = [grpc.insecure_channel(server.address) for server in fleet]
    stubs: list[Any] = [DecisionServiceStub(channel) for channel in channels]
    seconds = []
    try:
        for number in range(events):
            time.sleep(random.uniform(0.002, 0.02))
            began = time.monotonic()
            token = store.write([_block(number)]).token()
            answers = [stub.Check.future(_asked(token), timeout=5.0) for stub in stubs]
            for answer in answers:
                _refuse_stale(answer.result())
            seconds.append(time.monotonic() - began)
    finally:
        for channel in channels:
            channel.close()
        store.close()
    return Latencies.of(seconds)


def _refuse_stale(answer: decision_pb2.CheckResponse) -> None:
    stale = {"STATE_STALE", "STATE_UNAVAILABLE"} & {reason.code for reason in answer.reasons}
    if stale:
        raise RuntimeError(f"A sidecar answered {stale}: the machine is too busy to measure.")


def _barriers(server: servers.Server, events: int) -> tuple[Latencies, int]:
    """A lockout through a sidecar, as its caller sees it; how many of them took the fast path."""
    seconds, fast = [], 0
    with grpc.insecure_channel(server.admin or "") as channel:
        stub: Any = RecordServiceStub(channel)
        for number in range(events):
            change = record_pb2.Change(
                kind="block",
                key=f"account:barrier-{number}",
                value_json='{"ground":"misuse","from":"2026-01-01T00:00:00Z"}',
            )
            request = record_service_pb2.ApplyChangesRequest(
                changes=[change], wait_mode=record_pb2.WAIT_MODE_ALL, write_id=secrets.token_hex(8)
            )
            began = time.monotonic()
            barrier = stub.ApplyChanges(request, timeout=30.0).barrier
            if number:  # the first one also waits until this sidecar has known the epoch for long enough
                seconds.append(time.monotonic() - began)
                fast += barrier.path == record_pb2.Barrier.PATH_FAST
    return Latencies.of(seconds), fast


def _storm(url: str, server: servers.Server, bodies: Path) -> tuple[Measured, Measured, float]:
    """Decisions at one sidecar, quiet and in the storm in turn; changes a second that the storm reached."""
    target = Target("pdp", server, "grpc", CHECK, bodies)
    load = Load(duration=5.0, warmup=1.0)
    quiet, storm, changes = [], [], []
    store = open_store(url)
    try:
        for _ in range(3):
            quiet.append(measure_once(target, load))
            with _Storm(store) as blowing:
                storm.append(measure_once(target, load))
            changes.append(blowing.rate)
    finally:
        store.close()
    return middle(quiet), middle(storm), sorted(changes)[1]


class _Storm:
    """Changes at a steady rate while the context is open."""

    def __init__(self, store: RecordStore) -> None:
        self._store, self._over = store, threading.Event()
        self._written, self._began = 0, 0.0
        self._thread = threading.Thread(target=self._blow)
        self.rate = 0.0
        """Changes a second, once it is over."""

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.rate = self._written / (time.monotonic() - self._began)

    def _blow(self) -> None:
        while not self._over.is_set():
            due = self._began + self._written / STORM_CHANGES
            time.sleep(max(0.0, due - time.monotonic()))
            first = self._written
            self._store.write([_block(first + place) for place in range(_STORM_WRITE)])
            self._written += _STORM_WRITE


def _on_demand(url: str, portal: Portal, work: Path, say: Say) -> tuple[Measured, Measured]:
    """Checks one after the other, each of another account: missed at first, then held."""
    say("misses of records held on demand")
    starting = servers.sidecar(url, POLICY, cache_bytes=0, on_demand=True)
    requests = list(dict.fromkeys(portal.check_requests()))
    bodies = write_bodies(work / "misses.bin", requests)
    one = Load(duration=1.5, warmup=0.0, connections=1, streams=1, start=0)
    missed, held = [], []
    for _ in range(3):
        with starting.running(work / "on-demand.log") as server:
            target = Target("pdp on demand", server, "grpc", CHECK, bodies)
            missed.append(measure_once(target, one))
            measure_once(target, Load(duration=6.0, warmup=0.0))
            held.append(measure_once(target, one))
    return middle(missed), middle(held)
