"""Sidecars that are killed, and that are stopped for longer than their lease."""

import time

from tests.faults.history import Check
from tests.faults.stage import LEASE_SECONDS, Stage


def test_a_sidecar_is_killed_and_started_again(stage: Stage) -> None:
    node = stage.node()
    stage.initialise(node.url)
    stage.sidecars(node)
    stage.settle()
    with (workload := stage.workload()):
        time.sleep(1)
        for name in ("a", "c"):
            stage.fleet.kill(name)
            # Nobody knows that it is dead: barriers wait until its proofs have run out.
            time.sleep(2 * LEASE_SECONDS)
            stage.fleet.start(name)
            time.sleep(0.5)
    stage.passes(workload)
    assert stage.barriers("fast") > 5
    assert stage.barriers("timed") >= 2
    assert stage.denied("STATE_STALE") == 0


def test_a_sidecar_is_stopped_for_longer_than_its_lease(stage: Stage) -> None:
    """Requests are on their way when it stops and while it sleeps; it wakes in the middle of them."""
    node = stage.node()
    stage.initialise(node.url)
    stage.sidecars(node)
    stage.settle()
    slept = []
    # One writer may be held up by the sidecar that sleeps.
    with (workload := stage.workload(writers=3)):
        time.sleep(1)
        for name in ("b", "c"):
            began = time.monotonic_ns()
            with stage.fleet.stopped(name):
                time.sleep(2.2 * LEASE_SECONDS)
                ended = time.monotonic_ns()
            slept.append((name, began, ended))
            time.sleep(1.0)
    stage.passes(workload)
    assert stage.barriers("timed") >= 1
    for name, began, ended in slept:
        over = [
            check
            for check in stage.history.checks
            if check.sidecar == name and began < check.began < ended < check.ended
        ]
        assert len(over) > 50, "requests were on their way"
        assert any("STATE_STALE" in check.codes for check in over), "it woke with an old state"
        assert _soon_fresh(stage.history.checks, name, ended)


def _soon_fresh(checks: list[Check], name: str, since: int) -> bool:
    """Whether within a second of its waking a sidecar decides again."""
    return any(
        check.sidecar == name
        and since < check.began < since + 1_000_000_000
        and "STATE_STALE" not in check.codes
        for check in checks
    )
