"""Another server becomes the primary: by Sentinels, and by hand while the old one sleeps and wakes up."""

import time

from tests.faults.checker import Verdict
from tests.faults.nodes import Node
from tests.faults.stage import LEASE_SECONDS, STRICT, Stage
from tests.servers.redis import redis_sentinels, wait_for

REPOINTED_SECONDS = 2.0
RELAXED = f"?acks=1&promotion_seconds={REPOINTED_SECONDS}"
"""One of two replicas acknowledges. Sentinels promote the one that holds more (A5), and lead the other one to
it within some seconds (A4)."""


def test_sentinels_fail_over_strict(stage: Stage) -> None:
    """Until the killed server is back as a replica nobody acknowledges, so the fleet denies; then it goes on
    by itself, and nothing that was acknowledged is lost."""
    promoted = _fail_over(stage, replicas=1, options=STRICT)
    assert stage.denied("STATE_STALE", since=promoted) > 50


def test_sentinels_fail_over_relaxed(stage: Stage) -> None:
    """The other replica acknowledges once it follows the new primary; nobody needs the killed server."""
    _fail_over(stage, replicas=2, options=RELAXED)


def _fail_over(stage: Stage, *, replicas: int, options: str) -> int:
    """Kills the primary; gives the moment at which there was another one."""
    primary, *others = (stage.node() for _ in range(1 + replicas))
    for other in others:
        other.follow(primary)
    with redis_sentinels(stage.folder, primary, down_ms=1_200) as sentinels:
        url = f"redis+sentinel://{','.join(each.address for each in sentinels)}/records{options}"
        stage.initialise(url)
        stage.sidecars_on(url)
        settling = REPOINTED_SECONDS if options == RELAXED else 0.0
        stage.settle(settling)
        with (workload := stage.workload()):
            time.sleep(1)
            primary.kill()
            wait_for(lambda: any(_is_primary(other) for other in others))
            promoted = time.monotonic_ns()
            if options == STRICT:
                time.sleep(LEASE_SECONDS)
                primary.begin()
                primary.follow(others[0])
            for name in stage.fleet.places:
                stage.fresh(name)
            stage.settle(settling)
            time.sleep(1)
        stage.passes(workload)
        assert stage.barriers("fast", since=promoted) + stage.barriers("timed", since=promoted) > 1
        # The sidecars leave while there are Sentinels to ask.
        stage.fleet.close()
    return promoted


def _is_primary(node: Node) -> bool:
    return bool(node.info("replication", "role") == "master")


def _deposed(stage: Stage, options: str) -> Verdict:
    """The primary sleeps; its replica is promoted, gets a replica of its own, and all sidecars but one go
    there. Then the old one wakes up and takes itself for the primary, as does the sidecar that still asks it.
    """
    primary, replica, third = stage.node(), stage.node(), stage.node()
    replica.follow(primary)
    stage.initialise(primary.url + options)
    stage.sidecars(primary, options)
    stage.settle()
    with (workload := stage.workload(through=("a", "c"))):
        time.sleep(1)
        with primary.stopped():
            replica.promote()
            third.follow(replica)
            for name in ("a", "c"):
                stage.links[name].point(replica.address)
            time.sleep(0.3 * LEASE_SECONDS)
        assert _is_primary(primary)
        time.sleep(3 * LEASE_SECONDS)
        primary.call("REPLICAOF", "127.0.0.1", replica.port)
        stage.links["b"].point(replica.address)
        stage.fresh("b")
        time.sleep(0.5)
    return stage.rest(workload)


def test_a_deposed_primary_wakes_up(stage: Stage) -> None:
    """Nobody acknowledges what it is asked, so it proves nothing."""
    verdict = _deposed(stage, STRICT)
    assert not verdict.anomalies
    assert verdict.judged > 50
    assert any(check.sidecar == "b" and "STATE_STALE" in check.codes for check in stage.history.checks)


def test_a_deposed_primary_wakes_up_and_nobody_must_acknowledge(stage: Stage) -> None:
    """Without acknowledgements it gives proofs, and the sidecar that asks it allows what is locked."""
    verdict = _deposed(stage, "?acks=0")
    assert "allowed after a lockout" in verdict.kinds()
