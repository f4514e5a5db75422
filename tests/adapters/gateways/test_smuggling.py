"""What a client may try to get past the sidecar with: two requests in one, tunnels, forged headers."""

import http.client
import json
import socket

import pytest

from tests.adapters.gateways.conftest import Site, login
from tests.adapters.gateways.raw import ask
from tests.adapters.gateways.upstream import upstream
from tests.end_to_end.sidecar import until

SECONDS = 1.5
LAST = b"GET /static/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HIDDEN = b"GET /accounts?00 HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
LENGTH = b"%d" % len(HIDDEN)

# Head fields and body of a request to a public page. Who reads only one of two lengths, or none, finds
# another request in it or after it.
BODIES: dict[str, tuple[bytes, bytes]] = {
    "a length": (b"Content-Length: " + LENGTH, HIDDEN),
    "chunks": (b"Transfer-Encoding: chunked", CHUNKED),
    "both": (b"Content-Length: %d\r\nTransfer-Encoding: chunked" % len(CHUNKED), CHUNKED),
    "both, the length short": (b"Content-Length: 4\r\nTransfer-Encoding: chunked", CHUNKED),
    "both, nothing in chunks": (b"Content-Length: 0\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + HIDDEN),
    "two lengths": (b"Content-Length: 0\r\nContent-Length: " + LENGTH, HIDDEN),
    "a list of lengths": (b"Content-Length: 0, " + LENGTH, HIDDEN),
    "a length with a sign": (b"Content-Length: +" + LENGTH, HIDDEN),
    "a negative length": (b"Content-Length: -1", HIDDEN),
    "a hexadecimal length": (b"Content-Length: 0x%x" % len(HIDDEN), HIDDEN),
    "a length with an underscore": (b"Content_Length: " + LENGTH, HIDDEN),
    "a length in two lines": (b"Content-Length:\r\n " + LENGTH, HIDDEN),
    "a length behind a space": (b"Content-Length : " + LENGTH, HIDDEN),
    "another coding": (b"Transfer-Encoding: xchunked\r\nContent-Length: " + LENGTH, HIDDEN),
    "two codings": (b"Transfer-Encoding: identity, chunked", CHUNKED),
    "chunked, and not the last": (b"Transfer-Encoding: chunked, identity\r\nContent-Length: 4", CHUNKED),
    "a coding behind a space": (b"Transfer-Encoding : chunked\r\nContent-Length: 0", CHUNKED),
    "a coding behind a tab": (b"Transfer-Encoding:\tchunked\r\nContent-Length: 0", CHUNKED),
    "a coding behind a form feed": (b"Transfer-Encoding: \x0cchunked\r\nContent-Length: 0", CHUNKED),
    "a coding folded into a line": (b"X-A: b\r\n Transfer-Encoding: chunked", CHUNKED),
    "a coding behind a bare CR": (b"X-A: b\rTransfer-Encoding: chunked", CHUNKED),
    "a coding behind a bare LF": (b"X-A: b\nTransfer-Encoding: chunked\nContent-Length: 0", CHUNKED),
    "a coding behind a NUL": (b"X-A: b\0\r\nTransfer-Encoding: chunked\r\nContent-Length: 0", CHUNKED),
    "a chunk of no size": (b"Transfer-Encoding: chunked", b"x\r\n" + HIDDEN),
    "a chunk of a size with a prefix": (b"Transfer-Encoding: chunked", b"0x0\r\n\r\n" + HIDDEN),
    "a chunk of an endless size": (b"Transfer-Encoding: chunked", b"1" + b"0" * 16 + b"\r\n\r\n" + HIDDEN),
    "a chunk's extension with a line end": (b"Transfer-Encoding: chunked", b"0;a=\n\r\n\r\n" + HIDDEN),
    "a chunk longer than it says": (b"Transfer-Encoding: chunked", b"0" + HIDDEN),
    "trailers": (b"Transfer-Encoding: chunked", b"0\r\nContent-Length: 9\r\nX-A: b\r\n\r\n" + HIDDEN),
    "no colon": (b"Content-Length " + LENGTH, HIDDEN),
    "no name": (b": b\r\nContent-Length: 0", HIDDEN),
}
# As BODIES, with another form around them.
WHOLE = {
    "HTTP/0.9": b"GET /accounts?00\r\n\r\n",
    "HTTP/1.0": b"GET /accounts?00 HTTP/1.0\r\n\r\n",
    "HTTP/1.0, kept": b"GET /static/x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
    + HIDDEN,
    "HTTP/2 by name": b"GET /accounts?00 HTTP/2.0\r\nHost: a\r\n\r\n",
    "a proxy's tunnel": b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + HIDDEN,
    "another page by its host": b"GET /static/x HTTP/1.1\r\nHost: a/accounts?00\r\n\r\n",
    "another page by a whole address": b"GET http://a/accounts?00/static/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare line ends": b"GET /static/x HTTP/1.1\nHost: a\n\n" + HIDDEN,
    "an empty line first": b"\r\n" + HIDDEN,
    "one behind the other": b"GET /static/x HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
}


def _attempts() -> dict[str, bytes]:
    """The target of the hidden request, and all the bytes, with a proper request after them."""
    contents = list(WHOLE.values())
    for head, body in BODIES.values():
        for line in (b"GET /static/x", b"POST /inloggen"):
            contents += [b"%s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n%s" % (line, head, body)]
    numbered = ((f"/accounts?{number}", content) for number, content in enumerate(contents, start=10))
    return {hidden: content.replace(b"/accounts?00", hidden.encode()) + LAST for hidden, content in numbered}


def _talk(port: int, content: bytes) -> bytes:
    """All that comes back on one connection, until it ends or is silent."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(content)
            while piece := connection.recv(65536):
                came += piece
                head, ended, _ = came.rpartition(b"\r\n\r\n")
                if ended and b"connection: close" in head.lower():
                    break
        except OSError:
            pass
    return came


def _settle(site: Site) -> list[str]:
    """The targets that arrived, once a last request has."""
    ask(site.port, "/static/settled")
    arrived = site.portal.arrived
    until(lambda: any(request.target == "/static/settled" for request in arrived), what="the last request")
    return [request.target for request in arrived]


def test_no_second_request_hides_in_one(site: Site) -> None:
    attempts = _attempts()
    site.portal.arrived.clear()
    for content in attempts.values():
        _talk(site.port, content)
    came = [target for target in _settle(site) if "accounts" in target]
    assert not came, [attempts.get(target) for target in came]


def test_the_portal_itself_would_have_taken_them() -> None:
    """The test above is not blind: without a gateway many of them do arrive."""
    with upstream() as portal:
        for content in _attempts().values():
            _talk(portal.port, content)
        assert len({request.target for request in portal.arrived if "accounts" in request.target}) > 10


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "HTTP/1.1", "TLS/1.0"])
@pytest.mark.parametrize("target", ["/static/x", "/"], ids=["public", "allowed"])
def test_no_connection_becomes_a_tunnel(site: Site, target: str, protocol: str) -> None:
    """In which nobody would be asked any more."""
    upgrade = (
        f"GET {target} HTTP/1.1\r\nHost: a\r\n{': '.join(login())}\r\n"
        f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\n"
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    assert _talk(site.portal.port, upgrade).startswith(b"HTTP/1.1 101"), "the portal would do it"
    site.portal.arrived.clear()
    came = _talk(site.port, upgrade + HIDDEN + LAST)
    assert b" 101 " not in came
    assert not [target for target in _settle(site) if "accounts" in target]


def test_each_request_of_a_connection_is_asked_about(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    try:
        got = []
        for target, headers in [
            ("/static/x", {}),
            ("/accounts", {}),
            ("/", dict([login()])),
            ("/", {}),
            ("/beheer", dict([login()])),
            ("/static/x", {}),
        ]:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            answer.read()
            got.append(answer.status)
        assert got == [200, 401, 200, 401, 403, 200]
    finally:
        connection.close()


def _as_cgi(site: Site) -> dict[str, list[str]]:
    """The headers that arrived, as an application behind CGI or WSGI reads them (RFC 3875 section 4.1.18)."""
    read: dict[str, list[str]] = {}
    for name, values in site.portal.only().headers.items():
        for other in "_.":
            name = name.replace(other, "-")  # noqa: PLW2901
        read.setdefault(name, []).extend(values)
    return read


NAMES = (
    "X_Pdp_Accountable",
    "X-Pdp_Accountable",
    "x_pdp-accountable",
    "X.Pdp.Accountable",
    "X_PDP_Decision_Id",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["/static/x", "/"], ids=["public", "allowed"])
def test_no_other_spelling_brings_a_forged_header_to_the_portal(site: Site, target: str, name: str) -> None:
    answer = site.ask(target, headers=[login(), (name, "forged")])
    if not site.portal.arrived:
        assert answer.status == 400
        return
    assert "forged" not in json.dumps(_as_cgi(site))


@pytest.mark.parametrize("name", ["Connection", "Keep-Alive", "TE", "Proxy-Connection"])
def test_no_client_says_which_headers_are_left_out(site: Site, name: str) -> None:
    """What Connection names, a proxy leaves out (RFC 9110 section 7.6.1): what was decided must arrive."""
    named = (name, "close, x-pdp-decision-id, x-pdp-accountable, x-pdp-notices, authorization, host")
    answer = site.ask("/", headers=[login(), named])
    if not site.portal.arrived:
        assert answer.status == 400
        return
    arrived = site.portal.only().headers
    assert arrived["x-pdp-accountable"] == ['{"kvk":"12345678"}']
    assert len(arrived["x-pdp-decision-id"][0]) == 32
    assert arrived["x-pdp-notices"] == ["consult_portal"]
    assert "x-pdp" not in "".join(arrived.get("connection", []))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "X-Forwarded-Prefix",
        ),
        *("X-Forwarded-Server", "Forwarded", "X-Login"),
    ],
)
def test_what_proxies_say_is_not_for_clients_to_say(site: Site, name: str) -> None:
    assert site.ask("/", headers=[login(), (name, "forged")]).status == 200
    assert "forged" not in json.dumps(_as_cgi(site))


LOGIN = {
    "acr": "urn:etoegang:core:assurance-class:loa3",
    "chamberOfCommerce": "12345678",
    "eherkenningPseudo": "p-7f3a",
    "eherkenningServiceUUID": "b2ba62a6-419c-4331-8fbb-40c7b589978d",
}


def test_a_login_that_only_a_gateway_may_say_does_not_come_from_clients(site: Site) -> None:
    said = ("X-Login", json.dumps(LOGIN))
    asked = [said, ("X-Original-Method", "GET"), ("X-Original-URI", "/")]
    forward = int(site.sidecar.addresses["forward_auth"].rpartition(":")[2])
    assert ask(forward, "/", headers=asked).status == 200, "the sidecar believes it of a gateway"
    for name in ("X-Login", "x-login", "X-LOGIN", "X_Login", "X.Login"):
        answer = site.ask("/", headers=[(name, said[1])])
        assert answer.status in (400, 401), name
        assert not site.portal.arrived


@pytest.mark.parametrize("kilobytes", [4, 14, 30, 58, 80])
def test_headers_of_any_size_are_decided_on_or_refused(site: Site, kilobytes: int) -> None:
    large = [("Cookie", "a=" + "x" * 1_000)] * kilobytes
    for headers, target, wanted in [([login()], "/", 200), ([], "/accounts", 401)]:
        answer = site.ask(target, headers=[*headers, *large])
        assert answer.status == wanted or answer.status >= 400 or answer.status == 0
        assert len(site.portal.arrived) == (1 if answer.status == 200 else 0)
        if kilobytes == 4:
            assert answer.status == wanted
