"""What the README prints works as printed, against a real sidecar; only the ports are others."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PRINTED = {"grpc": "127.0.0.1:7081", "admin": "127.0.0.1:7082"}
SECONDS = 60


def _blocks(language: str, text: str = README) -> list[str]:
    """The code blocks of a language ("": those without), in order."""
    return [
        body
        for name, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        if name == language
    ]


def _commands(containing: str) -> list[str]:
    """The lines of the shell blocks with these words."""
    return [line for block in _blocks("sh") for line in block.splitlines() if containing in line]


def _environment() -> dict[str, str]:
    paths = [str(Path(sys.executable).parent), str(ROOT / ".tools/bin")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PDP_")}  # noqa: TID251
    return {**environment, "PATH": os.pathsep.join([*paths, environment["PATH"]])}


@dataclass(frozen=True)
class Sidecar:
    """A running sidecar: its addresses by setting, and its store."""

    addresses: dict[str, str]
    store: Path

    def printed(self, text: str) -> str:
        """A text of the README with this sidecar's addresses and store."""
        for name, address in PRINTED.items():
            text = text.replace(address, self.addresses[name])
        return text.replace("sqlite:example.db", f"sqlite:{self.store}")

    def shell(self, command: str) -> str:
        """Runs a line of the README; gives what it printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.printed(command)],
            cwd=ROOT,
            env=_environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    store = tmp_path_factory.mktemp("readme") / "example.db"
    (loading,) = _commands("pdp records import")
    (serving,) = _commands("pdp serve")
    unbound = Sidecar(PRINTED, store)
    unbound.shell(loading)
    ports = "".join(f" --{name} 127.0.0.1:0" for name in ("grpc", "http", "admin", "metrics"))
    command = ["bash", "-c", f"exec {unbound.printed(serving)} --json{ports}"]
    with subprocess.Popen(
        command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Sidecar({name: str(ready[name]) for name in PRINTED}, store)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0


def _python(sidecar: Sidecar, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", sidecar.printed(code)],
        cwd=ROOT,
        env=_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_grpcurl(sidecar: Sidecar) -> None:
    if shutil.which("grpcurl", path=_environment()["PATH"]) is None:
        pytest.skip("grpcurl is not here; `make setup` puts it in .tools/bin")
    (command,) = _commands("grpcurl")
    answer = json.loads(sidecar.shell(command))
    assert answer["allow"] is True
    assert answer["accountable"] == {"kvk": "12345678"}


def test_python_over_grpc(sidecar: Sidecar) -> None:
    code = _blocks("python")[0]
    printed = README.split(f"{code}```\n", 1)[1]
    assert _python(sidecar, code) == _blocks("", printed)[0]


def test_offline(sidecar: Sidecar) -> None:
    (command,) = _commands("pdp check")
    assert json.loads(sidecar.shell(command))["allow"] is True


def test_library(sidecar: Sidecar) -> None:
    assert _python(sidecar, _blocks("python")[1]).startswith("True ")


def test_the_security_teams_moves_count_at_once(sidecar: Sidecar) -> None:
    block, unblock, declare, listing = _commands("--admin")
    grpc_check = _blocks("python")[0]
    sidecar.shell(block)
    assert _python(sidecar, grpc_check).startswith("False ")
    sidecar.shell(unblock)
    assert _python(sidecar, grpc_check).startswith("True ")
    sidecar.shell(declare)
    assert _python(sidecar, grpc_check).startswith("False ")
    assert "Storing bij eHerkenning" in sidecar.shell(listing)


def test_links_lead_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "CHANGELOG.md",
        *ROOT.glob("*/README.md"),
    ]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken
