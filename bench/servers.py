"""Starts the servers to compare, each pinned to the same one core."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE = 0
LOAD_CORE = 1
CERBOS = Path("bench/node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64")
START_SECONDS = 300.0
STOP_SECONDS = 15.0
HEALTH = "/grpc.health.v1.Health/Check"
Call = Callable[..., Any]


@dataclass(frozen=True)
class Server:
    """A running server. `start_seconds`: from its start until it answered."""

    process: subprocess.Popen[bytes]
    address: str
    metrics: str | None
    admin: str | None
    start_seconds: float

    @property
    def pid(self) -> int:
        """The process whose processor time and memory are counted."""
        return self.process.pid

    def memory_bytes(self) -> int:
        """Resident memory now."""
        return _status_bytes(self.pid, "VmRSS")

    def counter(self, name: str) -> float:
        """A counter on its metrics page, summed over its labels; 0 without such a page or counter."""
        if self.metrics is None:
            return 0.0
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if re.match(rf"{name}(\{{| )", line))
        return sum(float(value) for _, value in samples)

    def peak_memory_bytes(self) -> int:
        """The most resident memory that it ever had."""
        return _status_bytes(self.pid, "VmHWM")


def _status_bytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def free_addresses(count: int) -> list[str]:
    """Loopback addresses that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def sidecar(
    records: str,
    policy: Path,
    *,
    cache_bytes: int,
    on_demand: bool = False,
    more: Mapping[str, str] | None = None,
) -> "Starting":
    """`pdp serve`; a `cache_bytes` of 0 evaluates every call. `more`: settings by their names."""
    grpc_address, http, admin, metrics = free_addresses(4)
    options = {"--grpc": grpc_address, "--http": http, "--admin": admin, "--metrics": metrics}
    options |= {"--records": records, "--policy": str(policy)}
    options |= {f"--{name.replace('_', '-')}": value for name, value in (more or {}).items()}
    arguments = [word for option in options.items() for word in option]
    command = [sys.executable, "-m", "pdp", "serve", *arguments]
    environment = {"PDP_CACHE_BYTES": str(cache_bytes)}
    if on_demand:
        environment["PDP_RECORDS_MODE"] = "on_demand"
    return Starting(command, grpc_address, metrics, environment, admin=admin)


def opa(bundle: Path) -> "Starting":
    """A real OPA server on the same bundle."""
    (address,) = free_addresses(1)
    command = ["opa", "run", "--server", "--addr", address, "--log-level", "error", "--disable-telemetry"]
    return Starting([*command, "--bundle", str(bundle)], address)


def cerbos(policies: Path) -> "Starting":
    """A real Cerbos, with telemetry and audit log off."""
    grpc_address, http = free_addresses(2)
    settings = {
        "server.grpcListenAddr": grpc_address,
        "server.httpListenAddr": http,
        "storage.driver": "disk",
        "storage.disk.directory": str(policies.resolve()),
        "telemetry.disabled": "true",
        "audit.enabled": "false",
    }
    command = [str(ROOT / CERBOS), "server", "--log-level", "error"]
    return Starting([*command, *(f"--set={name}={value}" for name, value in settings.items())], grpc_address)


def echo() -> "Starting":
    """The bare tonic echo: the limit of what a gRPC server here can do."""
    (address,) = free_addresses(1)
    return Starting([str(ROOT / "target/release/pdp-bench-echo"), address], address)


@dataclass(frozen=True)
class Starting:
    """A server's command line, where it will answer, where its metrics and its administration stand, what its
    environment adds, and the core that it gets."""

    command: Sequence[str]
    address: str
    metrics: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    admin: str | None = None
    core: int = SERVER_CORE

    @contextmanager
    def running(self, log: Path) -> Iterator[Server]:
        """Starts it on its core, waits until it answers, and stops it at the end."""
        pinned = ["taskset", "--cpu-list", str(self.core), *self.command]
        environment = {**os.environ, **self.environment}  # noqa: TID251 - the server's, not a setting of ours
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(pinned, cwd=ROOT, stdout=output, stderr=output, env=environment)
        try:
            self._wait(process, log)
            yield Server(process, self.address, self.metrics, self.admin, time.monotonic() - started)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise RuntimeError(f"{' '.join(self.command)} did not start:\n{said}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        """True when it says that it serves, or accepts connections where it has no health service."""
        host, port = self.address.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), 1.0).close()
        except OSError:
            return False
        if "serve" not in self.command:
            return True
        with grpc.insecure_channel(self.address) as channel:
            try:
                call: Call = channel.unary_unary(HEALTH, None, health_pb2.HealthCheckResponse.FromString)
                answer = call(b"", timeout=1.0)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
