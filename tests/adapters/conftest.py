"""A sidecar with the portal's policy whose doors believe `login`, to be asked without a gateway between."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.gateways.conftest import declare_identity
from tests.end_to_end.sidecar import PORTAL, ROOT, Sidecar, Starter

StartDoor = Callable[..., Sidecar]


def starting(starter: Starter, folder: Path) -> StartDoor:
    """Starts sidecars with `login` as the login; each keyword argument is one of `Starter`."""
    identity = str(declare_identity(folder))

    def start(**more: Any) -> Sidecar:
        records = ROOT / "docs/example/records.jsonl" if more.get("ready", True) else ()
        variables = {"PDP_FORWARD_AUTH": "127.0.0.1:0", "PDP_IDENTITY": identity} | more
        # Answers count here, not their time, which on a busy machine may be long.
        return starter("--evaluation-limit-ms", "10000", policy=PORTAL, records=records, **variables)

    return start


@pytest.fixture
def start_door(tmp_path: Path) -> Iterator[StartDoor]:
    """Starts sidecars that end with the test."""
    starter = Starter(tmp_path)
    yield starting(starter, tmp_path)
    starter.close()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """One for a module's tests, that lives through all of them."""
    folder = tmp_path_factory.mktemp("door")
    starter = Starter(folder)
    try:
        sidecar = starting(starter, folder)()
        yield sidecar
        assert sidecar.process.poll() is None
        assert "panic" not in sidecar.messages()
    finally:
        starter.close()
