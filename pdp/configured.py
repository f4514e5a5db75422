"""The parts of a process as its settings say: bundle, core, times of the freshness protocol."""

import os
from pathlib import Path

from pdp._core import Core
from pdp.config import Settings
from pdp.policy.bundle import Bundle, load_bundle
from pdp.records.store import LeaseMismatchError, RecordStore
from pdp.records.timing import Timing


def configured_bundle(policy: str | os.PathLike[str], settings: Settings) -> Bundle:
    """The bundle, loaded within the settings' limits. Raises BundleError."""
    return load_bundle(
        Path(policy),
        opa=settings.opa or None,
        cache_dir=Path(settings.policy_cache).expanduser(),
        evaluation_limit_ms=settings.evaluation_limit_ms,
        evaluation_memory_bytes=settings.evaluation_memory_mib << 20,
    )


def configured_core(settings: Settings, shards: int = 1) -> Core:
    """An empty core with the settings' limits, for records that are spread over so many shards."""
    return Core(
        cache_bytes=settings.cache_bytes,
        clock_skew_ms=round(settings.clock_skew_seconds * 1000),
        freshness_wait_ms=settings.freshness_wait_ms,
        max_request_bytes=settings.max_request_bytes,
        shards=shards,
        on_demand_bytes=settings.on_demand_mib << 20 if settings.records_mode == "on_demand" else 0,
    )


def configured_timing(store: RecordStore, settings: Settings) -> Timing:
    """The times of the freshness protocol on this store.

    Raises:
        LeaseMismatchError: the settings name another staleness than the store: sidecars that disagree on it
            would break what a lockout promises.
        StoreError: the store cannot be read, or was never initialised.
    """
    parameters = store.parameters()
    wanted_ms = round(settings.max_staleness_seconds * 1000)
    if wanted_ms not in (0, parameters.lease_ms):
        raise LeaseMismatchError(
            f"max_staleness_seconds is {wanted_ms / 1000:g}, but the record store was initialised with "
            f"{parameters.lease_ms / 1000:g}; leave the setting out, or change the store with "
            "`pdp records init --change`."
        )
    return Timing.of(parameters, store.promotion_seconds)
