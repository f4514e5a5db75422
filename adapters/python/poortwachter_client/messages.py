"""Between AuthZEN's JSON shape and the contract's protobuf messages."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as Protobuf
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from poortwachter_client.contract import decision_pb2
from poortwachter_client.decision import Decision, Message, Notice, Obligation, Reason, pdp_unavailable
from poortwachter_client.errors import InvalidRequest

_ENTITIES = {"subject": ("type", "id"), "action": ("name",), "resource": ("type", "id")}
# Members of the context that never reach the policy, so that they cannot make another answer.
_TRACE = ("traceparent", "tracestate")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = 2**53


def _mapping(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_encode = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":"), default=_mapping).encode


def cache_key(request: Mapping[str, Any]) -> str | None:
    """What answers to a request are kept under: everything that a policy can see of it, written in one way.

    None: no kept answer may be used, as the request names its own time or state, or cannot be written.
    """
    try:
        context = request.get("context")
        if context:
            if "time" in context:
                return None
            if not context.keys().isdisjoint(_TRACE):
                context = {name: member for name, member in context.items() if name not in _TRACE}
        if request.get("at_least_as_fresh"):
            return None
        return _encode([request["subject"], request["action"], request["resource"], context])
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return None  # `request_message` says what is wrong with it


def request_message(request: object, *, cacheable: bool = False) -> decision_pb2.CheckRequest:
    """A request in AuthZEN's shape → CheckRequest. Members that the message has no place for are left out.

    Raises InvalidRequest where a value has a type that the message cannot hold; the sidecar checks the rest.
    """
    if not isinstance(request, Mapping):
        raise InvalidRequest("", "must be a mapping")
    message = decision_pb2.CheckRequest(cacheable=cacheable)
    for name, texts in _ENTITIES.items():
        entity = _object(request, name, name)
        if entity is None:
            raise InvalidRequest(name, "is required")
        part = getattr(message, name)
        for text in texts:
            if text not in entity:
                raise InvalidRequest(f"{name}.{text}", "is required")
            _set_text(part, entity, text, f"{name}.{text}")
        _fill(part.properties, _object(entity, "properties", f"{name}.properties"), f"{name}.properties")
    _fill(message.context, _object(request, "context", "context"), "context")
    _set_text(message, request, "at_least_as_fresh", "at_least_as_fresh")
    return message


def decision_of(response: decision_pb2.CheckResponse) -> Decision:
    """The answer as the application sees it. One that contradicts itself is a denial."""
    if not response.allow and not response.reasons:
        return pdp_unavailable("a denial without reasons")
    return Decision(
        allow=response.allow and not response.reasons,
        reasons=tuple(
            Reason(each.code, each.article, Message(each.message.nl, each.message.en), _plain(each.details))
            for each in response.reasons
        ),
        obligations=tuple(Obligation(e.type, e.article, _plain(e.parameters)) for e in response.obligations),
        notices=tuple(Notice(e.type, e.article, _plain(e.parameters)) for e in response.notices),
        accountable=_plain(response.accountable) if response.HasField("accountable") else None,
        valid_until=_valid_until(response),
        policy_revision=response.policy_revision,
        state_token=response.state_token,
        decision_id=response.decision_id,
    )


def _valid_until(response: decision_pb2.CheckResponse) -> datetime | None:
    if not response.HasField("valid_until"):
        return None
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds(response.valid_until) // 1000)
    except OverflowError:  # beyond the year 9999, or before the year 1
        return datetime.max.replace(tzinfo=UTC) if response.valid_until.seconds > 0 else _EPOCH


def nanoseconds(span: Timestamp | Duration) -> int:
    """Of a moment since 1970, or of a duration; also of one that protobuf's own conversion refuses."""
    return span.seconds * 1_000_000_000 + span.nanos


def _object(document: Mapping[str, Any], name: str, field: str) -> Mapping[str, Any] | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidRequest(field, "must be a mapping")
    return value


def _set_text(message: Protobuf, document: Mapping[str, Any], name: str, field: str) -> None:
    value = document.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequest(field, "must be a text")
    try:
        setattr(message, name, value)
    except ValueError as error:  # half of a surrogate pair
        raise InvalidRequest(field, "is not valid Unicode") from error


def _fill(struct: Struct, value: Mapping[str, Any] | None, field: str) -> None:
    if value is None:
        return
    struct.SetInParent()
    try:
        json_format.ParseDict(json.loads(_encode(value)), struct)
    except (json_format.ParseError, RecursionError, ValueError, TypeError) as error:
        raise InvalidRequest(field, f"cannot be sent: {error}") from error


def _plain(struct: Struct) -> Mapping[str, Any]:
    return MappingProxyType({name: _value(member) for name, member in struct.fields.items()})


def _value(value: Value) -> Any:
    """Read-only. A Struct holds every number as a double; whole ones become integers again."""
    match value.WhichOneof("kind"):
        case "struct_value":
            return _plain(value.struct_value)
        case "list_value":
            return tuple(_value(item) for item in value.list_value.values)
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _WHOLE else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None
