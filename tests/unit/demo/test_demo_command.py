"""`pdp demo` and `pdp demo-data` as commands: what they print, how they end, what they leave behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".tools" / "bin"


def pdp(*arguments: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)  # noqa: TID251 - a test sets the environment of a program
    environment |= {"PATH": f"{TOOLS}{os.pathsep}{environment['PATH']}", "TMPDIR": str(temporary)}
    return subprocess.run(
        [sys.executable, "-m", "pdp", *arguments],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=environment,
        timeout=100,
        check=False,
    )


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_demo_ends_by_itself_and_leaves_nothing(temporary: Path) -> None:
    done = pdp("demo", "--employers", "300", "--requests", "1000", temporary=temporary)
    assert done.returncode == 0, done.stderr
    assert "answers were as they should be" in done.stdout
    for told in ("INCIDENT_LOCKOUT", "ACCOUNT_BLOCKED", "MANDATE_OUT_OF_SCOPE", "2.10"):
        assert told in done.stdout
    assert not list(temporary.iterdir())


def test_demo_says_what_went_wrong(temporary: Path) -> None:
    other = ROOT / "policies" / "examples" / "authzen-certification"
    done = pdp("demo", "--employers", "300", "--policy", str(other), temporary=temporary)
    assert done.returncode == 3
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert not list(temporary.iterdir())


def test_demo_without_a_policy(temporary: Path) -> None:
    done = pdp("demo", "--policy", str(temporary / "nowhere"), temporary=temporary)
    assert done.returncode == 3
    assert "The sidecar did not start" in done.stderr
    assert not list(temporary.iterdir())


def test_records_to_a_file(temporary: Path) -> None:
    path = temporary / "portal.jsonl"
    done = pdp(
        "demo-data", "--employers", "20", "--at", "2026-03-02T09:00:00Z", "-o", str(path), temporary=temporary
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert sum(line["kind"] == "employer" for line in lines) == 20
    assert all(set(line) == {"kind", "key", "value"} for line in lines)


def test_same_options_same_bytes(temporary: Path) -> None:
    options = ("demo-data", "--employers", "30", "--seed", "5", "--at", "2026-03-02T09:00:00Z")
    first, second = (pdp(*options, temporary=temporary).stdout for _ in range(2))
    assert first
    assert first == second


def test_requests(temporary: Path) -> None:
    done = pdp("demo-data", "--employers", "20", "--requests", "7", temporary=temporary)
    requests = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(requests) == 7
    assert all({"subject", "action", "resource"} <= set(request) for request in requests)


def test_a_file_that_cannot_be_written(temporary: Path) -> None:
    done = pdp("demo-data", "-o", str(temporary / "nowhere" / "portal.jsonl"), temporary=temporary)
    assert done.returncode == 3
    assert "Cannot write" in done.stderr
