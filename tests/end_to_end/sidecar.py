"""A real sidecar in a process of its own, on free ports, with bounded waits, and clients for it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message
from grpc import Channel, RpcError, channel_ready_future, insecure_channel
from grpc_health.v1 import health_pb2

from pdp.decision.v1 import decision_pb2
from pdp.decision.v1.decision_service_pb2_grpc import DecisionServiceStub
from pdp.records.v1.record_pb2 import WAIT_MODE_LOCAL, Change
from pdp.records.v1.record_service_pb2 import ApplyChangesRequest, ImportRecordsRequest
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub
from pdp.wire import request_to_message

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "bin"
PORTAL = ROOT / "policies" / "portal"
EXAMPLE = ROOT / "policies" / "examples" / "authzen-certification"
START_SECONDS = 90.0
"""A bundle may have to be compiled first, on a busy machine."""

_PIECE_BYTES = 1 << 20

Record = tuple[str, str, Mapping[str, Any] | None]
Answer = TypeVar("Answer", bound=Message)


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without settings of pdp, with the project's tools on the PATH."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PDP_")}  # noqa: TID251
    return own | {"PATH": f"{TOOLS}{os.pathsep}{own.get('PATH', '')}"} | variables


def pdp(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line; `given` is its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "pdp", *arguments],
        input=given,
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        encoding="utf-8",
        timeout=START_SECONDS,
        check=False,
    )


def program(name: str) -> str:
    """A tool of `make setup`; skips the test when it is not there."""
    found = shutil.which(name, path=environment()["PATH"])
    if found is None:
        pytest.skip(f"{name} is not installed; run `make setup`")
    return found


def until(condition: Callable[[], bool], seconds: float = 10.0, what: str = "it") -> None:
    """Waits for a condition, within a bound."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)


def http(address: str, path: str, timeout: float = 10.0) -> tuple[int, str]:
    """Status and text of a GET."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def health(channel: Channel, service: str = "") -> int:
    """What the standard health service says, e.g. `HealthCheckResponse.SERVING`."""
    call = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    return int(call(health_pb2.HealthCheckRequest(service=service), timeout=20).status)


@dataclass
class Sidecar:
    """A running sidecar: its addresses, its process, and clients for it."""

    process: subprocess.Popen[str]
    log: Path
    addresses: dict[str, str] = field(default_factory=dict)
    revision: str = ""
    channels: list[Channel] = field(default_factory=list)
    _asking: DecisionServiceStub | None = None

    @property
    def grpc(self) -> str:
        return self.addresses["grpc"]

    @property
    def http(self) -> str:
        return self.addresses["http"]

    @property
    def admin(self) -> str:
        return self.addresses["admin"]

    @property
    def metrics(self) -> str:
        return self.addresses["metrics"]

    def channel(self, address: str | None = None) -> Channel:
        channel = insecure_channel(address or self.grpc)
        self.channels.append(channel)
        return channel

    def stub(self) -> DecisionServiceStub:
        return DecisionServiceStub(self.channel())

    def check(self, request: Mapping[str, Any], fresh: str = "") -> decision_pb2.CheckResponse:
        """Asks once, over a channel that is kept."""
        message = request_to_message(request)
        message.at_least_as_fresh = fresh or message.at_least_as_fresh
        return self.ask(message)

    def ask(self, message: decision_pb2.CheckRequest) -> decision_pb2.CheckResponse:
        """As `check`, with a message that may be wrong."""
        self._asking = self._asking or self.stub()
        answer: decision_pb2.CheckResponse = self._asking.Check(message, timeout=20)
        return answer

    def sender(self, method: str, answers: type[Answer]) -> Callable[[bytes], "Answer | RpcError"]:
        """Sends bytes that may be no message to a method (`/package.Service/Check`); errors are answers."""
        call = self.channel().unary_unary(
            method, request_serializer=bytes, response_deserializer=answers.FromString
        )

        def send(message: bytes) -> "Answer | RpcError":
            try:
                answer: Answer = call(message, timeout=20)
            except RpcError as error:
                return error
            return answer

        return send

    def apply(self, *records: Record) -> str:
        """Writes records (None deletes) in one step; gives the state token."""
        changes = [
            Change(kind=kind, key=key, value_json="" if value is None else json.dumps(value))
            for kind, key, value in records
        ]
        request = ApplyChangesRequest(changes=changes, wait_mode=WAIT_MODE_LOCAL)
        return str(self._records().ApplyChanges(request, timeout=30).state_token)

    def load(self, lines: Path) -> str:
        """Imports a file of JSON Lines; gives the state token."""
        content = lines.read_bytes()
        pieces = (content[start : start + _PIECE_BYTES] for start in range(0, len(content), _PIECE_BYTES))
        requests = (ImportRecordsRequest(chunk=piece) for piece in pieces)
        return str([*self._records().ImportRecords(requests, timeout=60)][-1].state_token)

    def _records(self) -> RecordServiceStub:
        with insecure_channel(self.admin) as channel:
            channel_ready_future(channel).result(timeout=20)
        return RecordServiceStub(self.channel(self.admin))

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self, seconds: float = 20.0) -> int:
        """The exit code, once the process has ended."""
        return self.process.wait(timeout=seconds)

    def messages(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=20)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Starter:
    """Starts sidecars for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Sidecar] = []

    def __call__(
        self,
        *arguments: str,
        policy: Path = EXAMPLE,
        records: Path | Sequence[Record] = (),
        store: str = "state.db",
        ready: bool = True,
        program: Sequence[str] = ("-m", "pdp", "serve", "--json"),
        **variables: str,
    ) -> Sidecar:
        """Starts one and, if `ready`, waits until it says its addresses and gives it its records.

        `program`: what Python runs, `pdp serve` or what stands for it.
        """
        log = self.folder / f"sidecar-{len(self.started)}.log"
        own = {"PDP_RECORDS": f"sqlite:{self.folder / store}", "PDP_POLICY": str(policy)}
        own |= {f"PDP_{name}": "127.0.0.1:0" for name in ("GRPC", "HTTP", "ADMIN", "METRICS")}
        with log.open("w", encoding="utf-8") as messages:
            process = subprocess.Popen(
                [sys.executable, *program, *arguments],
                cwd=ROOT,
                env=environment(**own | variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
            )
        sidecar = Sidecar(process, log)
        self.started.append(sidecar)
        if ready:
            self.wait(sidecar)
            if isinstance(records, Path):
                sidecar.load(records)
            elif records:
                sidecar.apply(*records)
        return sidecar

    def wait(self, sidecar: Sidecar) -> None:
        """Waits until it says that it is ready."""
        lines: list[str] = []
        assert sidecar.process.stdout is not None
        reader = threading.Thread(target=lambda: lines.append(sidecar.process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
        reader.start()
        reader.join(START_SECONDS)
        assert lines, f"not ready within {START_SECONDS} s:\n{sidecar.messages()}"
        assert lines[0], f"ended with {sidecar.ended()}:\n{sidecar.messages()}"
        said = json.loads(lines[0])
        own = {name: said[name] for name in ("grpc", "http", "admin", "metrics")}
        sidecar.addresses = own | said["doors"]
        sidecar.revision = said["policy_revision"]

    def close(self) -> None:
        for sidecar in self.started:
            sidecar.close()


def question(
    subject: str = "alice", action: str = "read", record: str = "record-1", **more: Any
) -> dict[str, Any]:
    """A request of the example bundle."""
    return {
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": {"type": "record", "id": record},
        **more,
    }
