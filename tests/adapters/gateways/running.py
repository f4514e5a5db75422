"""Real gateways with the configuration files of deploy/gateways, on free ports of loopback."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.sidecar import ROOT, environment, program

DEPLOY = ROOT / "deploy" / "gateways"
START_SECONDS = 30.0
NAMES = ("envoy", "nginx", "caddy", "haproxy")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _filled(source: Path, folder: Path, values: Mapping[str, str]) -> Path:
    """The file with its variables filled in, as envsubst does."""
    filled = folder / source.name
    text = source.read_text(encoding="utf-8")
    names = {name: value for name, value in values.items() if f"${{{name}}}" in text}
    for name, value in names.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text, f"a variable of {source} is not filled in"
    filled.write_text(text, encoding="utf-8")
    return filled


def _rewrite(file: Path, change: Callable[[Any], None]) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(yaml.safe_dump(document), encoding="utf-8")


def _envoy(folder: Path, values: Mapping[str, str]) -> list[str]:
    config = _filled(DEPLOY / "envoy/envoy.yaml", folder, values)
    return [
        *(program("envoy"), "--config-path", str(config), "--use-dynamic-base-id"),
        *("--concurrency", "1", "--log-level", "warning", "--file-flush-interval-msec", "100"),
    ]


def _nginx(folder: Path, values: Mapping[str, str]) -> list[str]:
    for file in (DEPLOY / "nginx").iterdir():
        _filled(file, folder, values)
    return [program("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", "stderr"]


def _caddy(folder: Path, values: Mapping[str, str]) -> list[str]:
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(DEPLOY / "caddy/Caddyfile")]


def _haproxy(folder: Path, values: Mapping[str, str]) -> list[str]:
    return [program("haproxy"), "-db", "-f", str(DEPLOY / "haproxy/haproxy.cfg")]


_COMMANDS: dict[str, Callable[[Path, Mapping[str, str]], list[str]]] = {
    "envoy": _envoy,
    "nginx": _nginx,
    "caddy": _caddy,
    "haproxy": _haproxy,
}


@contextmanager
def gateway(
    name: str,
    *,
    grpc: str,
    forward: str,
    portal: int,
    portal_grpc: int = 9,
    log: Path | None = None,
    change: Callable[[Any], None] | None = None,
) -> Iterator[int]:
    """The port of a gateway in front of a portal while the context is open.

    `log`: where it writes what it says, its access log too. `change`: what to make of the document of Envoy's
    configuration.
    """
    # Its workers may run as another user, who must be able to read what is in here.
    with tempfile.TemporaryDirectory(prefix=f"pdp-{name}-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        port = free_port()
        values = {
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "GATEWAY_STATE": str(folder),
            "GATEWAY_CONFIG": str(DEPLOY / name) if name == "haproxy" else str(folder),
            "PORTAL_HOST": "127.0.0.1",
            "PORTAL_PORT": str(portal),
            "PORTAL_GRPC_PORT": str(portal_grpc),
            "SIDECAR_HOST": "127.0.0.1",
            "SIDECAR_GRPC_PORT": grpc.rpartition(":")[2],
            "SIDECAR_FORWARD_PORT": forward.rpartition(":")[2],
        }
        command = _COMMANDS[name](folder, values)
        if change is not None:
            _rewrite(folder / "envoy.yaml", change)
        log = log or folder / "log"
        with log.open("wb") as messages:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(**values, XDG_DATA_HOME=temporary, XDG_CONFIG_HOME=temporary, HOME=temporary),
                stdout=messages,
                stderr=messages,
            )
        try:
            _until_open(port, process, log)
            yield port
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def _until_open(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            ended = process.poll() is not None
            late = time.monotonic() > ends
            assert not ended, f"ended with {process.returncode}: {log.read_text(errors='replace')}"
            assert not late, log.read_text(errors="replace")
            time.sleep(0.05)
        else:
            return
