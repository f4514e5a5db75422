"""What a web application answers when a request is denied: problem details (RFC 9457) or a page."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from poortwachter_client.decision import Decision, Reason
from poortwachter_client.errors import InvalidRequest
from poortwachter_client.negotiation import Language, language, wants_page
from poortwachter_client.texts import article, in_language, link, sentences, text, to_do

LOGIN_CODES = frozenset({"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"})
"""Reasons of which a login is the remedy."""

_RETRY_SECONDS = 5
_PLAIN: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"), ("Vary", "Accept, Accept-Language"))


@dataclass(frozen=True, slots=True)
class Asking:
    """What an answer depends on besides the decision: of the request.

    Attributes:
        method: GET, …
        target: path and query, where a login comes back to.
        accept: the header, "" for none.
        accept_language: the header, "" for none.
    """

    method: str
    target: str
    accept: str = ""
    accept_language: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response. `status` is its code."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def phrase(self) -> str:
        """The words of its status."""
        return HTTPStatus(self.status).phrase


@dataclass(frozen=True, slots=True)
class _Remedy:
    challenge: str
    url: str


Page = Callable[[Decision, Language, str], str]
"""Renders a denial as HTML. Last comes the URL of the login where that is the remedy, otherwise ""."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """How an application says no.

    Attributes:
        login_url: where a user logs in, with `{url}` for the page to come back to. None: there is none.
        step_up_url: where a user logs in at another level, with `{acr_values}` for those that will do.
        login_codes: reasons of which a login is the remedy: 401, and a redirect for who asked for a page.
        along_with_login: reasons that come along while nobody is logged in. With any other reason beside
            them a login would not help, and none is offered.
        page: renders a denial; it escapes what it shows.
    """

    login_url: str | None = None
    step_up_url: str | None = None
    login_codes: frozenset[str] = LOGIN_CODES
    along_with_login: frozenset[str] = frozenset({"ACCOUNT_UNKNOWN"})
    page: Page | None = None

    def answer(self, decision: Decision, asking: Asking) -> Answer:
        """The response to a request that was denied."""
        return _to(asking, self._answer(decision, asking))

    def _answer(self, decision: Decision, asking: Asking) -> Answer:
        tongue = language(asking.accept_language)
        page = wants_page(asking.accept)
        remedy = self._remedy(decision, asking)
        login = remedy.url if remedy else ""
        if login and page and asking.method in ("GET", "HEAD"):
            return Answer(303, (("Location", login), ("Content-Length", "0"), *_PLAIN), b"")
        status, headers = 403, _PLAIN
        if decision.unavailable:
            status, headers = 503, (*headers, ("Retry-After", str(_RETRY_SECONDS)))
        elif remedy:
            status, headers = 401, (*headers, ("WWW-Authenticate", remedy.challenge))
        if page:
            html = (self.page or default_page)(decision, tongue, login).encode()
            csp = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
            return _answer(status, "text/html; charset=utf-8", tongue, html, (*headers, csp))
        return _problem(status, problem(status, decision, tongue, login), tongue, headers)

    def _remedy(self, decision: Decision, asking: Asking) -> _Remedy | None:
        """A login, or one at another level (step-up: RFC 9470); None: neither would help."""
        codes = set(decision.codes)
        if codes & self.login_codes:
            helps = codes <= self.login_codes | self.along_with_login
            return _Remedy('Bearer realm="eHerkenning"', _url(self.login_url, asking) if helps else "")
        values = _acr_values(decision)
        if values and len(codes) == 1:
            challenge = f'Bearer error="insufficient_user_authentication", acr_values="{values}"'
            return _Remedy(challenge, _url(self.step_up_url, asking, values))
        return None


def invalid(error: InvalidRequest, asking: Asking) -> Answer:
    """The response where what a request says of itself is none that can be decided."""
    document = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": str(error)}
    tongue = language(asking.accept_language)
    return _to(asking, _problem(400, document | {"field": error.field}, tongue, _PLAIN))


def problem(status: int, decision: Decision, tongue: Language, login: str = "") -> dict[str, Any]:
    """A denial as problem details; `login`: where a login would help."""
    document = decision.to_dict()
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": sentences(decision, tongue),
        "codes": list(decision.codes),
        "decision_id": decision.decision_id,
        "reasons": document["reasons"],
        "obligations": document["obligations"],
        "notices": document["notices"],
        **({"login": login} if login else {}),
    }


def default_page(decision: Decision, tongue: Language, login: str) -> str:
    """A plain page: the reasons, what the user can do, and the decision's id."""
    title = escape(text("unavailable" if decision.unavailable else "title", tongue))
    reasons = "".join(f"<li>{escape(_said(each, tongue))}</li>\n" for each in decision.reasons)
    steps = [f'<a href="{escape(login)}">{escape(text("log_in", tongue))}</a>'] if login else []
    for obligation in decision.obligations:
        words, url = escape(to_do(obligation, tongue)), escape(link(obligation.parameters))
        if words:
            steps.append(f'<a href="{url}">{words}</a>' if url else words)
    body = f"<h1>{title}</h1>\n<ul>\n{reasons}</ul>\n"
    if steps:
        items = "".join(f"<li>{step}</li>\n" for step in steps)
        body += f"<h2>{escape(text('to_do', tongue))}</h2>\n<ul>\n{items}</ul>\n"
    if decision.decision_id:
        body += f"<p>{escape(text('reference', tongue))}: <code>{escape(decision.decision_id)}</code></p>\n"
    return (
        f'<!DOCTYPE html>\n<html lang="{tongue}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _said(reason: Reason, tongue: Language) -> str:
    words, where = in_language(reason.message, tongue) or reason.code, article(reason, tongue)
    return f"{words} ({where})" if where else words


def _acr_values(decision: Decision) -> str:
    """The levels of a step-up, as OpenID Connect writes them; "" when none is asked."""
    for obligation in decision.obligations:
        values = obligation.parameters.get("acr_values")
        if obligation.type != "step_up":
            continue
        words = values.split() if isinstance(values, str) else values if isinstance(values, tuple) else ()
        return " ".join(quote(str(word), safe=":/-._~") for word in words)
    return ""


def _to(asking: Asking, answer: Answer) -> Answer:
    """Without a body where the request was HEAD: not every server takes it away."""
    return replace(answer, body=b"") if asking.method == "HEAD" else answer


def _url(template: str | None, asking: Asking, acr_values: str = "") -> str:
    """A login's URL; "" where there is none."""
    values = {"{url}": quote(_own(asking.target), safe=""), "{acr_values}": quote(acr_values, safe="")}
    url = template or ""
    for name, value in values.items():
        url = url.replace(name, value)
    return url


def _own(target: str) -> str:
    """A path of this application: what begins with two slashes, of either kind, is another host."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"


def _problem(
    status: int, document: Mapping[str, Any], tongue: Language, headers: tuple[tuple[str, str], ...]
) -> Answer:
    return _answer(status, "application/problem+json", tongue, json.dumps(document).encode(), headers)


def _answer(
    status: int, kind: str, tongue: Language, body: bytes, headers: tuple[tuple[str, str], ...]
) -> Answer:
    own = (("Content-Type", kind), ("Content-Language", tongue), ("Content-Length", str(len(body))))
    return Answer(status, (*own, *headers), body)
