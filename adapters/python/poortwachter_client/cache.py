"""Answers that are kept, and the watches under which they may be used. No input or output happens here.

A kept answer belongs to the watch of the sidecar that gave it. It may be used until that watch forgets it or
is lost, under that watch's lease, and before the moment at which the clock alone changes it.
"""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from poortwachter_client.clock import Clock
from poortwachter_client.contract.decision_pb2 import CheckResponse
from poortwachter_client.contract.decision_service_pb2 import WatchRequest, WatchResponse
from poortwachter_client.decision import Decision
from poortwachter_client.messages import nanoseconds

_MOST_PING_NS = 1_000_000_000
_LEAST_PING_NS = 20_000_000
_PATIENCE_NS = 5_000_000_000
# What Python needs for a decision besides what was sent, and in place of it: an estimate on the high side.
_ENTRY_BYTES = 1_500
_FACTOR = 6


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """How much is kept, and how the clock is trusted.

    Attributes:
        max_entries: at most so many answers; the least recently used go first.
        max_bytes: about so many bytes, by an estimate of what Python needs for them.
        clock_rate_error: largest error of the rate of this machine's clock or the sidecar's; at least the one
            that the store was initialised with (`pdp records init`).
    """

    max_entries: int = 10_000
    max_bytes: int = 64 << 20
    clock_rate_error: float = 0.1

    def __post_init__(self) -> None:
        """Raises ValueError when a value makes no sense."""
        if self.max_entries < 0 or self.max_bytes < 0:
            raise ValueError("cache: max_entries and max_bytes cannot be negative")
        if not 0 <= self.clock_rate_error < 1:
            raise ValueError("cache: clock_rate_error must be at least 0 and below 1")

    def shortened(self, lease_ns: int) -> int:
        """A lease by the sidecar's clock, as this machine's may count it."""
        ppm = math.ceil(self.clock_rate_error * 1e6)
        return lease_ns * (1_000_000 - ppm) // (1_000_000 + ppm)


@dataclass(frozen=True, slots=True)
class _Kept:
    decision: Decision
    watch: "Watch"
    tags: tuple[str, ...]
    bytes: int
    wall_until_ns: int | None
    # As long on the steady clock: the wall's may be set back.
    steady_until_ns: int


class Cache:
    """The answers of all watches. Safe to use from many threads.

    INVARIANT: entries, and what watches were told, change under one lock. An answer is found, and its lease
    compared with the clock, under that lock too: so a message is acknowledged only when no answer that it
    makes wrong can still pass that comparison.
    """

    def __init__(self, clock: Clock, options: CacheOptions) -> None:
        self.clock, self.options = clock, options
        self.lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """About how many bytes are kept."""
        return self._bytes

    def find(self, key: str) -> Decision | None:
        """The answer that is kept under a key, if it may be used now."""
        with self.lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if kept.wall_until_ns is not None and self.clock.wall_ns() >= kept.wall_until_ns:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            until_ns = min(kept.watch.leased_until_ns, kept.steady_until_ns)
            # The clock is read as the last act, so that a pause anywhere before it counts.
            return kept.decision if self.clock.steady_ns() < until_ns else None

    def put(self, key: str, kept: _Kept) -> None:
        """Keeps an answer; the caller holds the lock."""
        if key in self._kept:
            self._drop(key)
        if kept.bytes > self.options.max_bytes or self.options.max_entries < 1:
            return
        while (
            self._bytes + kept.bytes > self.options.max_bytes or len(self._kept) >= self.options.max_entries
        ):
            self._drop(next(iter(self._kept)))
        self._kept[key] = kept
        self._bytes += kept.bytes
        for tag in kept.tags:
            kept.watch.tagged.setdefault(tag, set()).add(key)
        kept.watch.keys.add(key)

    def drop(self, keys: set[str]) -> None:
        """Forgets what is kept under some keys; the caller holds the lock."""
        for key in list(keys):
            self._drop(key)

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key)
        self._bytes -= kept.bytes
        kept.watch.keys.discard(key)
        for tag in kept.tags:
            keys = kept.watch.tagged.get(tag, set())
            keys.discard(key)
            if not keys:
                kept.watch.tagged.pop(tag, None)


class Watch:
    """One `Watch` stream, from its first ping until it is lost: what to send, and what an answer means.

    Another stream is another object, as it begins with nothing kept and nothing told.
    """

    def __init__(self, cache: Cache) -> None:
        self.leased_until_ns = 0
        self.keys: set[str] = set()
        self.tagged: dict[str, set[str]] = {}
        self._cache, self._clock = cache, cache.clock
        self._lost = self._told = False
        self._generation = 0
        self._sequences: tuple[int, ...] = ()
        self._sent: dict[int, int] = {}
        self._pings = 0
        self._lease_ns = 4 * _LEAST_PING_NS

    @property
    def begun(self) -> bool:
        """Whether answers can be kept: it was told a state, and is not lost."""
        return not self._lost and self._generation != 0

    @property
    def is_lost(self) -> bool:
        """Whether the stream has ended."""
        return self._lost

    @property
    def told(self) -> bool:
        """Whether it was ever told anything."""
        return self._told

    @property
    def ping_seconds(self) -> float:
        """How long to wait before the next ping: well below the lease."""
        return min(max(self._lease_ns // 4, _LEAST_PING_NS), _MOST_PING_NS) / 1e9

    @property
    def silent(self) -> bool:
        """Whether a ping has waited for its answer for so long that the stream is as good as lost."""
        with self._cache.lock:
            oldest = next(iter(self._sent.values()), None)
        return oldest is not None and self._clock.steady_ns() - oldest > _PATIENCE_NS

    def ping(self) -> WatchRequest:
        """What to send now. The lease in its answer counts from this call."""
        with self._cache.lock:
            self._pings += 1
            self._sent[self._pings] = self._clock.steady_ns()
            return WatchRequest(ping=self._pings, generation=self._generation, sequences=self._sequences)

    def take(self, message: WatchResponse) -> bool:
        """Forgets what a message names, then takes its lease. Gives whether to acknowledge it at once."""
        with self._cache.lock:
            if self._lost:
                return False
            self._told = True
            if message.generation != self._generation:
                self._cache.drop(self.keys)
            for tag in message.forget:
                self._cache.drop(self.tagged.get(tag, set()))
            self._generation, self._sequences = message.generation, tuple(message.sequences)
            if message.ping:
                self._lease(message)
            return bool(message.forget) or not message.ping

    def _lease(self, message: WatchResponse) -> None:
        sent_ns = self._sent.get(message.ping)
        for number in [number for number in self._sent if number <= message.ping]:
            del self._sent[number]
        if sent_ns is None or not message.HasField("lease"):
            return  # an answer to no ping of ours grants nothing
        self._lease_ns = nanoseconds(message.lease)
        self.leased_until_ns = max(
            self.leased_until_ns, sent_ns + self._cache.options.shortened(self._lease_ns)
        )

    def lost(self) -> None:
        """The stream has ended, or is given up: everything is forgotten, and nothing is kept any more."""
        with self._cache.lock:
            self._lost = True
            self.leased_until_ns = 0
            self._cache.drop(self.keys)

    def keep(self, key: str, response: CheckResponse, decision: Decision) -> None:
        """Keeps an answer to a call that began when this stream was open already, if its terms allow it."""
        terms, clock = response.cache, self._clock
        wall_until_ns, steady_until_ns = None, 2**63
        if response.HasField("valid_until"):
            # The steady clock first: what passes between the two readings shortens.
            steady_ns = clock.steady_ns()
            wall_until_ns = nanoseconds(response.valid_until)
            steady_until_ns = steady_ns + wall_until_ns - clock.wall_ns()
        tags = tuple(terms.tags)
        size = _ENTRY_BYTES + len(key) + _FACTOR * response.ByteSize() + 200 * len(tags)
        kept = _Kept(replace(decision, cached=True), self, tags, size, wall_until_ns, steady_until_ns)
        with self._cache.lock:
            fits = terms.generation == self._generation and len(terms.sequences) == len(self._sequences)
            newer = all(own >= told for own, told in zip(terms.sequences, self._sequences, strict=False))
            if response.HasField("cache") and self.begun and self._sequences and fits and newer:
                self._cache.put(key, kept)
