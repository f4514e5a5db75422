"""Reading from Redis: documents, pages, snapshots and the history."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgpack

from pdp.records.keys import Keys
from pdp.records.redis_node import Command, Link
from pdp.records.redis_primary import Primaries, uninitialised
from pdp.records.store import Delta, Position, Step, StoredChange, StoredRecord, StoreError

_SCAN_RECORDS = 2_000
_PAGE_RECORDS = 1_000
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
        prefix, _, value = stored.partition(b":")
        version = self._number(prefix[1:9]) if prefix.startswith(b"~") else int(prefix)
        return StoredRecord(kind, key if isinstance(key, str) else key.decode(), value, version)

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
                yield [
                    self._documents.record(kind, key, stored)
                    for key, stored in zip(found[::2], found[1::2], strict=True)
                ]
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
            yield [
                self._documents.record(kind, key, stored)
                for key, stored in zip(page, found, strict=True)
                # Deleted since.
                if stored is not None
            ]
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
    changes: dict[tuple[str, str], StoredChange] = {}
    steps: list[Step] = []
    at = position
    while at.seq < head.seq:
        if at != position:
            entries = link.ask(*entries_after(at.seq))
        if not entries:
            return None
        for name, pairs in entries:
            fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
            seq = at.seq + 1
            if name != b"%d-0" % seq or fields[b"prev"] != at.chain or b"changes" not in fields:
                return None
            for change in _changes(fields[b"changes"], seq):
                changes[change.kind, change.key] = change
            at = Position(seq, fields[b"chain"])
            steps.append(Step(at, fields[b"barrier"] == b"1"))
        if len(changes) > at_most or len(steps) > at_most:
            return None
    if not steps and at != head:
        return None
    return Delta(list(changes.values()), steps)


def _changes(packed: bytes, seq: int) -> Iterable[StoredChange]:
    for kind, key, *value in msgpack.unpackb(packed, raw=True):
        yield StoredChange(kind.decode(), key.decode(), value[0] if value else None, seq)


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
