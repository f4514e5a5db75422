"""Each protection of the barrier, left out of real sidecars: the checker finds what then gets past a lockout.
With it, the same trouble gives nothing. A checker that never finds anything proves nothing."""

import itertools
import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.faults.checker import judge
from tests.faults.history import Ended, Lock
from tests.faults.links import FROM_SERVER, TO_SERVER
from tests.faults.nodes import Node
from tests.faults.stage import Stage
from tests.faults.weak_sidecar import program
from tests.faults.workload import Pace, Workload

TRIES = 6
VICTIM = "b"
DOOR, WARD = "door/0", "ward/0"


def _late_proofs(stage: Stage, node: Node, workload: Workload) -> None:
    """Answers of the store take longer than the lease, so each is old news when it comes."""
    stage.links[VICTIM].slow(FROM_SERVER, 1_800)
    time.sleep(2.5)
    _close(workload, seconds=1.0)


def _joining(stage: Stage, node: Node, workload: Workload) -> None:
    """A sidecar starts over a slow link, while doors are closed one after the other."""
    stage.fleet.kill(VICTIM, signal.SIGTERM)
    stage.links[VICTIM].slow(TO_SERVER, 400)
    over = threading.Event()

    def close_on() -> None:
        for door in itertools.cycle(workload.doors):
            _close(workload, seconds=0.1, door=door)
            if over.is_set():
                return

    closing = threading.Thread(target=close_on)
    closing.start()
    stage.fleet.start(VICTIM)
    time.sleep(0.6)
    over.set()
    closing.join()


def _hanging(stage: Stage, node: Node, workload: Workload) -> None:
    """Beats get through a narrow link in time, a large change of the history does not."""
    stage.links[VICTIM].narrow(FROM_SERVER, kilobytes_per_second=20)
    workload.write_large(300_000, to=stage.fleet["a"])
    _close(workload, seconds=1.0)


def _cut_off(stage: Stage, node: Node, workload: Workload) -> None:
    """A sidecar is cut off with a fresh proof in its hands."""
    stage.links[VICTIM].cut()
    _close(workload, seconds=0.5)


def _emptied(stage: Stage, node: Node, workload: Workload) -> None:
    """One is cut off, the store is emptied and initialised at once, and a door of the new history closed."""
    stage.links[VICTIM].cut()
    with stage.losing():
        node.call("FLUSHALL")
        stage.initialise(node.url)
    _close(workload, seconds=0.5)


def _long_answers(stage: Stage, node: Node, workload: Workload) -> None:
    """Evaluations are under way that take long, when their door is closed."""
    stage.history.way_ns = 300_000_000
    stage.settle()
    workload.ask_long(stage.fleet[VICTIM], DOOR)
    time.sleep(0.1)
    _close(workload, seconds=1.0)


def _close(workload: Workload, seconds: float, door: Lock = DOOR) -> None:
    """Closes a door by way of the other sidecar, looks on for a while, and opens it again."""
    workload.watch(door)
    closed = workload.write([door], opens=False, to=workload.fleet["a"])
    assert closed.how is Ended.DONE, closed
    time.sleep(seconds)
    workload.write([door], opens=True, to=workload.fleet["a"])


TROUBLES: dict[str, Callable[[Stage, Node, Workload], None]] = {
    "asked-before": _late_proofs,
    "first-proof": _joining,
    "head-held": _hanging,
    "silence": _cut_off,
    "incarnation": _emptied,
    "drain": _long_answers,
}


def _run(stage: Stage, trouble: str, tries: int) -> bool:
    """Whether the checker finds something within some tries."""
    node = stage.primary
    with (workload := stage.workload(writers=0, doors=3, pace=Pace(check_seconds=0.002))):
        for _ in range(tries):
            workload.write([DOOR, WARD], opens=True, to=stage.fleet["a"])
            stage.fresh(VICTIM)
            TROUBLES[trouble](stage, node, workload)
            stage.links[VICTIM].repair()
            if judge(stage.history).anomalies:
                break
    verdict = stage.rest(workload)
    assert verdict.judged > 20, "too little was seen"
    assert verdict.kinds() <= {"allowed after a lockout", "answered after a fast lockout"}, verdict.anomalies
    return bool(verdict.anomalies)


@pytest.mark.parametrize("name", TROUBLES)
def test_without_a_protection_something_gets_past_a_lockout(stage: Stage, name: str) -> None:
    stage.single(program=program(name), names=("a", VICTIM))
    assert _run(stage, name, TRIES), f"no anomaly in {TRIES} tries"


@pytest.mark.parametrize("name", TROUBLES)
def test_with_it_nothing_does(single: Stage, name: str) -> None:
    assert not _run(single, name, 1)
