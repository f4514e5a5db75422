"""docs/adapters.md works as printed: its commands, with free ports in place of the printed ones."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.adapters.gateways.raw import ask
from tests.adapters.gateways.running import NAMES, free_port
from tests.adapters.gateways.upstream import upstream
from tests.end_to_end.sidecar import ROOT, environment, program, until

PAGE = (ROOT / "docs/adapters.md").read_text(encoding="utf-8")
PRINTED = ("8080", "9000", "9001", "7081", "7084")
WANTED = [200, 401, 302, 200]


def _commands(heading: str) -> str:
    """The shell commands of a section, one block after the other."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert blocks, heading
    return "\n".join(blocks)


@contextmanager
def _running(script: str, folder: Path) -> Iterator[None]:
    """A shell whose last command runs until the context ends."""
    *first, last = re.sub(r"\\\n\s*", " ", script).strip().splitlines()
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            ["bash", "-euc", "\n".join([*first, f"exec env {last}"])],
            cwd=folder,
            env=environment(PDP_HTTP="127.0.0.1:0"),
            stdout=log,
            stderr=log,
        )
    try:
        yield
        assert process.poll() is None, (folder / "log").read_text(errors="replace")
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder in which the printed paths are there."""
    tmp_path.chmod(0o755)
    for name in ("docs", "deploy", "policies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def _shown(script: str, folder: Path) -> list[int]:
    """The status of each printed curl."""
    done = subprocess.run(
        ["bash", "-uc", script],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [int(status) for status in re.findall(r"HTTP/1\.1 (\d{3}) ", done.stdout)]


@pytest.mark.parametrize("name", NAMES)
def test_a_section_works_as_printed(name: str, checkout: Path) -> None:
    program(name), program("envsubst"), program("curl")
    heading = {"envoy": "Envoy", "nginx": "nginx", "caddy": "Caddy", "haproxy": "HAProxy"}[name]
    ports = {printed: str(free_port()) for printed in PRINTED}
    before = _commands("Before the gateway")

    def placed(script: str) -> str:
        for printed, port in ports.items():
            script = script.replace(printed, port)
        return script

    start = re.split(r"(?m)^(?=export|curl)", before, maxsplit=1)[0]
    exports = "\n".join(line for line in before.splitlines() if line.startswith("export"))
    curls = "\n".join(line for line in before.splitlines() if line.startswith("curl"))
    token = "TOKEN=$(python docs/example/login.py)"
    others = "PDP_ADMIN=127.0.0.1:0 PDP_METRICS=127.0.0.1:0"
    with ExitStack() as stack:
        portal = stack.enter_context(upstream())
        ports["9000"] = str(portal.port)
        sidecar = placed(start).replace("pdp serve", f"{others} pdp serve")
        stack.enter_context(_running(sidecar, checkout))
        stack.enter_context(_running(placed(exports) + "\n" + placed(_commands(heading)), checkout))
        log = checkout / "log"
        until(lambda: _answers(int(ports["8080"])), 60, f"an answer; {log.read_text(errors='replace')}")
        assert _shown(f"{token}\n{placed(curls)}", checkout) == WANTED


def _answers(port: int) -> bool:
    try:
        return ask(port, "/static/style.css").status == 200
    except OSError:
        time.sleep(0.1)
        return False
