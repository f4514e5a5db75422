"""Requests and decisions between the contract's JSON and its messages."""

import json
import re

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdp.decision.v1 import decision_pb2
from pdp.errors import InvalidRequest
from pdp.wire import parse_request, request_to_message, response_to_json

REQUEST = {
    "subject": {"type": "user", "id": "s-1", "properties": {"authentication": {"source": "eherkenning"}}},
    "action": {"name": "read"},
    "resource": {"type": "webdienst", "id": "verzuim", "properties": {"fiscal_number": "123456782"}},
    "context": {"time": "2026-03-02T09:00:00Z", "weight": 1.5, "list": [1, None, True]},
    "at_least_as_fresh": "1.00000000",
}


def test_a_request_keeps_its_parts() -> None:
    message = request_to_message(REQUEST)
    assert (message.subject.type, message.subject.id) == ("user", "s-1")
    assert MessageToDict(message.subject.properties) == {"authentication": {"source": "eherkenning"}}
    assert message.action.name == "read"
    assert not message.action.HasField("properties")
    assert message.resource.id == "verzuim"
    assert message.context["weight"] == 1.5
    assert message.at_least_as_fresh == "1.00000000"


def test_what_is_absent_stays_absent() -> None:
    message = request_to_message({name: REQUEST[name] for name in ("subject", "action", "resource")})
    assert not message.HasField("context")
    assert message.at_least_as_fresh == ""


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        ([], "", "must be a JSON object"),
        ({"subject": 5}, "subject", "must be an object"),
        ({"subject": None}, "subject", "must be an object"),
        ({}, "subject", "is required"),
        ({"subject": {"type": "user"}}, "subject.id", "is required"),
        ({"subject": {"type": "user", "id": 5}}, "subject.id", "must be a text"),
        ({"subject": {"type": "user", "id": None}}, "subject.id", "must be a text"),
        ({"subject": {"type": "user", "id": "\ud800"}}, "subject.id", "is not valid Unicode"),
        (REQUEST | {"action": {"name": "read", "properties": []}}, "action.properties", "must be an object"),
        (REQUEST | {"context": "now"}, "context", "must be an object"),
        (REQUEST | {"at_least_as_fresh": 1}, "at_least_as_fresh", "must be a text"),
    ],
)
def test_a_wrong_type_names_its_field(document: object, field: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request_to_message(document)
    assert (caught.value.field, caught.value.message) == (field, message)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b"{} {}", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":-Infinity}', b"[" * 100_000],
)
def test_what_is_no_json_is_an_invalid_request(text: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(text)
    assert caught.value.field == ""
    assert caught.value.message.startswith("is not a JSON document: ")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(["subject", "action", "resource", "context", "type", "id", "name", "properties"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_NAMES, _VALUES | st.dictionaries(_NAMES, _VALUES)))
def test_any_document_becomes_a_message_or_an_invalid_request(document: dict[str, object]) -> None:
    try:
        request_to_message(document).SerializeToString()
    except InvalidRequest as error:
        assert error.field  # noqa: PT017


def test_a_decision_reads_as_the_contract_says() -> None:
    response = decision_pb2.CheckResponse(
        allow=False,
        reasons=[
            decision_pb2.Reason(
                code="INCIDENT_LOCKOUT", article="4.2", message=decision_pb2.Message(nl="één", en="one")
            )
        ],
        obligations=[decision_pb2.Obligation(type="step_up", article="2.2")],
        notices=[decision_pb2.Notice(type="consult_portal", article="2.8")],
        policy_revision="r",
        state_token="1.00",  # noqa: S106
        decision_id="d",
    )
    response.reasons[0].details.update({"count": 3, "ratio": 0.5, "list": [1, {"n": 2}], "nature": "storing"})
    response.obligations[0].parameters.update({"acr_values": ["loa4"]})
    response.accountable.update({"kvk": "12345678"})
    response.valid_until.CopyFrom(Timestamp(seconds=1_772_442_000, nanos=1_000_000))
    assert response_to_json(response) == {
        "allow": False,
        "reasons": [
            {
                "code": "INCIDENT_LOCKOUT",
                "article": "4.2",
                "message": {"nl": "één", "en": "one"},
                "details": {"count": 3, "ratio": 0.5, "list": [1, {"n": 2}], "nature": "storing"},
            }
        ],
        "obligations": [{"type": "step_up", "article": "2.2", "acr_values": ["loa4"]}],
        "notices": [{"type": "consult_portal", "article": "2.8"}],
        "accountable": {"kvk": "12345678"},
        "valid_until": "2026-03-02T09:00:00.001Z",
        "policy_revision": "r",
        "state_token": "1.00",
        "decision_id": "d",
    }
    assert re.search(r'"count": 3[,}]', json.dumps(response_to_json(response)))


def test_nothing_accountable_and_no_end_are_null() -> None:
    document = response_to_json(decision_pb2.CheckResponse(allow=True))
    assert document["accountable"] is None
    assert document["valid_until"] is None
