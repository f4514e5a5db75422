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


class Shared:
    """A stage that the tests of a module use in turn, which saves many starts of processes; after a test that
    failed, the next one gets another.
    """

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._stage: Stage | None = None

    def ready(self) -> Stage:
        """The stage, with a history of its own for the test that asks."""
        if self._stage and self._stage.verdict and not self._stage.verdict.anomalies:
            self._stage.anew()
            return self._stage
        self.close()
        self._stage = Stage(self._factory.mktemp("stage")).__enter__()
        self._stage.single()
        return self._stage

    def close(self) -> None:
        """Ends everything."""
        if self._stage:
            self._stage.__exit__(None, None, None)
            self._stage = None


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    shared = Shared(tmp_path_factory)
    yield shared
    shared.close()


@pytest.fixture
def single(_shared: Shared) -> Stage:
    """One Redis server that keeps every write, and three sidecars; shared by the tests of a module."""
    return _shared.ready()
