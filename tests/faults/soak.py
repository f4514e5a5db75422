"""`make soak`: rounds of mixed troubles with real servers, and simulations, seed after seed, for a long time.

Writes a report while it goes; ends with 1 when something got past a lockout, was lost, or did not converge. A
round that failed leaves its history and the sidecars' logs beside the report.
"""

import argparse
import faulthandler
import json
import logging
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pdp._core import Policy
from pdp.policy.bundle import load_bundle
from tests.faults.mix import SETUPS, run_round
from tests.simulation.fleet import Simulation
from tests.simulation.variants import FULL

_ROUND_SECONDS, _SIMULATED_SECONDS = 20.0, 15.0


@dataclass
class Report:
    """What was run and found, written anew after each part."""

    path: Path
    first_seed: int
    began: float = field(default_factory=time.monotonic)
    rounds: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    simulated: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    slowest_ms: int = 0
    latest_ms: int = 0

    def write(self) -> None:
        """Writes it as it stands."""
        document = {
            "seconds": round(time.monotonic() - self.began),
            "first_seed": self.first_seed,
            "rounds": self.rounds,
            "troubles": self.troubles,
            "totals": self.totals,
            "slowest_answer_ms": self.slowest_ms,
            "latest_allow_after_barrier_ms": self.latest_ms,
            "simulated": self.simulated,
            "failures": self.failures,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def take(self, numbers: dict[str, Any]) -> None:
        """Adds what a round amounts to."""
        for name in ("checks", "allowed", "judged", "late", "unanswered", "repeated"):
            self.totals[name] += numbers[name]
        for code, number in numbers["denied"].items():
            self.totals[code] += number
        for how, number in numbers["writes"].items():
            self.totals[f"writes {how}"] += number
        for path, waits in numbers["barriers"].items():
            self.totals[f"barriers {path}"] += waits["number"]
        self.slowest_ms = max(self.slowest_ms, numbers["slowest_ms"])
        self.latest_ms = max(self.latest_ms, numbers["latest_ms"])


def _real(report: Report, seed: int) -> None:
    """One round with real servers."""
    setup = SETUPS[seed % len(SETUPS)]
    folder = Path(tempfile.mkdtemp(prefix=f"soak-{seed}-"))
    failure: dict[str, Any] = {"setup": setup, "seed": seed}
    try:
        ended = run_round(setup, seed, _ROUND_SECONDS, folder)
    except Exception:  # noqa: BLE001 - told in the report
        failure["error"] = traceback.format_exc()
    else:
        report.rounds[setup] += 1
        report.troubles.update(ended.troubles)
        report.take(ended.numbers)
        if ended.anomalies:
            failure |= {"anomalies": ended.anomalies, "troubles": ended.troubles}
    if len(failure) > 2:
        kept = report.path.parent / folder.name
        shutil.copytree(folder, kept)
        report.failures.append({**failure, "kept": str(kept)})
    shutil.rmtree(folder)


def _simulated(report: Report, policy: Policy, first: int, seconds: float) -> int:
    """Simulations for some seconds; gives the next seed."""
    ends = time.monotonic() + seconds
    seed = first
    while time.monotonic() < ends:
        for name, protections in FULL.items():
            run = Simulation(seed, policy, protections).run()
            report.simulated[name] += 1
            report.simulated["barriers"] += sum(run.paths.values())
            report.simulated["allowed"] += run.allowed
            if run.anomalies:
                report.failures.append({"simulated": name, "seed": seed, "anomalies": run.anomalies})
        seed += 1
    return seed


def main() -> int:
    """Runs for as long as it is told."""
    parser = argparse.ArgumentParser(description="Mixed troubles for a long time.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=Path("target/soak/report.json"))
    options = parser.parse_args()
    # A crash of the core would otherwise end this without a word.
    faulthandler.enable()
    # So that an end from outside ends servers and sidecars too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = Report(options.report, options.seed)
    # Simulated stores fail all the time.
    logging.getLogger("pdp").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as cache:
        policy = load_bundle("tests/simulation/locks", cache_dir=cache).policy
    seed = simulated = options.seed
    while time.monotonic() < report.began + options.seconds:
        _real(report, seed)
        seed += 1
        simulated = _simulated(report, policy, simulated, _SIMULATED_SECONDS)
        report.write()
        print(f"{sum(report.rounds.values())} rounds, {len(report.failures)} failures", file=sys.stderr)
    if not report.simulated["allowed"]:
        report.failures.append({"simulated": "everything", "error": "nothing was ever allowed"})
        report.write()
    print(report.path.read_text(encoding="utf-8"))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
