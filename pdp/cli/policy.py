"""`pdp policy`: check, test and build bundles of policies."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pdp.cli.config import setting_options, settings_of
from pdp.policy import bundle
from pdp.policy.check import Finding, check_sources
from pdp.policy.deciders import CoreDecider
from pdp.policy.declaration import FILE, BundleError
from pdp.policy.opa import find_opa
from pdp.policy.rego_tests import Coverage, RegoReport, run_rego_tests
from pdp.policy.sources import read_folder
from pdp.policy.tables import Case, differences, find_tables, load_tables

REFUSED = 1
"""Exit code when the answer is no: the policies are refused, or a test fails."""

_FOLDER = click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False)
)


@click.group()
def policy() -> None:
    """Check, test and build a bundle of policies.

    A bundle is a folder with bundle.yaml, schemas/ and policies in Rego; docs/policies.md tells how to write
    one.
    """


@policy.command()
@_FOLDER
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all findings.")
@setting_options("opa")
def check(folder: Path, *, as_json: bool, **options: Any) -> None:
    """Refuse policies that can fail open: the bundle in DIR compiles and what `allow` depends on is safe.

    Runs `opa check --strict`, validates bundle.yaml, and follows over OPA's syntax tree everything that the
    decision's `allow` depends on. Each finding names file, line and rule. Exit 0: clean, 1: refused.
    """
    opa = find_opa(settings_of(options).opa)
    try:
        findings = check_sources(read_folder(folder), opa)
    except BundleError as error:
        findings = [Finding(FILE, 0, 0, "bundle", str(error))]
    if as_json:
        document = {"ok": not findings, "findings": [finding.to_json() for finding in findings]}
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(finding.render(f"{folder}/") + "\n")
        click.echo(_summary(folder, findings))
    if findings:
        sys.exit(REFUSED)


@policy.command()
@_FOLDER
@click.option(
    "--tables",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path, exists=True),
    help="Decision tables, a file or folder; repeatable.  [DIR/decisions.yaml, DIR/decisions/]",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 100),
    default=100.0,
    show_default=True,
    help="Least coverage of each policy file by the Rego tests, in percent.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all results.")
@setting_options("opa", "policy_cache")
def test(folder: Path, *, tables: Sequence[Path], threshold: float, as_json: bool, **options: Any) -> None:
    """Run the tests of the bundle in DIR: its Rego tests with coverage, then its decision tables.

    Tables are run by the engine that the sidecar runs. Exit 0: all pass and each file is covered, 1: not.
    """
    settings = settings_of(options)
    opa = find_opa(settings.opa)
    report = run_rego_tests(read_folder(folder), opa)
    short = [file for file in report.coverage if file.percent < threshold]
    cases = load_tables(find_tables(folder, tables))
    failures = _run_tables(folder, cases, settings.opa, settings.policy_cache, quiet=as_json) if cases else []
    if as_json:
        click.echo(json.dumps(_test_document(report, cases, failures, threshold), ensure_ascii=False))
    else:
        _print_rego(report, short, threshold)
        _print_tables(cases, failures)
    if report.failed or short or failures:
        sys.exit(REFUSED)


@policy.command()
@_FOLDER
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The bundle to write, a .tar.gz.",
)
@setting_options("opa")
def build(folder: Path, output: Path, **options: Any) -> None:
    """Check the sources in DIR and compile them to a bundle that needs no OPA to be loaded.

    The same sources always give the same bytes. A real OPA server loads the file as well.
    """
    content = bundle.build(folder, opa=settings_of(options).opa)
    try:
        output.write_bytes(content)
    except OSError as error:
        raise BundleError(f"{output} cannot be written: {error.strerror or error}.") from error
    click.echo(f"{output}: revision {bundle.open_bundle(output).revision}, {len(content):,} bytes.")


def _summary(folder: Path, findings: Sequence[Finding]) -> str:
    if not findings:
        return f"{folder}: nothing to refuse."
    files = len({finding.file for finding in findings})
    return f"{folder} is refused: {_counted(len(findings), 'finding')} in {_counted(files, 'file')}."


def _run_tables(
    folder: Path, cases: Sequence[Case], opa: str, cache: str, *, quiet: bool
) -> list[tuple[Case, list[str]]]:
    loaded = bundle.load_bundle(folder, opa=opa, cache_dir=Path(cache).expanduser())
    decider = CoreDecider(loaded.policy)
    failures: list[tuple[Case, list[str]]] = []
    shown = not quiet and sys.stderr.isatty()
    with click.progressbar(cases, label="Decision tables", file=sys.stderr, hidden=not shown) as progress:
        for case in progress:
            found = differences(case, decider.decide(case))
            if found:
                failures.append((case, found))
    return failures


def _print_rego(report: RegoReport, short: Sequence[Coverage], threshold: float) -> None:
    for test in report.failed:
        click.echo(f"{test.file}:{test.row}: {test.name}: {test.problem}")
    passed = len([test for test in report.tests if not test.problem and not test.skipped])
    click.echo(f"Rego tests: {passed} of {len(report.tests)} passed.")
    if report.failed:
        click.echo("Coverage is measured once all of them pass.")
        return
    for file in short:
        lines = f", not covered: line {_ranges(file.uncovered)}" if file.uncovered else ", no test reaches it"
        click.echo(f"{file.file}: {file.percent:.1f} % covered{lines}")
    if not short:
        click.echo(f"Coverage: every policy file is covered for {threshold:g} % or more.")


def _print_tables(cases: Sequence[Case], failures: Sequence[tuple[Case, list[str]]]) -> None:
    for case, found in failures:
        click.echo(f"\n{case.file}: {case.description}")
        for difference in found:
            click.echo("  " + difference.replace("\n", "\n  "))
    if cases:
        click.echo(f"Decision tables: {len(cases) - len(failures)} of {len(cases)} cases passed.")
    else:
        click.echo("Decision tables: none.")


def _test_document(
    report: RegoReport, cases: Sequence[Case], failures: Sequence[tuple[Case, list[str]]], threshold: float
) -> dict[str, Any]:
    return {
        "rego": {
            "tests": len(report.tests),
            "failed": [
                {"name": test.name, "file": test.file, "row": test.row, "problem": test.problem}
                for test in report.failed
            ],
        },
        "coverage": {
            "threshold": threshold,
            "files": {
                file.file: {"percent": file.percent, "uncovered": list(file.uncovered)}
                for file in report.coverage
            },
        },
        "tables": {
            "cases": len(cases),
            "failed": [
                {"file": str(case.file), "description": case.description, "differences": found}
                for case, found in failures
            ],
        },
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ranges(rows: Sequence[int]) -> str:
    """3, 5-7: line numbers for people."""
    parts: list[list[int]] = []
    for row in rows:
        if parts and row == parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)
