"""The times of the freshness protocol, from what the store's processes agree on and how it fails over.

Source: the lockout protocol, section 4 (`docs/decisions`). Everything is in nanoseconds of a process's own
CLOCK_BOOTTIME, which counts suspended time too; no wall clock takes part.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pdp.records.store import Parameters

Clock = Callable[[], int]
"""Nanoseconds; only differences mean something."""

_MS = 1_000_000


def boottime_ns() -> int:
    """This machine's CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things last.

    Attributes:
        lease_ns: L; a proof asked for at t0 lasts until t0 + L.
        beat_ns: H; pause between two beats of a sidecar, drawn from 80 to 120 % of this.
        wait_ns: W; after this long on any clock every proof from before has run out on every clock.
        settle_ns: S; an epoch observed for this long has a complete registry.
    """

    lease_ns: int
    beat_ns: int
    wait_ns: int
    settle_ns: int

    @classmethod
    def of(
        cls, parameters: Parameters, promotion_seconds: float = 0.0, granularity_ms: int = 100
    ) -> "Timing":
        """The times for a store.

        Args:
            parameters: what the store was initialised with.
            promotion_seconds: D; 0 when every replica must acknowledge (strict), otherwise
                within what time of a promotion replicas stop to acknowledge to the old primary (relaxed).
            granularity_ms: of timers.
        """
        rate = parameters.clock_rate_ppm / 1_000_000
        lease = parameters.lease_ms * _MS
        wait = int(lease * (1 + rate) / (1 - rate)) + granularity_ms * _MS
        return cls(
            lease_ns=lease,
            beat_ns=lease // 4,
            wait_ns=wait,
            settle_ns=wait + int(promotion_seconds * 1_000_000_000 * (1 + rate)),
        )
