"""Records that the core holds only as far as they are used, fetched by a thread of the host's."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import pytest

from pdp._core import Core, Policy, RequestError
from tests.unit.core.writes import write

CHAIN = bytes(range(20))

Ask = Callable[[Core, str], dict[str, Any]]
Door = Callable[..., tuple[str, str, bytes, int]]


class _Store:
    """A thread that supplies what is missed, from records at sequence number 1."""

    def __init__(self, core: Core, records: dict[str, bytes]) -> None:
        self._core, self._records = core, records
        self._stopping = False
        self.batches: list[list[tuple[str, str]]] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            missed = self._core.take_misses(0.05)
            if missed:
                self.batches.append(missed)
                time.sleep(0.02)
                found = [(kind, key, self._records.get(key), 1) for kind, key in missed]
                assert self._core.supply(0, found, 1)


def _samples(core: Core) -> dict[str, Any]:
    return {name: values[0][1] for name, _, _, _, values in core.metrics() if values}


def _core(doors: Policy, *, wait_ms: int = 10_000, on_demand_bytes: int = 100_000) -> Core:
    core = Core(on_demand_bytes=on_demand_bytes, freshness_wait_ms=wait_ms)
    core.set_policy(doors)
    core.install(0, core.snapshot(), 1, CHAIN)
    return core


def test_a_decision_waits_for_the_records_that_it_needs(doors: Policy, ask: Ask, door: Door) -> None:
    core = _core(doors)
    with _Store(core, {"x": door("x")[2]}) as store:
        assert [ask(core, name)["allow"] for name in ("x", "none", "x", "none")] == [True, False, True, False]
        assert store.batches == [[("door", "x")], [("door", "none")]]
        core.apply(0, [write(door("none", 2), ("door", "x", None, 2))], 2, CHAIN)
        assert [ask(core, name)["allow"] for name in ("x", "none")] == [False, True]
    samples = _samples(core)
    assert (samples["pdp_on_demand_entries"], samples["pdp_on_demand_misses_total"]) == (2, 2)
    assert samples["pdp_on_demand_hits_total"] >= 4
    assert samples["pdp_on_demand_bytes"] > 0


def test_the_misses_of_a_batch_are_fetched_together(doors: Policy, door: Door) -> None:
    core = _core(doors)
    requests = [
        json.dumps(
            {
                "subject": {"type": "user", "id": "alice"},
                "action": {"name": "pass"},
                "resource": {"type": "door", "id": str(number)},
            }
        ).encode()
        for number in range(50)
    ]
    with _Store(core, {"7": door("7")[2]}) as store:
        answers = [
            json.loads(answer)
            for answer in core.check_batch(requests)
            if not isinstance(answer, RequestError)
        ]
        assert [place for place, answer in enumerate(answers) if answer["allow"]] == [7]
        assert len(answers) == 50
        assert len(store.batches) <= 3
    assert sorted(key for batch in store.batches for _, key in batch) == sorted(map(str, range(50)))


def test_what_does_not_come_in_time_is_a_denial(doors: Policy, ask: Ask) -> None:
    core = _core(doors, wait_ms=30)
    began = time.monotonic()
    answer = ask(core, "x")
    assert time.monotonic() - began < 5
    assert [reason["code"] for reason in answer["reasons"]] == ["STATE_UNAVAILABLE"]
    assert answer["state_token"] == core.state_token()
    assert core.take_misses(0.0) == [("door", "x")]


def test_records_larger_than_the_bound_are_still_decided_on(doors: Policy, ask: Ask, door: Door) -> None:
    core = _core(doors, on_demand_bytes=50)
    with _Store(core, {"x": door("x")[2]}):
        assert [ask(core, "x")["allow"] for _ in range(3)] == [True, True, True]
    samples = _samples(core)
    assert samples["pdp_on_demand_entries"] == 0


def test_a_core_that_holds_every_record_misses_none(doors: Policy) -> None:
    core = Core()
    core.set_policy(doors)
    core.install(0, core.snapshot(), 1, CHAIN)
    began = time.monotonic()
    assert core.take_misses(0.05) == []
    assert time.monotonic() - began >= 0.05
    assert core.supply(0, [], 1)
    assert not core.supply(0, [], 2)
    with pytest.raises(ValueError, match="wait_seconds"):
        core.take_misses(-1.0)
