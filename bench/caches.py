"""The decision cache under load: how it is filled, and what it holds and answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.load import Load, Target, measure_once
from bench.servers import Server

GROWTH = 0.01
MOST_RUNS = 40
_HITS = "pdp_decision_cache_hits_total"
_MISSES = "pdp_decision_cache_misses_total"
_ENTRIES = "pdp_decision_cache_entries"
_BYTES = "pdp_decision_cache_bytes"


@dataclass(frozen=True)
class Lookups:
    """How many calls a server's cache answered so far, and how many it did not."""

    hits: float
    misses: float

    @classmethod
    def of(cls, server: Server) -> "Lookups":
        """Of a server until now."""
        return cls(server.counter(_HITS), server.counter(_MISSES))

    def since(self, before: "Lookups") -> "Lookups":
        """Those after an earlier moment."""
        return Lookups(self.hits - before.hits, self.misses - before.misses)

    def and_more(self, more: "Lookups") -> "Lookups":
        """Together with those of another server."""
        return Lookups(self.hits + more.hits, self.misses + more.misses)

    @property
    def asked(self) -> float:
        """All calls that asked it."""
        return self.hits + self.misses

    @property
    def rate(self) -> float:
        """The part that was answered from the cache."""
        return self.hits / self.asked if self.asked else 0.0


@dataclass(frozen=True)
class Held:
    """What a cache holds: decisions, and their bytes as it counts them."""

    entries: int
    bytes: int

    @classmethod
    def of(cls, server: Server) -> "Held":
        """Of a server now."""
        return cls(int(server.counter(_ENTRIES)), int(server.counter(_BYTES)))


def fill(target: Target, seconds: float, say: Callable[[str], None]) -> Held:
    """Sends the target's requests, in its order, until what its cache holds grows no more (by 1 % in a run).

    Without an order each request is sent in turn, so that a cache with room for all comes to hold all.
    """
    held = Held(0, 0)
    for _ in range(MOST_RUNS):
        say(f"filling the cache: {target.name}: {held.entries:,} decisions, {held.bytes >> 20:,} MiB")
        begun = int(Lookups.of(target.server).asked) if target.order is None else None
        measure_once(target, Load(seconds, 0.0, start=begun))
        before, held = held, Held.of(target.server)
        if held.bytes <= before.bytes * (1 + GROWTH):
            break
    return held


def fill_with_each(target: Target, seconds: float, say: Callable[[str], None]) -> Held:
    """As `fill`, each of the target's requests in turn instead of its own order."""
    return fill(replace(target, order=None), seconds, say)
