"""A store with a short lease, and one shard of it that the test alone moves."""

from collections.abc import Iterator
from typing import Any

import pytest

from pdp._core import Core
from pdp.records.shard import Host, ShardFollower
from pdp.records.store import (
    RecordStore,
)
from tests.unit.records.follow.following import SHORT, Tampered
from tests.unit.records.serving import shortened


@pytest.fixture
def store(tmp_path: Any) -> Iterator[RecordStore]:
    """With the lease of `SHORT`."""
    store = shortened(f"sqlite:{tmp_path / 'records.db'}", lease_ms=300)
    yield store
    store.close()


@pytest.fixture
def tampered(store: RecordStore) -> Tampered:
    return Tampered(store)


@pytest.fixture
def shard(tampered: Tampered, core: Core) -> ShardFollower:
    """Moved by the test alone."""
    return ShardFollower(tampered, core, 0, SHORT, Host(instance="me"))
