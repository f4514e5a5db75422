"""How large a request and a message may be, by the settings; what is more is named, counted and forgotten."""

import re
from collections.abc import Iterator

import grpc
import pytest

from pdp.decision.v1.decision_pb2 import CheckResponse
from pdp.decision.v1.decision_service_pb2 import CheckBatchRequest, CheckStreamRequest, CheckStreamResponse
from pdp.wire import request_to_message
from tests.end_to_end.sidecar import EXAMPLE, Sidecar, Starter, http, question
from tests.end_to_end.wire import delimited, refusal

MIB = 1 << 20


def _sized(size: int) -> dict[str, object]:
    """A request with a text of so many bytes."""
    return question(context={"text": "x" * size})


def _invalid(sidecar: Sidecar) -> float:
    page = http(sidecar.metrics, "/metrics")[1].splitlines()
    (line,) = (line for line in page if line.startswith("pdp_invalid_requests_total "))
    return float(line.split()[1])


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (70_000, r"^has 70\d\d\d bytes; at most 65536 are read$"),
        (4_000_000, r"^has 40\d{5} bytes; at most 65536 are read$"),
        (5_000_000, r"^has more than 4194304 bytes, the most that is read at once; one request: 65536$"),
        (20_000_000, r"^has more than 4194304 bytes, the most that is read at once; one request: 65536$"),
    ],
)
def test_an_oversized_request_is_refused_and_the_sidecar_goes_on(
    sidecar: Sidecar, size: int, says: str
) -> None:
    before = _invalid(sidecar)
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.check(_sized(size))
    field, sentence = refusal(caught.value)
    assert field == "request"
    assert re.match(says, sentence), sentence
    assert _invalid(sidecar) == before + 1
    assert sidecar.check(question()).allow
    assert _invalid(sidecar) == before + 1


def test_in_a_batch_one_that_is_too_large_fails_alone(sidecar: Sidecar) -> None:
    before = _invalid(sidecar)
    requests = [request_to_message(_sized(size)) for size in (60_000, 70_000, 60_000)]
    results = sidecar.stub().CheckBatch(CheckBatchRequest(requests=requests), timeout=20).results
    assert [result.WhichOneof("result") for result in results] == ["response", "invalid", "response"]
    assert results[1].invalid.field == ""
    assert "at most 65536" in results[1].invalid.message
    assert _invalid(sidecar) == before + 1


def test_a_batch_has_room_for_64_of_the_largest_and_a_bound(sidecar: Sidecar) -> None:
    largest = request_to_message(_sized(65_000))
    results = sidecar.stub().CheckBatch(CheckBatchRequest(requests=[largest] * 64), timeout=20).results
    assert [result.response.allow for result in results] == [True] * 64
    before = _invalid(sidecar)
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.stub().CheckBatch(CheckBatchRequest(requests=[largest] * 65), timeout=20)
    field, sentence = refusal(caught.value)
    assert (field, "4194304" in sentence) == ("request", True)
    few = request_to_message(question())
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.stub().CheckBatch(CheckBatchRequest(requests=[few] * 1001), timeout=20)
    assert refusal(caught.value) == ("requests", "has 1001 entries; at most 1000 are read")
    assert _invalid(sidecar) == before + 2


def test_in_a_stream_it_ends_the_stream_and_says_why(sidecar: Sidecar) -> None:
    def answers(last: bytes) -> Iterator[object]:
        first = CheckStreamRequest(id="1", request=request_to_message(question())).SerializeToString()
        call = sidecar.channel().stream_stream(
            "/pdp.decision.v1.DecisionService/CheckStream",
            request_serializer=bytes,
            response_deserializer=CheckStreamResponse.FromString,
        )
        yield from call(iter([first, last]), timeout=20)

    before = _invalid(sidecar)
    for last, field in (
        (delimited(1, b"x" * 5_000_000), "request"),
        (delimited(2, delimited(1, delimited(2, b"\xff"))), "request.subject.id"),
        (delimited(1, b"\xff"), "id"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            list(answers(last))
        assert refusal(caught.value)[0] == field
    assert _invalid(sidecar) == before + 3


def test_a_malformed_message_counts_as_an_invalid_request(sidecar: Sidecar) -> None:
    before = _invalid(sidecar)
    call = sidecar.channel().unary_unary(
        "/pdp.decision.v1.DecisionService/Check",
        request_serializer=bytes,
        response_deserializer=CheckResponse.FromString,
    )
    for message in (b"\xff", delimited(1, delimited(2, b"\xff"))):
        with pytest.raises(grpc.RpcError) as caught:
            call(message, timeout=20)
        refusal(caught.value)
    with pytest.raises(grpc.RpcError):
        sidecar.check(question(""))
    assert _invalid(sidecar) == before + 3


def test_the_setting_moves_the_bounds(start: Starter) -> None:
    sidecar = start("--max-request-bytes", str(8 * MIB), records=EXAMPLE / "records.jsonl")
    assert sidecar.check(_sized(5 * MIB)).allow
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.check(_sized(9 * MIB))
    assert refusal(caught.value)[1].endswith(f"bytes; at most {8 * MIB} are read")
    batch = CheckBatchRequest(requests=[request_to_message(_sized(7 * MIB))] * 3)
    results = sidecar.stub().CheckBatch(batch, timeout=60).results
    assert [result.response.allow for result in results] == [True] * 3
    with pytest.raises(grpc.RpcError) as caught:
        sidecar.check(_sized(65 * MIB))
    assert refusal(caught.value)[1].startswith(f"has more than {64 * MIB} bytes")

    small = start("--max-request-bytes", "1024", records=EXAMPLE / "records.jsonl", store="small.db")
    assert small.check(question()).allow
    with pytest.raises(grpc.RpcError) as caught:
        small.check(_sized(1024))
    assert refusal(caught.value)[1].endswith("at most 1024 are read")
