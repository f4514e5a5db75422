"""Between the contract's JSON (snake_case) and its protobuf messages: for callers of a running sidecar."""

import json
import math
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from pdp.decision.v1 import decision_pb2
from pdp.errors import InvalidRequest

_ENTITIES = {"subject": ("type", "id"), "action": ("name",), "resource": ("type", "id")}


def request_to_message(document: object) -> decision_pb2.CheckRequest:
    """A request as AuthZEN JSON → CheckRequest. Members that the message has no place for are left out.

    Raises InvalidRequest where a value has a type that the message cannot hold; the sidecar checks the rest.
    """
    if not isinstance(document, Mapping):
        raise InvalidRequest("", "must be a JSON object")
    request = decision_pb2.CheckRequest()
    for name, texts in _ENTITIES.items():
        entity = _object(document, name, name)
        if entity is None:
            raise InvalidRequest(name, "is required")
        message = getattr(request, name)
        for text in texts:
            if text not in entity:  # in a message it could not be told from an empty one
                raise InvalidRequest(f"{name}.{text}", "is required")
            _set_text(message, entity, text, f"{name}.{text}")
        _fill(message.properties, _object(entity, "properties", f"{name}.properties"), f"{name}.properties")
    _fill(request.context, _object(document, "context", "context"), "context")
    _set_text(request, document, "at_least_as_fresh", "at_least_as_fresh")
    return request


def response_to_json(response: decision_pb2.CheckResponse) -> dict[str, Any]:
    """CheckResponse → the decision document that `pdp check` prints and `Decision.to_dict` gives."""
    return {
        "allow": response.allow,
        "reasons": [
            {
                "code": reason.code,
                "article": reason.article,
                "message": {"nl": reason.message.nl, "en": reason.message.en},
                "details": _plain(reason.details),
            }
            for reason in response.reasons
        ],
        "obligations": [_flat(obligation) for obligation in response.obligations],
        "notices": [_flat(notice) for notice in response.notices],
        "accountable": _plain(response.accountable) if response.HasField("accountable") else None,
        "valid_until": response.valid_until.ToJsonString() if response.HasField("valid_until") else None,
        "policy_revision": response.policy_revision,
        "state_token": response.state_token,
        "decision_id": response.decision_id,
    }


def parse_request(text: bytes) -> object:
    """One request from JSON text. Raises InvalidRequest when it is not JSON that means one thing."""
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_members, parse_constant=_constant)
    except InvalidRequest:
        raise
    except UnicodeDecodeError as error:
        raise InvalidRequest("", f"is not a JSON document: not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise InvalidRequest("", "is not a JSON document: nested too deep") from error
    except ValueError as error:
        raise InvalidRequest("", f"is not a JSON document: {error}") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidRequest("", "is not a JSON document: a member stands twice")
    return members


def _constant(text: str) -> float:
    raise InvalidRequest("", f"is not a JSON document: {text} is no number")


def _object(document: Mapping[str, Any], name: str, field: str) -> Mapping[str, Any] | None:
    if name not in document:
        return None
    value = document[name]
    if not isinstance(value, Mapping):
        raise InvalidRequest(field, "must be an object")
    return value


def _set_text(message: Message, document: Mapping[str, Any], name: str, field: str) -> None:
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
        json_format.ParseDict(dict(value), struct)
    except (json_format.ParseError, RecursionError, ValueError) as error:
        raise InvalidRequest(field, f"cannot be sent: {error}") from error


def _flat(item: decision_pb2.Obligation | decision_pb2.Notice) -> dict[str, Any]:
    return {"type": item.type, "article": item.article, **_plain(item.parameters)}


def _plain(struct: Struct) -> dict[str, Any]:
    document: dict[str, Any] = json_format.MessageToDict(struct)
    return {name: _whole(value) for name, value in document.items()}


def _whole(value: Any) -> Any:
    """A Struct holds every number as a double; whole ones are written as integers, as the core does."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value
