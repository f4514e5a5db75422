"""Bodies that are no AuthZEN request: an error that the caller can act on, never an allow and never a 5xx."""

import copy
import json
import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.authzen.door import EVALUATION, EVALUATIONS, JSON, Door, search_of
from tests.end_to_end.sidecar import Sidecar, question

ALLOWED = question()
BATCH = {"evaluations": [ALLOWED]}
PATHS = [EVALUATION, EVALUATIONS, *(search_of(sought) for sought in ("subject", "resource", "action"))]
ESSENTIAL = [
    ("subject",),
    ("subject", "type"),
    ("subject", "id"),
    ("action",),
    ("action", "name"),
    ("resource",),
    ("resource", "type"),
    ("resource", "id"),
]
WRONG = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
) | st.just("")


def _harmless(door: Door, path: str, body: bytes, content_type: str = "application/json") -> int:
    """Sends it; gives the status, which is one of the caller's fault or a decision that is not an allow."""
    answer = door.send("POST", path, body, {"Content-Type": content_type})
    assert answer.status in (200, 400, 413), answer
    if answer.status == 200:
        assert answer.body.get("decision") is not True
        assert all(result["decision"] is False for result in answer.body.get("evaluations", []))
    else:
        assert isinstance(answer.body, str)
        assert answer.body
    return answer.status


def test_it_is_a_request_that_is_spoiled(door: Door) -> None:
    assert door.decide(ALLOWED)
    assert door.post(EVALUATIONS, BATCH).body["evaluations"][0]["decision"] is True


@settings(max_examples=150)
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=300))
def test_any_bytes(door: Door, path: str, body: bytes) -> None:
    assert _harmless(door, path, body) == 400


@settings(max_examples=150)
@given(
    batch=st.booleans(),
    cut=st.integers(0, 400),
    more=st.sampled_from([b"", b"}", b"]", b"{}", b"\xff", b",", b"\0"]),
)
def test_a_body_that_is_cut_or_goes_on(door: Door, batch: bool, cut: int, more: bytes) -> None:
    whole = json.dumps(BATCH if batch else ALLOWED).encode()
    body = whole[: cut % len(whole)] if cut % 2 else whole + (more or b"x")
    assert _harmless(door, EVALUATIONS if batch else EVALUATION, body) == 400


@settings(max_examples=200)
@given(batch=st.booleans(), path=st.sampled_from(ESSENTIAL), wrong=WRONG, left_out=st.booleans())
def test_an_essential_member_that_is_wrong_or_missing(
    door: Door, batch: bool, path: tuple[str, ...], wrong: Any, left_out: bool
) -> None:
    request: dict[str, Any] = copy.deepcopy(ALLOWED)
    parent = request
    for name in path[:-1]:
        parent = parent[name]
    if left_out:
        del parent[path[-1]]
    else:
        parent[path[-1]] = wrong
    if batch:
        assert _harmless(door, EVALUATIONS, json.dumps({"evaluations": [request]}).encode()) == 200
    else:
        assert _harmless(door, EVALUATION, json.dumps(request).encode()) == 400


@settings(max_examples=100)
@given(
    name=st.sampled_from(["subject", "action", "resource", "context", "evaluations", "extra"]),
    first=WRONG,
    escaped=st.booleans(),
)
def test_a_member_that_stands_twice(door: Door, name: str, first: Any, escaped: bool) -> None:
    twice = f"\\u{ord(name[0]):04x}{name[1:]}" if escaped else name
    members = json.dumps({name: ALLOWED.get(name, {}), **ALLOWED})[1:-1]
    body = f'{{"{twice}": {json.dumps(first)}, {members}}}'.encode()
    for path in (EVALUATION, EVALUATIONS):
        assert _harmless(door, path, body) == 400


def test_deep_nesting(door: Door) -> None:
    for depth in (23, 24, 1_000, 15_000):
        nested = "[" * depth + "]" * depth
        body = json.dumps(ALLOWED)[:-1] + f', "extra": {nested}}}'
        answer = door.send("POST", EVALUATION, body.encode(), JSON)
        assert answer.status == (200 if depth == 23 else 400)


def test_wrong_content_types(door: Door) -> None:
    body = json.dumps(ALLOWED).encode()
    for content_type in (
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "multipart/form-data",
    ):
        assert _harmless(door, EVALUATION, body, content_type) == 400
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        assert _harmless(door, EVALUATION, json.dumps(ALLOWED).encode(encoding)) == 400


def test_framing_that_contradicts_itself(sidecar: Sidecar) -> None:
    """Read from the socket: a client library would not send it."""
    body = json.dumps(ALLOWED)
    head = f"POST {EVALUATION} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    length = f"Content-Length: {len(body)}\r\n"
    host, _, port = sidecar.addresses["authzen"].rpartition(":")
    for request in (
        f"{head}{length}Content-Length: {len(body) - 1}\r\n\r\n{body}",
        f"{head}Content-Length: -1\r\n\r\n{body}",
        f"{head}Content-Length: {'9' * 40}\r\n\r\n{body}",
        f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n",
        f"{head}{length}X y: 1\r\n\r\n{body}",
    ):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(request.encode())
            answer = b""
            while piece := connection.recv(65_536):
                answer += piece
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), (request, answer)
        assert b'"decision":true' not in answer
