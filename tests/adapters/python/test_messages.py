"""What answers are kept under, and how a request becomes a message."""

from types import MappingProxyType
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

from pdp.decision.v1 import decision_pb2 as sidecars_contract
from pdp.wire import request_to_message, response_to_json
from poortwachter_client import Decision, InvalidRequest
from poortwachter_client.contract.decision_pb2 import CheckResponse
from poortwachter_client.messages import cache_key, decision_of, request_message
from tests.end_to_end.sidecar import question

# Few different values, so that two requests are often the same one.
values = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, "", "a", "1", "é"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "1"]), inner, max_size=2)
    ),
    max_leaves=4,
)
objects = st.dictionaries(st.sampled_from(["a", "b", "traceparent", "time"]), values, max_size=3)
requests = st.builds(
    lambda name, properties, context: {
        "subject": {"type": "user", "id": name, "properties": properties},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "r"},
        **({} if context is None else {"context": context}),
    },
    st.sampled_from(["x", "y"]),
    objects,
    st.none() | objects,
)


def _seen(request: dict[str, Any]) -> bytes:
    """What a policy can see of a request."""
    message = request_message(request)
    for name in ("traceparent", "tracestate"):
        message.context.fields.pop(name, None)
    return message.SerializeToString(deterministic=True)


@given(requests, requests)
def test_what_has_one_key_is_one_request(one: dict[str, Any], other: dict[str, Any]) -> None:
    key = cache_key(one)
    if "time" in one.get("context", {}):
        assert key is None
    elif key == cache_key(other):
        assert _seen(one) == _seen(other)


@given(requests)
def test_the_order_of_members_changes_no_key(request_: dict[str, Any]) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(member) for name, member in reversed(value.items())}
        return [turned(item) for item in value] if isinstance(value, list) else value

    assert cache_key(turned(request_)) == cache_key(request_)


@given(requests)
def test_the_message_is_the_one_that_the_sidecars_own_package_makes(request_: dict[str, Any]) -> None:
    expected = request_to_message(request_)
    assert request_message(request_).SerializeToString(deterministic=True) == expected.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"context": {"a": {1, 2}}},
        {"context": {"a": set()}},
        {"context": {"a": iter([("b", 1)])}},
        {"context": {"a": b"bytes"}},
        {"context": {"a": float("inf")}},
        {"context": {1: "a", "b": 2}},
        {"context": {"a": "\ud800"}},
        {"context": "text"},
        {"subject": {"type": "user", "id": "\ud800"}},
    ],
)
def test_what_is_no_json_is_refused_and_has_no_key(odd: dict[str, Any]) -> None:
    request = question() | odd
    with pytest.raises(InvalidRequest) as raised:
        request_message(request)
    assert raised.value.field in ("context", "subject.id")


def test_any_mapping_will_do() -> None:
    request = question(context=MappingProxyType({"a": MappingProxyType({"b": 1})}))
    assert request_message(MappingProxyType(request)) == request_message(question(context={"a": {"b": 1}}))
    assert cache_key(request) == cache_key(question(context={"a": {"b": 1}}))


def test_nested_too_deep_is_an_invalid_request() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert cache_key(question(context={"a": deep})) is None
    with pytest.raises(InvalidRequest):
        request_message(question(context={"a": deep}))


def test_a_decision_says_all_that_the_answer_says() -> None:
    details: dict[str, Any] = {"until": "2026-01-01T00:00:00Z", "list": [1, 1.5, None, True, {"deep": []}]}
    response = ParseDict(
        {
            "reasons": [
                {"code": "A", "article": "4.2", "message": {"nl": "n", "en": "e"}, "details": details}
            ],
            "obligations": [{"type": "step_up", "article": "2.2", "parameters": {"acr_values": ["x"]}}],
            "notices": [{"type": "terms_changed", "parameters": {"version": "5"}}],
            "accountable": {"kvk": "12345678"},
            "policy_revision": "r",
            "state_token": "1.a",
            "decision_id": "f" * 32,
        },
        CheckResponse(),
    )
    decision = decision_of(response)
    own = sidecars_contract.CheckResponse.FromString(response.SerializeToString())
    assert decision.to_dict() == response_to_json(own)
    assert decision.reasons[0].details["list"][4]["deep"] == ()
    with pytest.raises(TypeError):
        decision.reasons[0].details["list"][4]["deep"] = 1


@pytest.mark.parametrize("seconds", [-(2**40), 0, 1_800_000_000, 2**40])
def test_any_moment_can_be_read(seconds: int) -> None:
    response = CheckResponse(allow=True)
    response.valid_until.seconds = seconds
    decision: Decision = decision_of(response)
    assert decision.valid_until is not None
    assert decision.valid_until.tzinfo is not None
