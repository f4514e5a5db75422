"""Writes what was measured of account state in Redis as Markdown."""

from bench.freshness import SIDECARS, STORM_CHANGES, Freshness, Latencies

MIB = 1 << 20


def freshness(measured: Freshness) -> str:
    """The part of the report about Redis."""
    quiet, storm = measured.quiet, measured.storm
    slower = 1 - quiet.cpu_us / storm.cpu_us
    large = measured.large
    return f"""
## Account state in Redis

One Redis and {SIDECARS} sidecars, the sidecars together on one core, Redis, writers and load on the other; 300 checks
a second at each sidecar meanwhile.

| from … to | events | p50 | p99 | most | asked for |
|---|---|---|---|---|---|
| a write is sent, every sidecar has answered a check that sees it | {_row(measured.visible)} | p99 under 10 ms |
| a lockout is sent through a sidecar, it holds everywhere | {_row(measured.barrier)} | - |

{measured.fast} of {measured.barrier.count} lockouts took the fast path.

| {STORM_CHANGES:,} changes a second | decisions/s | CPU per decision |
|---|---|---|
| quiet | {quiet.per_second:,.0f} | {quiet.cpu_us:,.1f} us |
| storm of {measured.storm_changes:,.0f}/s | {storm.per_second:,.0f} | {storm.cpu_us:,.1f} us |

One sidecar alone on its core, every call evaluated, in a closed loop; CPU includes applying the changes. In the storm a core decides
{slower:.0%} less (at most 20 % asked for).

| {large.accounts:,} accounts ({large.records:,} records) in Redis | |
|---|---|
| start until ready, the whole snapshot | {measured.load_seconds:.1f} s |
| memory then | {measured.load_memory / MIB:,.0f} MiB |
| on demand: a check that misses, p50 / p99 | {_times(measured.missed.p50_us, measured.missed.p99_us)} |
| on demand: a check whose records are held, p50 / p99 | {_times(measured.held.p50_us, measured.held.p99_us)} |

Checks on demand are sent one after the other on one connection.
"""


def _row(latencies: Latencies) -> str:
    return f"{latencies.count} | {latencies.p50_ms:.1f} ms | {latencies.p99_ms:.1f} ms | {latencies.most_ms:.1f} ms"


def _times(p50_us: float, p99_us: float) -> str:
    return f"{p50_us / 1000:.2f} ms / {p99_us / 1000:.2f} ms"
