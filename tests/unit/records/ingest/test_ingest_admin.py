"""Writing through a sidecar: what its answers mean for a message."""

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import cast

import grpc
import pytest

from pdp.errors import RecordsError
from pdp.records.access import Edit, RecordAccess
from pdp.records.admin import AdminAccess
from pdp.records.documents import RefusedError
from pdp.records.ingest import Ingest
from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.ingest_write import AdminWriter
from pdp.records.store import RecordStore
from pdp.records.waiting import AS_DECLARED, Applied, Wait, Waited
from tests.unit.records.ingest.streams import GROUP, Stream, door, is_open
from tests.unit.records.ingest.streams import Applied as Outcomes


class Status(grpc.RpcError, grpc.Call):  # type: ignore[misc]
    """A call that failed."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


def failure(code: grpc.StatusCode) -> RecordsError:
    """What the access raises for a call that failed."""
    error = RecordsError("The sidecar says no.")
    error.__cause__ = Status(code)  # type: ignore[abstract]
    return error


class Sidecar:
    """Answers as told; remembers what it was asked."""

    def __init__(self, answer: Callable[[Sequence[Edit], str | None], Applied]) -> None:
        self._answer = answer
        self.asked: list[tuple[list[str], str | None]] = []

    def apply(self, edits: Sequence[Edit], write_id: str | None = None, wait: Wait = AS_DECLARED) -> Applied:
        assert wait is AS_DECLARED
        assert all(edit.source_version is not None for edit in edits)
        self.asked.append(([edit.key for edit in edits], write_id))
        return self._answer(edits, write_id)


def drained(stream: Stream, sidecar: Sidecar | RecordAccess) -> Outcomes:
    """Applies the stream through the sidecar."""
    messages, outcomes = SourceStream(Source(stream.url, stream.name, GROUP, "one")), Outcomes()
    writer = AdminWriter(cast("RecordAccess", sidecar))
    try:
        Ingest(messages, writer, stop=threading.Event(), count=outcomes).drain()
    finally:
        messages.close()
    return outcomes


def test_a_group_goes_at_once(stream: Stream) -> None:
    for number in range(10):
        stream.add(str(number), 1, door(str(number)))
    sidecar = Sidecar(lambda _edits, _id: Applied("5.00000000"))
    assert drained(stream, sidecar) == {"applied": 10}
    assert len(sidecar.asked) == 1


def test_a_write_that_was_not_acknowledged_is_repeated(stream: Stream) -> None:
    stream.add("a", 1, door("a"))
    answers = [
        Applied("", Waited("", 20.0, "id", confirmed=False)),
        Applied("5.00000000", Waited("", 20.0, "id", ("sidecar 2",), confirmed=True)),
    ]
    sidecar = Sidecar(lambda _edits, _id: answers.pop(0))
    assert drained(stream, sidecar) == {"applied": 1}
    (_, first), (_, second) = sidecar.asked
    assert first == second
    assert stream.pending() == 0


def test_changes_of_several_shards_go_one_by_one(stream: Stream) -> None:
    for number in range(3):
        stream.add(str(number), 1, door(str(number)))

    def answer(edits: Sequence[Edit], _id: str | None) -> Applied:
        if len(edits) > 1:
            raise failure(grpc.StatusCode.FAILED_PRECONDITION)
        return Applied(f"{edits[0].key}:7.00000000")

    sidecar = Sidecar(answer)
    assert drained(stream, sidecar) == {"applied": 3}
    assert [keys for keys, _ in sidecar.asked] == [["0", "1", "2"], ["0"], ["1"], ["2"]]
    assert len({write_id for _, write_id in sidecar.asked}) == 4


def test_a_write_id_in_use_is_left_out(stream: Stream) -> None:
    stream.add("a", 1, door("a"))

    def answer(_edits: Sequence[Edit], write_id: str | None) -> Applied:
        if write_id:
            raise failure(grpc.StatusCode.FAILED_PRECONDITION)
        return Applied("7.00000000")

    assert drained(stream, Sidecar(answer)) == {"applied": 1}


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_a_sidecar_in_trouble(stream: Stream, code: grpc.StatusCode) -> None:
    stream.add("a", 1, door("a"))
    failures = [failure(code), failure(code)]

    def answer(_edits: Sequence[Edit], _id: str | None) -> Applied:
        if failures:
            raise failures.pop()
        return Applied("7.00000000")

    assert drained(stream, Sidecar(answer)) == {"applied": 1}
    assert stream.dead() == []


def test_what_it_refuses_becomes_a_dead_letter(stream: Stream) -> None:
    for key in ("a", "b", "c"):
        stream.add(key, 1, door(key))

    def answer(edits: Sequence[Edit], _id: str | None) -> Applied:
        if any(edit.key == "b" for edit in edits):
            raise RefusedError("", "", "door/b: open: value is not of type boolean")
        return Applied(f"{next(positions)}.00000000")

    positions = itertools.count(7)
    assert drained(stream, Sidecar(answer)) == {"applied": 2, "dead": 1}
    (letter,) = stream.dead()
    assert letter["key"] == "b"
    assert letter["dead:reason"] == "door/b: open: value is not of type boolean"


def test_a_real_sidecar(stream: Stream, admin: str, store: RecordStore) -> None:
    for number in range(10):
        stream.add(str(number), 2, door(str(number)))
    stream.add("3", 1, door("3", is_open=False))
    stream.add("x", 1, {"id": "x", "open": "no"})
    stream.raw("kind", "gate", "key", "x", "version", 1)
    # Its writes wait for all sidecars.
    stream.raw("kind", "note", "key", "n", "version", 1, "value", '{"text": "ja"}')
    access = AdminAccess(admin)
    outcomes = drained(stream, access)
    access.close()
    assert outcomes["dead"] == 2
    assert outcomes.total() == 14
    assert is_open(store, "3") is True
    assert store.counts() == {"door": 10, "note": 1}
    first, second = stream.dead()
    assert "open" in first["dead:reason"]
    assert "no kind 'gate'" in second["dead:reason"]
    assert stream.pending() == 0
