"""A portal behind each real gateway: what gets through, what does not, and what a client can make of it."""

import json
import signal
from collections.abc import Callable

import pytest

from tests.adapters.gateways.conftest import USER, Site, login
from tests.adapters.gateways.raw import ask, send
from tests.adapters.gateways.running import NAMES
from tests.end_to_end.sidecar import until

BLOCK = {"ground": "misuse", "from": "2026-01-01T00:00:00Z"}
PAGE = ("Accept", "text/html")


def test_who_may_gets_through_with_what_was_decided(site: Site) -> None:
    answer = site.ask("/?a=b", headers=[login()])
    assert (answer.status, json.loads(answer.body)) == (200, {"portal": "/?a=b"})
    headers = site.portal.only().headers
    assert json.loads(headers["x-pdp-accountable"][0]) == {"kvk": "12345678"}
    assert len(headers["x-pdp-decision-id"][0]) == 32


def test_what_a_client_forges_does_not_reach_the_portal(site: Site) -> None:
    forged = [
        ("X-Pdp-Accountable", '{"kvk":"99999999"}'),
        ("x-pdp-notices", "forged"),
        ("X-PDP-OBLIGATIONS", "forged"),
        ("X-Pdp-Codes", "forged"),
        ("X-Original-URI", "/static/x"),
        ("X-Forwarded-Uri", "/static/x"),
        ("X-Forwarded-Method", "GET"),
    ]
    answer = site.ask("/", headers=[login(), *forged])
    assert answer.status == 200
    arrived = site.portal.only().headers
    assert "forged" not in json.dumps({name: value for name, value in arrived.items() if "pdp" in name})
    assert arrived["x-pdp-accountable"] == ['{"kvk":"12345678"}']
    assert site.ask("/static/x", headers=forged).status == 200
    public = site.portal.only().headers
    assert not {name: value for name, value in public.items() if name.startswith("x-pdp-") and any(value)}
    for pretended in (("X-Original-URI", "/static/x"), ("X-Forwarded-Uri", "/static/x")):
        method = (pretended[0].replace("URI", "Method").replace("Uri", "Method"), "GET")
        assert site.ask("/accounts", headers=[pretended, method]).status == 401
        assert not site.portal.arrived


def test_a_program_without_a_login_gets_401_and_what_is_wrong(site: Site) -> None:
    answer = site.ask("/accounts", headers=[("Accept-Language", "en")])
    assert answer.status == 401
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.headers["content-language"] == "en"
    problem = json.loads(answer.body)
    assert "AUTHENTICATION_INVALID" in [reason["code"] for reason in problem["reasons"]]
    assert problem["login"] == "/inloggen?terug=%2Faccounts"
    assert not site.portal.arrived


def test_a_browser_without_a_login_is_sent_to_it(site: Site) -> None:
    for method in ("GET", "HEAD"):
        answer = site.ask("/webdiensten?q=%20x", method, headers=[PAGE])
        assert (answer.status, answer.headers["location"]) == (
            302,
            "/inloggen?terug=%2Fwebdiensten%3Fq%3D%2520x",
        )
    posted = site.ask("/voorwaarden/akkoord", "POST", headers=[PAGE], body=b"x=1")
    assert posted.status == 401, "what was posted cannot be asked for again"
    assert not site.portal.arrived


def test_a_level_too_low_steps_up(site: Site) -> None:
    answer = site.ask("/", headers=[login("loa2"), PAGE])
    assert answer.status == 302
    assert answer.headers["location"].startswith("/inloggen?niveau=urn%3Aetoegang%3Acore%3A")
    assert answer.headers["location"].endswith("&terug=%2F")
    assert not site.portal.arrived


def test_a_cookie_is_a_login_too(site: Site) -> None:
    value = login()[1].removeprefix("Bearer ")
    assert site.ask("/", headers=[("Cookie", f"a=1; login={value}")]).status == 200
    assert site.ask("/", headers=[("Cookie", f"login={value}x")]).status == 401


def test_what_nobody_declared_is_denied(site: Site) -> None:
    answer = site.ask("/beheer", headers=[login(), PAGE])
    assert answer.status == 403
    assert "Deze pagina bestaat niet" in answer.text
    assert answer.headers["x-pdp-codes"] == "ROUTE_UNKNOWN"
    assert not site.portal.arrived


def test_a_denial_says_why_in_the_users_language(site: Site) -> None:
    for language, text in (("nl", "toegang"), ("en", "access")):
        answer = site.ask("/webdiensten/onbekend", headers=[login(), PAGE, ("Accept-Language", language)])
        assert answer.status == 403
        assert f'lang="{language}"' in answer.text
        assert text in answer.text
        assert "SERVICE_UNKNOWN" in answer.headers["x-pdp-codes"]
    assert not site.portal.arrived


def test_a_block_counts_with_the_next_request(site: Site) -> None:
    assert site.ask("/", headers=[login()]).status == 200
    site.sidecar.apply(("block", f"account:{USER}", BLOCK))
    try:
        answer = site.ask("/", headers=[login()])
        assert answer.status == 403
        assert answer.headers["x-pdp-codes"] == "ACCOUNT_BLOCKED"
        assert not site.portal.arrived
    finally:
        site.sidecar.apply(("block", f"account:{USER}", None))
    assert site.ask("/", headers=[login()]).status == 200


def test_bodies_and_methods_go_through_unchanged(site: Site) -> None:
    body = bytes(range(256)) * 200
    answer = site.ask("/voorwaarden/akkoord", "POST", headers=[login()], body=body)
    assert answer.status == 200
    arrived = site.portal.only()
    assert (arrived.method, arrived.target, arrived.body) == ("POST", "/voorwaarden/akkoord", body)
    assert site.ask("/", "HEAD", headers=[login()]).status == 200
    assert site.portal.only().method == "HEAD"


# Made when they are needed, as tokens expire.
NO_CREDENTIALS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "twice": lambda: [login(), login()],
    "two": lambda: [login(), ("Authorization", "Bearer x")],
    "endless": lambda: [("Authorization", "Bearer " + "x" * 20_000)],
    "basic": lambda: [("Authorization", "Basic cDp4")],
    "forged": lambda: [(login()[0], login()[1][:-3])],
}


@pytest.mark.parametrize("name", NO_CREDENTIALS)
def test_credentials_that_are_none_let_nobody_in(site: Site, name: str) -> None:
    answer = site.ask("/", headers=NO_CREDENTIALS[name]())
    assert answer.status in (400, 401, 403, 431)
    assert not site.portal.arrived


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET /static/x HTTP/1.1\r\nHost: a\r\nX-A: \xff\xfe\r\nX Y: z\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: " + b"x" * 100_000 + b"\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
    ],
    ids=["lengths", "bytes", "large", "binary", "spaces"],
)
def test_what_is_no_request_ends_at_the_gateway(site: Site, content: bytes) -> None:
    site.portal.arrived.clear()
    answer = send(site.port, content)
    assert answer.status == 0 or answer.status >= 400
    assert not site.portal.arrived


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_is_a_denial(name: str, start_site: Callable[..., Site]) -> None:
    site = start_site(name)
    site.sidecar.signal(signal.SIGSTOP)
    try:
        slow = site.ask("/", headers=[login()])
        assert slow.status >= 500
        assert site.ask("/static/x").status >= 500, "nobody said that it is public"
        assert not site.portal.arrived
    finally:
        site.sidecar.signal(signal.SIGCONT)
    until(lambda: ask(site.port, "/", headers=[login()]).status == 200, what="an answer again")
    site.sidecar.close()
    gone = site.ask("/", headers=[login()])
    assert gone.status >= 500
    assert not site.portal.arrived
