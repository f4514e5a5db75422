"""Starts a real sidecar without one of the barrier's protections: `python -m tests.faults.weak_sidecar NAME
serve …`. For tests of tests only: no setting of pdp does this."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pdp.records.follow
import pdp.records.redis_scripts
import pdp.records.shard
import pdp.serve
from pdp.cli.main import main
from pdp.records.shard import ShardFollower
from tests.simulation import protections
from tests.simulation.fleet import Undrained


def _asked_before() -> None:
    """A proof lasts from the moment at which it came."""
    _replace(pdp.records.follow, "ShardFollower", protections.AskedAfter)


def _first_proof() -> None:
    """A state is published before the sidecar is registered."""
    _replace(pdp.records.follow, "ShardFollower", protections.Unregistered)


def _head_held() -> None:
    """A proof counts whether or not the state holds the head that it named."""
    _replace(pdp.records.shard, "History", protections.AnyHead)


def _drain() -> None:
    """A state counts as drained as soon as there is a later one."""

    class WithoutDrain(ShardFollower):
        def __init__(self, store: Any, core: Any, *rest: Any) -> None:
            super().__init__(store, Undrained(core), *rest)  # type: ignore[arg-type]

    _replace(pdp.records.follow, "ShardFollower", WithoutDrain)


def _silence() -> None:
    """Whoever is behind is forgotten."""
    _replace(pdp.serve, "Barrier", protections.Hasty)


def _incarnation() -> None:
    """A store that was emptied and initialised again is the same epoch, as the replication id is."""
    read = pdp.records.redis_scripts._read
    own = " .. ':' .. stands[4]"

    def without(file: str) -> str:
        text = read(file)
        assert file != "prelude.lua" or own in text
        return text.replace(own, "")

    _replace(pdp.records.redis_scripts, "_read", without)


def _replace(module: ModuleType, name: str, part: object) -> None:
    assert hasattr(module, name), f"{module.__name__} has no {name} any more"
    setattr(module, name, part)


WITHOUT: dict[str, Callable[[], None]] = {
    "asked-before": _asked_before,
    "first-proof": _first_proof,
    "head-held": _head_held,
    "drain": _drain,
    "silence": _silence,
    "incarnation": _incarnation,
}


def program(name: str) -> tuple[str, ...]:
    """What Python runs to start one."""
    return "-m", "tests.faults.weak_sidecar", name, "serve", "--json"


if __name__ == "__main__":
    WITHOUT[sys.argv[1]]()
    main(sys.argv[2:])
