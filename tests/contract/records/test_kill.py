"""A writer that is killed at any moment leaves a whole history that holds every write it acknowledged."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdp.records.chain import ChangesDigest, next_chain
from pdp.records.store import Position, RecordStore, open_store
from tests.contract.records.history import changes_of

ROOT = Path(__file__).resolve().parents[3]

WRITER = """
import sys, time
from pdp.records.store import Change, open_store
from tests.contract.records.history import changes_of

store = open_store(sys.argv[1], create=False)
seq = store.head().position.seq
# Not for ever, as what it did is verified.
for seq in range(seq + 1, seq + 300):
    position = store.write(changes_of(seq), f"write-{seq}").position
    print(position.seq, position.chain.hex(), flush=True)
time.sleep(60)
"""


def _acknowledged(url: str, seconds: float) -> list[tuple[int, bytes]]:
    """What a writer acknowledged until it was killed after `seconds` of writing."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(seconds)
        writer.kill()
        lines += writer.stdout.read().splitlines()
    # The last line may have been cut off by the kill.
    whole = [line.split() for line in lines if len(line.split()) == 2]
    return [(int(seq), bytes.fromhex(chain)) for seq, chain in whole if len(chain) == 40]


def _verify(store: RecordStore, genesis: bytes) -> list[Position]:
    """The store is exactly what its writes, done one after another, make of an empty one; their positions."""
    head = store.head().position
    positions = [Position(0, genesis)]
    records: dict[tuple[str, str], tuple[bytes, int]] = {}
    for seq in range(1, head.seq + 1):
        digest = ChangesDigest()
        for change in changes_of(seq):
            digest.add(change)
            if change.value is None:
                records.pop((change.kind, change.key), None)
            else:
                records[change.kind, change.key] = (change.value, seq)
        chain = next_chain(positions[-1].chain, seq, f"write-{seq}", digest.digest())
        positions.append(Position(seq, chain))
    assert head == positions[-1]
    with store.snapshot() as snapshot:
        stored = {(r.kind, r.key): (r.value, r.version) for chunk in snapshot.chunks() for r in chunk}
    assert stored == records
    return positions


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_loses_nothing_that_it_acknowledged(url: str, seed: int) -> None:
    moments = random.Random(seed)
    store = open_store(url)
    genesis = store.head().position.chain
    acknowledged: list[tuple[int, bytes]] = []
    for _ in range(4):
        acknowledged += _acknowledged(url, moments.uniform(0.0, 0.1))
        # Both for one that was open all the time and for one that opens what the kill left.
        again = open_store(url, create=False)
        positions = _verify(again, genesis)
        assert store.head().position == positions[-1]
        for seq, chain in acknowledged:
            assert positions[seq].chain == chain
        assert again.changes_since(positions[acknowledged[-1][0]]) is not None
        again.close()
    store.close()
    assert len(acknowledged) >= 4
