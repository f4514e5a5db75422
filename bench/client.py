"""What a check costs a Python application: asked of the sidecar, and from the client's cache."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.compare import DEFAULT_CACHE_BYTES, Plan
from bench.portal import POLICY, Portal
from bench.servers import LOAD_CORE, ROOT, sidecar

KINDS = ("threads", "asyncio")
DIFFERENT_REQUESTS = 200
TARGET = 20.0


@dataclass(frozen=True)
class Times:
    """Microseconds from call to decision, and how many calls were measured."""

    calls: int
    p50: float
    p99: float


@dataclass(frozen=True)
class ClientTimes:
    """One of the two clients; `kind` is "threads" or "asyncio"."""

    kind: str
    asked: Times
    cached: Times

    @property
    def ratio(self) -> float:
        """How many cached checks cost as much as one that is asked (medians)."""
        return self.asked.p50 / self.cached.p50


def measure_client(portal: Portal, plan: Plan, work: Path, say: Callable[[str], None]) -> list[ClientTimes]:
    """Both clients on one core, a sidecar with its default cache on the other, one call at a time."""
    requests = work / "client-requests.jsonl"
    documents = portal.documents()[:DIFFERENT_REQUESTS]
    requests.write_text("".join(f"{json.dumps(each)}\n" for each in documents), encoding="utf-8")
    starting = sidecar(portal.store, POLICY, cache_bytes=DEFAULT_CACHE_BYTES)
    measured = []
    with starting.running(work / "client-sidecar.log") as server:
        for kind in KINDS:
            say(f"the Python client: {kind}")
            times = _worker(kind, server.address, requests, 2 * plan.duration)
            measured.append(ClientTimes(kind, times["asked"], times["cached"]))
    return measured


def _worker(kind: str, address: str, requests: Path, seconds: float) -> dict[str, Times]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "adapters/python")])
    command = ["taskset", "--cpu-list", str(LOAD_CORE), sys.executable, "-m", "bench.client_worker"]
    done = subprocess.run(
        [*command, kind, address, str(requests), str(seconds)],
        env={**os.environ, "PYTHONPATH": paths},  # noqa: TID251 - the worker's, not a setting of ours
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name: Times(**times) for name, times in json.loads(done.stdout).items()}


def client_report(measured: list[ClientTimes]) -> str:
    """The part of the report about the Python client."""
    rows = "\n".join(
        f"| {each.kind} | {_us(each.asked)} | {_us(each.cached)} | {each.ratio:.0f} | at least {TARGET:.0f} |"
        for each in measured
    )
    return f"""
## The Python client

One application on one core, a sidecar with its default cache on the other, over loopback, one call at a time;
{DIFFERENT_REQUESTS} different requests. Times are p50 / p99 from call to decision.

| client | asked of the sidecar | from the client's cache | cached checks for one asked | asked for |
|---|---|---|---|---|
{rows}
"""


def _us(times: Times) -> str:
    return f"{times.p50:,.1f} / {times.p99:,.1f} us"
