"""A small bundle (doors that are open or not), a store, a core that follows it, an administrative server.

For the portal's own commands: its bundle, a few accounts and services, and a sidecar's administrative server.
"""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from pdp._core import Core, Policy
from pdp.cli.main import run
from pdp.policy.bundle import load_bundle
from pdp.records.access import StoreAccess
from pdp.records.admin_server import build_admin_server
from pdp.records.follow import Follower
from pdp.records.service import Served
from pdp.records.store import RecordStore, open_store
from tests.unit.records.serving import PORTAL_LEASE_MS, serving, shortened

DOORS = Path(__file__).parent / "doors"
PORTAL = Path(__file__).resolve().parents[3] / "policies" / "portal"

Decides = Callable[[Core, str], bool]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The compiled bundle `doors`."""
    return load_bundle(DOORS, cache_dir=tmp_path_factory.mktemp("bundles")).policy


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of the store."""
    return f"sqlite:{tmp_path / 'records.db'}"


@pytest.fixture
def store(url: str) -> Iterator[RecordStore]:
    """An empty store."""
    store = shortened(url)
    yield store
    store.close()


@pytest.fixture
def core(policy: Policy) -> Core:
    """A core with the policy and no state yet."""
    core = Core()
    core.set_policy(policy)
    return core


@pytest.fixture
def served(store: RecordStore, core: Core, policy: Policy) -> Iterator[Served]:
    """What the administrative server works on."""
    served = serving(store, core, policy)
    yield served
    served.follower.stop()


@pytest.fixture
def follower(served: Served) -> Follower:
    """The follower of the administrative server's core."""
    return served.follower


@pytest.fixture
def admin(served: Served) -> Iterator[str]:
    """The address of an administrative server over the store."""
    server, address = build_admin_server("127.0.0.1:0", served)
    server.start()
    yield address
    server.stop(0).wait()


@pytest.fixture
def channel(admin: str) -> Iterator[grpc.Channel]:
    """A channel to the administrative server."""
    with grpc.insecure_channel(admin) as channel:
        yield channel


@pytest.fixture
def passes() -> Decides:
    """Whether the core lets someone pass a door."""

    def passes(core: Core, door: str) -> bool:
        request = {
            "subject": {"type": "user", "id": "alice"},
            "action": {"name": "pass"},
            "resource": {"type": "door", "id": door},
        }
        answer: dict[str, Any] = json.loads(core.check(json.dumps(request).encode()))
        return answer["allow"] is True

    return passes


def account(name: str, employer: str, organisation: str, *services: str) -> dict[str, Any]:
    grants = [{"service": service, "purposes": ["https://example.nl/doel"], "from": "2026-01-01T00:00:00Z"}]
    return {
        "kind": "account",
        "key": name,
        "value": {
            "employer": employer,
            "organisation": organisation,
            "status": "active",
            "notification_email": True,
            "terms": [],
            "grants": [{**grants[0], "service": service} for service in services],
        },
    }


def service(name: str) -> dict[str, Any]:
    return {
        "kind": "service",
        "key": name,
        "value": {
            "name": name,
            "service_uuid": "8d7e3c1a-0000-4000-8000-000000000001",
            "minimum_assurance": "urn:etoegang:core:assurance-class:loa3",
            "purposes": ["https://example.nl/doel"],
            "actions": ["read"],
            "fiscal_number_required": False,
            "activation_required": False,
            "personal_data": False,
        },
    }


RECORDS = [
    service("ziekmelden"),
    service("wga"),
    account("u1", "11111111", "11111111", "ziekmelden"),
    account("u2", "11111111", "33333333", "ziekmelden", "wga"),
    account("u3", "22222222", "33333333", "wga"),
    account("u4", "22222222", "22222222"),
]


@pytest.fixture(scope="session")
def portal() -> Policy:
    """The portal's own bundle."""
    return load_bundle(PORTAL).policy


@pytest.fixture
def access(url: str, portal: Policy) -> Iterator[StoreAccess]:
    """The portal's state, to look at."""
    access = StoreAccess(shortened(url, PORTAL_LEASE_MS), lambda: portal)
    access.import_lines(io.BytesIO("".join(json.dumps(record) + "\n" for record in RECORDS).encode()))
    yield access
    access.close()


@pytest.fixture
def sidecar(url: str, access: StoreAccess, portal: Policy) -> Iterator[str]:
    """The administrative address of a server on the same store."""
    core, store = Core(), open_store(url)
    core.set_policy(portal)
    served = serving(store, core, portal)
    server, address = build_admin_server("127.0.0.1:0", served)
    server.start()
    yield address
    server.stop(0).wait()
    served.follower.stop()
    store.close()


@pytest.fixture
def pdp(sidecar: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command through the sidecar."""

    def pdp(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments, "--admin", sidecar])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return pdp
