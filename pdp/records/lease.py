"""The lease that all sidecars on a store agree on: another one is refused, and changing it takes time."""

import time
from collections.abc import Callable
from dataclasses import replace

from pdp.records.store import LeaseMismatchError, Parameters, StoreError
from pdp.records.timing import Clock, Timing, boottime_ns


def check_parameters(parameters: Parameters) -> None:
    """Raises StoreError for parameters that no store can have."""
    if not 0 < parameters.lease_ms <= 3_600_000:
        raise StoreError(f"The lease must be up to an hour, not {parameters.lease_ms} ms.")
    if not 0 <= parameters.clock_rate_ppm <= 500_000:
        raise StoreError(f"The clock rate must be up to 500,000 ppm, not {parameters.clock_rate_ppm}.")
    if not 1 <= parameters.shards <= 1_024:
        raise StoreError(f"There can be 1 to 1,024 shards, not {parameters.shards}.")


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
