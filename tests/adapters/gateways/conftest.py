"""A sidecar with the portal's policy and logins by token, a portal, and each real gateway between them."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.gateways.raw import Answer, ask
from tests.adapters.gateways.running import NAMES, gateway
from tests.adapters.gateways.upstream import Upstream, upstream
from tests.end_to_end.sidecar import PORTAL, ROOT, Sidecar, Starter
from tests.servers.issuer import ec, key_set, token

ISSUER = "https://login.example"
USER = "p-7f3a"
KEY = ec("test")
GATEWAY = {"header": "x-login", "mapping": "eherkenning-camel", "source": "eherkenning"}


def login(level: str = "loa3", user: str = USER, **claims: str) -> tuple[str, str]:
    """The header of a login."""
    acr = f"urn:etoegang:core:assurance-class:{level}"
    return "Authorization", "Bearer " + token(ISSUER, KEY, acr=acr, eherkenningPseudo=user, **claims)


def declare_identity(folder: Path, **more: Any) -> Path:
    """An identity.yaml that believes `login`; `more`: what else it says."""
    (folder / "keys.json").write_bytes(key_set(KEY))
    declaration = folder / "identity.yaml"
    issuer = {
        "issuer": ISSUER,
        "audience": ["werkgeversportaal"],
        "keys": "keys.json",
        "algorithms": ["ES256"],
        "mapping": "eherkenning-camel",
        "source": "eherkenning",
    }
    content = {"tokens": [issuer], "token_cookie": "login"} | more
    declaration.write_text(json.dumps(content), encoding="utf-8")
    return declaration


@dataclass
class Site:
    """A gateway between a client and a portal, with the sidecar that it asks."""

    name: str
    port: int
    sidecar: Sidecar
    portal: Upstream

    def ask(
        self,
        target: str,
        method: str = "GET",
        headers: list[tuple[str, str]] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """One request; what reached the portal is in `portal.arrived` afterwards."""
        self.portal.arrived.clear()
        return ask(self.port, target, method, headers or (), body)


@pytest.fixture(scope="session")
def start_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Site]]:
    """Starts sidecars of their own behind a gateway, for tests that harm them."""
    with ExitStack() as stack:

        def start(name: str) -> Site:
            folder = tmp_path_factory.mktemp(name)
            starter = Starter(folder)
            sidecar = starter(
                policy=PORTAL,
                records=ROOT / "docs/example/records.jsonl",
                PDP_FORWARD_AUTH="127.0.0.1:0",
                PDP_IDENTITY=str(declare_identity(folder, gateway=GATEWAY)),
            )
            stack.callback(sidecar.close)
            portal = stack.enter_context(upstream())
            doors = sidecar.addresses
            port = stack.enter_context(
                gateway(name, grpc=sidecar.grpc, forward=doors["forward_auth"], portal=portal.port)
            )
            site = Site(name, port, sidecar, portal)
            _until_it_decides(site)
            return site

        yield start


@pytest.fixture(scope="session", params=NAMES)
def site(request: pytest.FixtureRequest, start_site: Callable[[str], Site]) -> Site:
    """Each gateway in turn."""
    return start_site(request.param)


def _until_it_decides(site: Site) -> None:
    ends = time.monotonic() + 10
    while site.ask("/", headers=[login()]).status != 200:
        assert time.monotonic() < ends, site.ask("/", headers=[login()])
        time.sleep(0.1)
