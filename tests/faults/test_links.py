"""Links between sidecars and Redis that are cut, hang or are slow, in either direction; no Redis at all."""

import time
from collections.abc import Callable

import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.end_to_end.sidecar import health, http, until
from tests.faults.fleet import Place
from tests.faults.links import FROM_SERVER, TO_SERVER, Link
from tests.faults.stage import LEASE_SECONDS, Stage
from tests.faults.workload import Pace

TROUBLES: dict[str, Callable[[Link], None]] = {
    "cut": Link.cut,
    "sent is swallowed": lambda link: link.hang(TO_SERVER),
    "answers are swallowed": lambda link: link.hang(FROM_SERVER),
    "slow to the server": lambda link: link.slow(TO_SERVER, 400, jitter=200),
    "slow from the server": lambda link: link.slow(FROM_SERVER, 400, jitter=200),
    "slower than a lease, to the server": lambda link: link.slow(TO_SERVER, 1_500),
    "slower than a lease, from the server": lambda link: link.slow(FROM_SERVER, 1_500),
    "reset": lambda link: link.reset(FROM_SERVER, 50),
}


@pytest.mark.parametrize("half", [0, 1], ids=["first half", "second half"])
def test_links_in_trouble(single: Stage, half: int) -> None:
    """One sidecar after the other; the others, and their barriers, are held up for a lease at most."""
    with (workload := single.workload(writers=3)):
        for number, trouble in enumerate([*TROUBLES.values()][half::2]):
            name = sorted(single.links)[(number + half) % 3]
            trouble(single.links[name])
            time.sleep(1.4 * LEASE_SECONDS)
            single.links[name].repair()
            time.sleep(0.3)
    single.passes(workload)
    assert single.barriers("timed") >= 2


def test_redis_cannot_be_reached(single: Stage) -> None:
    """Answers go on until the lease is over, are denials then, and come back by themselves; health and
    metrics say so at each step."""
    a = single.fleet["a"]
    with (workload := single.workload(pace=Pace(check_seconds=0.002), through=("b",))):
        time.sleep(0.5)
        _says(a, fresh=True)
        cut = time.monotonic_ns()
        single.links["a"].cut()
        time.sleep(0.3 * LEASE_SECONDS)
        _says(a, fresh=True)
        until(lambda: a.metric("pdp_state_fresh") == 0, 3, "staleness")
        stale = time.monotonic_ns()
        _says(a, fresh=False)
        failed = a.metric("pdp_beats_total", outcome="failed")
        time.sleep(LEASE_SECONDS)
        _says(a, fresh=False)
        assert a.metric("pdp_beats_total", outcome="failed") > failed
        single.links["a"].repair()
        repaired = time.monotonic_ns()
        until(lambda: a.metric("pdp_state_fresh") == 1, 5, "recovery")
        _says(a, fresh=True)
        time.sleep(0.3)
    single.passes(workload, judged=50)
    asked = [check for check in single.history.checks if check.sidecar == "a"]
    early = [check for check in asked if cut < check.began and check.ended < cut + 0.7 * LEASE_SECONDS * 1e9]
    assert early
    assert not any("STATE_STALE" in check.codes for check in early)
    late = [check for check in asked if stale < check.began and check.ended < repaired]
    assert late
    assert all(check.codes == ("STATE_STALE",) for check in late)
    # A proof lasts from the moment before it was asked for, so never longer than this.
    assert stale - cut < 1.5 * LEASE_SECONDS * 1e9


def _says(place: Place, *, fresh: bool) -> None:
    """A sidecar that denies as its state is stale is ready all the same, and says what is wrong."""
    assert place.sidecar
    ready = place.ready()
    assert (ready["status"], ready["state"]) == (200, "fresh" if fresh else "stale"), ready
    assert (ready["fresh_for_ms"] > 0) == fresh
    assert http(place.sidecar.http, "/healthz/fresh")[0] == (200 if fresh else 503)
    assert health(place.sidecar.channel()) == HealthCheckResponse.SERVING
    assert place.metric("pdp_ready") == 1
    assert place.metric("pdp_state_fresh") == float(fresh)
    assert (place.metric("pdp_state_fresh_for_seconds") > 0) == fresh
