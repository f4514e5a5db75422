"""Redis Cluster with three masters, whose slots move while sidecars decide and write."""

import time
from dataclasses import replace
from typing import Any

from redis.crc import key_slot

from pdp.records.keys import Keys
from tests.faults.stage import Stage
from tests.servers.redis import RedisServer, redis_cluster, wait_for

SHARDS = 6
STEP_SECONDS = 0.03
"""Between two keys, so that checks and writes meet a slot that is half moved."""


def _ask(node: RedisServer, *command: str | float) -> Any:
    with node.client() as client:
        return client.execute_command(*command)


def _owner(nodes: list[RedisServer], slot: int, asked: RedisServer | None = None) -> int:
    """Which node has a slot, as one of them says."""
    for start, end, primary, *_ in _ask(asked or nodes[0], "CLUSTER", "SLOTS"):
        if start <= slot <= end:
            return next(place for place, node in enumerate(nodes) if node.port == primary[1])
    raise AssertionError(f"nobody has slot {slot}")


def _move(nodes: list[RedisServer], slot: int) -> None:
    """Moves a slot to the next node, key by key."""
    from_ = _owner(nodes, slot)
    to = (from_ + 1) % len(nodes)
    source, target = nodes[from_], nodes[to]
    ids = [_ask(node, "CLUSTER", "MYID").decode() for node in (source, target)]
    _ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    _ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    while keys := _ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1):
        _ask(source, "MIGRATE", "127.0.0.1", target.port, keys[0], 0, 1_000)
        time.sleep(STEP_SECONDS)
    for node in (target, source, *nodes):
        _ask(node, "CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    wait_for(lambda: all(_owner(nodes, slot, asked=node) == to for node in nodes))


def test_slots_move(stage: Stage) -> None:
    """Its shard is with another server then, which is another epoch; writes and proofs wait meanwhile."""
    stage.parameters = replace(stage.parameters, shards=SHARDS)
    with redis_cluster(stage.folder, masters=3) as nodes:
        url = f"redis+cluster://{','.join(node.address for node in nodes)}?acks=0"
        stage.initialise(url)
        stage.sidecars_on(url)
        stage.settle()
        slots = [key_slot(Keys("pdp", shard).tag.encode()) for shard in range(SHARDS)]
        assert len({_owner(nodes, slot) for slot in slots}) > 1, "the shards are on several servers"
        with (workload := stage.workload(writers=3)):
            time.sleep(1)
            for slot in slots[:3]:
                _move(nodes, slot)
                time.sleep(1)
            time.sleep(1)
        stage.passes(workload)
        stage.fleet.close()
    assert all("," in final.at for final in stage.history.finals), "a token for each shard"
