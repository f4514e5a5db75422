"""What a decision costs, what loads and what stays in memory, as the number of accounts grows."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench import servers
from bench.caches import Held, fill
from bench.compare import DEFAULT_CACHE_BYTES, Plan
from bench.load import CHECK, Load, Measured, Spread, Target, measure, middle, write_bodies
from bench.portal import POLICY, Portal

Say = Callable[[str], None]
DIFFERENT_ACCOUNTS = 200_000
"""More than the default cache has room for."""


@dataclass(frozen=True)
class Memory:
    """Resident bytes: once the records are loaded, and at most until then."""

    loaded: int
    peak: int

    @classmethod
    def of(cls, server: servers.Server) -> "Memory":
        """Of a server now."""
        return cls(server.memory_bytes(), server.peak_memory_bytes())


@dataclass(frozen=True)
class Size:
    """One portal: accounts, records, seconds to import and to start, the cost of a decision, memory.

    `without_cache` is that of a sidecar with its records loaded; `with_cache` that of one with a cache of the
    default size, once that was full and held `held`.
    """

    accounts: int
    records: int
    import_seconds: float
    start_seconds: float
    cost: Measured
    cpu_us: Spread
    without_cache: Memory
    with_cache: Memory
    held: Held


def measure_sizes(portals: list[Portal], plan: Plan, work: Path, say: Say) -> list[Size]:
    """The cost of a decision and the memory at each size."""
    costs = _costs(portals, plan, work, say)
    sizes = []
    for portal, (start_seconds, without_cache, runs) in zip(portals, costs, strict=True):
        with_cache, held = _with_full_cache(portal, plan, work, say)
        sizes.append(
            Size(
                accounts=portal.accounts,
                records=portal.records,
                import_seconds=portal.import_seconds,
                start_seconds=start_seconds,
                cost=middle(runs),
                cpu_us=Spread.of(run.cpu_us for run in runs),
                without_cache=without_cache,
                with_cache=with_cache,
                held=held,
            )
        )
    return sizes


def _costs(
    portals: list[Portal], plan: Plan, work: Path, say: Say
) -> list[tuple[float, Memory, list[Measured]]]:
    """One sidecar for each portal, every call evaluated.

    Rounds go over all of them, and each round begins at another one: what disturbs the machine for a while,
    or comes back regularly, is no difference between sizes.
    """
    with ExitStack() as stack:
        running: list[tuple[Target, Memory, list[Measured]]] = []
        for portal in portals:
            say(f"{portal.accounts:,} accounts: starting")
            starting = servers.sidecar(portal.store, POLICY, cache_bytes=0)
            server = stack.enter_context(starting.running(work / f"sidecar-{portal.accounts}.log"))
            bodies = write_bodies(work / f"requests-{portal.accounts}.bin", portal.check_requests())
            target = Target(f"{portal.accounts:,} accounts", server, "grpc", CHECK, bodies)
            running.append((target, Memory.of(server), []))
        for number in range(plan.rounds):
            first = number % len(running)
            for target, _, runs in running[first:] + running[:first]:
                say(f"round {number + 1} of {plan.rounds}: {target.name}")
                runs.append(measure(target, Load(plan.duration, plan.warmup)))
        return [(target.server.start_seconds, loaded, runs) for target, loaded, runs in running]


def _with_full_cache(portal: Portal, plan: Plan, work: Path, say: Say) -> tuple[Memory, Held]:
    """Memory of a sidecar with the default settings whose decision cache is full."""
    say(f"{portal.accounts:,} accounts: starting with a cache of the default size")
    starting = servers.sidecar(portal.store, POLICY, cache_bytes=DEFAULT_CACHE_BYTES)
    with starting.running(work / f"sidecar-cache-{portal.accounts}.log") as server:
        requests = islice(portal.check_requests_of_accounts(), DIFFERENT_ACCOUNTS)
        bodies = write_bodies(work / f"accounts-{portal.accounts}.bin", requests)
        target = Target(f"{portal.accounts:,} accounts", server, "grpc", CHECK, bodies)
        held = fill(target, plan.fill, say)
        return Memory.of(server), held
