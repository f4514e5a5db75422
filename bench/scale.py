"""What a decision costs, what loads and what stays in memory, as the number of accounts grows."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import servers
from bench.compare import Plan
from bench.load import CHECK, Load, Measured, Target, measure, middle, write_bodies
from bench.portal import POLICY, Portal


@dataclass(frozen=True)
class Size:
    """One portal: accounts, records, seconds to import and to start, bytes in memory, cost of a decision."""

    accounts: int
    records: int
    import_seconds: float
    start_seconds: float
    memory_bytes: int
    peak_memory_bytes: int
    cost: Measured


def measure_sizes(portals: list[Portal], plan: Plan, work: Path, say: Callable[[str], None]) -> list[Size]:
    """Starts one sidecar for each portal, every call evaluated, and measures them in turn, round by round."""
    with ExitStack() as stack:
        running = []
        for portal in portals:
            say(f"{portal.accounts:,} accounts: starting")
            starting = servers.sidecar(portal.store, POLICY, cache_bytes=0)
            server = stack.enter_context(starting.running(work / f"sidecar-{portal.accounts}.log"))
            loaded, peak = server.memory_bytes(), server.peak_memory_bytes()
            bodies = write_bodies(work / f"requests-{portal.accounts}.bin", portal.check_requests())
            target = Target(f"{portal.accounts:,} accounts", server, "grpc", CHECK, bodies)
            running.append((portal, target, loaded, peak))
        rounds: dict[str, list[Measured]] = {target.name: [] for _, target, _, _ in running}
        for number in range(plan.rounds):
            for _, target, _, _ in running:
                say(f"round {number + 1} of {plan.rounds}: {target.name}")
                rounds[target.name].append(measure(target, Load(plan.duration, plan.warmup)))
    return [
        Size(
            accounts=portal.accounts,
            records=portal.records,
            import_seconds=portal.import_seconds,
            start_seconds=target.server.start_seconds,
            memory_bytes=loaded,
            peak_memory_bytes=peak,
            cost=middle(rounds[target.name]),
        )
        for portal, target, loaded, peak in running
    ]
