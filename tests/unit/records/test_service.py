"""The administrative service over real gRPC."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pdp._core import Core
from pdp.errors import ServeError
from pdp.records.admin_server import SERVICE_NAME, build_admin_server
from pdp.records.follow import Follower
from pdp.records.service import Served
from pdp.records.store import Change, RecordStore, StoreError
from pdp.records.v1 import record_pb2, record_service_pb2
from pdp.records.v1.record_service_pb2_grpc import RecordServiceStub

Decides = Callable[[Core, str], bool]


@pytest.fixture
def stub(channel: grpc.Channel) -> RecordServiceStub:
    return RecordServiceStub(channel)


def change(name: str, *, version: int | None = None, **fields: object) -> record_pb2.Change:
    value = json.dumps({"id": name, "open": True, **fields})
    return record_pb2.Change(kind="door", key=name, value_json=value, expected_version=version)


def deletion(name: str) -> record_pb2.Change:
    return record_pb2.Change(kind="door", key=name)


def apply(stub: RecordServiceStub, *changes: record_pb2.Change, write_id: str = "") -> str:
    request = record_service_pb2.ApplyChangesRequest(changes=changes, write_id=write_id)
    return stub.ApplyChanges(request).state_token


def refused(call: Callable[[], object], code: grpc.StatusCode) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is code, caught.value
    return caught.value.details() or ""


def test_a_write_is_decided_on_when_it_returns(
    stub: RecordServiceStub, core: Core, store: RecordStore, passes: Decides
) -> None:
    token = apply(stub, change("a"), change("b", open=False))
    assert token == store.head().position.token() == core.state_token()
    assert (passes(core, "a"), passes(core, "b")) == (True, False)
    apply(stub, deletion("a"))
    assert not passes(core, "a")


def test_documents_go_in_and_out_as_users_write_them(stub: RecordServiceStub, store: RecordStore) -> None:
    apply(stub, change("a", built_at="2026-03-02T10:00:00+01:00"))
    record = stub.GetRecord(record_service_pb2.GetRecordRequest(kind="door", key="a")).record
    assert json.loads(record.value_json) == {"id": "a", "open": True, "built_at": "2026-03-02T09:00:00Z"}
    assert (record.kind, record.key, record.version) == ("door", "a", 1)
    stored = store.get("door", "a")
    assert stored is not None
    assert b"1772442000000" in stored.value


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (change("a", owner={"number": "123456789"}), "door/a: owner.number: "),
        (change("a", untill="2026-03-02T09:00:00Z"), "door/a: "),
        (change("a", built_at="2026-13-02T09:00:00Z"), "door/a: built_at: "),
        (record_pb2.Change(kind="door", key="b", value_json='{"id":"a","open":true}'), "door/b: "),
        (record_pb2.Change(kind="door", key="a", value_json="{"), "door/a: "),
        (record_pb2.Change(kind="gate", key="a", value_json="{}"), "gate/a: "),
        (record_pb2.Change(kind="gate", key="a"), "gate/a: the bundle declares no kind 'gate'"),
    ],
)
def test_a_bad_change_is_refused_with_all_others(
    stub: RecordServiceStub, store: RecordStore, bad: record_pb2.Change, sentence: str
) -> None:
    details = refused(lambda: apply(stub, change("good"), bad), grpc.StatusCode.INVALID_ARGUMENT)
    assert details.startswith(sentence)
    assert store.head().position.seq == 0


def test_no_change_is_refused(stub: RecordServiceStub) -> None:
    assert refused(lambda: apply(stub), grpc.StatusCode.INVALID_ARGUMENT) == "changes: there is none"


def test_an_expected_version(stub: RecordServiceStub) -> None:
    apply(stub, change("a", version=0))
    details = refused(lambda: apply(stub, change("a", version=0)), grpc.StatusCode.FAILED_PRECONDITION)
    assert details == "door/a: expected no such record, but it stands at version 1."
    apply(stub, change("a", version=1))


def test_a_repeated_write_is_one_write(stub: RecordServiceStub, store: RecordStore) -> None:
    first = apply(stub, change("a", version=0), write_id="id-1")
    apply(stub, deletion("a"))
    assert apply(stub, change("a", version=0), write_id="id-1") == first
    assert store.head().position.seq == 2
    refused(lambda: apply(stub, change("b"), write_id="id-1"), grpc.StatusCode.FAILED_PRECONDITION)


def test_a_record_that_is_not_there(stub: RecordServiceStub) -> None:
    request = record_service_pb2.GetRecordRequest(kind="door", key="a")
    details = refused(lambda: stub.GetRecord(request), grpc.StatusCode.NOT_FOUND)
    assert details == "There is no door 'a'."
    request = record_service_pb2.GetRecordRequest(kind="gate", key="a")
    refused(lambda: stub.GetRecord(request), grpc.StatusCode.INVALID_ARGUMENT)


def test_the_kinds_and_their_numbers(stub: RecordServiceStub) -> None:
    apply(stub, change("a"), change("b"), change("c"), deletion("b"))
    answer = stub.ListKinds(record_service_pb2.ListKindsRequest())
    assert [(count.kind, count.records) for count in answer.kinds] == [("door", 2), ("note", 0)]


def test_pages(stub: RecordServiceStub) -> None:
    names = sorted(f"é{number}" for number in range(25))
    apply(stub, *map(change, names))
    read: list[str] = []
    sizes: list[int] = []
    token = ""
    while True:
        request = record_service_pb2.ListRecordsRequest(kind="door", page_size=10, page_token=token)
        answer = stub.ListRecords(request)
        read += [record.key for record in answer.records]
        sizes.append(len(answer.records))
        token = answer.next_page_token
        if not token:
            break
    assert read == names
    assert sizes == [10, 10, 5]
    # A page that ends exactly at the last record is the last page.
    request = record_service_pb2.ListRecordsRequest(kind="door", page_size=25)
    assert stub.ListRecords(request).next_page_token == ""
    request = record_service_pb2.ListRecordsRequest(kind="note")
    assert list(stub.ListRecords(request).records) == []


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (record_service_pb2.ListRecordsRequest(kind="door", page_size=1001), "page_size: "),
        (record_service_pb2.ListRecordsRequest(kind="door", page_token="%%%"), "page_token: "),  # noqa: S106
        (record_service_pb2.ListRecordsRequest(kind="gate"), "gate: "),
    ],
)
def test_a_bad_page_request(
    stub: RecordServiceStub, request_: record_service_pb2.ListRecordsRequest, sentence: str
) -> None:
    details = refused(lambda: stub.ListRecords(request_), grpc.StatusCode.INVALID_ARGUMENT)
    assert details.startswith(sentence)


def pieces(text: bytes, size: int) -> Iterator[record_service_pb2.ImportRecordsRequest]:
    for start in range(0, len(text), size):
        yield record_service_pb2.ImportRecordsRequest(chunk=text[start : start + size])


def line(name: str) -> bytes:
    value = {"id": name, "open": True}
    return json.dumps({"kind": "door", "key": name, "value": value}).encode() + b"\n"


def imported(
    stub: RecordServiceStub, requests: Iterator[record_service_pb2.ImportRecordsRequest]
) -> record_service_pb2.ImportRecordsResponse:
    """The last answer of an import."""
    return list(stub.ImportRecords(requests, timeout=60))[-1]


def test_an_import_in_pieces(stub: RecordServiceStub, core: Core, passes: Decides) -> None:
    text = b"".join(line(str(number)) for number in range(3_000))
    answers = list(stub.ImportRecords(pieces(text, 997)))
    assert [answer.step for answer in answers if not answer.state_token] == ["Checking"] + ["Writing"] * (
        len(answers) - 2
    ) or answers[0].step == "Checking"
    assert answers[-1].records == 3_000
    assert answers[-1].state_token == core.state_token()
    assert not any(answer.state_token for answer in answers[:-1])
    assert passes(core, "2999")


def test_an_import_tells_its_progress(stub: RecordServiceStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdp.records.import_calls._TELL_SECONDS", 0.0)
    text = b"".join(line(str(number)) for number in range(12_000))
    answers = list(stub.ImportRecords(pieces(text, 400_000)))
    checked = [answer.records for answer in answers if answer.step == "Checking"]
    written = [answer.records for answer in answers if answer.step == "Writing"]
    assert checked == sorted(checked)
    assert len(set(checked)) > 1
    assert checked[-1] == 12_000
    assert written == [5_000, 10_000, 12_000, 12_000]


def test_a_bad_line_refuses_the_import(stub: RecordServiceStub, store: RecordStore) -> None:
    text = b"".join(line(str(number)) for number in range(3_000)) + line("x").replace(b"true", b"7")
    details = refused(lambda: imported(stub, pieces(text, 100_000)), grpc.StatusCode.INVALID_ARGUMENT)
    assert details.startswith("line 3001: ")
    assert store.head().position.seq == 0


def test_slow_imports_do_not_stop_a_write(stub: RecordServiceStub, store: RecordStore) -> None:
    release = threading.Event()

    def slow() -> Iterator[record_service_pb2.ImportRecordsRequest]:
        yield record_service_pb2.ImportRecordsRequest(chunk=line("slow"))
        # Empty lines say nothing, but let the import tell that it goes on.
        while not release.wait(0.05):
            yield record_service_pb2.ImportRecordsRequest(chunk=b"\n")

    under_way = [stub.ImportRecords(slow(), timeout=60) for _ in range(2)]
    for call in under_way:
        # It has its place.
        next(call)
    with pytest.raises(grpc.RpcError) as refused:
        imported(stub, iter(()))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    apply(stub, change("a"))
    assert store.get("door", "slow") is None
    release.set()
    assert [list(call)[-1].records for call in under_way] == [1, 1]


def test_an_import_that_the_caller_gives_up_changes_nothing(
    stub: RecordServiceStub, store: RecordStore
) -> None:
    given, release = threading.Event(), threading.Event()

    def broken_off() -> Iterator[record_service_pb2.ImportRecordsRequest]:
        yield record_service_pb2.ImportRecordsRequest(chunk=line("a"))
        given.set()
        release.wait(30)

    call = stub.ImportRecords(broken_off())
    assert given.wait(10)
    call.cancel()
    release.set()
    apply(stub, change("b"))
    time.sleep(0.3)
    assert store.get("door", "a") is None


def test_a_store_that_fails_is_unavailable(
    stub: RecordServiceStub, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise StoreError("The disk is away.")

    monkeypatch.setattr(store, "write", failing)
    details = refused(lambda: apply(stub, change("a")), grpc.StatusCode.UNAVAILABLE)
    assert details == "The disk is away."


def test_a_write_that_stands_but_is_not_decided_on_yet(
    stub: RecordServiceStub, store: RecordStore, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.records.service._CATCH_UP_SECONDS", 0.01)
    follower.stop()
    details = refused(lambda: apply(stub, change("a")), grpc.StatusCode.UNAVAILABLE)
    token = store.head().position.token()
    assert details == f"The write stands as {token}, but this sidecar does not decide on it yet."


def test_health_and_reflection(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)  # the stubs' types lack their methods
    for name in ("", SERVICE_NAME):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))  # type: ignore[attr-defined]
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = reflection.ServerReflectionInfo(iter([request]))  # type: ignore[operator]
    names = {service.name for service in answer.list_services_response.service}
    assert {SERVICE_NAME, "grpc.health.v1.Health"} <= names


def test_an_address_in_use(served: Served) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServeError, match=f"The administrative address {address} cannot be used"):
            build_admin_server(address, served)


def test_two_servers_cannot_share_an_address(admin: str, served: Served) -> None:
    with pytest.raises(ServeError):
        build_admin_server(admin, served)


def test_changes_of_another_writer_are_read(stub: RecordServiceStub, store: RecordStore) -> None:
    store.write([Change("door", "a", b'{"id":"a","open":true}')])
    request = record_service_pb2.GetRecordRequest(kind="door", key="a")
    assert stub.GetRecord(request).record.version == 1
