"""The real process, killed at any moment: each record ends as its highest version says.

The same test finds what is lost when messages are acknowledged first, so it would find it here.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdp.records.store import RecordStore
from tests.unit.records.ingest.streams import Stream, door, is_open

ROOT = Path(__file__).resolve().parents[4]
DOORS = ROOT / "tests/unit/records/doors"
KEYS, VERSIONS = 600, 3
KILLS = 5

# Runs the command with a consumer that acknowledges first; the pause widens the gap that a kill must hit.
ACKNOWLEDGES_FIRST = """
import sys, time
from pdp.records import ingest

class AcknowledgesFirst(ingest.Ingest):
    def _settle(self, group):
        self._acknowledge(group)
        time.sleep(0.02)
        super()._settle(group)

ingest.Ingest = AcknowledgesFirst
from pdp.cli.main import main
main()
"""


class Process:
    """`pdp ingest` on a stream and a store."""

    def __init__(self, stream: Stream, url: str, cache: Path, *, broken: bool) -> None:
        program = ["-c", ACKNOWLEDGES_FIRST] if broken else ["-m", "pdp"]
        where = ["--from", stream.url, "--stream", stream.name, "--records", url]
        policy = ["--policy", str(DOORS), "--policy-cache", str(cache)]
        self._command = [sys.executable, *program, "ingest", *where, *policy]
        # Small batches, so that it is under way for long; larger ones lose a highest version more surely.
        self._command += ["--batch", "10" if broken else "3"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PDP_")}  # noqa: TID251
        self._environment = {**clean, "PDP_LOG_LEVEL": "error"}

    def start(self, consumer: str, *options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._command, "--consumer", consumer, *options],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def drain(self, consumer: str) -> str:
        with self.start(consumer, "--once", "--idle-seconds", "0.1", "--batch", "100") as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return output


def killed_again_and_again(process: Process, stream: Stream, moments: random.Random) -> int:
    """Kills a consumer while it works, and starts another, under the same name or a new one.

    Gives how many messages were pending after the kills.
    """
    pending = 0
    for turn in range(KILLS):
        left = stream.client.xinfo_groups(stream.name)[0]["lag"] if turn else None
        with process.start("one" if turn % 3 else f"one-{turn}") as running:
            ends = time.monotonic() + 30
            # It works once the group's position moves.
            while not (groups := stream.client.xinfo_groups(stream.name)) or groups[0]["lag"] == left:
                assert time.monotonic() < ends
                assert running.poll() is None
                time.sleep(0.002)
            time.sleep(moments.uniform(0.0, 0.12))
            running.kill()
            running.wait()
        pending += stream.pending()
    return pending


@pytest.mark.parametrize(("broken", "seed"), [(True, 0), (False, 1)])
def test_a_killed_process_loses_no_message(
    stream: Stream, store: RecordStore, url: str, tmp_path: Path, broken: bool, seed: int
) -> None:
    moments = random.Random(seed)
    messages = [(key, version) for key in range(KEYS) for version in range(1, VERSIONS + 1)]
    moments.shuffle(messages)
    pipe = stream.client.pipeline()
    for key, version in messages:
        document = json.dumps(door(str(key), is_open=version == VERSIONS))
        pipe.xadd(stream.name, {"kind": "door", "key": key, "version": version, "value": document})
    pipe.execute()
    process = Process(stream, url, tmp_path / "cache", broken=broken)
    pending = killed_again_and_again(process, stream, moments)
    assert broken or pending > 0, "no kill hit a message under way"
    assert stream.client.xinfo_groups(stream.name)[0]["lag"] > 0, "all was done before the last kill"
    time.sleep(0.2)
    output = process.drain("last")
    lost = [key for key in range(KEYS) if is_open(store, str(key)) is not True]
    assert stream.pending() == 0
    assert stream.dead() == []
    assert "messages are with consumers" not in output
    assert bool(lost) == broken, lost
