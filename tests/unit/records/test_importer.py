"""Imports: whole lines in pieces of any size, the last of two wins, a bad line is named and stops all."""

import io
import json
import tempfile
from collections.abc import Iterable
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp._core import Policy
from pdp.records.access import StoreAccess
from pdp.records.documents import RefusedError, json_line
from pdp.records.importer import MAX_LINE_BYTES, CheckedLines
from pdp.records.store import (
    Change,
    Parameters,
    Position,
    RecordStore,
    StoreError,
    Written,
    open_store,
)


def line(name: str, **fields: object) -> bytes:
    value = {"id": name, "open": True, **fields}
    return json.dumps({"kind": "door", "key": name, "value": value}).encode() + b"\n"


def imported(store: RecordStore, policy: Policy, text: bytes) -> int:
    return StoreAccess(store, lambda: policy).import_lines(io.BytesIO(text)).records


def test_an_import_and_its_export_are_the_same(store: RecordStore, policy: Policy) -> None:
    text = line("a", built_at="2026-03-02T09:00:00Z") + line("é\n", owner={"number": "123456782"})
    assert imported(store, policy, text) == 2
    access = StoreAccess(store, lambda: policy)
    exported = b"".join(json_line(r.kind, r.key, r.value) for r in access.records("door"))
    assert [json.loads(one) for one in exported.splitlines()] == [
        json.loads(one) for one in text.splitlines()
    ]
    assert imported(store, policy, exported) == 2
    stored = store.get("door", "a")
    assert stored is not None
    assert stored.value == b'{"built_at":1772442000000,"id":"a","open":true}'


def test_the_last_of_two_lines_wins(store: RecordStore, policy: Policy) -> None:
    text = line("a") + line("b") + line("a", open=False) + b'{"kind":"door","key":"b","value":null}'
    assert imported(store, policy, text) == 4
    stored = store.get("door", "a")
    assert stored is not None
    assert json.loads(stored.value) == {"id": "a", "open": False}
    assert store.get("door", "b") is None
    assert store.head().position.seq == 1


def test_blank_lines_and_nothing(store: RecordStore, policy: Policy) -> None:
    assert imported(store, policy, b"") == 0
    assert imported(store, policy, b"\n\n") == 0
    assert store.head().position.seq == 0
    assert imported(store, policy, b"\n" + line("a") + b"\r\n\n") == 1


@pytest.mark.parametrize(
    ("bad", "field", "message"),
    [
        (b"{", "", ""),
        (b"[]", "", ""),
        (b'{"kind":"door","key":"x"}', "value", ""),
        (line("x", opne=True), "opne", ""),
        (line("x", open="yes"), "open", ""),
        (line("x", built_at="yesterday"), "built_at", ""),
        (line("x", owner={"number": "123456789"}), "owner.number", "elfproef"),
        (line("x").replace(b'"key": "x"', b'"key": "y"'), "", "y"),
        (line("x").replace(b'"door"', b'"gate"'), "", "gate"),
        (b'{"kind":"door","key":"x","value":{"id":"x","open":NaN}}', "", ""),
        (b'\xff{"kind":"door"}', "", ""),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(
    store: RecordStore, policy: Policy, bad: bytes, field: str, message: str
) -> None:
    text = b"".join(line(str(number)) for number in range(20_000))
    with pytest.raises(RefusedError, match=r"^line 20002: ") as caught:
        imported(store, policy, text + b"\n" + bad.rstrip(b"\n") + b"\n" + line("z"))
    assert field in caught.value.field
    assert message in str(caught.value)
    assert store.head().position.seq == 0


class TwoShards:
    """A store of two shards, of which the second one can fail."""

    def __init__(self, *, fails: bool) -> None:
        self.fails = fails
        self.written: list[list[str]] = []

    def parameters(self) -> Parameters:
        return Parameters(shards=2)

    def shard_of(self, _kind: str, key: str) -> int:
        return int(key) % 2

    def write(self, changes: Iterable[Change]) -> Written:
        shard = len(self.written)
        self.written.append([change.key for change in changes])
        if shard and self.fails:
            raise StoreError("The disk is away.")
        return Written(shard, "e", Position(1, bytes(20)))


def test_several_shards_are_written_one_by_one(policy: Policy) -> None:
    told: list[tuple[str, int, int | None]] = []
    with CheckedLines(policy) as lines:
        lines.feed(b"".join(line(str(number)) for number in range(12_000)))
        lines.finish()
        store = TwoShards(fails=False)
        written = lines.write_to(cast("RecordStore", store), lambda *step: told.append(step))
        assert [each.token() for each in written] == ["1.00000000", "1:1.00000000"]
        assert store.written == [[str(n) for n in range(start, 12_000, 2)] for start in (0, 1)]
        assert told == [("Writing", done, 12_000) for done in (5_000, 10_000, 12_000)]
        store = TwoShards(fails=True)
        with pytest.raises(StoreError, match=r"is away\. 1 of 2 shards are written already"):
            lines.write_to(cast("RecordStore", store))


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_a_line_without_end_takes_no_memory(store: RecordStore, policy: Policy, newline: bytes) -> None:
    text = line("a") + b'{"kind":"' + b"x" * (3 * MAX_LINE_BYTES) + newline
    with pytest.raises(RefusedError, match=r"line 2: longer than 1,048,576 bytes"):
        imported(store, policy, text)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_the_pieces_do_not_matter(policy: Policy, sizes: list[int]) -> None:
    text = b"".join(line(f"{number}") for number in range(60))
    with CheckedLines(policy) as lines:
        rest, turn = text, 0
        while rest:
            size = sizes[turn % len(sizes)]
            lines.feed(rest[:size])
            rest, turn = rest[size:], turn + 1
        lines.finish()
        changes = list(lines.changes())
        assert changes == list(lines.changes())
    assert [change.key for change in changes] == [str(number) for number in range(60)]


def test_progress_is_told(policy: Policy) -> None:
    told: list[tuple[str, int, int | None]] = []
    text = b"".join(line(f"{number}") for number in range(12_000))
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:{folder}/records.db")
        access = StoreAccess(store, lambda: policy)
        access.import_lines(io.BytesIO(text), lambda *step: told.append(step))
        access.close()
    assert told[0][0] == "Checking"
    assert [step for step in told if step[0] == "Checking"][-1] == ("Checking", len(text), len(text))
    assert [step[1:] for step in told if step[0] == "Writing"] == [
        (5_000, 12_000),
        (10_000, 12_000),
        (12_000, 12_000),
    ]
