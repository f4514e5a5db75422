"""The command line's frame: it starts quickly, and every expected failure is one sentence."""

import subprocess
import sys
from collections.abc import Callable

import click
import grpc
import pytest

from pdp.cli import main
from pdp.errors import InvalidRequest, RecordsError


def _command(action: Callable[[], object]) -> click.Command:
    return click.Command("trial", callback=action)


def _run(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> int:
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: _command(action))
    return main.run(["trial"])


def _raising(error: BaseException) -> Callable[[], object]:
    def action() -> object:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RecordsError("The records are refused."), "Error: The records are refused.\n"),
        (InvalidRequest("subject.id", "is required"), "Error: subject.id: is required\n"),
        (
            FileNotFoundError(2, "No such file or directory", "a.jsonl"),
            "Error: a.jsonl: No such file or directory.\n",
        ),
        (click.ClickException("That is no number."), "Error: That is no number.\n"),
        (click.Abort(), "Error: Stopped; nothing more was done.\n"),
    ],
)
def test_an_expected_failure_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, sentence: str
) -> None:
    assert _run(monkeypatch, _raising(error)) == main.FAILED
    assert capsys.readouterr() == ("", sentence)


def test_a_failed_call_is_one_sentence() -> None:
    channel = grpc.insecure_channel("127.0.0.1:1")
    call = channel.unary_unary("/x/Y", request_serializer=bytes, response_deserializer=bytes)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=5)
    sentence = main.sentence_of(caught.value)
    assert sentence is not None
    assert sentence.startswith("The sidecar answered UNAVAILABLE: ")


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        _run(monkeypatch, lambda: 1 // 0)


def test_a_command_gives_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, lambda: click.get_current_context().exit(1)) == 1
    assert _run(monkeypatch, lambda: None) == 0
    assert _run(monkeypatch, lambda: "done") == 0


@pytest.mark.parametrize("arguments", [["chekc"], ["check", "--zzz"], ["check"]])
def test_a_wrong_call_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == main.FAILED
    assert "Try 'pdp" in capsys.readouterr().err


def test_help_lists_every_command_and_imports_none() -> None:
    script = (
        "import sys\n"
        "from pdp.cli.main import run\n"
        "assert run(['--help']) == 0\n"
        "slow = {'grpc', 'pdp._core', 'yaml', 'rich', 'sqlite3', 'prometheus_client', 'google.protobuf'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, (_, meaning) in main.COMMANDS.items():
        assert name in done.stdout
        assert meaning.split(",")[0] in done.stdout


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_is_there_and_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([name, "--help"]) == 0
    assert "Usage: pdp " + name in capsys.readouterr().out
