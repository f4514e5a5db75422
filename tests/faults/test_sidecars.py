"""Sidecars that are killed, and that are stopped for longer than their lease."""

import time

from tests.faults.stage import LEASE_SECONDS, Stage


def test_a_sidecar_is_killed_and_started_again(single: Stage) -> None:
    with (workload := single.workload()):
        time.sleep(1)
        for name in ("a", "c"):
            single.fleet.kill(name)
            # Nobody knows that it is dead: barriers wait until its proofs have run out.
            time.sleep(1.5 * LEASE_SECONDS)
            single.fleet.start(name)
            time.sleep(0.5)
    single.passes(workload)
    assert single.barriers("fast") > 5
    assert single.barriers("timed") >= 2
    assert single.hardly_stale()


def test_a_sidecar_is_stopped_for_longer_than_its_lease(single: Stage) -> None:
    """Requests are on their way when it stops and while it sleeps; it wakes in the middle of them, and one
    finds itself cut off.
    """
    slept, cut = [], "c"
    # One writer may be held up by the sidecar that sleeps.
    with (workload := single.workload(writers=3)):
        time.sleep(1)
        for name in ("b", "c"):
            began = time.monotonic_ns()
            with single.fleet.stopped(name):
                time.sleep(1.8 * LEASE_SECONDS)
                if name == cut:
                    single.links[name].cut()
                ended = time.monotonic_ns()
            slept.append((name, began, ended))
            time.sleep(0.3)
            single.links[name].repair()
            time.sleep(0.7)
    single.passes(workload)
    assert single.barriers("timed") >= 1
    for name, began, ended in slept:
        over = [
            check
            for check in single.history.checks
            if check.sidecar == name and began < check.began < ended < check.ended
        ]
        assert len(over) > 50, "requests were on their way"
        # The other one may get a new proof before it looks at what it was asked.
        if name == cut:
            assert any("STATE_STALE" in check.codes for check in over), "it woke with an old state"
