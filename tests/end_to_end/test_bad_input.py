"""Thousands of wrong requests to a real sidecar: each is invalid or denied; none does harm."""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.decision.v1.decision_pb2 import CheckRequest, CheckResponse
from pdp.errors import InvalidRequest
from pdp.wire import request_to_message
from tests.end_to_end import portal
from tests.end_to_end.sidecar import PORTAL, Sidecar, Starter
from tests.end_to_end.wire import delimited, nested, refusal, struct

Path = tuple[str, ...]
LOGIN: Path = ("subject", "properties", "authentication")
# Whatever else stands in one of these, the user may not.
ESSENTIAL: tuple[Path, ...] = (
    ("subject",),
    ("subject", "type"),
    ("subject", "id"),
    ("subject", "properties"),
    LOGIN,
    (*LOGIN, "source"),
    (*LOGIN, "levelOfAssurance"),
    (*LOGIN, "authorizee"),
    (*LOGIN, "authorizee", "legalSubject"),
    (*LOGIN, "authorizee", "legalSubject", "identifier"),
    (*LOGIN, "authorizee", "actingSubject", "identifier"),
    ("action",),
    ("action", "name"),
    ("action", "properties", "processing_activity_id"),
    ("resource",),
    ("resource", "type"),
    ("resource", "id"),
)
REQUIRED = [path for path in ESSENTIAL if len(path) == 1 or path[1] in ("type", "id", "name")]
SENT = request_to_message(portal.request())
# Every path that a request has: of a field of the contract, or in one of its structs.
FIELD = re.compile(
    r"^(request|at_least_as_fresh|cacheable|(context|(subject|action|resource)(\.properties)?)([.\[].*)?"
    r"|(subject|resource)\.(type|id)|action\.name)$",
    re.DOTALL,
)
THOUSAND = settings(max_examples=1000)

_TEXTS = st.text(max_size=20) | st.sampled_from(
    ["", " ", "null", "true", "*", "%", "..", "\0", "é" * 700, "x" * 2000]
)
_NUMBERS = st.integers(-(2**64), 2**64) | st.floats(allow_nan=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def ask(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[bytes], CheckResponse | grpc.RpcError]]:
    """Sends the bytes of a message to a sidecar that allows `portal.request()`; gives what came back."""
    starter = Starter(tmp_path_factory.mktemp("bad_input"))
    try:
        # Answers count here, not their time, which on a busy machine may be long.
        sidecar = starter("--evaluation-limit-ms", "10000", policy=PORTAL, records=portal.records())
        assert sidecar.check(portal.request()).allow
        yield _asking(sidecar)
        assert sidecar.process.poll() is None
        assert sidecar.check(portal.request()).allow
        assert "panic" not in sidecar.messages()
    finally:
        starter.close()


def _asking(sidecar: Sidecar) -> Callable[[bytes], CheckResponse | grpc.RpcError]:
    return sidecar.sender("/pdp.decision.v1.DecisionService/Check", CheckResponse)


def _refused(answer: CheckResponse | grpc.RpcError) -> str | None:
    """The field that an invalid request names, "request" for the whole; None for an answer.

    Anything else is a failure.
    """
    if isinstance(answer, CheckResponse):
        assert answer.allow or answer.reasons
        return None
    return refusal(answer)[0]


def _is_or_within(field: str, path: Path) -> bool:
    """Whether a field is the one at the path, or one in it."""
    whole = ".".join(path)
    return field == whole or field.startswith((f"{whole}.", f"{whole}["))


def _changed(path: Path, value: object) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(portal.request())
    *parents, last = path
    inner = document
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return document


def _original(path: Path) -> object:
    value: Any = portal.request()
    for name in path:
        value = value[name]
    return value


@THOUSAND
@given(path=st.sampled_from(ESSENTIAL), value=_VALUES)
def test_a_wrong_value_never_allows(
    ask: Callable[[bytes], CheckResponse | grpc.RpcError], path: Path, value: object
) -> None:
    if value == _original(path):
        return
    try:
        message = request_to_message(_changed(path, value))
    except InvalidRequest as error:  # a struct that protobuf cannot hold names itself, not the place in it
        assert _is_or_within(error.field, path) or error.field == ".".join(path[:2])  # noqa: PT017
        return
    answer = ask(message.SerializeToString())
    refused = _refused(answer)
    if refused is not None:
        assert _is_or_within(refused, path)
    else:
        assert isinstance(answer, CheckResponse)
        assert not answer.allow


@pytest.mark.parametrize("path", REQUIRED)
def test_a_required_field_that_is_missing_is_named(
    ask: Callable[[bytes], CheckResponse | grpc.RpcError], path: Path
) -> None:
    message = CheckRequest()
    message.CopyFrom(SENT)
    parent: Message = message if len(path) == 1 else getattr(message, path[0])
    parent.ClearField(path[-1])
    assert _refused(ask(message.SerializeToString())) == ".".join(path)


@THOUSAND
@given(
    more=st.dictionaries(_TEXTS, _VALUES, max_size=4),
    where=st.sampled_from(["subject", "action", "resource"]),
)
def test_unknown_properties_do_no_harm(
    ask: Callable[[bytes], CheckResponse | grpc.RpcError], more: dict[str, Any], where: str
) -> None:
    """A member that no rule knows changes nothing; one that a rule knows is checked like any other."""
    document = portal.request()
    document[where]["properties"] = more | document[where].get("properties", {})
    try:
        message = request_to_message(document)
    except InvalidRequest as error:
        assert _is_or_within(error.field, (where, "properties"))  # noqa: PT017
        return
    answer = ask(message.SerializeToString())
    refused = _refused(answer)
    assert refused is None or _is_or_within(refused, (where, "properties"))
    known = {"fiscal_number", "branch_number", "authentication", "processing_activity_id"} & set(more)
    assert refused is not None or known or (isinstance(answer, CheckResponse) and answer.allow)


_EDITS = st.lists(
    st.tuples(st.integers(0, len(SENT.SerializeToString()) - 1), st.integers(0, 2), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)


def _edited(edits: list[tuple[int, int, int]]) -> bytes:
    text = bytearray(SENT.SerializeToString())
    for place, kind, value in edits:
        if place < len(text):
            text[place : place + (kind != 1)] = b"" if kind == 2 else bytes([value])
    return bytes(text)


def _asked(message: CheckRequest) -> list[object]:
    document = MessageToDict(message, preserving_proto_field_name=True)
    values: list[object] = []
    for path in ESSENTIAL:
        inner: Any = document
        for name in path:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict):
            values.append(inner)
    return values


@THOUSAND
@given(edits=_EDITS)
def test_bytes_changed_on_the_way_never_allow_something_else(
    ask: Callable[[bytes], CheckResponse | grpc.RpcError], edits: list[tuple[int, int, int]]
) -> None:
    message = _edited(edits)
    answer = ask(message)
    refused = _refused(answer)
    assert refused is None or FIELD.match(refused), refused
    if refused is None and isinstance(answer, CheckResponse) and answer.allow:
        assert _asked(CheckRequest.FromString(message)) == _asked(SENT)


@THOUSAND
@given(message=st.binary(max_size=400))
def test_any_bytes_never_allow(ask: Callable[[bytes], CheckResponse | grpc.RpcError], message: bytes) -> None:
    answer = ask(message)
    refused = _refused(answer)
    if refused is None:
        assert isinstance(answer, CheckResponse)
        assert not answer.allow
    else:
        assert FIELD.match(refused), refused


def test_a_field_with_a_long_name_is_refused_within_what_clients_read(
    ask: Callable[[bytes], CheckResponse | grpc.RpcError],
) -> None:
    """A status that holds the whole path of it would be too large a header for the client."""
    message = CheckRequest()
    message.CopyFrom(SENT)
    message.context.update({"é" * 20_000: float("nan")})
    refused = _refused(ask(message.SerializeToString()))
    assert refused is not None
    assert refused.startswith("context.é")
    assert len(refused) < 500


NO_UTF8 = b"\xff\xfe"
WRONG_WIRE_TYPE = bytes([1 << 3 | 0, 1])
"""Field 1 as a number, which it is not."""


@pytest.mark.parametrize(
    ("added", "field"),
    [
        (delimited(1, delimited(1, NO_UTF8)), "subject.type"),
        (delimited(1, delimited(2, NO_UTF8)), "subject.id"),
        (delimited(2, delimited(1, NO_UTF8)), "action.name"),
        (delimited(3, delimited(1, NO_UTF8)), "resource.type"),
        (delimited(3, delimited(2, NO_UTF8)), "resource.id"),
        (delimited(5, NO_UTF8), "at_least_as_fresh"),
        (delimited(1, delimited(3, struct(delimited(3, NO_UTF8)))), "subject.properties.a"),
        (
            delimited(2, delimited(2, struct(delimited(5, struct(delimited(3, NO_UTF8)))))),
            "action.properties.a.a",
        ),
        (delimited(4, struct(delimited(6, delimited(1, delimited(3, NO_UTF8))))), "context.a[0]"),
        (delimited(3, delimited(3, delimited(1, delimited(1, NO_UTF8)))), "resource.properties"),
        (delimited(1, delimited(3, nested(30))), "subject.properties"),
        (delimited(1, delimited(3, nested(200))), "subject.properties"),
        (delimited(4, nested(25)), "context"),
        (delimited(4, nested(200)), "context"),
        (WRONG_WIRE_TYPE, "subject"),
        (delimited(1, WRONG_WIRE_TYPE), "subject.type"),
        (delimited(2, WRONG_WIRE_TYPE), "action.name"),
        (delimited(3, b"\x0a\x7fx"), "resource.type"),
        (b"\x0a\x7fx", "subject"),
        (b"\xff", "request"),
        (b"\x00", "request"),
    ],
)
def test_a_message_that_is_none_names_its_field(
    ask: Callable[[bytes], CheckResponse | grpc.RpcError], added: bytes, field: str
) -> None:
    refused = _refused(ask(SENT.SerializeToString() + added))
    assert refused == field
