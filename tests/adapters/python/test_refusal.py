"""What a denial looks like: escaping, languages, choices, and where a login may lead back to."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poortwachter_client import AsyncClient, Decision, Message, Obligation, Reason, asgi
from poortwachter_client.decision import pdp_unavailable
from poortwachter_client.negotiation import language, wants_page
from poortwachter_client.refusal import Answer, Asking, Refusals, default_page
from poortwachter_client.requirement import Requirement, subject_of, trace_of
from tests.adapters.python.fake_pdp import FakePdp, failing

EVIL = "<script>alert(1)</script>\"'&"
BROWSER = "text/html"


def _denied(code: str = "ACCOUNT_BLOCKED", *obligations: Obligation, text: str = "Nee.") -> Decision:
    return Decision(
        allow=False,
        reasons=(Reason(code, "4.5", Message(text, "No."), {}),),
        obligations=obligations,
        decision_id="a" * 32,
    )


def _step_up(values: Any) -> Obligation:
    return Obligation("step_up", "2.2", {"acr_values": values})


def _both(one: str, other: str, *obligations: Obligation) -> Decision:
    decision = _denied(one, *obligations)
    return replace(decision, reasons=decision.reasons + _denied(other).reasons)


def _headers(answer: Answer) -> dict[str, str]:
    return dict(answer.headers)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "nl"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("nl,en;q=0.8", "nl"),
        ("nl;q=0.3, en;q=0.8", "en"),
        ("fr, de", "nl"),
        ("en;q=0", "nl"),
        ("nl;q=0, *", "en"),
        ("*", "nl"),
        ("EN", "en"),
        ("en;q=abc", "nl"),
        (";;;,,,=", "nl"),
    ],
)
def test_the_language(header: str, expected: str) -> None:
    assert language(header) == expected


@pytest.mark.parametrize(
    ("header", "page"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json, text/html;q=0.5", False),
        ("text/html;q=0", False),
    ],
)
def test_a_page_or_a_document(header: str, page: bool) -> None:
    assert wants_page(header) is page


@given(st.text())
def test_whatever_a_header_says_it_is_read(header: str) -> None:
    assert language(header) in ("nl", "en")
    wants_page(header)


@given(st.text(), st.sampled_from(["nl", "en"]))
def test_nothing_gets_into_a_page_as_markup(text: str, tongue: Any) -> None:
    decision = _denied(text, Obligation("accept_terms", "2.3", {"url": f"https://x/{text}"}), text=text)
    plain = default_page(
        _denied("X", Obligation("accept_terms", "2.3", {"url": "https://x/"}), text="X"), tongue, "/"
    )
    page = default_page(decision, tongue, text)
    assert page.count("<") <= plain.count("<")
    assert page.count('"') <= plain.count('"')


def test_a_page_is_accessible_and_escaped() -> None:
    asking = Asking("GET", "/", BROWSER, "en")
    terms = Obligation("accept_terms", "2.3", {"url": "javascript:alert(1)"})
    answer = Refusals().answer(_denied(EVIL, terms, text=EVIL), asking)
    page = answer.body.decode()
    assert '<html lang="en">' in page
    assert "<script>" not in page
    assert "javascript:" not in page, "only http and https are linked to"
    assert "Accept the terms of use." in page
    assert _headers(answer)["Content-Security-Policy"].startswith("default-src 'none'")
    assert _headers(answer)["Content-Length"] == str(len(answer.body))


@pytest.mark.parametrize(
    ("target", "back"),
    [
        ("/a?b=c&d", "%2Fa%3Fb%3Dc%26d"),
        ("//evil.example/", "%2F"),
        ("/\\evil.example/", "%2F"),
        ("https://evil.example/", "%2F"),
        ("/a\r\nSet-Cookie: x", "%2Fa%0D%0ASet-Cookie%3A%20x"),
    ],
)
def test_a_login_leads_back_to_this_application_only(target: str, back: str) -> None:
    refusals = Refusals(login_url="https://login.example/?tenant=1&next={url}")
    answer = refusals.answer(_denied("LOGIN_NOT_EHERKENNING"), Asking("GET", target, BROWSER))
    assert (answer.status, _headers(answer)["Location"]) == (
        303,
        f"https://login.example/?tenant=1&next={back}",
    )


@pytest.mark.parametrize(
    ("decision", "asking", "status"),
    [
        (_denied(), Asking("GET", "/"), 403),
        (_denied(), Asking("GET", "/", BROWSER), 403),
        (_denied("AUTHENTICATION_INVALID"), Asking("GET", "/"), 401),
        (_denied("AUTHENTICATION_INVALID"), Asking("GET", "/", BROWSER), 303),
        (_denied("AUTHENTICATION_INVALID"), Asking("HEAD", "/", BROWSER), 303),
        (_denied("AUTHENTICATION_INVALID"), Asking("POST", "/", BROWSER), 401),
        (_denied("ASSURANCE_LEVEL_TOO_LOW", _step_up(("a", "b"))), Asking("GET", "/"), 401),
        (_denied("ASSURANCE_LEVEL_TOO_LOW", _step_up(())), Asking("GET", "/"), 403),
        (_denied("ASSURANCE_LEVEL_TOO_LOW", _step_up(("a",))), Asking("GET", "/", BROWSER), 303),
        (_both("AUTHENTICATION_INVALID", "ACCOUNT_UNKNOWN"), Asking("GET", "/", BROWSER), 303),
        (_both("AUTHENTICATION_INVALID", "INCIDENT_LOCKOUT"), Asking("GET", "/", BROWSER), 401),
        (_both("ASSURANCE_LEVEL_TOO_LOW", "ACCOUNT_BLOCKED", _step_up(("a",))), Asking("GET", "/"), 403),
        (pdp_unavailable("UNAVAILABLE"), Asking("GET", "/"), 503),
        (pdp_unavailable("UNAVAILABLE"), Asking("GET", "/", BROWSER), 503),
    ],
)
def test_the_status(decision: Decision, asking: Asking, status: int) -> None:
    assert Refusals(login_url="/login", step_up_url="/level").answer(decision, asking).status == status
    without = Refusals().answer(decision, asking).status
    assert without == (401 if status == 303 else status)


@pytest.mark.parametrize("values", [("x\r\nSet-Cookie: a=b",), 'a" b"', ("\u00e9",)])
def test_a_level_cannot_break_a_header(values: Any) -> None:
    answer = Refusals().answer(_denied("ASSURANCE_LEVEL_TOO_LOW", _step_up(values)), Asking("GET", "/"))
    challenge = _headers(answer)["WWW-Authenticate"]
    assert challenge.isascii()
    assert challenge.isprintable()
    assert challenge.count('"') == 4


def test_a_page_of_ones_own() -> None:
    refusals = Refusals(page=lambda decision, tongue, login: f"{decision.codes} {tongue} {login}")
    answer = refusals.answer(_denied(), Asking("GET", "/", BROWSER, "en"))
    assert answer.body == b"('ACCOUNT_BLOCKED',) en "


@pytest.mark.parametrize("authentication", [None, 7, "x", [], {}, {"authorizee": {"actingSubject": 7}}])
def test_a_login_that_is_none_names_nobody(authentication: Any) -> None:
    subject = subject_of(authentication)
    assert subject is None or subject["id"] == "anonymous"


@pytest.mark.parametrize(
    ("header", "passed"),
    [
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-01", True),
        ("00-" + "A" * 32 + "-" + "b" * 16 + "-01", False),
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-01\n", False),
        ("", False),
        (None, False),
    ],
)
def test_only_a_trace_is_passed_on(header: str | None, passed: bool) -> None:
    assert bool(trace_of(header)) is passed


def _through(door: asgi.Door, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """What a server would be sent, of an application that must not be reached."""
    sent: list[Any] = []

    async def app(*_: Any) -> None:
        raise AssertionError("reached")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    guarded = door.middleware(app, lambda _: Requirement("x", "read"))

    async def serve() -> None:
        await guarded(scope, receive, send)

    asyncio.run(serve())
    return sent


def test_a_server_that_cannot_deny_a_websocket_closes_it() -> None:
    with FakePdp(failing(grpc.StatusCode.INTERNAL)) as fake:
        door = asgi.Door(AsyncClient([fake.address], timeout=10.0))
        scope = {"type": "websocket", "path": "/", "headers": []}
        assert _through(door, scope) == [{"type": "websocket.close", "code": 1008}]


def test_a_scope_of_another_kind_is_refused() -> None:
    with pytest.raises(RuntimeError, match="webtransport"):
        _through(asgi.Door(AsyncClient(["127.0.0.1:1"])), {"type": "webtransport"})
