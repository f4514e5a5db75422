"""Fixtures: the pinned OPA, and the portal's bundle loaded as `pdp serve` loads it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pdp.policy.bundle import Bundle, load_bundle
from pdp.policy.deciders import CoreDecider, OpaServer
from pdp.policy.opa import Opa, OpaError, find_opa
from tests.policy.asked import Asked
from tests.policy.bundles import PATIENT_MS, PORTAL


@pytest.fixture(scope="session")
def opa() -> Opa:
    try:
        return find_opa()
    except OpaError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def portal(opa: Opa, cache: Path) -> Bundle:
    """The portal's bundle, checked, with time enough on a busy machine: OPA has no limit either."""
    return load_bundle(PORTAL, opa=opa.program, cache_dir=cache, evaluation_limit_ms=PATIENT_MS)


@pytest.fixture(scope="session")
def portal_server(portal: Bundle, opa: Opa) -> Iterator[OpaServer]:
    """A real OPA server with the portal's built bundle."""
    with OpaServer(opa, portal.archive) as server:
        yield server


@pytest.fixture(scope="session")
def asked(portal: Bundle) -> Asked:
    """Decides generated portals."""
    return Asked(portal)


@pytest.fixture
def decider(portal: Bundle) -> CoreDecider:
    return CoreDecider(portal.policy)
