"""Gateways that keep answers: a lockout holds for what they keep, too."""

import signal
import time

from tests.faults.gateway import gateways_of
from tests.faults.stage import LEASE_SECONDS, Stage


def test_gateways_are_deaf(single: Stage) -> None:
    """A barrier waits for what they said they have forgotten, or until their leases have run out."""
    with (workload := single.workload()), gateways_of(workload) as gateways:
        time.sleep(1)
        for name, leases in (("a", 0.5), ("b", 2.0), ("c", 1.0)):
            with gateways[name].deafened():
                time.sleep(leases * LEASE_SECONDS)
            time.sleep(0.5)
    single.passes(workload)
    assert all(gateway.from_cache > 100 for gateway in gateways.values())
    assert single.barriers("fast") > 5


def test_sidecars_of_gateways_come_and_go(single: Stage) -> None:
    """A gateway uses what it keeps until its lease ends, whatever became of its sidecar."""
    with (workload := single.workload(writers=3)), gateways_of(workload) as gateways:
        time.sleep(1)
        with single.fleet.stopped("b"):
            time.sleep(1.5 * LEASE_SECONDS)
        for name, number in (("a", signal.SIGTERM), ("c", signal.SIGKILL)):
            single.fleet.kill(name, number)
            time.sleep(0.5 * LEASE_SECONDS)
            single.fleet.start(name)
            single.fresh(name)
            time.sleep(0.5)
        single.links["b"].cut()
        time.sleep(1.5 * LEASE_SECONDS)
        single.links["b"].repair()
        time.sleep(0.5)
    single.passes(workload)
    assert all(gateway.from_cache > 100 for gateway in gateways.values())


def test_a_gateway_that_minds_no_lease_lets_something_past(stage: Stage) -> None:
    """The checker finds it."""
    stage.single(names=("a", "b"))
    with (workload := stage.workload()), gateways_of(workload, minds_leases=False) as gateways:
        time.sleep(1)
        with gateways["b"].deafened():
            time.sleep(3 * LEASE_SECONDS)
    assert stage.rest(workload).kinds() >= {"allowed after a lockout"}
