"""Writes what was measured as Markdown."""

import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.compare import CACHE_BYTES, DEFAULT_CACHE_BYTES, Agreement, Plan, Result
from bench.portal import DIFFERENT_REQUESTS, Portal
from bench.scale import Size
from bench.servers import ROOT

MIB = 1 << 20
TARGETS = (
    ("every call evaluated, beside OPA", "pdp, every call evaluated", "OPA", 6.0),
    ("every call evaluated, beside Cerbos", "pdp, every call evaluated", "Cerbos", 2.0),
    ("decision cache on, beside OPA", "pdp, decision cache on", "OPA", 30.0),
    ("decision cache on, beside the bare echo", "pdp, decision cache on", "bare tonic echo", 0.4),
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
    cerbos = re.search(r'"cerbos": "([^"]+)"', lock)
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


def comparison(portal: Portal, results: Sequence[Result], agreement: Agreement) -> str:
    """The table beside the peers, the targets, and what the figures mean."""
    rows = "\n".join(_row(result) for result in results)
    by_name = {result.name: result for result in results}
    goals = "\n".join(_goal(by_name, *target) for target in TARGETS)
    others = max(max(result.capacity.others, result.half.others) for result in results)
    notes = "".join(f"- {result.name}: {result.note}.\n" for result in results if result.note)
    return f"""
## Decisions

A portal of {portal.accounts:,} accounts ({portal.records:,} records), {DIFFERENT_REQUESTS:,} different
requests in a realistic mix; of a sample of {agreement.requests}, {agreement.allowed} are allowed.

| server | decisions/s | server core busy | per core-second | CPU per decision | p50 at half | p99 at half | memory |
|---|---|---|---|---|---|---|---|
{rows}

| | reached | asked for |
|---|---|---|
{goals}

- *decisions/s*: answered in a closed loop of 64 requests under way. *Per core-second*: the same, divided by the
  part of its core that the server used; where that part is well below 100 % the load generator was the limit.
  Ratios are of *per core-second*.
- *p50, p99 at half*: latency when requests fall due at random at half of that server's own decisions/s, counted
  from the moment they fell due.
- *CPU per decision*: user and system time of the server's process, from the kernel.
- The caches' requests are drawn from a Zipf distribution (exponent 1) over {portal.accounts:,} accounts; one cache
  has {CACHE_BYTES / MIB:,.0f} MiB, so that they fit, the other the default {DEFAULT_CACHE_BYTES / MIB:,.0f} MiB.
{notes}- No run was kept in which other programs used more of the machine than {others:.1%}.
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
    return (
        f"| {result.name} | {capacity.per_second:,.0f} | {capacity.busy:.0%} | {_per_core(result):,.0f} "
        f"| {capacity.cpu_us:,.1f} us | {_latency(half.p50_us)} | {_latency(half.p99_us)} "
        f"| {result.memory_bytes / MIB:,.0f} MiB |"
    )


def _latency(us: float) -> str:
    return f"{us / 1000:.2f} ms" if us >= 1000 else f"{us:.0f} us"


def _per_core(result: Result) -> float:
    return 1e6 / result.capacity.cpu_us


def _goal(results: dict[str, Result], what: str, ours: str, peer: str, wanted: float) -> str:
    reached = _per_core(results[ours]) / _per_core(results[peer])
    if wanted < 1:
        return f"| {what} | {reached:.0%} | {wanted:.0%} |"
    return f"| {what} | {reached:.1f}x | {wanted:g}x |"


def scale(sizes: Sequence[Size]) -> str:
    """The table over sizes."""
    rows = "\n".join(
        f"| {size.accounts:,} | {size.records:,} | {size.cost.cpu_us:,.1f} us | {size.cost.per_second:,.0f} "
        f"| {size.start_seconds:.1f} s | {size.memory_bytes / MIB:,.0f} MiB "
        f"| {size.peak_memory_bytes / MIB:,.0f} MiB | {size.import_seconds:.0f} s |"
        for size in sizes
    )
    return f"""
## Size

Every call evaluated; requests drawn evenly over the accounts.

| accounts | records | CPU per decision | decisions/s | start until ready | memory | peak | import |
|---|---|---|---|---|---|---|---|
{rows}

- *start until ready*: from the start of `pdp serve` on the SQLite file until its health says SERVING: the bundle
  compiled, all records read and in memory. Asked for: under 60 s and under 1,024 MiB at 1,000,000 accounts.
- *import*: `pdp records import` of the JSON Lines file, every record checked against its schema.
"""


def write(topic: str, text: str, *, folder: Path = ROOT / "bench/results") -> Path:
    """Writes the report as FOLDER/<date>-<topic>.md."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%d}-{topic}.md"
    path.write_text(text, encoding="utf-8")
    return path
