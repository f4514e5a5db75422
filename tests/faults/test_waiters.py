"""Waiters that know little: a command that has just begun, and sidecars whose store got another lease."""

import time
from dataclasses import replace

import pytest

from pdp.records.barrier import Barrier, Path
from pdp.records.store import Change
from pdp.records.timing import Timing
from tests.faults.history import Ended, Write
from tests.faults.stage import LEASE_SECONDS, Stage
from tests.faults.workload import Workload


def _close_by_hand(stage: Stage, workload: Workload, door: str) -> Write:
    """What `pdp records put --records URL` does: a process of its own, which has observed nothing yet."""
    key = door.partition("/")[2]
    with stage.store(stage.primary.url) as store:
        barrier = Barrier(store, Timing.of(store.parameters(), store.promotion_seconds))
        began = time.monotonic_ns()
        change = Change("door", key, f'{{"id":"{key}","open":false}}'.encode())
        outcome = barrier.write([change], f"by-hand-{door}-{began}", timeout_seconds=10)
        ended = time.monotonic_ns()
    assert outcome.path, outcome
    assert outcome.written
    write = Write(
        began,
        ended,
        "by hand",
        (door,),
        opens=False,
        how=Ended.DONE,
        path=outcome.path.value,
        waited_ms=round(outcome.waited_seconds * 1000),
        token=outcome.written.token(),
    )
    stage.history.writes.append(write)
    return write


@pytest.mark.parametrize("cut", ["", "b"], ids=["all is well", "a sidecar is cut off"])
def test_a_process_that_has_just_begun_closes_doors(single: Stage, cut: str) -> None:
    """It cannot know whether the registry is complete, so it waits until older proofs have run out."""
    with (workload := single.workload(writers=1, doors=6, kept=["door/4", "door/5"])):
        for door in ("door/4", "door/5"):
            workload.watch(door)
            if cut:
                single.links[cut].cut()
            assert _close_by_hand(single, workload, door).path == Path.TIMED.value
            time.sleep(0.3)
            if cut:
                single.links[cut].repair()
                single.fresh(cut)
    single.passes(workload)


def test_the_lease_is_changed(stage: Stage) -> None:
    """From the change on nobody decides who was started under the old lease; no barrier of theirs counts."""
    stage.single()
    longer = replace(stage.parameters, lease_ms=int(2_000 * LEASE_SECONDS))
    stage.history.wait_ns = Timing.of(longer).wait_ns
    with (workload := stage.workload()):
        time.sleep(1)
        with stage.store(stage.primary.url) as store:
            store.change_lease(longer)
        changed = time.monotonic_ns()
        time.sleep(0.5)
        for name in stage.fleet.places:
            stage.fleet.kill(name)
            stage.fleet.start(name)
            stage.fresh(name)
        time.sleep(1)
    stage.passes(workload)
    between = [check for check in stage.history.checks if 0 < check.began - changed < 300_000_000]
    assert between
    assert {check.codes for check in between} == {("STATE_STALE",)}
