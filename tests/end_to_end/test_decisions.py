"""What a gateway gets: decisions over gRPC from a real sidecar."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from pdp.decision.v1.decision_pb2 import CheckRequest, CheckResponse
from pdp.decision.v1.decision_service_pb2 import CheckBatchRequest, CheckStreamRequest
from pdp.wire import request_to_message
from tests.end_to_end.sidecar import ROOT, Sidecar, Starter, health, http, program, question
from tests.end_to_end.wire import refusal

SERVICE = "pdp.decision.v1.DecisionService"


def _codes(answer: CheckResponse) -> list[str]:
    return [reason.code for reason in answer.reasons]


def test_allow_and_deny_with_reasons(sidecar: Sidecar) -> None:
    allowed = sidecar.check(question())
    assert allowed.allow
    assert not allowed.reasons
    denied = sidecar.check(question("bob", "write"))
    assert not denied.allow
    assert _codes(denied) == ["ACTION_NOT_GRANTED"]
    assert denied.reasons[0].message.nl
    assert denied.reasons[0].message.en
    assert denied.policy_revision == sidecar.revision
    assert denied.state_token == allowed.state_token != ""
    assert len(denied.decision_id) == 32
    assert denied.decision_id != allowed.decision_id


def test_a_batch_answers_in_order_and_one_bad_entry_fails_alone(sidecar: Sidecar) -> None:
    requests = [question(), question(""), question("bob", "write"), question()]
    batch = CheckBatchRequest(requests=map(request_to_message, requests))
    results = sidecar.stub().CheckBatch(batch, timeout=20).results
    assert [result.WhichOneof("result") for result in results] == [
        "response",
        "invalid",
        "response",
        "response",
    ]
    assert [results[place].response.allow for place in (0, 2, 3)] == [True, False, True]
    assert results[1].invalid.field == "subject.id"
    assert len({results[place].response.decision_id for place in (0, 2, 3)}) == 3


def test_a_stream_answers_each_request_under_its_id(sidecar: Sidecar) -> None:
    stopped = threading.Event()

    def requests() -> Iterator[CheckStreamRequest]:
        for number in range(50):
            subject = "" if number % 10 == 9 else "bob" if number % 2 else "alice"
            request = request_to_message(question(subject, "write"))
            yield CheckStreamRequest(id=str(number), request=request)
        stopped.wait(20)

    stream = sidecar.stub().CheckStream(requests(), timeout=30)
    answers = {answer.id: answer for answer, _ in zip(stream, range(50), strict=False)}
    stopped.set()
    assert set(answers) == {str(number) for number in range(50)}
    for text, answer in answers.items():
        if int(text) % 10 == 9:
            assert answer.invalid.field == "subject.id"
        else:
            assert answer.response.allow == (int(text) % 2 == 0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"subject": {"type": "user", "id": ""}}, "subject.id"),
        ({"action": {"name": ""}}, "action.name"),
        ({"resource": {"type": "record", "id": "x" * 2000}}, "resource.id"),
        ({"context": {"time": "yesterday"}}, "context.time"),
        ({"context": {"time": "2020-01-01T00:00:00Z"}}, "context.time"),
        ({"context": {"traceparent": 7}}, "context.traceparent"),
    ],
)
def test_an_invalid_request_names_its_field(sidecar: Sidecar, change: dict[str, object], field: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.check(question() | change)
    assert refusal(caught.value)[0] == field


@pytest.mark.parametrize("field", ["subject", "action", "resource"])
def test_a_part_that_is_missing_is_named(
    sidecar: Sidecar, field: Literal["subject", "action", "resource"]
) -> None:
    message = request_to_message(question())
    message.ClearField(field)
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.ask(message)
    assert refusal(caught.value) == (field, "is required")


def test_a_number_that_is_none_and_a_deep_request_are_refused(sidecar: Sidecar) -> None:
    request = request_to_message(question())
    request.context.update({"weight": float("nan")})
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.ask(request)
    assert refusal(caught.value) == ("context.weight", "must be a finite number")
    nested: dict[str, object] = {}
    for _ in range(40):
        nested = {"deeper": nested}
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.check(question(context=nested))
    assert refusal(caught.value)[0] == "context"


def test_a_time_within_the_skew_is_accepted(sidecar: Sidecar) -> None:
    for seconds in (-5, 5):
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
        assert sidecar.check(question(context={"time": moment.isoformat()})).allow


def test_many_threads_at_once_each_get_their_own_answer(sidecar: Sidecar) -> None:
    wrong: list[str] = []

    def ask(number: int) -> None:
        with grpc.insecure_channel(sidecar.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(
                f"/{SERVICE}/Check",
                request_serializer=CheckRequest.SerializeToString,
                response_deserializer=CheckResponse.FromString,
            )
            for turn in range(50):
                mine = "alice" if (number + turn) % 2 else "bob"
                answer = call(request_to_message(question(mine, "write")), timeout=20)
                if answer.allow != (mine == "alice"):
                    wrong.append(mine)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong


def test_a_decision_waits_for_the_state_that_it_must_see(start: Starter) -> None:
    sidecar = start("--freshness-wait-ms", "300")
    user = {"id": "carol", "properties": {}}
    record = {
        "id": "r",
        "properties": {"status": "active"},
        "access": [{"user": "carol", "actions": ["read"]}],
    }
    token = sidecar.apply(("user", "carol", user), ("record", "r", record))
    assert sidecar.check(question("carol", "read", "r"), fresh=token).allow

    seq, _, chain = token.partition(".")
    began = time.monotonic()
    stale = sidecar.check(question("carol", "read", "r"), fresh=f"{int(seq) + 1000}.{chain}")
    assert _codes(stale) == ["STATE_STALE"]
    assert 0.25 < time.monotonic() - began < 10

    with pytest.raises(grpc.RpcError) as caught:
        sidecar.check(question("carol", "read", "r"), fresh="nonsense")
    assert refusal(caught.value)[0] == "at_least_as_fresh"


def _grpcurl(*arguments: str) -> str:
    done = subprocess.run(
        [program("grpcurl"), "-plaintext", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_grpcurl_finds_the_services_by_reflection(sidecar: Sidecar) -> None:
    services = _grpcurl(sidecar.grpc, "list").split()
    assert SERVICE in services
    assert "grpc.health.v1.Health" in services
    methods = _grpcurl(sidecar.grpc, "list", SERVICE)
    assert [f"{SERVICE}.{name}" for name in ("Check", "CheckBatch", "CheckStream", "Watch")] == sorted(
        methods.split()
    )


def test_grpcurl_asks_and_reads_the_answer(sidecar: Sidecar) -> None:
    answer = json.loads(
        _grpcurl("-d", json.dumps(question("bob", "write")), sidecar.grpc, f"{SERVICE}/Check")
    )
    assert "allow" not in answer  # false is protobuf's default
    assert answer["reasons"][0]["code"] == "ACTION_NOT_GRANTED"


def test_health_says_ready_in_every_form(sidecar: Sidecar) -> None:
    for service in ("", SERVICE):
        assert health(sidecar.channel(), service) == HealthCheckResponse.SERVING
    assert json.loads(_grpcurl(sidecar.grpc, "grpc.health.v1.Health/Check")) == {"status": "SERVING"}
    assert http(sidecar.http, "/healthz/live")[0] == 200
    assert http(sidecar.http, "/healthz/ready")[0] == 200
    assert http(sidecar.http, "/elsewhere")[0] == 404
