"""Shards, positions and deadlines of the compiled core, as Python uses them."""

import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from pdp._core import Core, Policy
from tests.unit.core.writes import write

CHAIN = bytes(range(20))

Ask = Callable[[Core, str], dict[str, Any]]
Door = Callable[..., tuple[str, str, bytes, int]]


def _codes(answer: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


def test_every_shard_must_be_loaded_before_anything_is_decided(doors: Policy, ask: Ask) -> None:
    core = Core(shards=2)
    core.set_policy(doors)
    core.install(1, core.snapshot(), 7, CHAIN)
    assert not core.ready()
    assert core.state_token() == ""
    assert _codes(ask(core, "x")) == ["STATE_UNAVAILABLE"]
    core.install(0, core.snapshot(), 3, CHAIN)
    assert core.ready()
    assert core.state_token() == "3.00010203,1:7.00010203"
    assert ask(core, "x")["state_token"] == core.state_token()
    for number in (2, 99):
        with pytest.raises(ValueError, match="no shard"):
            core.drained(number)
    with pytest.raises(ValueError, match="at least 1"):
        Core(shards=0)


def test_records_are_spread_as_zlib_says(doors: Policy, ask: Ask, door: Door) -> None:
    shards = 5
    core = Core(shards=shards)
    core.set_policy(doors)
    for shard in range(shards):
        core.install(shard, core.snapshot(), 0, CHAIN)
    for number in range(20):
        name = f"door-{number}-é"
        shard = zlib.crc32(b"door\0" + name.encode()) % shards
        core.apply((shard + 1) % shards, [write(door(name))], number + 1, CHAIN)
        assert not ask(core, name)["allow"]
        core.apply(shard, [write(door(name, number + 1))], number + 1, CHAIN)
        assert ask(core, name)["allow"]


def test_an_answer_leaves_before_the_deadline_or_not_at_all(doors: Policy, ask: Ask, door: Door) -> None:
    core = Core(manual_clock=True)
    core.set_policy(doors)
    core.set_clock_ns(1_000)
    snapshot = core.snapshot()
    snapshot.add([door("x")])
    core.install(0, snapshot, 1, CHAIN, deadline_ns=2_000)
    assert (core.clock_ns(), core.fresh_for_ns()) == (1_000, 1_000)
    assert ask(core, "x")["allow"]
    core.set_clock_ns(2_000)
    assert _codes(ask(core, "x")) == ["STATE_STALE"]
    assert core.ready(), "a denial with a code is an answer"
    core.prolong(0, 3_000)
    core.prolong(0, 2_500)
    assert (ask(core, "x")["allow"], core.fresh_for_ns()) == (True, 1_000)
    core.apply(0, [write(("door", "x", None, 2))], 2, CHAIN)
    assert (_codes(ask(core, "x")), core.drained(0)) == (["DOOR_CLOSED"], 2)


def test_the_machine_s_clock_counts_boot_time() -> None:
    core = Core()
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before <= core.clock_ns() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with pytest.raises(ValueError, match="clock"):
        core.set_clock_ns(0)


def test_a_snapshot_takes_in_only_what_is_newer(doors: Policy, ask: Ask, door: Door) -> None:
    core = Core()
    core.set_policy(doors)
    snapshot = core.snapshot()
    snapshot.add([door("a", 5), door("b", 5)])
    snapshot.apply([write(("door", "a", None, 4)), write(("door", "b", None, 6)), write(door("c", 7))])
    snapshot.add([door("b", 5)])
    core.install(0, snapshot, 7, CHAIN)
    assert [ask(core, name)["allow"] for name in "abc"] == [True, False, True]
    with pytest.raises(ValueError, match="installed before"):
        core.install(0, snapshot, 8, CHAIN)


def test_events_of_the_host_are_counted() -> None:
    core = Core()
    core.count_event("beat", "proof")
    core.count_event("beat", "proof")
    core.count_event("barrier", "timed")
    samples = {name: dict(_plain(values)) for name, _, _, _, values in core.metrics()}
    assert samples["pdp_beats_total"] == {"proof": 2, "fork": 0, "unconfirmed": 0, "failed": 0}
    assert samples["pdp_barriers_total"] == {"fast": 0, "timed": 1, "pending": 0}
    for unknown in (("beat", "fast"), ("else", "proof")):
        with pytest.raises(ValueError, match="no event"):
            core.count_event(*unknown)


def _plain(values: list[tuple[list[str], Any]]) -> list[tuple[str, Any]]:
    return [(",".join(labels), value) for labels, value in values]


def test_freshness_is_measured(doors: Policy) -> None:
    def gauges(core: Core) -> dict[str, Any]:
        return {name: values[0][1] for name, _, _, _, values in core.metrics() if values}

    core = Core(manual_clock=True)
    assert gauges(core)["pdp_state_fresh"] == 0
    assert "pdp_state_fresh_for_seconds" not in gauges(core)
    core.set_policy(doors)
    core.install(0, core.snapshot(), 4, CHAIN, deadline_ns=1_500_000_000)
    shown = gauges(core)
    assert (shown["pdp_state_fresh"], shown["pdp_state_fresh_for_seconds"]) == (1, 1.5)
    assert shown["pdp_state_sequence"] == 4
    core.set_clock_ns(2_000_000_000)
    shown = gauges(core)
    assert (shown["pdp_state_fresh"], shown["pdp_state_fresh_for_seconds"]) == (0, -0.5)
    core.install(0, core.snapshot(), 4, CHAIN)
    assert gauges(core)["pdp_state_fresh_for_seconds"] == float("inf")
