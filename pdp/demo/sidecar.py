"""A sidecar in a process of its own, with a store that is gone afterwards: what the demo runs on."""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import grpc

from pdp.decision.v1 import decision_service_pb2, decision_service_pb2_grpc
from pdp.errors import PdpError
from pdp.wire import request_to_message, response_to_json

START_SECONDS = 120.0
"""The policy may have to be compiled first, on a busy machine."""

_STOP_SECONDS = 30.0
_ANSWER_SECONDS = 20.0
_COMMAND_SECONDS = 60.0
_BATCH = 250
_LOG_LINES = 8
_ANY_PORT = "127.0.0.1:0"

Decision = dict[str, Any]
"""A decision as JSON data, with the names that `pdp check` prints."""


class Sidecar:
    """A running sidecar: its addresses, and questions to it over gRPC."""

    def __init__(
        self, ready: Mapping[str, Any], channel: grpc.Channel, process: subprocess.Popen[str]
    ) -> None:
        self.grpc: str = ready["grpc"]
        self.admin: str = ready["admin"]
        self.policy_revision: str = ready["policy_revision"]
        self._stub = decision_service_pb2_grpc.DecisionServiceStub(channel)
        self._process = process

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def check(self, request: Mapping[str, Any]) -> Decision:
        """Asks one question. Raises PdpError when there is no answer."""
        with _answers():
            answer = self._stub.Check(request_to_message(request), timeout=_ANSWER_SECONDS)
        return response_to_json(answer)

    def check_all(self, requests: Iterable[Mapping[str, Any]]) -> Iterator[Decision]:
        """Asks many questions, some hundreds in a call. Raises PdpError when one gets no decision."""
        messages = [request_to_message(request) for request in requests]
        for begin in range(0, len(messages), _BATCH):
            batch = decision_service_pb2.CheckBatchRequest(requests=messages[begin : begin + _BATCH])
            with _answers():
                results = self._stub.CheckBatch(batch, timeout=_ANSWER_SECONDS).results
            for result in results:
                if result.WhichOneof("result") == "invalid":
                    raise PdpError(f"A request was refused: {result.invalid.field} {result.invalid.message}.")
                yield response_to_json(result.response)

    def command(self, *arguments: str) -> Any:
        """Runs `pdp ARGUMENTS --admin ... --yes --json`; gives what it prints. Raises PdpError."""
        command = [sys.executable, "-m", "pdp", *arguments, "--admin", self.admin, "--yes", "--json"]
        try:
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", timeout=_COMMAND_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise PdpError(f"`pdp {' '.join(arguments)}` did not end in time.") from error
        if done.returncode != 0:
            raise PdpError(f"`pdp {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return json.loads(done.stdout)


@contextmanager
def running(folder: Path, options: Iterable[str]) -> Iterator[Sidecar]:
    """Starts `pdp serve` with a store in `folder` and these options; stops it afterwards.

    Raises PdpError when it does not start, or does not end by itself and without a failure.
    """
    log_path = folder / "sidecar.log"
    addresses = [word for door in ("grpc", "http", "admin", "metrics") for word in (f"--{door}", _ANY_PORT)]
    command = [sys.executable, "-m", "pdp", "serve", "--json", *addresses]
    command += ["--records", f"sqlite:{folder / 'portal.db'}", *options]
    with log_path.open("wb") as log:
        # In a group of its own, so that Ctrl-C reaches it once, from here.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, encoding="utf-8", process_group=0
        )
    try:
        ready = _wait_until_ready(process, log_path)
        with grpc.insecure_channel(ready["grpc"]) as channel:
            yield Sidecar(ready, channel, process)
        process.send_signal(signal.SIGTERM)
        code = process.wait(_STOP_SECONDS)
        if code != 0:
            raise PdpError(f"The sidecar ended with code {code}: {_last_lines(log_path)}")
    except subprocess.TimeoutExpired as error:
        raise PdpError(f"The sidecar did not end within {_STOP_SECONDS:g} s.") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _wait_until_ready(process: subprocess.Popen[str], log_path: Path) -> dict[str, Any]:
    if process.stdout is None:
        raise PdpError("The sidecar has no standard output.")
    line = _first_line(process.stdout, START_SECONDS)
    if line is None:
        raise PdpError(f"The sidecar was not ready within {START_SECONDS:g} s: {_last_lines(log_path)}")
    if not line:
        process.wait(_STOP_SECONDS)
        raise PdpError(f"The sidecar did not start: {_last_lines(log_path)}")
    ready: dict[str, Any] = json.loads(line)
    return ready


def _first_line(stream: IO[str], seconds: float) -> str | None:
    """The line, "" at the end of the stream, None when neither came in time."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if select.select([stream], [], [], left)[0]:
            return stream.readline()
    return None


def _last_lines(log_path: Path) -> str:
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    return " ".join(lines[-_LOG_LINES:]) or "it said nothing."


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise PdpError(f"The sidecar gave no answer: {error.details()}") from error
