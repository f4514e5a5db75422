"""The doors of web frameworks, each in the same small portal on a real server, asking a real sidecar."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from poortwachter_client.django import Middleware
from tests.adapters.python.portal_apps import FRAMEWORKS, LOGIN, portal_in
from tests.end_to_end import portal
from tests.end_to_end.sidecar import Sidecar
from tests.servers.processes import free_port

AUTHENTICATION = portal.request()["subject"]["properties"]["authentication"]
LOGGED_IN = {"X-Login": json.dumps(AUTHENTICATION)}
LOW = {"X-Login": json.dumps(AUTHENTICATION | {"levelOfAssurance": "urn:etoegang:core:assurance-class:loa2"})}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def served(request: pytest.FixtureRequest, pdp: Sidecar) -> Iterator[tuple[str, str]]:
    """The framework and the portal's address."""
    with portal_in(request.param, pdp.grpc) as address:
        yield request.param, address


@pytest.fixture
def site(served: tuple[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{served[1]}", timeout=30, trust_env=False) as client:
        yield client


def _problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    return document


def test_who_is_allowed_gets_through_with_the_decision(site: httpx.Client) -> None:
    for response in (site.get("/verzuim", headers=LOGGED_IN), site.post("/submit", headers=LOGGED_IN)):
        assert response.status_code == 200, response.text
        told = response.json()
        assert len(told["decision_id"]) == 32
        assert told["accountable"] == {"kvk": portal.EMPLOYER}
        assert told["obligations"] == ["supply_notification_email"]
        assert told["the same"]


def test_a_denial_says_why(site: httpx.Client) -> None:
    problem = _problem(site.get("/nowhere", headers=LOGGED_IN), 403)
    assert problem["title"] == "Forbidden"
    assert problem["codes"] == ["SERVICE_UNKNOWN"]
    assert len(problem["decision_id"]) == 32
    (reason,) = problem["reasons"]
    assert (reason["code"], reason["article"]) == ("SERVICE_UNKNOWN", "2.7")
    assert problem["detail"] == reason["message"]["nl"]
    english = site.get("/nowhere", headers=LOGGED_IN | {"Accept-Language": "en-GB, nl;q=0.5"})
    assert english.headers["content-language"] == "en"
    assert _problem(english, 403)["detail"] == reason["message"]["en"]


def test_a_browser_gets_a_page(site: httpx.Client) -> None:
    response = site.get("/nowhere", headers=LOGGED_IN | BROWSER)
    assert response.status_code == 403
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="nl">' in response.text
    assert "<h1>Geen toegang</h1>" in response.text
    assert "artikel 2.7" in response.text
    HTMLParser().feed(response.text)


def test_who_is_not_logged_in_is_sent_to_the_login(site: httpx.Client) -> None:
    response = site.get("/verzuim", headers=BROWSER)
    assert response.status_code == 303
    assert response.headers["location"] == f"{LOGIN}?terug=%2Fverzuim"
    program = site.get("/verzuim")
    assert "AUTHENTICATION_INVALID" in _problem(program, 401)["codes"]
    assert program.json()["login"] == f"{LOGIN}?terug=%2Fverzuim"
    assert program.headers["www-authenticate"].startswith("Bearer")


def test_a_level_that_is_too_low_asks_for_another(site: httpx.Client) -> None:
    response = site.get("/verzuim?a=b", headers=LOW)
    problem = _problem(response, 401)
    assert problem["codes"] == ["ASSURANCE_LEVEL_TOO_LOW"]
    assert problem["obligations"][0]["type"] == "step_up"
    assert 'acr_values="urn:etoegang:core:assurance-class:loa3' in response.headers["www-authenticate"]
    browser = site.get("/verzuim?a=b", headers=LOW | BROWSER)
    assert browser.status_code == 303
    assert browser.headers["location"].startswith(f"{LOGIN}?niveau=urn")
    assert browser.headers["location"].endswith("&terug=%2Fverzuim%3Fa%3Db")


def test_head_and_options_are_decided_as_other_methods_are(site: httpx.Client) -> None:
    response = site.head("/verzuim", headers={"X-Login": "{}"})
    assert response.status_code == 401
    assert response.content == b""
    assert site.options("/verzuim").status_code in (401, 405)
    assert site.head("/verzuim", headers=LOGGED_IN).status_code == 200


def test_what_needs_no_decision_gets_none(site: httpx.Client) -> None:
    response = site.get("/public")
    assert response.status_code == 200
    assert response.json() == {
        "decision_id": None,
        "accountable": None,
        "obligations": None,
        "the same": True,
    }


def test_what_is_not_declared_is_denied(served: tuple[str, str], site: httpx.Client) -> None:
    response = site.get("/undeclared", headers=LOGGED_IN)
    if served[0] == "fastapi":  # there a route declares what it requires as its dependency, or nothing
        assert response.status_code == 404
    else:
        assert _problem(response, 403)["codes"] == ["ROUTE_UNKNOWN"]


def test_the_resource_has_what_the_request_names(site: httpx.Client) -> None:
    problem = _problem(site.get("/fiscal?number=123456782", headers=LOGGED_IN), 403)
    assert problem["codes"] == ["FISCAL_NUMBER_NOT_OF_EMPLOYER"]
    assert _problem(site.get("/fiscal?number=7", headers=LOGGED_IN), 400)["field"].startswith("resource")


def test_a_login_that_contradicts_itself_is_denied(site: httpx.Client) -> None:
    for login in ("{}", "7", '"eherkenning"', '{"authorizee": 1}', '{"source": "digid", "authorizee": {}}'):
        response = site.get("/verzuim", headers={"X-Login": login})
        assert response.status_code == 401, login


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_pdp_that_cannot_be_asked_is_no_decision(framework: str) -> None:
    with portal_in(framework, f"127.0.0.1:{free_port()}") as address:
        response = httpx.get(f"http://{address}/verzuim", headers=LOGGED_IN, timeout=30, trust_env=False)
        assert _problem(response, 503)["codes"] == ["PDP_UNAVAILABLE"]
        assert response.headers["retry-after"] == "5"
        response = httpx.get(
            f"http://{address}/verzuim", headers=LOGGED_IN | BROWSER, timeout=30, trust_env=False
        )
        assert response.status_code == 503
        assert "kan nu niet worden gecontroleerd" in response.text


@pytest.mark.parametrize("framework", ["asgi", "fastapi"])
def test_a_websocket_is_decided_at_its_handshake(framework: str, pdp: Sidecar) -> None:
    with portal_in(framework, pdp.grpc) as address:
        with connect(f"ws://{address}/verzuim", additional_headers=LOGGED_IN, proxy=None) as socket:
            assert json.loads(socket.recv(timeout=20))["accountable"] == {"kvk": portal.EMPLOYER}
        with (
            pytest.raises((InvalidStatus, ConnectionClosed)) as raised,
            connect(f"ws://{address}/verzuim", proxy=None) as socket,
        ):
            socket.recv(timeout=20)
        assert isinstance(raised.value, InvalidStatus), "refused before it was accepted"
        assert raised.value.response.status_code in (401, 403)


def test_django_without_addresses_says_so(pdp: Sidecar) -> None:
    with portal_in("django-wsgi", pdp.grpc):
        pass  # configures Django
    with override_settings(POORTWACHTER={}), pytest.raises(ImproperlyConfigured, match="addresses"):
        Middleware(lambda request: None)
