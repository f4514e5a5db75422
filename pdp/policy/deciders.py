"""What can answer a case of a decision table: the embedded core, and a real OPA server on the same bundle."""

import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pdp import _core
from pdp.policy.opa import Opa, OpaError
from pdp.policy.tables import Answer, Case, Invalid, TableError


def encode(value: Any) -> bytes:
    """Compact JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class CoreDecider:
    """Decides in this process."""

    def __init__(self, policy: _core.Policy) -> None:
        self._policy = policy
        self.core = _core.Core(cache_bytes=0)
        self.core.set_policy(policy)
        self._installs = 0

    def load(self, case: Case) -> None:
        """Replaces the state by the case's records. Raises TableError for a record that is refused."""
        rows: list[tuple[str, str, bytes, int]] = []
        for (kind, key), value in case.records.items():
            try:
                rows.append((kind, key, self._policy.canonical(kind, key, encode(value)), 1))
            except _core.RecordError as error:
                raise TableError(
                    f"{case.name}: record {kind} {key}: {error.field}: {error.message}"
                ) from error
        self.install(rows)

    def install(self, rows: list[tuple[str, str, bytes, int]]) -> None:
        """Replaces the state by (kind, key, canonical document, version) each."""
        snapshot = self.core.snapshot()
        snapshot.add(rows)
        self._installs += 1
        self.core.install(0, snapshot, self._installs, bytes(20))

    def answer(self, request: Any, at_ms: int) -> Answer:
        """The decision on the state that was loaded."""
        try:
            decision: dict[str, Any] = json.loads(self.core.check(encode(request), at_ms))
        except _core.RequestError as error:
            return Invalid(error.field, error.message)
        return decision

    def decide(self, case: Case) -> Answer:
        """The answer to a case."""
        self.load(case)
        return self.answer(case.request, case.at_ms)


class OpaServer:
    """A real `opa run --server` on a free port of 127.0.0.1, with built bundles loaded. A context manager."""

    def __init__(self, opa: Opa, archive: bytes) -> None:
        self._opa = opa
        self._archive = archive
        self._folder = tempfile.TemporaryDirectory(prefix="pdp-opa-")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        bundle = Path(self._folder.name, "bundle.tar.gz")
        bundle.write_bytes(self._archive)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        arguments = ["run", "--server", "--addr", address, "--log-level", "error", "--disable-telemetry"]
        with Path(self._folder.name, "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._opa.program), *arguments, "--bundle", str(bundle)], stdout=log, stderr=log
            )
        self.url = f"http://{address}"
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.cleanup()

    def evaluate(self, entrypoint: str, policy_input: bytes, *, strict: bool = False) -> bytes | None:
        """The result document of data.ENTRYPOINT; None when it is undefined or OPA reports an error.

        `strict`: a built-in function that fails is an error instead of undefined.
        """
        query = "?strict-builtin-errors=true" if strict else ""
        body = b'{"input":' + policy_input + b"}"
        request = urllib.request.Request(  # noqa: S310 - always http on 127.0.0.1
            f"{self.url}/v1/data/{entrypoint}{query}", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                answer: dict[str, Any] = json.loads(response.read())
        except urllib.error.HTTPError:
            return None
        return encode(answer["result"]) if "result" in answer else None

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/health?bundles", timeout=5):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        log = Path(self._folder.name, "log").read_text(errors="replace").strip()
        self.__exit__(None, None, None)
        raise OpaError(f"The OPA server did not start: {log.splitlines()[-1] if log else 'no output'}.")
