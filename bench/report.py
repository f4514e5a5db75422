"""Writes what was measured as Markdown."""

import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.compare import (
    CACHE_BYTES,
    CERBOS,
    DEFAULT,
    DEFAULT_CACHE_BYTES,
    ECHO,
    EMPTY,
    EVALUATED,
    LARGE,
    OPA,
    Agreement,
    Plan,
    Result,
)
from bench.load import Spread
from bench.portal import DIFFERENT_REQUESTS, ZIPF_DRAWS, Portal
from bench.scale import DIFFERENT_ACCOUNTS, Size
from bench.servers import ROOT

MIB = 1 << 20
TARGETS = (
    ("every call evaluated, beside OPA", EVALUATED, OPA, 6.0),
    ("every call evaluated, beside Cerbos", EVALUATED, CERBOS, 2.0),
    *(
        target
        for name in (LARGE, DEFAULT, EMPTY)
        for target in (
            (f"{name.removeprefix('pdp, ')}, beside OPA", name, OPA, 30.0 if name != EMPTY else None),
            (
                f"{name.removeprefix('pdp, ')}, beside the bare echo",
                name,
                ECHO,
                0.4 if name != EMPTY else None,
            ),
        )
    ),
)


def machine() -> str:
    """The machine in one sentence: processor, cores, memory, system."""
    cpu = re.search(
        r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
    )
    total = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    cores = len(re.findall(r"^processor\b", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE))
    memory = int(total.group(1)) / MIB if total else 0
    model = cpu.group(1).strip() if cpu else platform.machine()
    return f"{model}, {cores} cores, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}, a virtual machine"


def versions() -> str:
    """What ran: our commit, Python and the peers."""

    def said(*command: str) -> str:
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        return done.stdout.strip()

    opa = re.search(r"Version: (\S+)", said("opa", "version"))
    lock = (ROOT / "bench/package-lock.json").read_text(encoding="utf-8")
    cerbos = re.search(r'"@cerbos/[^"]+": "([0-9][^"]*)"', lock)
    commit = said("git", "rev-parse", "--short", "HEAD") + (
        "+" if said("git", "status", "--porcelain") else ""
    )
    return (
        f"commit {commit}, {said('rustc', '--version').split(' (')[0]}, Python {platform.python_version()}, "
        f"OPA {opa.group(1) if opa else '?'}, Cerbos {cerbos.group(1) if cerbos else '?'}"
    )


def header(topic: str, plan: Plan) -> str:
    """Title, machine, and how it was measured."""
    return f"""# {topic}, {datetime.now(UTC):%Y-%m-%d}

{machine()}. {versions()}.

The server has one core, the load generator the other; everything is from one run, every figure the median of
{plan.rounds} rounds of {plan.duration:g} s, and a round goes over all servers. Made by `make bench`.
"""


def comparison(portal: Portal, plan: Plan, results: Sequence[Result], agreement: Agreement) -> str:
    """The table beside the peers, the targets, and what the figures mean."""
    rows = "\n".join(_row(result) for result in results)
    by_name = {result.name: result for result in results}
    goals = "\n".join(_goal(by_name, *target) for target in TARGETS)
    runs = [run for result in results for run in (result.capacity, result.half) if run is not None]
    others = max(run.others for run in runs)
    caches = "\n".join(_cache(by_name[name]) for name in (LARGE, DEFAULT, EMPTY))
    return f"""
## Decisions

A portal of {portal.accounts:,} accounts ({portal.records:,} records), {DIFFERENT_REQUESTS:,} different
requests in a realistic mix; of a sample of {agreement.requests}, {agreement.allowed} are allowed.

| server | decisions/s | server core busy | per core-second | CPU per decision (least to most) | p50 at half | p99 at half | memory |
|---|---|---|---|---|---|---|---|
{rows}

| cache | calls answered from it | decisions held | their size |
|---|---|---|---|
{caches}

| | reached | asked for |
|---|---|---|
{goals}

- *decisions/s*: answered in a closed loop of 64 requests under way. *Per core-second*: the same, divided by the
  part of its core that the server used; where that part is well below 100 % the load generator was the limit.
  Ratios are of *per core-second*.
- *p50, p99 at half*: latency when requests fall due at random at half of that server's own decisions/s, counted
  from the moment they fell due.
- *CPU per decision*: user and system time of the server's process, from the kernel.
- The caches' requests are drawn from a Zipf distribution (exponent 1) over {portal.accounts:,} accounts; each run
  begins at another place of the {ZIPF_DRAWS:,} draws, so that it does not repeat what an earlier one sent.
- *Filled*: before the first round the cache of {CACHE_BYTES / MIB:,.0f} MiB was sent one request of each account, so that it holds them
  all; the one of the default {DEFAULT_CACHE_BYTES / MIB:,.0f} MiB was sent draws until it held no more. *From
  empty*: a sidecar that has just started in each round, measured from its first call on for {plan.duration:g} s; the
  longer it runs, the nearer it comes to the line above it.
- No run was kept in which other programs used more of the machine than {others:.1%}.
- OPA (REST, HTTP/1.1, keep-alive) has the same bundle and gets the very input documents that the sidecar puts
  together for its own engine. Its answer (allow and all codes) was the sidecar's on {agreement.opa} of
  {agreement.requests}.
- Cerbos (gRPC) has the same articles in its own manner, `bench/cerbos/policies/`, and gets the same records as
  attributes. It does less: it stops at the first reason and gives no texts, no details and no `valid_until`. Its
  allow or deny was the sidecar's on {agreement.cerbos} of {agreement.requests}.
- Both get the records with the request; the sidecar looks them up itself.
- The echo decodes the same request and encodes one fixed answer.
"""


def _row(result: Result) -> str:
    capacity, half = result.capacity, result.half
    latencies = (latency(half.p50_us), latency(half.p99_us)) if half else ("-", "-")
    return (
        f"| {result.name} | {capacity.per_second:,.0f} | {capacity.busy:.0%} | {_per_core(result):,.0f} "
        f"| {spread(result.cpu_us)} | {latencies[0]} | {latencies[1]} | {result.memory_bytes / MIB:,.0f} MiB |"
    )


def _cache(result: Result) -> str:
    return (
        f"| {result.name.removeprefix('pdp, ')} | {result.lookups.rate:.1%} | {result.held.entries:,} "
        f"| {result.held.bytes / MIB:,.0f} MiB |"
    )


def spread(us: Spread) -> str:
    """The median, and from least to most."""
    return f"{us.mid:,.1f} us ({us.low:,.1f} to {us.high:,.1f})"


def latency(us: float) -> str:
    """With its unit."""
    return f"{us / 1000:.2f} ms" if us >= 1000 else f"{us:.0f} us"


def _per_core(result: Result) -> float:
    return 1e6 / result.capacity.cpu_us


def _goal(results: dict[str, Result], what: str, ours: str, peer: str, wanted: float | None) -> str:
    reached = _per_core(results[ours]) / _per_core(results[peer])
    asked = "-" if wanted is None else f"{wanted:.0%}" if wanted < 1 else f"{wanted:g}x"
    return f"| {what} | {f'{reached:.0%}' if peer == ECHO else f'{reached:.1f}x'} | {asked} |"


def scale(sizes: Sequence[Size]) -> str:
    """The table over sizes."""
    rows = "\n".join(
        f"| {size.accounts:,} | {size.records:,} | {spread(size.cpu_us)} | {size.cost.per_second:,.0f} "
        f"| {size.start_seconds:.1f} s | {size.import_seconds:.0f} s |"
        for size in sizes
    )
    memory = "\n".join(
        f"| {size.accounts:,} | {size.without_cache.loaded / MIB:,.0f} MiB | {size.without_cache.peak / MIB:,.0f} MiB "
        f"| {size.with_cache.loaded / MIB:,.0f} MiB | {size.with_cache.peak / MIB:,.0f} MiB "
        f"| {size.held.entries:,} in {size.held.bytes / MIB:,.0f} MiB |"
        for size in sizes
    )
    return f"""
## Size

Every call evaluated; requests drawn evenly over the accounts.

| accounts | records | CPU per decision (least to most) | decisions/s | start until ready | import |
|---|---|---|---|---|---|
{rows}

{_flatness(sizes)}

| accounts | memory, no cache | peak | memory, default cache full | peak | decisions held |
|---|---|---|---|---|---|
{memory}

- *start until ready*: from the start of `pdp serve` on the SQLite file until its health says SERVING: the bundle
  compiled, all records read and in memory. Asked for: under 60 s and under 1,024 MiB at 1,000,000 accounts.
- *no cache*: as it stands once the records are loaded. *Default cache full*: a sidecar with the default settings,
  sent one request each of up to {DIFFERENT_ACCOUNTS:,} accounts until its cache of {DEFAULT_CACHE_BYTES / MIB:,.0f} MiB held
  no more.
- *import*: `pdp records import` of the JSON Lines file, every record checked against its schema.
"""


def _flatness(sizes: Sequence[Size]) -> str:
    """What the sizes differ by, beside what the rounds of one size differ by."""
    middles = [size.cpu_us.mid for size in sizes]
    between = max(middles) / min(middles) - 1
    within = max(size.cpu_us.high / size.cpu_us.low - 1 for size in sizes)
    medians = f"The medians of the sizes lie within {between:.1%} of each other"
    if not within:
        return f"{medians}; how much of that is noise, one round does not say."
    verdict = "no more difference than" if between <= within else "more difference than"
    return (
        f"{medians}; the rounds of one size, which go over all sizes in\n"
        f"turn, differ by up to {within:.1%}: another size makes {verdict} another round."
    )


def write(topic: str, text: str, *, folder: Path = ROOT / "bench/results") -> Path:
    """Writes the report as FOLDER/<date>-<topic>.md."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%d}-{topic}.md"
    path.write_text(text, encoding="utf-8")
    return path
