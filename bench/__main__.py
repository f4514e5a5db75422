"""`make bench` (`make bench QUICK=1` for a smoke run that measures nothing worth keeping)."""

import argparse
import os
import shutil
from pathlib import Path

from rich.console import Console

from bench import report, report_doors, report_freshness
from bench.client import client_report, measure_client
from bench.compare import Plan, compare
from bench.doors import measure_doors
from bench.freshness import measure_freshness
from bench.portal import Portal
from bench.scale import measure_sizes
from bench.servers import ROOT

FULL = Plan(duration=5.0, warmup=1.0, rounds=5, fill=20.0)
QUICK = Plan(duration=1.0, warmup=0.3, rounds=1, fill=1.0)
PARTS = ("decisions", "size", "freshness", "doors", "client")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small portals, one short round")
    parser.add_argument("--only", choices=PARTS, help="one part of the report only")
    parser.add_argument("--topic", default="main", help="the report's name after the date")
    return parser.parse_args()


def main() -> None:
    """Measures and writes the report."""
    arguments = _arguments()
    console = Console(stderr=True)
    plan = QUICK if arguments.quick else FULL
    cores = os.cpu_count() or 1
    if cores < 2 or shutil.which("taskset") is None:
        raise SystemExit("The benchmark needs two cores, and taskset to keep server and load apart.")
    work = ROOT / "target/bench"
    work.mkdir(parents=True, exist_ok=True)

    def say(what: str) -> None:
        console.print(f"[dim]{what} …")

    text = report.header("Side by side", plan)
    if arguments.only in {None, "decisions"}:
        portal = Portal.make(2_000 if arguments.quick else 100_000, work, say)
        text += report.comparison(portal, plan, *compare(portal, plan, work, say))
    if arguments.only in {None, "size"}:
        counts = (1_000, 10_000) if arguments.quick else (1_000, 100_000, 1_000_000)
        portals = [Portal.make(count, work, say) for count in counts]
        text += report.scale(measure_sizes(portals, plan, work, say))
    if arguments.only in {None, "freshness"}:
        small, large, events = (1_000, 2_000, 20) if arguments.quick else (10_000, 1_000_000, 500)
        measured = measure_freshness(small, Portal.make(large, work, say), work, say, events=events)
        text += report_freshness.freshness(measured)
    if arguments.only in {None, "doors"}:
        portal = Portal.make(2_000 if arguments.quick else 10_000, work, say)
        text += report_doors.doors(measure_doors(portal, plan, work, say))
    if arguments.only in {None, "client"}:
        portal = Portal.make(2_000, work, say)
        text += client_report(measure_client(portal, plan, work, say))
    folder: Path = work if arguments.quick else ROOT / "bench/results"
    path = report.write(arguments.topic, text, folder=folder)
    console.print(text, markup=False, highlight=False)
    console.print(f"Written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
