"""On the build server nothing is skipped: what a test misses there is a failure."""

import os
from collections.abc import Generator

import pytest

ON_BUILD_SERVER = os.environ.get("CI") == "true"  # noqa: TID251


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
