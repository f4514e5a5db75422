"""Redis Cluster: shards on several nodes, and a slot that moves from one to another."""

from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from pdp.records.keys import Keys, shard_of
from pdp.records.store import Beat, Change, Parameters, RecordStore, StoreError, open_store
from tests.servers.redis import RedisServer, redis_cluster, wait_for

SHARDS = 4


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture
def store(nodes: list[RedisServer], request: pytest.FixtureRequest) -> Iterator[RecordStore]:
    name = request.node.name.replace("_", "-")[:60]
    store = open_store(f"redis+cluster://{nodes[1].address}?acks=0&namespace={name}")
    store.initialise(Parameters(shards=SHARDS))
    yield store
    store.close()


def of_shard(shard: int, number: int = 20) -> list[Change]:
    keys = (str(key) for key in range(1000))
    return [Change("item", key, b"{}") for key in keys if shard_of("item", key, SHARDS) == shard][:number]


def test_the_shards_are_on_all_nodes(nodes: list[RedisServer], store: RecordStore) -> None:
    for shard in range(SHARDS):
        assert store.write(of_shard(shard)).shard == shard
    on = []
    for node in nodes:
        with node.client() as client:
            on.append(len(client.keys("*meta")))
    assert sum(on) >= SHARDS
    assert all(on)
    assert store.counts() == {"item": SHARDS * 20}
    assert len(store.page("item", limit=1000)) == SHARDS * 20
    for shard in range(SHARDS):
        with store.snapshot(shard) as snapshot:
            assert sum(map(len, snapshot.chunks())) == 20
        position = store.head(shard).position
        assert store.beat(Beat("one", 1, position, 1, 4_000), shard).position == position
        store.write(of_shard(shard, 12_000) + [Change("item", c.key, b"x") for c in of_shard(shard)])
    assert len({store.head(shard).epoch for shard in range(SHARDS)}) >= SHARDS


def _move(nodes: list[RedisServer], slot: int) -> tuple[RedisServer, RedisServer]:
    """Begins to move a slot; gives the node that had it and the one that is to have it."""
    source = next(n for n in nodes if _owns(n, slot))
    target = next(n for n in nodes if n is not source)
    with source.client() as old, target.client() as new:
        old_id, new_id = (client.execute_command("CLUSTER", "MYID").decode() for client in (old, new))
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
    return source, target


def _owns(node: RedisServer, slot: int) -> bool:
    with node.client() as client:
        ranges = client.execute_command("CLUSTER", "SLOTS")
    return any(first <= slot <= last and node.port == primary[1] for first, last, primary, *_ in ranges)


def test_a_slot_that_moves_is_followed(nodes: list[RedisServer], store: RecordStore) -> None:
    before = store.write(of_shard(0), "id-1")
    store.beat(Beat("one", 1, before.position, 1, 4_000))
    keys = Keys(store._primaries._url.namespace, 0)  # type: ignore[attr-defined]
    slot = key_slot(keys.meta.encode())
    source, target = _move(nodes, slot)
    with source.client() as old, target.client() as new:
        names = old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names[:2])
        # While some keys are here and some there, there is an error that passes.
        with pytest.raises(StoreError, match="is moving the record store's keys; try again"):
            store.write(of_shard(0), "id-2")
        old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names[2:])
        new_id = new.execute_command("CLUSTER", "MYID").decode()
        for client in (new, old):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new_id)
    after = store.write(of_shard(0), "id-2")
    assert after.position.seq == 2
    assert after.epoch != before.epoch
    assert store.members() == []
    assert store.write(of_shard(0), "id-1").position == before.position
    wait_for(lambda: all(_owns(target, slot) for _ in nodes))
    # Who comes anew finds it, from whichever node it asks.
    for node in nodes:
        other = open_store(f"redis+cluster://{node.address}?acks=0&namespace={keys.namespace}")
        wait_for(lambda other=other: other.head() == (after.epoch, after.position))
        other.close()


def test_a_node_of_a_cluster_is_no_single_server(nodes: list[RedisServer]) -> None:
    with pytest.raises(StoreError, match=r"is part of a Cluster; write redis\+cluster://"):
        open_store(nodes[0].url)


def test_nodes_that_cannot_be_asked(nodes: list[RedisServer]) -> None:
    open_store(f"redis+cluster://127.0.0.1:1,{nodes[0].address}?acks=0").close()
    with pytest.raises(StoreError, match=r"No node of the Redis Cluster can be asked: .*refused"):
        open_store("redis+cluster://127.0.0.1:1?acks=0")
