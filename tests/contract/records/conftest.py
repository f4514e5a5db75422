"""The stores that the conformance suite runs over: add one here and every test runs over it too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pdp.records.store import RecordStore, open_store


def _sqlite(folder: Path, name: str) -> str:
    url = f"sqlite:{folder / name}.db"
    open_store(url).close()
    return url


MAKERS: dict[str, Callable[[Path, str], str]] = {"sqlite": _sqlite}


@pytest.fixture(params=list(MAKERS))
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Makes an empty, initialised store with a name and gives its URL."""
    maker = MAKERS[request.param]
    return lambda name: maker(tmp_path, name)


@pytest.fixture
def url(new_url: Callable[[str], str]) -> str:
    """The URL of an empty store."""
    return new_url("records")


@pytest.fixture
def store(url: str) -> Iterator[RecordStore]:
    """An empty store."""
    store = open_store(url)
    yield store
    store.close()
