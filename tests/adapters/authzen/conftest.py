"""A sidecar whose AuthZEN door is open, and a client for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.authzen.door import Door
from tests.end_to_end.sidecar import EXAMPLE, Sidecar, Starter


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """One with the certification bundle, its fixture and the AuthZEN door on loopback."""
    starter = Starter(tmp_path_factory.mktemp("authzen"))
    try:
        yield starter(
            records=EXAMPLE / "records.jsonl",
            PDP_AUTHZEN="127.0.0.1:0",
            PDP_AUTHZEN_URL="https://pdp.example.nl/tenant1",
        )
    finally:
        starter.close()


@pytest.fixture(scope="module")
def door(sidecar: Sidecar) -> Iterator[Door]:
    """A connection to it."""
    door = Door(sidecar.addresses["authzen"])
    yield door
    door.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Starts sidecars that end with the test."""
    starter = Starter(tmp_path)
    yield starter
    starter.close()
