"""What nobody but a broken or hostile gateway sends, over bare sockets, to the forward-auth address."""

import json
import socket
import subprocess
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.conftest import StartDoor
from tests.adapters.gateways.conftest import login
from tests.adapters.gateways.raw import SECONDS, Answer, send
from tests.adapters.strategies import BROKEN, CREDENTIALS, METHODS, NAMES, TARGETS, is_public, lasting
from tests.end_to_end.sidecar import Sidecar, http, program

Headers = Sequence[tuple[str, str | bytes]]


def asked(method: str = "GET", target: str = "/", family: str = "original") -> list[tuple[str, str]]:
    """The headers by which a gateway says which request waits."""
    uri = "X-Original-URI" if family == "original" else "X-Forwarded-Uri"
    return [(f"X-{family.title()}-Method", method), (uri, target)]


def head(
    headers: Headers, line: str = "GET /decide HTTP/1.1", ends: str = "close", host: str = "sidecar"
) -> bytes:
    """The head of the gateway's own request; texts as UTF-8."""
    lines = [line.encode(), f"Host: {host}".encode(), f"Connection: {ends}".encode()]
    for name, value in headers:
        lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()))
    return b"\r\n".join([*lines, b"", b""])


@pytest.fixture(scope="module")
def port(door: Sidecar) -> int:
    return _port(door)


def _port(door: Sidecar) -> int:
    return int(door.addresses["forward_auth"].rpartition(":")[2])


def _all_of(port: int, content: bytes) -> bytes:
    """Everything that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(content)
        out = b""
        try:
            while piece := connection.recv(65_536):
                out += piece
        except ConnectionError:
            pass
        return out


@pytest.mark.parametrize(
    "headers",
    [
        asked(),
        asked(family="forwarded"),
        [*asked(), *asked(family="forwarded")],
        [*asked(), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "portal.example")],
    ],
    ids=["original", "forwarded", "both", "from"],
)
def test_either_family_of_headers_says_what_waits(port: int, headers: Headers) -> None:
    answer = send(port, head([login(), *headers]))
    assert answer.status == 200
    assert answer.headers["x-pdp-accountable"] == '{"kvk":"12345678"}'
    assert send(port, head(headers)).status == 401


NOT_SAID: dict[str, Headers] = {
    "nothing": [],
    "method-only": asked()[:1],
    "target-only": asked()[1:],
    "halves": [asked()[0], asked(family="forwarded")[1]],
    "target-twice": [*asked(), asked()[1]],
    "method-twice": [*asked(), asked()[0]],
    "other-target": [*asked(target="/static/x"), *asked(family="forwarded")],
    "other-method": [*asked("POST"), *asked(family="forwarded")],
    "half-of-the-other": [*asked(), asked(family="forwarded")[1]],
    "joined": asked(target="/, /static/x"),
    "method-with-space": asked("GET POST"),
    "method-empty": asked(""),
    "target-empty": asked(target=""),
    "target-absolute": asked(target="https://portal.example/"),
    "target-no-slash": asked(target="accounts"),
    "target-bytes": [asked()[0], ("X-Original-URI", b"/\xff\xfe")],
    "target-utf-8": asked(target="/é"),
    "target-long": asked(target="/" + "a" * 20_000),
    "host-twice": [*asked(), ("X-Forwarded-Host", "a"), ("X-Forwarded-Host", "b")],
    "proto-bytes": [*asked(), ("X-Forwarded-Proto", b"\xff")],
}


@pytest.mark.parametrize("name", NOT_SAID)
def test_who_does_not_say_it_clearly_is_denied_whoever_is_logged_in(port: int, name: str) -> None:
    answer = send(port, head([login(), *NOT_SAID[name]]))
    assert answer.status == 403
    assert answer.headers["x-pdp-codes"] == "ROUTE_UNKNOWN"
    assert answer.headers["cache-control"] == "no-store"
    (reason,) = json.loads(answer.body)["reasons"]
    assert reason["details"]["why"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_token_with_one_thing_wrong_is_no_login(port: int, name: str) -> None:
    for value, status in ((lasting(), 200), (BROKEN[name], 401)):
        for login_of in (("Authorization", f"Bearer {value}"), ("Cookie", f"login={value}")):
            assert send(port, head([login_of, *asked()])).status == status


def test_a_login_that_is_there_twice_is_none(port: int) -> None:
    name, value = login()
    for headers in (
        [login(), login()],
        [(name, value), (name, "Bearer x")],
        [("Cookie", f"login={value[7:]}; login=x")],
        [("Cookie", f"login={value[7:]}"), ("Cookie", "login=x")],
        [(name, f"{value}, Bearer x")],
        [(name, value.encode() + b"\xff")],
    ):
        assert send(port, head([*headers, *asked()])).status == 401, headers


IN_ORDER = head([*asked()]).removesuffix(b"\r\n")
"""A head without a login, to which more lines can be added."""
NO_REQUEST: dict[str, bytes] = {
    "lengths": IN_ORDER + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length-list": IN_ORDER + b"Content-Length: 1, 2\r\n\r\nab",
    "length-negative": IN_ORDER + b"Content-Length: -1\r\n\r\n",
    "length-sign": IN_ORDER + b"Content-Length: +1\r\n\r\na",
    "length-beyond": IN_ORDER + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "encoding-unknown": IN_ORDER + b"Transfer-Encoding: x\r\n\r\n",
    "encoding-not-last": IN_ORDER + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "name-with-space": IN_ORDER + b"X-Original-URI : /static/x\r\n\r\n",
    "no-name": IN_ORDER + b": x\r\n\r\n",
    "folded": IN_ORDER + b"X-A: b\r\n c\r\n\r\n",
    "zero": IN_ORDER + b"X-A: b\0c\r\n\r\n",
    "return": IN_ORDER + b"X-A: b\rX-Original-URI: /static/x\r\n\r\n",
    "large-header": IN_ORDER + b"X-A: " + b"x" * 200_000 + b"\r\n\r\n",
    "many-headers": IN_ORDER + b"X-A: b\r\n" * 20_000 + b"\r\n",
    "long-line": b"GET /" + b"x" * 200_000 + IN_ORDER.removeprefix(b"GET /decide"),
    "binary": b"\x00\x01\x02\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + b"\x00" * 200 + b"\r\n\r\n",
    "version": IN_ORDER.replace(b"HTTP/1.1", b"HTTP/9.9") + b"\r\n",
    "no-version": b"GET /\r\n\r\n",
    "spaces": b"GET  /decide  HTTP/1.1\r\n\r\n",
    "preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
}


@pytest.mark.parametrize("name", NO_REQUEST)
def test_what_is_no_request_is_refused_and_its_connection_ends(port: int, name: str) -> None:
    # A second request behind it is not read: where the first one ended, two readers may not agree.
    smuggled = head([login(), *asked()])
    came = _all_of(port, NO_REQUEST[name] + smuggled)
    assert b"200 OK" not in came
    assert came.count(b"HTTP/1.1 ") <= 1
    assert not came.startswith(b"HTTP/1.1 5")
    assert send(port, smuggled).status == 200


def test_a_length_and_chunks_are_not_read_in_two_ways(port: int) -> None:
    inner = head([login(), *asked()])
    chunks = b"0\r\n\r\n" + inner
    lines = f"Content-Length: {len(chunks)}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    first = head(asked("GET", "/accounts"), "POST /decide HTTP/1.1", "keep-alive").removesuffix(b"\r\n")
    came = _all_of(port, first + lines + chunks)
    assert b"200 OK" not in came


def test_the_gateways_own_request_may_take_any_form(port: int) -> None:
    for line in (
        "GET / HTTP/1.1",
        "GET /static/x?a=/accounts HTTP/1.1",
        "GET http://portal.example/static/x HTTP/1.1",
        "POST /decide HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "PROPFIND /decide HTTP/1.1",
        "GET /decide HTTP/1.0",
    ):
        assert send(port, head([login(), *asked()], line)).status == 200, line
        assert send(port, head(asked(), line)).status == 401, line
        denied = send(port, head([login(), *asked("POST")], line))
        assert denied.status == 403, line


def test_requests_one_behind_the_other_are_answered_in_order(port: int) -> None:
    kinds = [([login(), *asked()], 200), (asked(), 401), ([login(), *asked(target="/beheer")], 403)] * 5
    requests = [head(headers, ends="keep-alive") for headers, _ in kinds]
    came = _all_of(port, b"".join(requests) + head(asked(target="/static/x")))
    statuses = [int(part[:3]) for part in came.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [status for _, status in kinds] + [200]


@pytest.mark.parametrize("lines", ["Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_body_changes_nothing(port: int, lines: str) -> None:
    body = b"x=/static/x"[:10] if "Length" in lines else b"5\r\nx=/st\r\n5\r\natic/\r\n0\r\n\r\n"
    for who, status in (([login()], 200), ([], 401)):
        own = head([*who, *asked()], "POST /decide HTTP/1.1").removesuffix(b"\r\n")
        assert send(port, own + lines.encode() + b"\r\n" + body).status == status


def test_http_2_without_asking_first(port: int) -> None:
    address = f"http://127.0.0.1:{port}/decide"
    with httpx.Client(http1=False, http2=True, timeout=20, trust_env=False) as client:
        for headers, status in (
            ([login(), *asked()], 200),
            (asked(), 401),
            ([login(), *asked(), asked()[1]], 403),
            ([login(), *NOT_SAID["target-bytes"]], 403),
        ):
            answer = client.get(address, headers=headers)  # type: ignore[arg-type]
            assert (answer.http_version, answer.status_code) == ("HTTP/2", status)
        assert client.get(address, headers=[*asked(), ("X-A", "x" * 75_000)]).status_code == 431
    assert send(port, head([login(), *asked()])).status == 200


_PAIRS = st.lists(st.tuples(NAMES, TARGETS) | CREDENTIALS, max_size=6)


@given(own=METHODS, method=METHODS | st.text(max_size=5), target=TARGETS, more=_PAIRS, first=st.booleans())
@settings(max_examples=400)
def test_nobody_gets_in_without_a_login(
    port: int, own: str, method: str, target: str, more: list[tuple[str, str]], first: bool
) -> None:
    said = asked(method, target)
    headers: Headers = [*said, *more] if first else [*more, *said]
    line = f"{own} {'sidecar:1' if own == 'CONNECT' else '/decide'} HTTP/1.1"
    answer = send(port, head(headers, line))
    assert answer.status in (200, 400, 401, 403)
    assert answer.status != 200 or is_public(method, target)


@given(st.binary(max_size=300), st.sampled_from([b"", b"GET / HTTP/1.1\r\n", IN_ORDER]))
@settings(max_examples=200)
def test_bytes_are_no_permission(port: int, content: bytes, before: bytes) -> None:
    came = _all_of(port, before + content + b"\r\n\r\n" + head(asked()))
    assert b"HTTP/1.1 2" not in came
    assert b"HTTP/1.1 5" not in came


def test_who_is_not_trusted_is_told_so(start_door: StartDoor) -> None:
    sidecar = start_door(PDP_TRUSTED_PEERS="10.0.0.0/8, name:gateway.example")
    some: list[Headers] = [[login(), *asked()], asked(target="/static/x"), [("X-Forwarded-For", "10.0.0.1")]]
    for headers in some:
        answer = send(_port(sidecar), head(headers))
        assert (answer.status, "trusted_peers" in answer.text) == (403, True)


def test_requests_are_counted_by_their_answer(start_door: StartDoor) -> None:
    sidecar = start_door()
    calls: list[tuple[Headers, str, int]] = [
        (asked(target="/static/x"), "public", 3),
        ([login(), *asked()], "allowed", 4),
        (asked(), "login", 2),
        ([login("loa2"), *asked()], "step_up", 5),
        ([login(), *asked(target="/beheer")], "denied", 1),
        ([], "denied", 1),
    ]
    for headers, _, times in calls:
        for _ in range(times):
            _answered(send(_port(sidecar), head(headers)))
    page = http(sidecar.metrics, "/metrics")[1]
    wanted = {"public": 3, "allowed": 4, "login": 2, "step_up": 5, "denied": 2}
    for answer, times in wanted.items():
        assert f'pdp_gateway_requests_total{{answer="{answer}"}} {times}.0\n' in page
    arguments = [program("promtool"), "check", "metrics"]
    done = subprocess.run(arguments, input=page, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def _answered(answer: Answer) -> None:
    assert answer.status in (200, 401, 403)
