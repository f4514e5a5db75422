"""Writes what the doors cost as Markdown."""

from bench.doors import (
    AT_FIXED_RATE,
    AUTHZEN,
    ENVOY_ASKS,
    ENVOY_PLAIN,
    EXT_AUTHZ,
    EXT_AUTHZ_JWT,
    FORWARD_AUTH,
    FORWARD_AUTH_JWT,
    NATIVE,
    OPA,
    RATE,
    TOKENS,
    Door,
    DoorFigures,
)
from bench.report import latency, spread

BESIDE_NATIVE = 0.85  # of the native call's decisions on the same core
BESIDE_OPA = 5.0
OF_OPAS_LATENCY = 1 / 3


def doors(figures: DoorFigures) -> str:
    """The tables of capacity and of a fixed rate, the targets, and what the figures mean."""
    per_core = {door.name: 1e6 / door.cpu_us.mid for door in figures.capacity}
    native = next(door for door in figures.capacity if door.name == NATIVE)
    rows = "\n".join(_row(door, native) for door in figures.capacity)
    fixed = "\n".join(_fixed_row(figures, name) for name in AT_FIXED_RATE)
    envoy = "\n".join(_fixed_row(figures, name) for name in (ENVOY_PLAIN, ENVOY_ASKS))
    goals = "\n".join([*_ratios(per_core), *_latencies(figures)])
    others = max(run.others for run in [*(d.capacity for d in figures.capacity), *figures.fixed.values()])
    plain, asks = figures.fixed[ENVOY_PLAIN], figures.fixed[ENVOY_ASKS]
    return f"""
## The doors

A portal of {figures.accounts:,} accounts, {figures.questions:,} different questions in a realistic mix, through each door of one sidecar,
every call evaluated. On the {figures.compared} that were compared each door and OPA gave the native call's answer (allow and all codes);
{figures.allowed} of them are allowed.

| door | decisions/s | server core busy | per core-second | CPU per decision (least to most) | more than native |
|---|---|---|---|---|---|
{rows}

| {RATE:g} requests/s | p50 | p99 |
|---|---|---|
{fixed}
{envoy}

| | reached | asked for | |
|---|---|---|---|
{goals}

With ext_authz a request through Envoy takes longer by {(asks.p50_us - plain.p50_us) / 1000:+.2f} ms at p50 and {(asks.p99_us - plain.p99_us) / 1000:+.2f} ms at p99.

- Every door is asked what the native call is asked: the policy sees the same document. Gateways ask with a browser's
  headers, a path and query that a route turns into the question, and the login in a header of theirs; `{EXT_AUTHZ}`
  in Envoy's protobuf with every header by itself, `{FORWARD_AUTH}` as nginx asks. Denials are written in full, as pages.
- *{EXT_AUTHZ_JWT}*, *{FORWARD_AUTH_JWT}*: the login is a JWT signed with ES256, verified once and remembered;
  {TOKENS:,} different ones.
- *per core-second* and *CPU per decision* as above. At {RATE:g} requests/s requests fall due at random, and latency counts
  from that moment.
- Envoy has the configuration of `deploy/gateways/envoy`, once without its ext_authz filter; behind it nginx gives a page that
  costs nothing. Envoy, sidecar and nginx share the one core. Only what is allowed is sent, so that both do the same.
- OPA (REST, HTTP/1.1, keep-alive) has the same bundle and gets the very input documents that the sidecar puts together.
- No run was kept in which other programs used more of the machine than {others:.1%}.
"""


def _row(door: Door, native: Door) -> str:
    capacity = door.capacity
    more = "-" if door is native else f"{door.cpu_us.mid - native.cpu_us.mid:+,.1f} us"
    return (
        f"| {door.name} | {capacity.per_second:,.0f} | {capacity.busy:.0%} | {1e6 / door.cpu_us.mid:,.0f} "
        f"| {spread(door.cpu_us)} | {more} |"
    )


def _fixed_row(figures: DoorFigures, name: str) -> str:
    run = figures.fixed[name]
    return f"| {name} | {latency(run.p50_us)} | {latency(run.p99_us)} |"


def _ratios(per_core: dict[str, float]) -> list[str]:
    """Decisions on the same core."""
    lines = []
    for name in (EXT_AUTHZ, EXT_AUTHZ_JWT):
        reached = per_core[name] / per_core[NATIVE]
        what = f"{name}: of the native call's decisions"
        lines.append(_goal(what, f"{reached:.0%}", f"at least {BESIDE_NATIVE:.0%}", reached >= BESIDE_NATIVE))
    for name in (FORWARD_AUTH, FORWARD_AUTH_JWT, AUTHZEN):
        reached = per_core[name] / per_core[OPA]
        what = f"{name}: beside OPA"
        lines.append(_goal(what, f"{reached:.1f}x", f"at least {BESIDE_OPA:g}x", reached >= BESIDE_OPA))
    return lines


def _latencies(figures: DoorFigures) -> list[str]:
    """Of the fixed rate, beside OPA's."""
    opa = figures.fixed[OPA]
    lines = []
    for name in (FORWARD_AUTH, AUTHZEN):
        run = figures.fixed[name]
        for which, ours, theirs in (("p50", run.p50_us, opa.p50_us), ("p99", run.p99_us, opa.p99_us)):
            part = ours / theirs
            what = f"{name}: {which} at {RATE:g}/s, of OPA's"
            lines.append(_goal(what, f"{part:.0%}", "at most a third", part <= OF_OPAS_LATENCY))
    return lines


def _goal(what: str, reached: str, asked: str, kept: bool) -> str:
    return f"| {what} | {reached} | {asked} | {'' if kept else 'missed'} |"
