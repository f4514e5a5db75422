"""`pdp records`, on a store and through a running sidecar."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pdp.cli.main import run

DOORS = Path(__file__).parent / "doors"
LINES = [
    {"kind": "door", "key": "a", "value": {"id": "a", "open": True, "built_at": "2026-03-02T09:00:00Z"}},
    {"kind": "door", "key": "b", "value": {"id": "b", "open": False}},
    {"kind": "note", "key": "é", "value": {"text": "ja"}},
]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=["store", "sidecar"])
def pdp(
    request: pytest.FixtureRequest,
    url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a command on an empty state: (exit code, output, errors)."""
    if request.param == "store":
        request.getfixturevalue("store")
        options = ["--records", url, "--policy", str(DOORS)]
    else:
        options = ["--admin", request.getfixturevalue("admin")]

    def pdp(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        code = run(["records", *arguments, *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return pdp


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "doors.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


def test_import_and_export(pdp: Run, file: Path, tmp_path: Path) -> None:
    code, output, _ = pdp("import", str(file))
    assert code == 0
    assert output.startswith("Imported 3 records into ")
    code, output, _ = pdp("export")
    assert code == 0
    assert [json.loads(line) for line in output.splitlines()] == LINES
    code, output, errors = pdp("export", "--kind", "door", "-o", str(tmp_path / "out.jsonl"))
    assert (code, output) == (0, "")
    assert "Exported 2 records" in errors
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == LINES[:2]
    assert [path for path in tmp_path.iterdir() if "out" in path.name] == [tmp_path / "out.jsonl"]


def test_import_from_standard_input_as_json(pdp: Run, file: Path) -> None:
    code, output, _ = pdp("import", "-", "--json", stdin=file.read_text())
    assert code == 0
    assert json.loads(output)["records"] == 3
    assert json.loads(output)["state_token"].startswith("1.")


def test_a_bad_line_is_named_and_nothing_is_imported(pdp: Run, file: Path) -> None:
    with file.open("a") as lines:
        lines.write(
            '{"kind":"door","key":"c","value":{"id":"c","open":true,"owner":{"number":"123456789"}}}\n'
        )
    code, output, errors = pdp("import", str(file))
    assert (code, output) == (3, "")
    assert re.search(r"doors\.jsonl: line 4: (value\.)?owner\.number: .*elfproef", errors)
    assert errors.endswith("Nothing was imported.\n")
    assert pdp("kinds", "--json")[1] == '{"door": 0, "note": 0}\n'


def test_get(pdp: Run, file: Path) -> None:
    pdp("import", str(file))
    code, output, _ = pdp("get", "door", "a")
    assert code == 0
    assert json.loads(output) == LINES[0]["value"]
    code, output, _ = pdp("get", "door", "a", "--json")
    assert json.loads(output) == {**LINES[0], "version": 1}
    code, output, errors = pdp("get", "door", "z")
    assert (code, output, errors) == (3, "", "Error: There is no door 'z'.\n")
    code, output, errors = pdp("get", "gate", "z")
    assert code == 3
    assert "the bundle declares no kind 'gate'; it has door, note" in errors


def test_put_and_delete(pdp: Run) -> None:
    code, output, _ = pdp("put", "door", "a", "-", stdin='{"id": "a", "open": true}')
    assert code == 0
    assert output.startswith("Done; state 1.")
    code, _, errors = pdp(
        "put", "door", "a", "-", "--expected-version", "0", stdin='{"id": "a", "open": true}'
    )
    assert code == 3
    assert "door/a: expected no such record, but it stands at version 1." in errors
    code, _, errors = pdp("put", "door", "a", "-", stdin='{"id": "a", "opne": true}')
    assert code == 3
    assert "door/a: " in errors
    code, _, errors = pdp("put", "door", "a", "-", stdin="")
    assert code == 3
    assert errors.startswith("Error: door/a: ")
    assert pdp("delete", "door", "a", "--expected-version", "7")[0] == 3
    code, output, _ = pdp("delete", "door", "a", "--json")
    assert code == 0
    assert json.loads(output)["state_token"].startswith("2.")
    code, _, errors = pdp("delete", "door", "a")
    assert (code, errors) == (3, "Error: There is no door 'a'.\n")


def test_kinds(pdp: Run, file: Path) -> None:
    pdp("import", str(file))
    assert json.loads(pdp("kinds", "--json")[1]) == {"door": 2, "note": 1}
    _, output, _ = pdp("kinds")
    assert [line.split() for line in output.splitlines()] == [["door", "2"], ["note", "1"]]


def test_files_that_cannot_be_read_or_written(pdp: Run, tmp_path: Path) -> None:
    code, _, errors = pdp("import", str(tmp_path / "missing.jsonl"))
    assert (code, errors) == (3, f"Error: Cannot read {tmp_path}/missing.jsonl: No such file or directory.\n")
    code, _, errors = pdp("import", str(tmp_path))
    assert code == 3
    assert errors == f"Error: Cannot read {tmp_path}: Is a directory.\n"
    code, _, errors = pdp("put", "door", "a", str(tmp_path / "missing.json"))
    assert code == 3
    code, _, errors = pdp("export", "-o", str(tmp_path / "missing" / "out.jsonl"))
    assert code == 3
    assert "Cannot write" in errors


def test_progress_when_asked_for(pdp: Run, file: Path) -> None:
    code, _, errors = pdp("import", str(file), "--progress")
    assert code == 0
    assert "Writing" in errors
    assert pdp("import", str(file))[2] == ""


def test_what_goes_wrong_with_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cases = [
        (["--records", "sqlite:missing.db"], "There is no record store"),
        (["--records", "redis://127.0.0.1:1"], "Redis at 127.0.0.1:1 cannot be reached"),
        (["--admin", "127.0.0.1:1"], "No sidecar answers at 127.0.0.1:1"),
        (["--admin", "127.0.0.1:1", "--records", "sqlite:x"], "--records does not go with --admin"),
        ([], "Name another with --records URL, or a sidecar with --admin."),
    ]
    for options, sentence in cases:
        assert run(["records", "kinds", *options]) == 3
        assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database\n" * 100)
    assert run(["records", "kinds", "--records", f"sqlite:{path}"]) == 3
    assert capsys.readouterr().err == f"Error: The record store {path} is not a SQLite database.\n"


def test_the_command_itself(tmp_path: Path, file: Path) -> None:
    """A real process: the store is made, the output can be piped, a closed pipe is no traceback."""
    options = ["--records", f"sqlite:{tmp_path / 'new.db'}", "--policy", str(DOORS)]
    command = [sys.executable, "-m", "pdp", "records"]
    root = Path(__file__).resolve().parents[3]
    subprocess.run([*command, "import", str(file), *options], cwd=root, check=True, capture_output=True)
    exported = subprocess.run(
        [*command, "export", *options], cwd=root, check=True, capture_output=True, text=True
    )
    assert [json.loads(line) for line in exported.stdout.splitlines()] == LINES
    assert exported.stderr == ""
    with subprocess.Popen(
        [*command, "export", *options], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_arguments_that_are_not_utf_8(pdp: Run) -> None:
    code, _, errors = pdp("get", "door", "\udcff")
    assert code == 3
    assert "KEY is not UTF-8." in errors


def test_documents_that_are_not_utf_8(pdp: Run, tmp_path: Path) -> None:
    (tmp_path / "door.json").write_bytes(b'{"id": "\xff", "open": true}')
    code, _, errors = pdp("put", "door", "\u00ff", str(tmp_path / "door.json"))
    assert code == 3
    assert errors.startswith("Error: door/\u00ff: ")
