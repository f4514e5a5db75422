"""Each measure says what it will do and whom it affects, and asks; nothing happens without an answer."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pdp.records.access import StoreAccess

ROOT = Path(__file__).resolve().parents[3]
PORTAL = ROOT / "policies" / "portal"

Run = Callable[..., tuple[int, str, str]]

MEASURES = [
    (["incident", "declare", "--portal"], "Affects 4 accounts."),
    (["incident", "declare", "--service", "wga"], "Affects 2 accounts."),
    (["incident", "declare", "--employer", "11111111"], "Affects 2 accounts."),
    (["block", "account", "u1", "--ground", "misuse"], "Affects 1 account."),
    (["block", "account", "u9", "--ground", "misuse"], "Affects 0 accounts."),
    (["block", "organisation", "33333333", "--ground", "misuse"], "Affects 2 accounts."),
    (["terminate", "employer", "22222222", "--ground", "misuse"], "Affects 2 accounts."),
    (
        ["terms", "publish", "--version=9", "--url=https://x.nl", "--effective-at=2030-01-01T00:00:00Z"],
        "Affects 4",
    ),
]


@pytest.mark.parametrize(("arguments", "sentence"), MEASURES)
def test_each_measure_says_whom_it_affects_and_asks(
    pdp: Run, access: StoreAccess, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    """Answered with no, and then with yes."""
    for answer, expected in (("n\n", 3), ("y\n", 0)):
        terminal = io.StringIO(answer)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        before = access.kinds()
        code, _, errors = pdp(*arguments)
        assert sentence in errors
        assert "Where: the sidecar at 127.0.0.1:" in errors
        assert code == expected
        assert (access.kinds() == before) == (expected == 3)


@pytest.mark.parametrize("arguments", [measure[0] for measure in MEASURES])
def test_without_a_terminal_nothing_is_done_without_yes(
    pdp: Run, access: StoreAccess, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    before = access.kinds()
    code, _, errors = pdp(*arguments)
    assert code == 3
    assert errors.endswith(
        "Error: Without a terminal nobody can confirm this; add --yes to go on without being asked.\n"
    )
    assert access.kinds() == before


def test_offline_on_a_store_in_a_real_terminal(url: str, access: StoreAccess) -> None:
    options = ["--records", url, "--policy", str(PORTAL)]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pdp", "block", "organisation", "33333333", "--ground", "misuse", *options],
        cwd=ROOT,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(theirs)
        os.write(ours, b"y\n")
        output, errors = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, errors
    assert "Affects 2 accounts." in errors
    assert f"Where: {url}." in errors
    assert output.startswith("Blocked organisation 33333333 until it is lifted; state 2.")
    assert access.get("block", "organisation:33333333") is not None
