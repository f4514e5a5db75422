"""Real sidecars of the portal bundle, with one employer, one user and one service."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pdp.records.store import open_store
from tests.end_to_end import portal
from tests.end_to_end.sidecar import PORTAL, Sidecar, Starter

LEASE_SECONDS = 1.5
"""What takes a lease takes little more than a second."""

Fleet = Callable[[int], list[Sidecar]]


@pytest.fixture(scope="module")
def pdp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """A sidecar for tests that change no records. The user still owes an e-mail address (article 2.5)."""
    starter = Starter(tmp_path_factory.mktemp("pdp"))
    records = [
        (kind, key, {**(value or {}), "notification_email": False} if kind == "account" else value)
        for kind, key, value in portal.records()
    ]
    try:
        yield starter(policy=PORTAL, records=records)
    finally:
        starter.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Starts some sidecars on one store with a short lease; tests do to them what they like."""
    starter = Starter(tmp_path)

    def start(number: int) -> list[Sidecar]:
        store = tmp_path / "state.db"
        open_store(f"sqlite:{store}").close()
        with closing(sqlite3.connect(store)) as db, db:  # at once, as nobody has a proof yet
            db.execute("UPDATE meta SET lease_ms = ?", (int(LEASE_SECONDS * 1000),))
        started = [starter(policy=PORTAL, ready=False) for _ in range(number)]
        for sidecar in started:
            starter.wait(sidecar)
        started[0].apply(*portal.records())
        return started

    yield start
    starter.close()
