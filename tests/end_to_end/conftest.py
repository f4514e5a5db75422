"""Fixtures that start sidecars; each test ends what it started."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.sidecar import EXAMPLE, Sidecar, Starter


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Starts sidecars that end with the test."""
    starter = Starter(tmp_path)
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """One sidecar of the small example bundle with its fixture, for tests that change nothing."""
    starter = Starter(tmp_path_factory.mktemp("sidecar"))
    try:
        yield starter(records=EXAMPLE / "records.jsonl")
    finally:
        starter.close()
