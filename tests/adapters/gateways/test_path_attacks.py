"""Targets that try to be two things at once, by the table that the routes' own tests read too.

Each gateway reads paths in its own way before or after it asks. Whatever reaches the portal must be what was
decided on: a careless portal, which decodes, resolves and folds as much as it can, must not find a protected
page in it.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from pdp.policy.bundle import Bundle, load_bundle
from pdp.policy.routes import found, route_of
from tests.adapters.gateways.conftest import Site
from tests.adapters.gateways.raw import ask

TABLE = yaml.safe_load((Path(__file__).parents[1] / "path_attacks.yaml").read_text(encoding="utf-8"))
ATTACKS = TABLE["attacks"]
PUBLIC = ("/static/", "/inloggen", "/uitloggen", "/favicon.ico", "/robots.txt")


def careless(target: str) -> str:
    """The path that a program sees which decodes, resolves and folds as much as it can."""
    path = target
    for _ in range(4):
        path = unquote(path)
    path = path.split("?")[0].split("#")[0].split("\0")[0].replace("\\", "/")
    kept: list[str] = []
    for segment in path.split("/"):
        name = segment.split(";")[0].strip().lower()
        if name == "..":
            kept = kept[:-1]
        elif name.strip(". "):
            kept.append(name.rstrip(". "))
    return "/" + "/".join(kept)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The routes of the table, with the example's policy."""
    from tests.end_to_end.sidecar import EXAMPLE

    folder = tmp_path_factory.mktemp("routes")
    for file in EXAMPLE.rglob("*"):
        if file.is_file() and not file.name.startswith("routes"):
            target = folder / file.relative_to(EXAMPLE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    (folder / "routes.yaml").write_text(yaml.safe_dump({"routes": TABLE["routes"]}), encoding="utf-8")
    return load_bundle(folder)


@pytest.mark.parametrize("attack", ATTACKS, ids=[f"{a['tries']}: {a['target']}" for a in ATTACKS])
def test_the_routes_take_each_target_as_the_table_says(bundle: Bundle, attack: dict[str, Any]) -> None:
    answer = found(bundle.policy, attack.get("method", "GET"), attack["target"])
    if attack["want"] == "refused":
        assert answer == {"refused": attack["text"]}
    elif attack["want"] == "unknown":
        assert answer == "unknown"
    else:
        assert route_of(answer) == attack["want"]


def _targets() -> Iterator[str]:
    """The table's targets for the portal's own pages."""
    for attack in ATTACKS:
        target = attack["target"].replace("/beheer/accounts", "/accounts").replace("beheer", "accounts")
        if target.startswith(("/", "http", "*")) and all(ord(char) < 127 for char in target):
            yield target


def test_no_target_brings_a_protected_page_past_any_gateway(site: Site) -> None:
    reached = []
    for target in {*_targets(), *(f"/static{target}" for target in _targets() if target.startswith("/"))}:
        site.portal.arrived.clear()
        ask(site.port, target)
        for arrived in site.portal.arrived:
            page = careless(arrived.target)
            reached.append(page)
            assert page.startswith(PUBLIC), f"{target} came to the portal as {arrived.target}"
    assert any(page.startswith("/static/") for page in reached), "some targets are public"


def test_the_check_would_see_what_comes_past(start_site: Callable[[str], Site]) -> None:
    """Without a decision the same targets do reach protected pages: the test above is not blind."""
    assert {careless(target) for target in _targets()} & {"/accounts"}
    assert careless("/static/..%2f..%2Faccounts") == "/accounts"
    assert json.dumps(careless("/static/%252e%252e/accounts")) == '"/accounts"'


@pytest.mark.parametrize(
    "name",
    [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X_HTTP_Method_Override",
        "X_Rewrite_URL",
    ],
)
def test_no_header_has_the_portal_take_a_public_page_for_another(site: Site, name: str) -> None:
    answer = site.ask("/static/x", headers=[(name, "/accounts")])
    if site.portal.arrived:
        assert answer.status == 200
        assert name.lower() not in site.portal.only().headers, "the gateway took it away"
    else:
        # 400: the gateway itself refuses names with an underscore.
        assert answer.status in ({400, 403} if "_" in name else {403})


def test_no_form_has_the_portal_take_a_post_for_another_method(site: Site) -> None:
    assert site.ask("/inloggen?_method=DELETE", method="POST").status == 403
    assert not site.portal.arrived
    assert site.ask("/inloggen", method="POST").status == 200
