"""The stores that the conformance suite runs over: add one here and every test runs over it too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pdp.records.store import RecordStore, open_store

URLS: dict[str, Callable[[Path], str]] = {"sqlite": lambda folder: f"sqlite:{folder / 'records.db'}"}


@pytest.fixture(params=list(URLS))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that does not exist yet."""
    return URLS[request.param](tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[RecordStore]:
    """An empty store."""
    store = open_store(url)
    yield store
    store.close()
