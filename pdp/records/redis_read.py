"""Reading from Redis: documents, pages, snapshots and the history."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pdp.records.keys import Keys
from pdp.records.packing import count
from pdp.records.redis_node import ANSWER_SECONDS, Command, Link
from pdp.records.redis_primary import Primaries, uninitialised
from pdp.records.store import (
    MOST_CHANGES,
    Delta,
    PackedWrite,
    Position,
    Step,
    StoredRecord,
    StoreError,
)

_SCAN_RECORDS = 2_000
_PAGE_RECORDS = 1_000
_LARGE = ord("~")
# Each has up to 10,000 changes.
_ENTRIES = 50


class Documents:
    """Turns stored documents of one shard into records.

    A document has the number of its last write, or the name of the large write that wrote it, whose number
    was known only at its end; these numbers never change, so they are remembered.
    """

    def __init__(self, primaries: Primaries, shard: int) -> None:
        self._primaries, self._shard = primaries, shard
        self._numbers: dict[bytes, int] = {}

    def record(self, kind: str, key: bytes | str, stored: bytes) -> StoredRecord:
        """The record that a stored document is."""
        key = key if isinstance(key, bytes) else key.encode()
        return self.records(kind, [(key, stored)])[0]

    def records(self, kind: str, found: Iterable[tuple[bytes, bytes]]) -> list[StoredRecord]:
        """The records that stored documents of a kind are, from their keys and what is stored."""
        records = []
        for key, stored in found:
            prefix, _, value = stored.partition(b":")
            version = self._number(prefix[1:9]) if stored[0] == _LARGE else int(prefix)
            records.append(StoredRecord(kind, key.decode(), value, version))
        return records

    def _number(self, large: bytes) -> int:
        if large not in self._numbers:
            with self._primaries.link(self._shard) as link:
                found = link.ask("HGET", self._primaries.keys(self._shard).large, large)
            if found is None:
                raise StoreError("The record store in Redis was changed by hand: a large write is unknown.")
            self._numbers[large] = int(found)
        return self._numbers[large]


class RedisSnapshot:
    """A `StoreSnapshot` read on one connection, so that its cursors are those of one server."""

    def __init__(self, link: Link, keys: Keys, documents: Documents, kinds: Sequence[str] | None) -> None:
        self._link, self._keys, self._documents, self._kinds = link, keys, documents, kinds
        self.position = position_of(link, keys)

    def chunks(self, *, kind: str | None = None, in_order: bool = False) -> Iterator[list[StoredRecord]]:
        """See StoreSnapshot. A record may come more than once."""
        kinds = {member.decode() for member in self._link.ask("SMEMBERS", self._keys.kinds)}
        for wanted in sorted(kinds):
            if (kind is None or wanted == kind) and (self._kinds is None or wanted in self._kinds):
                yield from self._ordered(wanted) if in_order else self._scanned(wanted)

    def _scanned(self, kind: str) -> Iterator[list[StoredRecord]]:
        cursor: bytes | int = 0
        while True:
            cursor, found = self._link.ask(
                "HSCAN", self._keys.documents(kind), cursor, "COUNT", _SCAN_RECORDS
            )
            if found:
                yield self._documents.records(kind, zip(found[::2], found[1::2], strict=True))
            if cursor == b"0":
                return

    def _ordered(self, kind: str) -> Iterator[list[StoredRecord]]:
        documents, ordered, _ = self._keys.of_kind(kind)
        after = b"-"
        while True:
            page = self._link.ask("ZRANGE", ordered, after, "+", "BYLEX", "LIMIT", 0, _PAGE_RECORDS)
            if not page:
                return
            found = self._link.ask("HMGET", documents, *page)
            both = zip(page, found, strict=True)
            # The others were deleted since.
            there = [(key, stored) for key, stored in both if stored is not None]
            yield self._documents.records(kind, there)
            after = b"(" + page[-1]


def position_of(link: Link, keys: Keys) -> Position:
    """Where a shard's history stands."""
    return _position(link.ask(*_ask_position(keys)))


def _ask_position(keys: Keys) -> Command:
    return ("HMGET", keys.meta, "head", "chain")


def _position(answer: Any) -> Position:
    head, chain = answer
    if head is None:
        raise uninitialised()
    return Position(int(head), chain)


def changes_since(link: Link, keys: Keys, position: Position, at_most: int) -> Delta | None:
    """See RecordStore. Reads from a primary, which is never merely behind."""

    def entries_after(seq: int) -> Command:
        return ("XRANGE", keys.stream, f"{seq + 1}-0", "+", "COUNT", _ENTRIES)

    # The head first, so that the entries reach it.
    answer, entries = link.ask_all(_ask_position(keys), entries_after(position.seq))
    head = _position(answer)
    if head.seq < position.seq:
        return None
    walk = _Walk(position, at_most)
    while walk.at.seq < head.seq:
        if walk.steps:
            entries = link.ask(*entries_after(walk.at.seq))
        if not entries or not walk.goes_on(entries):
            return None
    if not walk.steps and walk.at != head:
        return None
    return walk.delta()


def news(link: Link, keys: Keys, position: Position, seconds: float) -> Delta | None:
    """See RecordStore. The entries come with what wakes the reader: one round trip."""
    answer = link.ask(
        *("XREAD", "COUNT", _ENTRIES, "BLOCK", max(1, int(seconds * 1000))),
        *("STREAMS", keys.stream, f"{position.seq}-0"),
        seconds=seconds + ANSWER_SECONDS,
    )
    if not answer:
        return Delta([], [])
    (entries,) = answer.values()
    if len(entries) >= _ENTRIES:
        # There may be any number more.
        return changes_since(link, keys, position, MOST_CHANGES)
    walk = _Walk(position, MOST_CHANGES)
    return walk.delta() if walk.goes_on(entries) else None


class _Walk:
    """Goes along the history from a position, entry by entry."""

    def __init__(self, position: Position, at_most: int) -> None:
        self.at, self._left = position, at_most
        self.steps: list[Step] = []
        self._writes: list[PackedWrite] = []

    def goes_on(self, entries: Iterable[tuple[bytes, list[bytes]]]) -> bool:
        """Takes in the next entries. False: a snapshot is needed."""
        for name, pairs in entries:
            fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
            seq = self.at.seq + 1
            if name != b"%d-0" % seq or fields[b"prev"] != self.at.chain or b"changes" not in fields:
                return False
            packed = fields[b"changes"]
            self._writes.append(PackedWrite(seq, packed))
            self._left -= count(packed)
            self.at = Position(seq, fields[b"chain"])
            self.steps.append(Step(self.at, fields[b"barrier"] == b"1"))
        return self._left >= 0

    def delta(self) -> Delta:
        """All of it."""
        return Delta(self._writes, self.steps)


def refuse_foreign(link: Link, keys: Keys) -> None:
    """Raises StoreError when a shard without meta has other keys: they would turn up as its records."""
    cursor: bytes | int = 0
    while True:
        cursor, found = link.ask("SCAN", cursor, "MATCH", f"{keys.prefix}*", "COUNT", 10_000)
        if not all(keys.is_staged(key.decode(errors="replace")) for key in found):
            raise StoreError(
                f"Redis has keys that begin with {keys.prefix} but no record store; remove them, or choose "
                "another name space (?namespace=…)."
            )
        if cursor == b"0":
            return
