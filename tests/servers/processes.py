"""Real servers for tests: started on free ports of the loopback, ended by their process id."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "bin"


def binary(name: str) -> str:
    """The path of a program; the test is skipped when it is not here (and fails on the build server)."""
    path = os.pathsep.join([str(TOOLS), *os.get_exec_path()])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not here; make setup gets it on Debian")
    return found


def free_port() -> int:
    """A port of the loopback that nobody uses at the moment, and neither the one that is 10,000 above it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 50_000:
            return port


class Server:
    """A process with its log; `stop` ends it.

    Args:
        command: what to start.
        folder: its working directory, with the log.
        ready: what stands in the log once it can be used.
    """

    def __init__(self, command: list[str], folder: Path, ready: str) -> None:
        self.folder = folder
        self._command, self._ready = command, ready
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, seconds: float = 20.0) -> bool:
        """Starts it; False when it ended by itself, for example as its port was taken."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if self._ready in self.log.read_text(errors="replace"):
                return True
            if self._process.poll() is not None:
                return False
            time.sleep(0.01)
        self.stop()
        raise AssertionError(
            f"{self._command[0]} is not ready: {self.log.read_text(errors='replace')[-2000:]}"
        )

    def stop(self) -> None:
        """Ends it, at once where it does not within some seconds."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Ends it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Stops it as a machine that hangs does; `go_on` lets it run again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """See `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def stopping(servers: Sequence[Server]) -> Iterator[None]:
    """Ends all servers of a list, also those that were put into it meanwhile."""
    try:
        yield
    finally:
        for server in servers:
            server.stop()
