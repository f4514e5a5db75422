"""What can never be applied becomes a dead letter, with the reason, and nothing else does."""

import time
from collections.abc import Sequence

import pytest

from pdp._core import Policy
from pdp.records.documents import RefusedError
from pdp.records.ingest_message import LARGEST_BYTES
from pdp.records.ingest_server import StreamServer
from pdp.records.ingest_stream import Source, SourceStream
from pdp.records.ingest_write import StoreWriter
from pdp.records.store import Change, RecordStore
from tests.unit.records.ingest.streams import GROUP, Applied, Consumer, Stream, Troubled, door

BAD = [
    ({"kind": "gate"}, "kind", "is not a kind of this bundle"),
    ({"version": "x"}, "version", "must be a whole number"),
    ({"value": "{"}, "value", "is not a JSON document"),
    ({"value": '{"id": "x", "open": "no"}'}, "value.open", "boolean"),
    (
        {"value": '{"id": "x", "open": true, "owner": {"number": "123456789"}}'},
        "value.owner.number",
        "elfproef",
    ),
    ({"value": '{"id": "y", "open": true}'}, "key", "does not match the document"),
    ({"value": "null"}, "value", "object"),
    ({"key": "k" * 3_000, "value": ""}, "key", "bytes"),
    ({"value": b"\xff"}, "value", "is not UTF-8"),
    ({"colour": "red"}, "colour", "is not a known field"),
    ({"value": "x" * LARGEST_BYTES}, "", "more than 1,048,576"),
]


@pytest.mark.parametrize(("wrong", "field", "reason"), BAD)
def test_a_bad_message_becomes_a_dead_letter(
    stream: Stream,
    store: RecordStore,
    consumer: Consumer,
    outcomes: Applied,
    wrong: dict[str, str | bytes],
    field: str,
    reason: str,
) -> None:
    stream.add("before", 1, door("before"))
    fields: dict[str, object] = {"kind": "door", "key": "x", "value": "{}", "version": 1} | wrong
    bad = stream.raw(*(part for pair in fields.items() for part in pair))
    stream.add("after", 1, door("after"))
    consumer().drain()
    assert store.counts() == {"door": 2}
    (letter,) = stream.dead()
    assert letter["dead:id"] == bad
    assert letter["dead:group"] == GROUP
    assert letter["dead:field"] == field
    assert reason in letter["dead:reason"]
    if "dead:incomplete" not in letter:
        kept = {name: value for name, value in letter.items() if not name.startswith("dead:")}
        expected = {
            name: value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
            for name, value in fields.items()
        }
        assert kept == expected
    assert stream.pending() == 0
    assert outcomes == {"applied": 2, "dead": 1}


def test_a_field_that_is_given_twice_is_seen(stream: Stream, consumer: Consumer) -> None:
    stream.raw("kind", "door", "key", "a", "version", "1", "version", "2", "value", "{}")
    consumer().drain()
    (letter,) = stream.dead()
    assert (letter["dead:field"], letter["dead:reason"]) == ("version", "is given twice")


def test_what_is_too_large_stays_on_the_server(stream: Stream, consumer: Consumer) -> None:
    consumer().drain()
    for size in (LARGEST_BYTES - 100, 8 * LARGEST_BYTES, 100):
        stream.add("x", 1, "x" * size)
    keys, server = (stream.name, stream.dead_name), StreamServer(stream.url, stream.name)
    _, answer, _ = server.run("ingest_read", keys, ("new", GROUP, "one", 10, LARGEST_BYTES, "", 0, 100))
    assert [len(fields) for _, _, fields in answer] == [8, 0, 8]
    server.close()
    messages = SourceStream(Source(stream.url, stream.name, GROUP, "one"))
    entries = messages.own(10, "0-0").entries
    assert [bool(entry.fields) for entry in entries] == [True, False, True]
    assert entries[1].size > 8 * LARGEST_BYTES
    assert messages.bury(entries[1].id, "", "too large")
    messages.close()
    (kept,) = stream.dead()
    assert kept["dead:incomplete"] == "1"
    assert kept["value"] == "x" * 1_000


def test_a_message_of_many_fields(stream: Stream, consumer: Consumer, outcomes: Applied) -> None:
    stream.raw(*(str(number) for number in range(40_000)))
    consumer().drain()
    (letter,) = stream.dead()
    assert letter["dead:reason"].startswith("has 20000 fields")
    assert letter["dead:incomplete"] == "1"
    assert len(letter) == 105
    assert outcomes == {"dead": 1}


def test_dead_letters_are_bounded(stream: Stream, consumer: Consumer, outcomes: Applied) -> None:
    for _ in range(500):
        stream.add("x", "none")
    consumer(dead_letters=100).drain()
    assert outcomes == {"dead": 500}
    # The bound is approximate: Redis trims whole blocks of a hundred.
    assert 100 <= stream.client.xlen(stream.dead_name) <= 300


def test_a_message_is_buried_once(stream: Stream, consumer: Consumer) -> None:
    bad = stream.add("x", "none")
    consumer("one").drain()
    other = SourceStream(Source(stream.url, stream.name, GROUP, "two"))
    assert not other.bury(bad, "", "again")
    other.close()
    assert len(stream.dead()) == 1


def test_what_was_removed_before_it_was_applied_is_told(
    stream: Stream, consumer: Consumer, outcomes: Applied
) -> None:
    stream.add("a", 1, door("a"))
    stream.add("b", 1, door("b"))
    source = Source(stream.url, stream.name, GROUP, "one")
    messages = SourceStream(source)
    messages.join()
    ids = [entry.id for entry in messages.new(1).entries]
    messages.close()
    messages = SourceStream(Source(stream.url, stream.name, GROUP, "gone"))
    ids += [entry.id for entry in messages.new(1).entries]
    messages.close()
    stream.client.xtrim(stream.name, maxlen=0, approximate=False)
    time.sleep(0.02)
    consumer("one", idle_ms=10).drain()
    assert [letter["dead:id"] for letter in stream.dead()] == ids
    assert {letter["dead:reason"] for letter in stream.dead()} == {
        "was removed from the stream before it was applied"
    }
    assert outcomes == {"dead": 2}
    assert stream.pending() == 0


class Refusing(Troubled):
    """A writer that refuses only when it writes, as one over a network does."""

    def write(self, changes: Sequence[Change], write_id: str) -> bool:
        self.ids.append(write_id)
        if any(change.key.startswith("bad") for change in changes):
            raise RefusedError("", "", "door/bad: open: is not wanted")
        return self._writer.write(changes, write_id)


def test_only_the_bad_one_of_a_group_is_not_applied(
    stream: Stream, store: RecordStore, policy: Policy, consumer: Consumer, outcomes: Applied
) -> None:
    for number in range(40):
        name = f"bad-{number}" if number in (3, 4, 39) else str(number)
        stream.add(name, 1, door(name))
    writer = Refusing(StoreWriter(store, lambda: policy), failures=0)
    consumer(writer=writer).drain()
    assert store.counts() == {"door": 37}
    assert [letter["key"] for letter in stream.dead()] == ["bad-3", "bad-4", "bad-39"]
    assert outcomes == {"applied": 37, "dead": 3}
    assert len(writer.ids) < 40
