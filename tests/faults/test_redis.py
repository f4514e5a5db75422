"""One Redis that crashes, forgets a part of its history, is full, is emptied, or gets an old copy back."""

import shutil
import time
from collections.abc import Callable

import pytest

from tests.faults.nodes import Node
from tests.faults.stage import LEASE_SECONDS, Stage


def test_redis_is_killed_and_started_again(single: Stage) -> None:
    """It keeps every write; sidecars decide on while it is away, for a lease."""
    node = single.primary
    with (workload := single.workload()):
        time.sleep(1)
        node.kill()
        time.sleep(0.2)
        node.begin()
        time.sleep(1.6 * LEASE_SECONDS)
        assert single.hardly_stale()
        node.kill()
        time.sleep(1.6 * LEASE_SECONDS)
        node.begin()
        time.sleep(1.6 * LEASE_SECONDS)
    single.passes(workload)
    assert single.denied("STATE_STALE") > 50


def test_the_stream_is_trimmed(single: Stage) -> None:
    """A sidecar that missed what was trimmed away loads anew."""
    node = single.primary
    before = {name: single.fleet[name].metric("pdp_snapshot_loads_total") for name in single.links}
    with (workload := single.workload()):
        for name in ("a", "c"):
            time.sleep(0.5)
            single.links[name].cut()
            single.grows(node)
            assert node.call("XTRIM", "{pdp:0}:stream", "MAXLEN", 0) > 0
            single.links[name].repair()
            single.fresh(name)
    single.passes(workload, judged=50)
    for name in ("a", "c"):
        assert single.fleet[name].metric("pdp_snapshot_loads_total") > before[name]


def test_memory_is_full(single: Stage) -> None:
    """No write is taken, so that what sidecars hold stays true, and they decide on."""
    node = single.primary
    with (workload := single.workload()):
        time.sleep(1)
        node.call("CONFIG", "SET", "maxmemory", 1)
        full = time.monotonic_ns()
        time.sleep(2.5 * LEASE_SECONDS)
        began = [write.began for write in single.history.writes if write.began > full]
        assert not began, "a write got through"
        node.call("CONFIG", "SET", "maxmemory", 0)
        time.sleep(1)
    single.passes(workload)
    assert single.hardly_stale()
    assert any(write.attempts > 1 for write in single.history.writes)


def test_the_disk_is_full(single: Stage) -> None:
    """Redis takes no writes and so no beats: sidecars deny once their proofs have run out."""
    node = single.primary
    node.call("CONFIG", "SET", "appendfsync", "everysec")
    with (workload := single.workload()):
        time.sleep(1)
        with node.full_disk():
            full = time.monotonic_ns()
            time.sleep(2 * LEASE_SECONDS)
        time.sleep(2)
    single.passes(workload)
    node.call("CONFIG", "SET", "appendfsync", "always")
    assert single.denied("STATE_STALE", full) > 50


def test_the_disk_is_full_and_redis_ends(single: Stage) -> None:
    """With every write on disk at once Redis ends itself, and is started again when there is room."""
    node = single.primary
    with (workload := single.workload()):
        time.sleep(1)
        with node.full_disk():
            assert node.ended() != 0
            time.sleep(1.6 * LEASE_SECONDS)
        node.begin()
        time.sleep(1)
    single.passes(workload)
    assert single.denied("STATE_STALE") > 50


@pytest.mark.parametrize("empty_seconds", [0.0, 2.0], ids=["at once", "later"])
def test_redis_is_emptied_and_initialised_again(single: Stage, empty_seconds: float) -> None:
    """Another history in the same run of the server: nothing of the old one is taken for it."""
    node = single.primary
    with (workload := single.workload()):
        time.sleep(1)
        with single.losing():
            node.call("FLUSHALL")
            time.sleep(empty_seconds)
            single.initialise(node.url)
        time.sleep(2.5)
    single.passes(workload)
    assert single.hardly_stale() == (empty_seconds < LEASE_SECONDS)


def _put_back(stage: Stage, node: Node, make_copy: Callable[[], None]) -> None:
    """Makes a copy, goes on for a while, and puts the copy in the place of the server's files."""
    with (workload := stage.workload()):
        time.sleep(1.5)
        kept = time.monotonic_ns()
        make_copy()
        time.sleep(1.2)
        with stage.losing(kept):
            node.kill()
            shutil.rmtree(node.folder)
            shutil.copytree(stage.folder / "copy", node.folder)
            node.begin()
        time.sleep(2.5)
    stage.passes(workload)
    assert any(write.ended < kept for write in stage.history.writes if not write.opens)


def test_an_old_append_only_file_is_put_back(single: Stage) -> None:
    """What was locked when the copy was made is locked; sidecars that know more load anew."""

    def copy() -> None:
        with single.primary.stopped():
            shutil.copytree(single.primary.folder, single.folder / "copy")

    _put_back(single, single.primary, copy)


def test_an_old_dump_is_put_back(stage: Stage) -> None:
    """The same with what SAVE writes, as backups usually are."""
    node = stage.node({"appendonly": "no", "save": '""'})
    stage.initialise(node.url)
    stage.sidecars(node)
    stage.settle()

    def copy() -> None:
        node.call("SAVE")
        shutil.copytree(node.folder, stage.folder / "copy")

    _put_back(stage, node, copy)
