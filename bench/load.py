"""Runs the load generator and reads what it measured."""

import json
import os
import struct
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from bench.servers import LOAD_CORE, ROOT, Server

TICKS = 100  # Linux counts processor time in hundredths of a second
DISTURBED = 0.05
ATTEMPTS = 6
_PLACES = Random(2026)
CHECK = "/pdp.decision.v1.DecisionService/Check"


class UnansweredError(RuntimeError):
    """A run in which not one request was answered."""


@dataclass(frozen=True)
class Target:
    """What to send where. `order` is a file of indices into the bodies; None sends them in turn.

    `beside`: servers that work on the same requests, which are no disturbance.
    """

    name: str
    server: Server
    protocol: str
    path: str
    bodies: Path
    order: Path | None = None
    beside: Sequence[Server] = ()


@dataclass(frozen=True)
class Load:
    """How much to send, for how long (seconds).

    `rate`: requests a second, None: as fast as it answers. `start`: the place in the order to begin at, None:
    by chance, so that a run does not send once more what the one before it sent.
    """

    duration: float
    warmup: float
    connections: int = 4
    streams: int = 16
    rate: float | None = None
    start: int | None = None


@dataclass(frozen=True)
class Measured:
    """One run.

    `per_second`: answered a second; `cpu_us`: the server's processor time for each, microseconds; `busy`: the
    part of its core that it used; `others`: the part of the machine that neither server nor load used.
    """

    per_second: float
    cpu_us: float
    busy: float
    p50_us: float
    p99_us: float
    others: float


def write_bodies(path: Path, bodies: Iterable[bytes]) -> Path:
    """Writes bodies as the load generator reads them: length (u32, little-endian), body."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(struct.pack("<I", len(body)) + body)
    return path


def write_order(path: Path, order: Sequence[int]) -> Path:
    """Writes the order in which to send bodies."""
    path.write_bytes(struct.pack(f"<{len(order)}I", *order))
    return path


def measure(target: Target, load: Load) -> Measured:
    """Sends and measures, again when something else used the machine (the least disturbed run counts).

    Raises RuntimeError when anything but an answer came back.
    """
    runs = []
    for attempt in range(ATTEMPTS):
        try:
            runs.append(measure_once(target, load))
        except UnansweredError:
            # Other programs held the server's core all the time, unless no attempt shows otherwise.
            if not runs and attempt == ATTEMPTS - 1:
                raise
        if runs and runs[-1].others < DISTURBED:
            break
        time.sleep(load.duration)
    return min(runs, key=lambda run: run.others)


def measure_once(target: Target, load: Load) -> Measured:
    """As `measure`, whatever else used the machine: for what cannot be repeated."""
    program = str(ROOT / "target/release/pdp-bench-load")
    command = ["taskset", "--cpu-list", str(LOAD_CORE), program, *_options(target, load)]
    started, before, ours_before = time.monotonic(), _machine_seconds(), _our_seconds(target)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    elapsed, used = time.monotonic() - started, _machine_seconds() - before
    ours = _our_seconds(target) - ours_before
    if done.returncode != 0:
        raise RuntimeError(f"{target.name}: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    if report["failures"]:
        raise RuntimeError(f"{target.name}: {report['failures']} failures, first: {report['failure']}")
    if not report["requests"]:
        raise UnansweredError(f"{target.name}: nothing was answered within {load.duration:g} s")
    return Measured(
        per_second=report["per_second"],
        cpu_us=report["cpu_seconds"] / report["requests"] * 1e6,
        busy=report["cpu_seconds"] / report["seconds"],
        p50_us=report["p50_us"],
        p99_us=report["p99_us"],
        others=max(0.0, used - ours) / elapsed / (os.cpu_count() or 1),
    )


def _options(target: Target, load: Load) -> list[str]:
    options: dict[str, object] = {
        "--protocol": target.protocol,
        "--address": target.server.address,
        "--path": target.path,
        "--bodies": target.bodies,
        "--connections": load.connections,
        "--streams": load.streams,
        "--duration": load.duration,
        "--warmup": load.warmup,
        "--pid": target.server.pid,
        "--start": _PLACES.randrange(2**31) if load.start is None else load.start,
    }
    if target.order is not None:
        options["--order"] = target.order
    if load.rate is not None:
        options["--rate"] = load.rate
    return [str(word) for option in options.items() for word in option]


def _machine_seconds() -> float:
    """Processor time that all programs used so far: user, nice, system."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    return sum(int(ticks) for ticks in first[1:4]) / TICKS


def _our_seconds(target: Target) -> float:
    """Of it, the servers', that of load generators which have ended, and our own."""
    ended = os.times()
    ours = ended.user + ended.system + ended.children_user + ended.children_system
    for server in (target.server, *target.beside):
        fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        ours += (int(fields[11]) + int(fields[12])) / TICKS
    return ours


@dataclass(frozen=True)
class Spread:
    """The least, the median and the most over the rounds: differences within it say nothing."""

    low: float
    mid: float
    high: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> "Spread":
        """Of one figure for each round."""
        ordered = sorted(figures)
        return cls(ordered[0], median(ordered), ordered[-1])


def middle(rounds: Sequence[Measured]) -> Measured:
    """The median of each figure over the rounds; of `others` the largest."""
    return Measured(
        per_second=median(r.per_second for r in rounds),
        cpu_us=median(r.cpu_us for r in rounds),
        busy=median(r.busy for r in rounds),
        p50_us=median(r.p50_us for r in rounds),
        p99_us=median(r.p99_us for r in rounds),
        others=max(r.others for r in rounds),
    )
