"""The bundle `doors` and cores that decide by it, without a store."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pdp._core import Core, Policy
from pdp.policy.bundle import load_bundle

DOORS = Path(__file__).resolve().parents[1] / "records" / "doors"
CHAIN = bytes(range(20))

Ask = Callable[[Core, str], dict[str, Any]]


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The compiled bundle: an open door lets everyone pass."""
    return load_bundle(DOORS, cache_dir=tmp_path_factory.mktemp("bundles")).policy


@pytest.fixture
def ask() -> Ask:
    """The decision on whether someone may pass a door."""

    def ask(core: Core, door: str) -> dict[str, Any]:
        request = {
            "subject": {"type": "user", "id": "alice"},
            "action": {"name": "pass"},
            "resource": {"type": "door", "id": door},
        }
        answer: dict[str, Any] = json.loads(core.check(json.dumps(request).encode()))
        return answer

    return ask


@pytest.fixture
def door() -> Callable[..., tuple[str, str, bytes, int]]:
    """A record of an open door."""

    def door(name: str, version: int = 1, *, is_open: bool = True) -> tuple[str, str, bytes, int]:
        document = {"id": name, "open": is_open}
        return "door", name, json.dumps(document, separators=(",", ":")).encode(), version

    return door
