"""What clients may make up: methods, targets and headers, and which requests everybody may make anyway."""

import base64
import json
import re
import time
from typing import Any

from hypothesis import strategies as st

from tests.adapters.gateways.conftest import ISSUER, KEY, USER
from tests.servers.issuer import Key, ec, token

# Nothing in a segment of a file's path could be taken for a way out by another reader.
_SEGMENT = r"(?!\.+(/|$))([^/\\?#%\x00-\x20\x7f-\U0010ffff]|%(?!00|2[eEfF]|5[cC]))+"
_FILES = rf"static/{_SEGMENT}(/{_SEGMENT})*|favicon\.ico|robots\.txt"
_PUBLIC = re.compile(rf"(GET|HEAD|POST) /inloggen|POST /uitloggen|(GET|HEAD) /({_FILES})")


def is_public(method: str, target: str) -> bool:
    """Whether the portal declares it public: nobody needs a login for it."""
    path = target.partition("?")[0]
    return _PUBLIC.fullmatch(f"{method} {path}") is not None


# Of a token for all of a long run, as these are made once.
LATER = int(time.time()) + 86_400


def lasting(issuer: str = ISSUER, key: Key = KEY, **claims: Any) -> str:
    """A token of a login that is allowed the portal's home, unless something is changed."""
    whole: dict[str, Any] = {"eherkenningPseudo": USER, "exp": LATER} | claims
    return token(issuer, key, **whole)


def _base64(document: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


_HEAD, _CLAIMS, _SIGNATURE = lasting().split(".")
_HIGHER = lasting(acr="urn:etoegang:core:assurance-class:loa4").split(".")[1]
BROKEN = {
    "unsigned": f"{_base64({'alg': 'none'})}.{_CLAIMS}.",
    "unsigned-with-signature": f"{_base64({'alg': 'None', 'kid': 'test'})}.{_CLAIMS}.{_SIGNATURE}",
    "signature-left-out": f"{_HEAD}.{_CLAIMS}.",
    "signature-cut": f"{_HEAD}.{_CLAIMS}.{_SIGNATURE[:-4]}",
    "claims-of-another": f"{_HEAD}.{_HIGHER}.{_SIGNATURE}",
    "key-of-another": lasting(key=ec("test")),
    "issuer-unknown": lasting("https://other.example"),
    "audience-of-another": lasting(aud="another"),
    "expired": lasting(exp=int(time.time()) - 3_600),
    "not-yet": lasting(nbf=LATER),
    "no-token": "x",
    "empty-parts": "..",
    "beyond-ascii": "\u00e9",
}
"""Credentials that are no login: whatever is right about them, one thing is not."""

_LATIN: st.SearchStrategy[str] = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))
_TOKENS = st.sampled_from(sorted(BROKEN.values())) | _LATIN
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
