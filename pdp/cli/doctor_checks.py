"""What `pdp doctor` looks at, one generator a subject; each finding says what is, and what to do."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pdp._core import Core, Policy, RecordError
from pdp.cli.config import settings_of
from pdp.config import Settings, without_password
from pdp.configured import configured_bundle, configured_timing
from pdp.doors import is_loopback, is_loopback_host
from pdp.errors import ConfigError, PdpError
from pdp.records.fleet import FleetMember, fleet
from pdp.records.store import (
    Parameters,
    RecordStore,
    StoredRecord,
    StoreError,
    UninitialisedError,
    open_store,
)
from pdp.records.timing import Timing, boottime_ns

_CLOCK_SECONDS = 0.5
_CLOCK_ERROR = 0.02
# Of records that are refused; the others are counted.
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `level` is "ok", "warn" or "fail"; `advice` what to do, "" for nothing."""

    check: str
    level: str
    text: str
    advice: str = ""


def examine(options: dict[str, Any]) -> Iterator[Finding]:
    """All checks, for the settings that a command's options give."""
    try:
        settings = settings_of(options)
    except ConfigError as error:
        yield Finding("settings", "fail", str(error), "`pdp config show` explains every setting.")
        return
    yield from _settings(settings)
    policy: list[Policy] = []
    yield from _policy(settings, policy)
    yield from _clock()
    yield from _store(settings, policy[0] if policy else None)


def _settings(settings: Settings) -> Iterator[Finding]:
    changed = sum(origin != "default" for origin in settings.origins.values())
    yield Finding("settings", "ok", f"{changed} of {len(settings.origins)} settings are not the default.")
    if not is_loopback(settings.admin):
        yield Finding(
            "settings",
            "warn",
            f"The administrative address {settings.admin} can be reached from other machines.",
            "It asks for no credentials: bind it to a loopback address, or close it off.",
        )
    scheme, _, rest = settings.records.partition("://")
    host = urlsplit(f"//{rest.split(',')[0]}").hostname or ""
    if scheme.startswith("redis") and not scheme.startswith("rediss") and host and not is_loopback_host(host):
        yield Finding(
            "settings",
            "warn",
            f"{without_password(settings.records)} is not encrypted.",
            "The lockout barrier assumes TLS and a password between sidecars and Redis: use rediss://.",
        )


def _policy(settings: Settings, loaded: list[Policy]) -> Iterator[Finding]:
    try:
        bundle = configured_bundle(settings.policy, settings)
    except PdpError as error:
        yield Finding("policy", "fail", str(error), "`pdp policy check` tells more.")
        return
    loaded.append(bundle.policy)
    yield Finding("policy", "ok", f"{settings.policy}, revision {bundle.revision}.")
    for warning in bundle.warnings:
        yield Finding("policy", "warn", warning)
    if not bundle.policy.barrier_kinds:
        yield Finding(
            "policy",
            "warn",
            "No kind of record is declared `wait: all`, so no write waits for all sidecars by itself.",
            "Declare it in bundle.yaml for the kinds that lock out.",
        )


def _clock() -> Iterator[Finding]:
    def read() -> tuple[int, int, int]:
        return boottime_ns(), time.monotonic_ns(), time.time_ns()

    before = read()
    time.sleep(_CLOCK_SECONDS)
    booted, monotonic, wall = (after - start for after, start in zip(read(), before, strict=True))
    if booted <= 0 or abs(booted - monotonic) > _CLOCK_ERROR * monotonic:
        yield Finding(
            "clock",
            "fail",
            f"CLOCK_BOOTTIME went on by {booted / 1e9:.3f} s while {monotonic / 1e9:.3f} s passed.",
            "Freshness is measured with it: fix the machine's clock source, or do not suspend it.",
        )
    else:
        yield Finding("clock", "ok", "CLOCK_BOOTTIME advances.")
    if abs(wall - monotonic) > _CLOCK_ERROR * monotonic:
        yield Finding(
            "clock",
            "warn",
            f"The wall clock went on by {wall / 1e9:.3f} s while {monotonic / 1e9:.3f} s passed.",
            "It is being set: policies that compare times may decide a little early or late.",
        )


def _store(settings: Settings, policy: Policy | None) -> Iterator[Finding]:
    url = without_password(settings.records)
    try:
        store = open_store(settings.records, create=False)
    except StoreError as error:
        yield Finding("store", "fail", str(error), "Check `records`, or make it with `pdp records init`.")
        return
    try:
        yield Finding("store", "ok", f"{url} can be reached.")
        yield from _guarded(_opened(store, settings, policy))
    finally:
        store.close()


def _guarded(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings up to where the store fails, and that."""
    try:
        yield from findings
    except UninitialisedError as error:
        yield Finding(
            "store",
            "fail",
            str(error),
            "Run `pdp records init` once; if it held records before, restore them (docs/operations.md).",
        )
    except PdpError as error:
        yield Finding("store", "fail", str(error))


def _opened(store: RecordStore, settings: Settings, policy: Policy | None) -> Iterator[Finding]:
    parameters = store.parameters()
    timing = configured_timing(store, settings)
    mode = "relaxed" if store.promotion_seconds else "strict"
    acks = f", acknowledgements by replicas {store.acks} ({mode})" if store.acks else ""
    yield Finding(
        "store",
        "ok",
        f"Initialised: staleness at most {parameters.lease_ms / 1000:g} s, clock rate error "
        f"{parameters.clock_rate_ppm / 10_000:g} %, shards {parameters.shards}{acks}.",
    )
    yield from _records(store, parameters.shards, policy)
    if settings.records.startswith("redis"):
        from pdp.cli.doctor_redis import check_redis  # noqa: PLC0415 - needs Redis's client

        yield from check_redis(settings.records, parameters.shards)
    yield from _leases(store, parameters, timing, policy)


def _records(store: RecordStore, shards: int, policy: Policy | None) -> Iterator[Finding]:
    counts = store.counts()
    yield Finding("records", "ok", f"{sum(counts.values()):,} records.")
    if policy is None:
        return
    for kind in sorted(set(counts) - set(policy.kinds)):
        text = f"The bundle declares no kind {kind!r}, of which the store has {counts[kind]:,} records."
        yield Finding("records", "warn", text, "They play no part in decisions; is it the right bundle?")
    number = 0
    for error in _refused(store, shards, policy):
        number += 1
        if number <= _NAMED:
            place = ": ".join(filter(None, (f"{error.kind}/{error.key}", error.field, error.message)))
            yield Finding("records", "fail", f"{place}.", "Write it again as this policy's schema wants it.")
    if number > _NAMED:
        yield Finding("records", "fail", f"So are {number - _NAMED:,} other records.")


def _refused(store: RecordStore, shards: int, policy: Policy) -> Iterator[RecordError]:
    """What is wrong with stored records that the schemas refuse; no sidecar decides on such a state."""
    core = Core()
    core.set_policy(policy)
    for shard in range(shards):
        with store.snapshot(shard) as stored:
            for chunk in stored.chunks():
                try:
                    core.snapshot().add(chunk)
                except RecordError:
                    yield from filter(None, (_refusal(core, record) for record in chunk))


def _refusal(core: Core, record: StoredRecord) -> RecordError | None:
    try:
        core.snapshot().add([record])
    except RecordError as error:
        return error
    return None


def _leases(
    store: RecordStore, parameters: Parameters, timing: Timing, policy: Policy | None
) -> Iterator[Finding]:
    before = [{m.instance: m.number for m in store.members(shard)} for shard in range(parameters.shards)]
    # Two beats at their slowest.
    time.sleep(2 * 1.2 * timing.beat_ns / 1e9)
    members = fleet(store)
    after = [{m.instance: m.number for m in store.members(shard)} for shard in range(parameters.shards)]
    silent = {
        instance
        for now, then in zip(after, before, strict=True)
        for instance, number in now.items()
        if then.get(instance) == number
    }
    if not members:
        yield Finding("leases", "ok", "No sidecar is registered.")
        return
    yield Finding("leases", "ok", f"Sidecars registered: {len(members)}, silent: {len(silent)}.")
    for member in members:
        yield from _member(member, silent=member.instance in silent)
    yield from _revisions(members, policy)


def _member(member: FleetMember, *, silent: bool) -> Iterator[Finding]:
    name = member.name or member.instance
    if silent:
        yield Finding(
            "leases",
            "warn",
            f"{name} gave no sign of life.",
            "It stopped without notice, is cut off from the store, or is overloaded. A write that waits for "
            "all then waits until its lease has run out, and takes it off the list.",
        )
    elif lag := sum(shard.lag for shard in member.shards):
        yield Finding(
            "leases", "warn", f"{name} is {lag} writes behind.", "Look again; it may be catching up."
        )


def _revisions(members: list[FleetMember], policy: Policy | None) -> Iterator[Finding]:
    revisions = {member.policy_revision for member in members if member.policy_revision}
    if policy:
        revisions.add(policy.revision)
    if len(revisions) > 1:
        yield Finding(
            "leases",
            "warn",
            f"Several policy revisions decide: {', '.join(sorted(revisions))}.",
            "During a roll-out that is as it should be.",
        )
