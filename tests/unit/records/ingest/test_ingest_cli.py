"""`pdp ingest` and `pdp ingest dead`, as processes and by their exit codes and sentences."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pdp.cli.main import run
from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.store import RecordStore
from tests.servers.redis import RedisServer, wait_for
from tests.unit.records.ingest.streams import GROUP, Stream, door, is_open

ROOT = Path(__file__).resolve().parents[4]
DOORS = ROOT / "tests/unit/records/doors"


def start(stream: Stream, *options: str) -> "subprocess.Popen[str]":
    """Starts the command on a stream."""
    command = [sys.executable, "-m", "pdp", "ingest", "--from", stream.url, "--stream", stream.name, *options]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PDP_")}  # noqa: TID251
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def on_a_store(url: str, folder: Path) -> list[str]:
    """The options for records in a store."""
    return ["--records", url, "--policy", str(DOORS), "--policy-cache", str(folder / "cache")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_stop(
    stream: Stream, store: RecordStore, url: str, tmp_path: Path, number: signal.Signals
) -> None:
    stream.add("a", 1, door("a"))
    with start(stream, *on_a_store(url, tmp_path), "--consumer", "one") as process:
        wait_for(lambda: is_open(store, "a") is True)
        stream.add("b", 1, door("b"))
        stream.add("secret-key", 1, {"id": "secret-key", "open": "secret-value"})
        wait_for(lambda: is_open(store, "b") is True and len(stream.dead()) == 1)
        process.send_signal(number)
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert output == f"Applied 2 messages; 0 changed nothing; 1 went to {stream.dead_name}.\n"
    assert re.search(r"Message \d+-\d+ went to the dead letters: value\.open\.\n", errors)
    assert "secret" not in errors
    # It left the group.
    assert stream.client.xinfo_consumers(stream.name, GROUP) == []


def test_a_stop_in_the_middle_of_trouble(stream: Stream, tmp_path: Path) -> None:
    stream.add("a", 1, door("a"))
    with start(stream, "--admin", "127.0.0.1:1") as process:
        wait_for(lambda: bool(stream.client.exists(stream.name) and stream.client.xinfo_groups(stream.name)))
        wait_for(lambda: stream.pending() == 1)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert output.endswith("1 messages are with consumers that have not applied them yet.\n")
    assert "No sidecar answers at 127.0.0.1:1" in errors
    assert "Trying again until it works" in errors


def test_what_others_have_is_told(stream: Stream, store: RecordStore, url: str, tmp_path: Path) -> None:
    stream.add("a", 1, door("a"))
    other = SourceStream(Source(stream.url, stream.name, GROUP, "other"))
    other.join()
    assert other.new(1).entries
    other.close()
    with start(stream, *on_a_store(url, tmp_path), "--once") as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert output == (
        "Applied 0 messages; 0 changed nothing.\n"
        "1 messages are with consumers that have not applied them yet.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--stream", "s"], "Missing option '--from'"),
        (["--from", "redis://127.0.0.1:1"], "Missing option '--stream'"),
        (["--from", "redis://127.0.0.1:1", "dead", "--stream", "s"], "Options go after the word"),
        (["dead", "--from", "redis://127.0.0.1:1", "--stream", "s"], "The stream s: Redis at 127.0.0.1:1 "),
        (["dead", "--from", "http://x", "--stream", "s"], "The stream s: 'http' is no kind of"),
        (["--from", "REDIS", "--stream", "s", "--records", "sqlite:missing.db"], "There is no record store"),
        (
            ["--from", "redis://127.0.0.1:1", "--stream", "s", "--admin", "127.0.0.1:1"],
            "The stream s: Redis at",
        ),
        (
            ["--from", "REDIS", "--stream", "s", "--admin", "127.0.0.1:1", "--records", "sqlite:x"],
            "does not go",
        ),
        (["--from", "REDIS", "--stream", "s", "--batch", "0"], "batch"),
        (["dead", "--from", "REDIS", "--stream", "s", "--replay", "1-0"], "there is no dead letter 1-0"),
        (["dead", "--from", "REDIS", "--stream", "s", "--replay", "x"], "Invalid stream ID"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    assert run(["ingest", *(server.url if each == "REDIS" else each for each in arguments)]) == 3
    errors = capsys.readouterr().err
    assert sentence in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_dead_letters_are_listed_and_replayed(
    stream: Stream, store: RecordStore, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--from", stream.url, "--stream", stream.name]
    assert run(["ingest", "dead", *where]) == 0
    assert capsys.readouterr().out == "There are no dead letters.\n"
    assert run(["ingest", "dead", *where, "--json"]) == 0
    assert capsys.readouterr().out == ""
    ids = [stream.add("a", "x"), stream.add("é", 2, b"\xff"), stream.raw("colour", "red")]
    assert run(["ingest", *where, *on_a_store(url, tmp_path), "--once"]) == 0
    capsys.readouterr()
    assert run(["ingest", "dead", *where]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 2)[2].split(": ")[:2] for line in lines] == [
        ["door/a version x", "version"],
        ["door/é version 2", "value"],
        ["?/? version ?", "colour"],
    ]
    assert run(["ingest", "dead", *where, "--json"]) == 0
    letters = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [letter["message"] for letter in letters] == ids
    assert letters[1]["fields"] == {"kind": "door", "key": "é", "version": "2", "value": "\\xff"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", letters[0]["at"])
    first, second = letters[0]["id"], letters[1]["id"]
    assert run(["ingest", "dead", *where, "--replay", first, "--replay", second]) == 0
    assert capsys.readouterr().out.startswith(f"Replayed {first} as ")
    assert [letter["colour"] for letter in stream.dead()] == ["red"]
    # As they were, with the bytes that are no text.
    assert stream.client.xrevrange(stream.name, count=1)[0][1][b"value"] == b"\xff"  # type: ignore[index]


def test_many_dead_letters_are_listed(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = stream.client.pipeline()
    for number in range(105):
        pipe.xadd(stream.dead_name, {"dead:id": f"{number}-0", "key": str(number)})
    pipe.execute()
    assert run(["ingest", "dead", "--from", stream.url, "--stream", stream.name, "--json"]) == 0
    letters = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [letter["message"] for letter in letters] == [f"{number}-0" for number in range(105)]
