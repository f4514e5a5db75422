"""Keys, shards and scripts in Redis."""

from collections import Counter
from pathlib import Path

import pytest
from redis.crc import key_slot

import pdp.records.redis_scripts as scripts
from pdp.records.keys import Keys, shard_of


@pytest.mark.parametrize(
    ("kind", "key", "shard"),
    # Computed by zlib's crc32; the Rust core has the same table.
    [("account", "u1", 1), ("account", "u2", 3), ("employer", "é", 1), ("", "", 5)],
)
def test_the_shard_of_a_record(kind: str, key: str, shard: int) -> None:
    assert shard_of(kind, key, 8) == shard
    assert shard_of(kind, key, 1) == 0


def test_records_are_spread_evenly() -> None:
    numbers = Counter(shard_of("account", str(number), 5) for number in range(10_000))
    assert len(numbers) == 5
    assert all(1_800 < number < 2_200 for number in numbers.values())


@pytest.mark.parametrize("namespace", ["pdp", "test", "a-longer.name_space"])
def test_the_shards_are_spread_over_the_nodes_of_a_cluster(namespace: str) -> None:
    slots = [key_slot(Keys(namespace, shard).meta.encode()) for shard in range(8)]
    assert len(set(slots)) == 8
    # Each quarter of the slots has one of the first four shards, and one of the next four.
    assert {slot // 4096 for slot in slots[:4]} == {slot // 4096 for slot in slots[4:]} == {0, 1, 2, 3}


def test_all_keys_of_a_shard_are_in_one_slot() -> None:
    own = Keys("pdp", 3)
    keys = [*own.registry, own.stream, own.writes, own.kinds, own.large, own.lock, *own.of_kind("a}{b")]
    keys += own.staged("1234abcd") + own.staged_kind("1234abcd", "{account}")
    assert {key_slot(key.encode()) for key in keys} == {key_slot(b"pdp:3")}
    assert len(set(keys)) == len(keys)


def test_every_script_states_its_contract_and_is_refused_as_a_whole() -> None:
    folder = Path(scripts.__file__).parent
    included = {"prelude", "documents", "history", "staging"}
    names = {path.stem for path in folder.glob("*.lua")} - included
    ours = {name for name in names if not name.startswith("ingest_")}
    assert {"beat", "write", "large_commit", "initialise"} <= ours
    for name in ours:
        text = scripts.script(name).text.decode()
        # Redis judges a script with this line before it runs: not half-way when memory is full.
        assert text.startswith("#!lua"), name
        assert "-- include" not in text
        for part in ("-- KEYS", "-- ARGV", "-- gives"):
            assert part in text, f"{name} does not say {part}"
