"""The lease that all sidecars on a store agree on: another one is refused, and changing it takes time."""

import time
from collections.abc import Callable
from dataclasses import replace

from pdp.records.store import LeaseMismatchError, Parameters
from pdp.records.timing import Clock, Timing, boottime_ns


def lease_mismatch(lease_ms: int, configured_ms: int) -> LeaseMismatchError:
    """Why a sidecar gets no proof: the store's lease (0: it is being changed) is not the configured one."""
    if not lease_ms:
        return LeaseMismatchError(
            "The store's lease is being changed; no sidecar can decide until that is done."
        )
    return LeaseMismatchError(
        f"The store's lease is {lease_ms} ms, and this sidecar is configured for {configured_ms} ms."
    )


def wait_until_proofs_ran_out(
    old: Parameters,
    new: Parameters,
    promotion_seconds: float,
    *,
    clock: Clock = boottime_ns,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Returns when every proof of the old parameters, given before the call, has run out on every clock.

    Args:
        old: what the proofs were given under.
        new: what is to follow; of the two clock rates the worse one counts.
        promotion_seconds: for how long a deposed primary may still give such proofs, 0: not at all.
        clock: nanoseconds of CLOCK_BOOTTIME.
        pause: sleeps for some seconds.
    """
    rate = max(old.clock_rate_ppm, new.clock_rate_ppm)
    ends = clock() + Timing.of(replace(old, clock_rate_ppm=rate), promotion_seconds).settle_ns
    while (left := ends - clock()) > 0:
        # Short sleeps, as a suspended machine's time counts on this clock but not in a sleep.
        pause(min(left / 1e9, 0.5))
