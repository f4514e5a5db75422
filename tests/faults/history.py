"""What happened in a run, as its clients saw it: every check and every write with its begin and end, all on
one clock (CLOCK_MONOTONIC of this machine, nanoseconds), and what was done to the system meanwhile."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

Lock = str
"""What a write closes or opens: "door/3" or "ward/1"; who meets only open ones passes."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `allow` None: it got no answer, `error` says what it got instead."""

    began: int
    ended: int
    sidecar: str
    locks: tuple[Lock, ...]
    allow: bool | None
    codes: tuple[str, ...] = ()
    token: str = ""
    error: str = ""


class Ended(Enum):
    """What a writer knows of its write."""

    DONE = "done"
    """It holds everywhere: the barrier said so."""
    STORED = "stored"
    """It is durable; every sidecar decides on it once older proofs of freshness have run out."""
    REFUSED = "refused"
    """Nothing was written."""
    UNKNOWN = "unknown"
    """It may stand, or come to stand at any later time."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write with all its repetitions. The writes of one lock never overlap, but for unknown ones, which
    may take effect later."""

    began: int
    ended: int
    sidecar: str
    locks: tuple[Lock, ...]
    opens: bool
    how: Ended
    path: str = ""
    waited_ms: int = 0
    settled: bool = False
    token: str = ""
    attempts: int = 1
    error: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """While this lasts a sidecar is killed, stopped or starting, and owes no answers."""

    sidecar: str
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Stop:
    """While this lasts a sidecar's process is stopped; its answers come later."""

    sidecar: str
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Loss:
    """The store was emptied, or an old copy put back, so writes are lost that were acknowledged.

    `kept`: writes that had returned by then are still in the store; None: none are.
    """

    began: int
    ended: int
    kept: int | None = None


@dataclass(frozen=True, slots=True)
class Final:
    """A sidecar's answers for every door, when all is quiet again, and the state `at` which it gave them."""

    sidecar: str
    at: str
    answers: Mapping[Lock, tuple[bool, tuple[str, ...]]]


@dataclass(slots=True)
class History:
    """A run.

    Attributes:
        wait_ns: for so long any proof of freshness may last.
        gateway_timeout_ns: for so long gateways wait for an answer.
        way_ns: for so long an answer that has left its sidecar may be on its way, on this busy machine.
        stored: what the store holds in the end: whether a lock is open; None: there is no such record.
    """

    wait_ns: int
    gateway_timeout_ns: int = 1_000_000_000
    way_ns: int = 1_000_000_000
    checks: list[Check] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    finals: list[Final] = field(default_factory=list)
    stored: dict[Lock, bool | None] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Writes it as JSON Lines, to look at what a checker found."""
        kinds: dict[str, Iterable[Any]] = {
            "check": self.checks,
            "write": self.writes,
            "outage": self.outages,
            "stop": self.stops,
            "loss": self.losses,
            "final": self.finals,
        }
        with path.open("w", encoding="utf-8") as file:
            for kind, events in kinds.items():
                for event in events:
                    file.write(json.dumps({"kind": kind, **asdict(event)}, default=lambda how: how.value))
                    file.write("\n")

    def numbers(self) -> dict[str, Any]:
        """What it amounts to."""
        waits = {
            path: sorted(write.waited_ms for write in self.writes if write.path == path)
            for path in ("fast", "timed")
        }
        slowest = max((each.ended - each.began for each in self.checks if each.allow is not None), default=0)
        return {
            "checks": len(self.checks),
            "allowed": sum(check.allow is True for check in self.checks),
            "denied": dict(Counter(code for check in self.checks for code in check.codes)),
            "unanswered": sum(check.allow is None for check in self.checks),
            "slowest_ms": slowest // 1_000_000,
            "writes": dict(Counter(write.how.value for write in self.writes)),
            "repeated": sum(write.attempts > 1 for write in self.writes),
            "barriers": {
                path: {"number": len(each), "median_ms": each[len(each) // 2], "longest_ms": each[-1]}
                for path, each in waits.items()
                if each
            },
        }
