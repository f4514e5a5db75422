"""A bundle's Rego tests, run by OPA, with the coverage of each policy file."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdp.policy.opa import Opa, OpaError
from pdp.policy.sources import Sources


@dataclass(frozen=True)
class RegoTest:
    """One test. `problem` is "" when it passed."""

    name: str
    file: str
    row: int
    problem: str
    skipped: bool


@dataclass(frozen=True)
class Coverage:
    """How much of a file the tests reach. `percent` of its lines; `uncovered` line numbers from 1."""

    file: str
    percent: float
    uncovered: tuple[int, ...]


@dataclass(frozen=True)
class RegoReport:
    """The outcome of all Rego tests of a bundle."""

    tests: Sequence[RegoTest]
    coverage: Sequence[Coverage]

    @property
    def failed(self) -> list[RegoTest]:
        """The tests that did not pass."""
        return [test for test in self.tests if test.problem]


def run_rego_tests(sources: Sources, opa: Opa) -> RegoReport:
    """Runs `opa test` on a bundle. Raises OpaError when the policies do not compile."""
    with tempfile.TemporaryDirectory(prefix="pdp-test-") as temporary:
        folder = Path(temporary)
        sources.write(folder, tests=True)
        tests = _tests(opa, folder)
        covered = _coverage(opa, folder) if tests and not any(test.problem for test in tests) else {}
    untested = Coverage("", 0.0, ())
    coverage = [covered.get(file, Coverage(file, untested.percent, ())) for file in sources.policies]
    return RegoReport(tests, coverage)


def _tests(opa: Opa, folder: Path) -> list[RegoTest]:
    done = opa.run(["test", "--format", "json", "--bundle", "."], folder=folder, timeout=300)
    if not done.stdout.strip():
        if done.returncode == 0:
            return []
        raise OpaError(f"The Rego tests cannot be run: {' '.join(done.stderr.split())}")
    try:
        results = json.loads(done.stdout) or []
    except ValueError as error:
        text = " ".join((done.stderr or done.stdout).split())
        raise OpaError(f"The Rego tests cannot be run: {text}") from error
    return sorted((_test(result) for result in results), key=lambda test: (test.file, test.row, test.name))


def _test(result: Mapping[str, Any]) -> RegoTest:
    location = result.get("location") or {}
    problem = ""
    if result.get("error"):
        problem = str(result["error"].get("message") or result["error"])
    elif result.get("fail"):
        problem = "failed"
    return RegoTest(
        name=f"{result.get('package', '')}.{result.get('name', '')}",
        file=str(location.get("file", "")),
        row=int(location.get("row", 0)),
        problem=problem,
        skipped=bool(result.get("skip")),
    )


def _coverage(opa: Opa, folder: Path) -> dict[str, Coverage]:
    arguments = ["test", "--coverage", "--format", "json", "--bundle", "."]
    done = opa.run(arguments, folder=folder, timeout=300)
    try:
        files = json.loads(done.stdout)["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise OpaError(f"OPA gives no coverage: {' '.join(done.stderr.split())}") from error
    found = {}
    for name, report in files.items():
        file = name.removeprefix("./").removeprefix("/")
        rows = {
            row
            for part in report.get("not_covered") or ()
            for row in range(part["start"]["row"], part["end"]["row"] + 1)
        }
        found[file] = Coverage(file, float(report.get("coverage", 0.0)), tuple(sorted(rows)))
    return found
