"""The package is typed for who uses it: `py.typed` stands in it, and a checker sees what things are."""

import subprocess
import sys
from pathlib import Path

USER = """
from pdp import Decision, DecisionPoint, InvalidRequest
from pdp.decision.v1.decision_pb2 import CheckRequest


def allowed(point: DecisionPoint, request: dict[str, object]) -> bool:
    try:
        decision: Decision = point.check(request)
    except InvalidRequest as error:
        print(error.field)
        return False
    return decision.allow and not [reason.code for reason in decision.reasons]


print(allowed(DecisionPoint("policies/portal"), {}), CheckRequest())
"""


def _mypy(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """What mypy says of a file that is outside this repository."""
    (folder / "user.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), "user.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def test_a_users_code_is_checked_against_the_package(tmp_path: Path) -> None:
    done = _mypy(tmp_path, USER)
    assert done.returncode == 0, done.stdout
    done = _mypy(tmp_path, USER.replace("decision.allow", "decision.alow"))
    assert done.returncode == 1
    assert 'user.py:12: error: "Decision" has no attribute "alow"' in done.stdout
