"""Messages that no Envoy would send, to the sidecar's own `envoy.service.auth.v3.Authorization`."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import grpc
import pytest
from envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.gateways.conftest import login
from tests.adapters.strategies import CREDENTIALS, METHODS, NAMES, TARGETS, is_public
from tests.end_to_end.sidecar import Sidecar, http
from tests.end_to_end.wire import delimited

Http = AttributeContext.HttpRequest
Answer: TypeAlias = CheckResponse | grpc.RpcError
Ask = Callable[[bytes], Answer]
ALLOWED, DENIED, NO_LOGIN = 0, 7, 16
"""google.rpc.Code of the answers."""

UNREADABLE = (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)
"""The gRPC status of a message that is none: each of them a denial to Envoy."""


@pytest.fixture(scope="module")
def ask(door: Sidecar) -> Iterator[Ask]:
    """Sends the bytes of a message; the sidecar answers others as before when all have been sent."""
    send = door.sender("/envoy.service.auth.v3.Authorization/Check", CheckResponse)
    yield send
    assert http(door.http, "/healthz/ready")[0] == 200
    assert _code(send(_message(headers=dict([login()])))) == ALLOWED


def _http(**fields: Any) -> Any:
    """The request of a browser that wants the portal's home, with some fields changed."""
    whole = {"method": "GET", "path": "/", "host": "portal.example", "scheme": "https"} | fields
    whole["headers"] = {name.lower(): value for name, value in dict(whole.get("headers", {})).items()}
    return Http(**whole)


def _message(**fields: Any) -> bytes:
    message = CheckRequest()
    message.attributes.request.http.CopyFrom(_http(**fields))
    return bytes(message.SerializeToString())


def _raw(*headers: tuple[str, bytes]) -> dict[str, Any]:
    return {"headers": [{"key": name.lower(), "raw_value": value} for name, value in headers]}


def _code(answer: Answer) -> int | None:
    """The code of an answer; None: the message was refused as unreadable. Anything else is a failure."""
    if isinstance(answer, CheckResponse):
        code = answer.status.code
        assert code in (ALLOWED, DENIED, NO_LOGIN)
        assert answer.HasField("ok_response") == (code == ALLOWED)
        assert answer.HasField("denied_response") == (code != ALLOWED)
        return int(code)
    assert answer.code() in UNREADABLE, answer
    return None


def test_a_login_counts_in_either_form_of_the_headers(ask: Ask) -> None:
    name, value = login()
    as_text = {"headers": [{"key": "authorization", "value": value}]}
    for fields in (
        {"headers": {name: value}},
        {"header_map": _raw((name, value.encode()))},
        {"header_map": as_text},
        {"headers": {"cookie": f"a=b; login={value.removeprefix('Bearer ')}"}},
    ):
        answer = ask(_message(**fields))
        assert _code(answer) == ALLOWED, fields
        assert isinstance(answer, CheckResponse)
        set_there = {option.header.key: option.header.value for option in answer.ok_response.headers}
        (shown,) = answer.ok_response.response_headers_to_add
        assert shown.header.value == set_there["x-pdp-decision-id"]
        assert answer.dynamic_metadata["decision_id"] == set_there["x-pdp-decision-id"]


def test_a_login_that_is_there_twice_is_none(ask: Ask) -> None:
    name, value = login()
    for fields in (
        {"header_map": _raw((name, value.encode()), (name, value.encode()))},
        {"header_map": _raw((name, value.encode()), (name, b"Bearer x"))},
        {"headers": {name: value}, "header_map": _raw((name, value.encode()))},
        {"headers": {name: f"{value},{value}"}},
        {"headers": {name: f"{value},Bearer x"}},
    ):
        assert _code(ask(_message(**fields))) == NO_LOGIN, fields


def test_headers_of_ours_that_a_client_sends_are_removed(ask: Ask) -> None:
    forged = {"X-Pdp-Accountable": "x", "x-pdp-anything": "y"}
    for path in ("/", "/static/x"):
        answer = ask(_message(path=path, headers=dict([login()]) | forged))
        assert isinstance(answer, CheckResponse)
        assert _code(answer) == ALLOWED
        removed, added = set(answer.ok_response.headers_to_remove), answer.ok_response.headers
        assert "x-pdp-anything" in removed
        assert "x-pdp-accountable" in removed | {option.header.key for option in added}
        assert all(option.header.value != "x" for option in added)


WITH_LOGIN: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no-request": lambda: CheckRequest(attributes=AttributeContext()).SerializeToString(),
    "no-http": lambda: CheckRequest(attributes={"request": {}}).SerializeToString(),
    "no-method": lambda: _message(method="", headers=dict([login()])),
    "method-with-space": lambda: _message(method="GE T", headers=dict([login()])),
    "method-with-line": lambda: _message(method="GET / HTTP/1.1\r\nx: ", headers=dict([login()])),
    "small-letters": lambda: _message(method="get", headers=dict([login()])),
    "no-path": lambda: _message(path="", headers=dict([login()])),
    "no-slash": lambda: _message(path="accounts", headers=dict([login()])),
    "absolute": lambda: _message(path="https://portal.example/", headers=dict([login()])),
    "dots": lambda: _message(path="/static/../", headers=dict([login()])),
    "query-only": lambda: _message(path="?/", headers=dict([login()])),
    "zero": lambda: _message(path="/\0", headers=dict([login()])),
    "line": lambda: _message(path="/\r\n", headers=dict([login()])),
    "beyond-ascii": lambda: _message(path="/\u00e9\u2028", headers=dict([login()])),
    "long-path": lambda: _message(path="/" + "a" * 100_000, headers=dict([login()])),
    "name-with-space": lambda: _message(headers=dict([login()]) | {"a b": "c"}),
    "empty-name": lambda: _message(headers=dict([login()]) | {"": "c"}),
    "value-with-line": lambda: _message(headers=dict([login()]) | {"x-a": "b\r\nauthorization: c"}),
    "many-headers": lambda: _message(headers=dict([login()]) | {f"x-{n}": "" for n in range(5_000)}),
    "many-of-a-name": lambda: _message(
        header_map=_raw(*[("x-a", b"")] * 5_000, (login()[0], login()[1].encode()))
    ),
}


@pytest.mark.parametrize("name", WITH_LOGIN)
def test_what_is_no_request_is_denied_whoever_is_logged_in(ask: Ask, name: str) -> None:
    assert _code(ask(WITH_LOGIN[name]())) == DENIED


@pytest.mark.parametrize("size", [100_000, 900_000, 2_000_000, 5_000_000])
def test_a_header_bomb_lets_nobody_in(ask: Ask, size: int) -> None:
    for name in ("x-a", "authorization", "cookie", "accept-language"):
        assert _code(ask(_message(headers={name: "Bearer " + "x" * size}))) != ALLOWED
        assert _code(ask(_message(header_map=_raw((name, b"\xff" * size))))) != ALLOWED


def test_a_body_is_not_looked_at(ask: Ask) -> None:
    body = {"body": "GET /static/x", "raw_body": b"\xff" * 500_000, "size": -1}
    assert _code(ask(_message(path="/accounts", **body))) == NO_LOGIN
    assert _code(ask(_message(headers=dict([login()]), **body))) == ALLOWED


def test_only_the_path_says_which_path(ask: Ask) -> None:
    misleading = {":path": "/static/x", "x-envoy-original-path": "/static/x", "x-forwarded-uri": "/static/x"}
    for fields in ({"headers": misleading}, {"query": "/static/x"}, {"fragment": "/static/x"}):
        assert _code(ask(_message(path="/accounts", **fields))) == NO_LOGIN, fields


def _field(message: Any, name: str, content: bytes) -> bytes:
    """A field with bytes that the library would not put there."""
    return delimited(message.DESCRIPTOR.fields_by_name[name].number, content)


@pytest.mark.parametrize("name", ["method", "path", "host", "scheme", "id", "query", "protocol", "body"])
@pytest.mark.parametrize("content", [b"\xff", b"/\xc3", b"GET\xed\xa0\x80"], ids=["byte", "cut", "surrogate"])
def test_text_that_is_no_text_lets_nobody_in(ask: Ask, name: str, content: bytes) -> None:
    described = _http(headers=dict([login()])).SerializeToString() + _field(Http, name, content)
    request = _field(AttributeContext.Request, "http", described)
    message = _field(CheckRequest, "attributes", _field(AttributeContext, "request", request))
    assert _code(ask(message)) in (None, DENIED)


_HEADERS = st.lists(st.tuples(NAMES, TARGETS) | CREDENTIALS, max_size=6)


@given(method=METHODS | st.text(max_size=5), path=TARGETS, headers=_HEADERS, pairs=_HEADERS)
@settings(max_examples=400)
def test_nobody_gets_in_without_a_login(
    ask: Ask, method: str, path: str, headers: list[tuple[str, str]], pairs: list[tuple[str, str]]
) -> None:
    raw = _raw(*((name, value.encode()) for name, value in pairs))
    code = _code(ask(_message(method=method, path=path, headers=dict(headers), header_map=raw)))
    assert code is not None
    assert code != ALLOWED or is_public(method, path)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_bytes_are_no_permission(ask: Ask, content: bytes) -> None:
    assert _code(ask(content)) != ALLOWED


_PLACES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6)


@given(places=_PLACES, end=st.floats(0.2, 1))
@settings(max_examples=400)
def test_a_message_with_other_bytes_is_no_permission(
    ask: Ask, places: list[tuple[float, int]], end: float
) -> None:
    content = bytearray(_message(path="/accounts", headers={"authorization": "Bearer x", "accept": "*/*"}))
    for place, value in places:
        content[int(place * len(content))] = value
    assert _code(ask(bytes(content[: int(end * len(content))]))) != ALLOWED
