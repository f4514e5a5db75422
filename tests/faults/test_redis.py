"""One Redis that crashes, forgets a part of its history, is full, is emptied, or gets an old copy back."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.nodes import Node
from tests.faults.stage import LEASE_SECONDS, Stage

EVERY_SECOND = {"appendonly": "yes", "appendfsync": "everysec", "save": '""'}


def _begin(stage: Stage, node: Node) -> None:
    stage.initialise(node.url)
    stage.sidecars(node)
    stage.settle()


def test_redis_is_killed_and_started_again(stage: Stage) -> None:
    """It keeps every write; sidecars decide on while it is away, for a lease."""
    node = stage.node()
    _begin(stage, node)
    with (workload := stage.workload()):
        time.sleep(1)
        node.kill()
        time.sleep(0.2)
        node.begin()
        time.sleep(2 * LEASE_SECONDS)
        assert stage.denied("STATE_STALE") == 0
        node.kill()
        time.sleep(2 * LEASE_SECONDS)
        node.begin()
        time.sleep(2 * LEASE_SECONDS)
    stage.passes(workload)
    assert stage.denied("STATE_STALE") > 50


def test_the_stream_is_trimmed(stage: Stage) -> None:
    """A sidecar that missed what was trimmed away loads anew."""
    node = stage.node()
    _begin(stage, node)
    before = {name: stage.fleet[name].metric("pdp_snapshot_loads_total") for name in stage.links}
    with (workload := stage.workload()):
        for name in ("a", "c"):
            time.sleep(0.5)
            stage.links[name].cut()
            stage.grows(node)
            assert node.call("XTRIM", "{pdp:0}:stream", "MAXLEN", 0) > 0
            stage.links[name].repair()
            stage.fresh(name)
    stage.passes(workload, judged=50)
    for name in ("a", "c"):
        assert stage.fleet[name].metric("pdp_snapshot_loads_total") > before[name]


def test_memory_is_full(stage: Stage) -> None:
    """No write is taken, so that what sidecars hold stays true, and they decide on."""
    node = stage.node()
    _begin(stage, node)
    with (workload := stage.workload()):
        time.sleep(1)
        node.call("CONFIG", "SET", "maxmemory", 1)
        full = time.monotonic_ns()
        time.sleep(2.5 * LEASE_SECONDS)
        began = [write.began for write in stage.history.writes if write.began > full]
        assert not began, "a write got through"
        node.call("CONFIG", "SET", "maxmemory", 0)
        time.sleep(1)
    stage.passes(workload)
    assert stage.denied("STATE_STALE") == 0
    assert any(write.attempts > 1 for write in stage.history.writes)


def test_the_disk_is_full(stage: Stage) -> None:
    """Redis takes no writes and so no beats: sidecars deny once their proofs have run out."""
    node = stage.node(EVERY_SECOND)
    _begin(stage, node)
    with (workload := stage.workload()):
        time.sleep(1)
        with node.full_disk():
            full = time.monotonic_ns()
            time.sleep(3 * LEASE_SECONDS)
        time.sleep(2)
    stage.passes(workload)
    assert stage.denied("STATE_STALE", full) > 50


def test_the_disk_is_full_and_redis_ends(stage: Stage) -> None:
    """With every write on disk at once Redis ends itself, and is started again when there is room."""
    node = stage.node()
    _begin(stage, node)
    with (workload := stage.workload()):
        time.sleep(1)
        with node.full_disk():
            assert node.ended() != 0
            time.sleep(2 * LEASE_SECONDS)
        node.begin()
        time.sleep(1)
    stage.passes(workload)
    assert stage.denied("STATE_STALE") > 50


@pytest.mark.parametrize("empty_seconds", [0.0, 2.0], ids=["at once", "later"])
def test_redis_is_emptied_and_initialised_again(stage: Stage, empty_seconds: float) -> None:
    """Another history in the same run of the server: nothing of the old one is taken for it."""
    node = stage.node()
    _begin(stage, node)
    with (workload := stage.workload()):
        time.sleep(1)
        with stage.losing():
            node.call("FLUSHALL")
            time.sleep(empty_seconds)
            stage.initialise(node.url)
        time.sleep(3)
    stage.passes(workload)
    assert (stage.denied("STATE_STALE") > 0) == (empty_seconds > LEASE_SECONDS)
    assert node.info("replication", "connected_slaves") == 0


def _copy_of_rdb(node: Node, copy: Path) -> None:
    node.call("SAVE")
    shutil.copytree(node.folder, copy)


def _copy_of_aof(node: Node, copy: Path) -> None:
    with node.stopped():
        shutil.copytree(node.folder, copy)


COPIES: dict[str, tuple[dict[str, str], Callable[[Node, Path], None]]] = {
    "RDB": ({"appendonly": "no", "save": '""'}, _copy_of_rdb),
    "AOF": ({"appendonly": "yes", "appendfsync": "always", "save": '""'}, _copy_of_aof),
}


@pytest.mark.parametrize("kind", COPIES)
def test_an_old_copy_is_put_back(stage: Stage, kind: str, tmp_path: Path) -> None:
    """What was locked when the copy was made is locked; sidecars that know more load anew."""
    settings, copied = COPIES[kind]
    node = stage.node(settings)
    _begin(stage, node)
    with (workload := stage.workload()):
        time.sleep(1.5)
        kept = time.monotonic_ns()
        copied(node, tmp_path / "copy")
        time.sleep(1.5)
        with stage.losing(kept):
            node.kill()
            shutil.rmtree(node.folder)
            shutil.copytree(tmp_path / "copy", node.folder)
            node.begin()
        time.sleep(3)
    stage.passes(workload)
    assert any(write.ended < kept for write in stage.history.writes if not write.opens)
