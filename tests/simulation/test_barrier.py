"""The lockout barrier over our own sidecar and waiter code, on simulated clocks, networks and Redis nodes.

As built: no request that began after a barrier returned is allowed (G1), and no decision on a state without
the write passes its last check after it (G2). With each protection left out in turn the same oracle finds the
anomaly: an oracle that never finds any proves nothing. `make soak` runs many more seeds.
"""

import pytest

from pdp._core import Policy
from pdp.policy.bundle import load_bundle
from tests.simulation.fleet import Simulation
from tests.simulation.variants import FULL, WEAKENED


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return load_bundle("tests/simulation/locks", cache_dir=tmp_path_factory.mktemp("bundles")).policy


@pytest.mark.parametrize("name", FULL)
def test_as_built_nothing_gets_past_a_barrier(name: str, policy: Policy) -> None:
    barriers = allowed = 0
    for seed in range(20):
        run = Simulation(seed, policy, FULL[name]).run()
        assert run.anomalies == [], f"seed {seed}"
        barriers += sum(run.paths.values())
        allowed += run.allowed
    # Otherwise the simulation stood still, and nothing was shown.
    assert barriers > 40
    assert allowed > 1_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", WEAKENED)
def test_without_a_protection_something_does(name: str, policy: Policy) -> None:
    weakened = WEAKENED[name]
    # The seed found it when it was written down; a change of the code may move what a seed does.
    for seed in range(weakened.seed, weakened.seed + 400):
        if Simulation(seed, policy, weakened.protections).run().anomalies:
            return
    pytest.fail("no anomaly in 400 seeds")
