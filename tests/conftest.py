"""On the build server nothing is skipped. Generated tests draw from a seed that the report names."""

import os
import secrets
from collections.abc import Generator

import hypothesis
import pytest

ON_BUILD_SERVER = os.environ.get("CI") == "true"  # noqa: TID251

# Examples that failed are kept on a developer's machine only: on the build server nothing may depend on what
# ran before. `--hypothesis-profile=repeatable` draws the same ones each time, to compare versions of code.
hypothesis.settings.register_profile(
    "random",
    deadline=None,
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
    **({"database": None} if ON_BUILD_SERVER else {}),
)
hypothesis.settings.register_profile(
    "repeatable", hypothesis.settings.get_profile("random"), derandomize=True, database=None
)
hypothesis.settings.load_profile("random")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Chooses the seed, unless --hypothesis-seed did, so that a run that failed can be repeated whole."""
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def _seed(config: pytest.Config) -> str:
    return f"seed of generated tests: {config.option.hypothesis_seed} (again: --hypothesis-seed)"


def pytest_report_header(config: pytest.Config) -> str:
    """Names the seed."""
    return _seed(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names it again where a failure is read."""
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(_seed(terminalreporter.config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip into a failure when CI=true, so that a missing component cannot pass for a success."""
    report = yield
    if ON_BUILD_SERVER and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI=true allows no skip: {call.excinfo}"
    return report
