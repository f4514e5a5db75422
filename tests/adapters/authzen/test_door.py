"""What the AuthZEN door says beside the scenario: methods, headers, problem details, the three semantics."""

import json
from typing import Any

import pytest

from pdp.wire import request_to_message
from tests.adapters.authzen.door import EVALUATION, EVALUATIONS, JSON, WELL_KNOWN, Door, search_of
from tests.end_to_end.sidecar import PORTAL, Sidecar, Starter, question

ALLOWED, DENIED = question(), question(subject="bob", action="write")


def test_a_decision_says_what_grpc_says(sidecar: Sidecar, door: Door) -> None:
    context: dict[str, Any] = {}
    for request in (ALLOWED, DENIED):
        told, answer = sidecar.ask(request_to_message(request)), door.post(EVALUATION, request)
        context = answer.body["context"]
        assert answer.body["decision"] is told.allow
        assert context["policy_revision"] == told.policy_revision
        assert context["state_token"] == told.state_token
        assert len(context["decision_id"]) == 32
        reasons = context.get("reasons", [])
        assert [reason["code"] for reason in reasons] == [reason.code for reason in told.reasons]
        assert ("reason_user" in context) is not told.allow
    assert context["reason_admin"] == {"en": "ACTION_NOT_GRANTED (1-4)"}
    assert context["reason_user"] == {
        "en": "You may not do this to this record.",
        "nl": "U mag dit niet doen met dit dossier.",
    }


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        (None, [True, False, True, False]),
        ("execute_all", [True, False, True, False]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_semantics(door: Door, semantic: str | None, decisions: list[bool]) -> None:
    body: dict[str, Any] = {"evaluations": [ALLOWED, DENIED, ALLOWED, {}], "options": {"other": 1}}
    if semantic is not None:
        body["options"]["evaluations_semantic"] = semantic
    answer = door.post(EVALUATIONS, body)
    assert [result["decision"] for result in answer.body["evaluations"]] == decisions


def test_what_fails_in_a_batch_fails_alone_and_counts_as_a_denial(door: Door) -> None:
    body = {
        "evaluations": [{"subject": 5}, ALLOWED],
        "options": {"evaluations_semantic": "deny_on_first_deny"},
    }
    error = {"status": 400, "message": "subject: must be an object"}
    failed = {"decision": False, "context": {"error": error}}
    assert door.post(EVALUATIONS, body).body == {"evaluations": [failed]}
    body["options"] = {"evaluations_semantic": "permit_on_first_permit"}
    first, second = door.post(EVALUATIONS, body).body["evaluations"]
    assert (first, second["decision"]) == (failed, True)


def test_a_batch_has_a_bound(door: Door) -> None:
    full = door.post(EVALUATIONS, {**ALLOWED, "evaluations": [{}] * 1_000})
    assert len(full.body["evaluations"]) == 1_000
    assert door.post(EVALUATIONS, {**ALLOWED, "evaluations": [{}] * 1_001}).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", EVALUATION, 405, "POST"),
        ("PUT", EVALUATIONS, 405, "POST"),
        ("DELETE", search_of("action"), 405, "POST"),
        ("POST", f"{WELL_KNOWN}/tenant1", 405, "GET, HEAD"),
        ("GET", "/", 404, None),
        ("POST", "/access/v1/evaluation/", 404, None),
        ("POST", "/access/v1//evaluation", 404, None),
        ("POST", "/access/v1/%65valuation", 404, None),
        ("GET", WELL_KNOWN, 404, None),
    ],
)
def test_addresses_and_methods(door: Door, method: str, path: str, status: int, allow: str | None) -> None:
    answer = door.send(method, path, json.dumps(ALLOWED).encode(), JSON | {"X-Request-ID": "7"})
    assert (answer.status, answer.headers.get("allow"), answer.headers["x-request-id"]) == (
        status,
        allow,
        "7",
    )


def test_the_base_url_may_have_a_path(door: Door) -> None:
    document = door.send("GET", f"{WELL_KNOWN}/tenant1").body
    assert document["policy_decision_point"] == "https://pdp.example.nl/tenant1"
    path = document["access_evaluation_endpoint"].removeprefix("https://pdp.example.nl")
    assert door.post(path, ALLOWED).body["decision"] is True


def test_problem_details_are_for_those_who_ask(door: Door) -> None:
    answer = door.post(EVALUATION, {"subject": {}}, Accept="application/json, application/problem+json")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.body == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "subject.type: is required",
        "field": "subject.type",
    }
    assert door.post(EVALUATION, ALLOWED, Accept="application/problem+json").body["decision"] is True
    assert door.post(EVALUATION, {"subject": {}}).body == "subject.type: is required"


@pytest.mark.parametrize(
    ("request_id", "status"), [("a b", 200), ("x" * 256, 200), ("x" * 257, 400), ("é", 400), ("", 200)]
)
def test_a_request_id_comes_back_or_is_refused(door: Door, request_id: str, status: int) -> None:
    answer = door.post(EVALUATION, ALLOWED, X_Request_ID=request_id)
    assert answer.status == status
    assert answer.headers.get("x-request-id") == (request_id if status == 200 else None)


def test_sizes(door: Door) -> None:
    padded = {**ALLOWED, "context": {"padding": "x" * 70_000}}
    assert door.post(EVALUATION, padded).status == 413
    first, second = door.post(EVALUATIONS, {"evaluations": [padded, ALLOWED]}).body["evaluations"]
    assert first["context"]["error"]["message"].endswith("at most 65536 are read")
    assert (first["decision"], second["decision"]) == (False, True)
    assert door.post(EVALUATIONS, {**padded, "evaluations": [{}] * 1_000}).status == 400
    assert door.post(EVALUATIONS, {"padding": "x" * (5 << 20)}).status == 413


def test_trace_context_never_reaches_the_policy(door: Door) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with_trace = {**ALLOWED, "context": {"traceparent": trace, "tracestate": "a=1"}}
    assert door.post(EVALUATION, with_trace, traceparent=trace).body["decision"] is True
    assert door.post(EVALUATION, {**ALLOWED, "context": {"traceparent": 7}}).status == 400


def test_logical_time_where_the_bundle_gives_it_a_meaning(start: Starter) -> None:
    """NLgov: `context.time` is the logical time, refused when it is far from the clock."""
    portal = start(policy=PORTAL, PDP_AUTHZEN="127.0.0.1:0")
    door = Door(portal.addresses["authzen"])
    asked = question()
    for time, status in (("2020-01-01T00:00:00Z", 400), ("2025-06-27T18:03-07:00", 400), (7, 400)):
        answer = door.post(EVALUATION, {**asked, "context": {"time": time}})
        assert (answer.status, answer.body.split(":")[0]) == (status, "context.time")
    # No search is declared, and no base URL configured.
    assert door.post(search_of("subject"), asked).status == 501
    assert door.send("GET", WELL_KNOWN).status == 404
    door.close()


def test_without_tls_it_is_for_loopback_only(start: Starter) -> None:
    refused = start(PDP_AUTHZEN="0.0.0.0:0", ready=False)
    assert refused.ended(60) != 0
    assert "without TLS" in refused.messages()
    for url in ("http://pdp.example.nl", "https://pdp.example.nl/"):
        refused = start(PDP_AUTHZEN="127.0.0.1:0", PDP_AUTHZEN_URL=url, ready=False)
        assert refused.ended(60) != 0
        assert "base URL" in refused.messages()
