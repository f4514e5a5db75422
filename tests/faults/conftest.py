"""The stage of each test of faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Servers, links and sidecars that end with the test."""
    with Stage(tmp_path) as made:
        yield made
