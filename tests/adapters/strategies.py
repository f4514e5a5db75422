"""What clients may make up: methods, targets and headers, and which requests everybody may make anyway."""

import base64
import json
import re
import time

from hypothesis import strategies as st

from tests.adapters.gateways.conftest import ISSUER, KEY, login
from tests.servers.issuer import ec, token

PUBLIC = re.compile(r"(GET|POST) /inloggen|POST /uitloggen|GET /(static/.*|favicon\.ico|robots\.txt)")
"""Method and path of the routes that the portal declares public."""


def is_public(method: str, target: str) -> bool:
    """Whether nobody needs a login for it."""
    path = target.partition("?")[0]
    return PUBLIC.fullmatch(f"{method} {path}") is not None


def _unsigned() -> str:
    head, claims, _ = login()[1].removeprefix("Bearer ").split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    assert head
    return f"{none}.{claims}."


def _expired() -> str:
    return token(ISSUER, KEY, exp=int(time.time()) - 3600)


def _of_another() -> str:
    return token(ISSUER, ec("test"))


def _elsewhere() -> str:
    return token("https://other.example", KEY)


def _cut() -> str:
    return login()[1].removeprefix("Bearer ")[:-4]


BROKEN = [_unsigned(), _expired(), _of_another(), _elsewhere(), _cut(), "x", "", "a.b.c", "é"]
"""Credentials that are no login; what is wrong with each does not change with time."""

_LATIN: st.SearchStrategy[str] = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))
_TOKENS = st.sampled_from(BROKEN) | _LATIN
CREDENTIALS = (
    st.tuples(st.just("Authorization"), st.sampled_from(["Bearer ", "bearer ", "Basic ", ""]))
    .flatmap(lambda pair: _TOKENS.map(lambda value: (pair[0], pair[1] + value)))
    .filter(lambda pair: bool(pair[1]))
) | _TOKENS.map(lambda value: ("Cookie", f"login={value}"))

METHODS = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X-Y"]
)
PATHS = st.sampled_from(
    ["/", "/accounts", "/profiel", "/webdiensten", "/webdiensten/x", "/static/x", "/inloggen", "/static"]
)
_PIECES = st.sampled_from(
    [
        "/",
        "//",
        ".",
        "..",
        "%2e",
        "%2F",
        "%",
        "%00",
        ";",
        "\\",
        "?",
        "#",
        "static",
        "accounts",
        "profiel",
        "é",
    ]
) | st.text(max_size=8)
TARGETS = PATHS | st.lists(_PIECES, max_size=8).map("".join) | st.builds("".join, st.tuples(PATHS, _PIECES))
NAMES = st.sampled_from(
    [
        *("X-Original-URI", "X-Original-Method", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"),
        *("X-Forwarded-Proto", "X-Pdp-Decision-Id", "X-Pdp-Accountable", "Accept", "Accept-Language"),
        *("traceparent", "X-A"),
    ]
)
