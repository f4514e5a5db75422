"""Reading and extending the history in a SQLite record store; every function works in an open transaction."""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from pdp.records.chain import ChangesDigest, next_chain
from pdp.records.packing import pack
from pdp.records.store import (
    Change,
    ConflictError,
    Delta,
    PackedWrite,
    Position,
    Step,
    WriteIdReusedError,
)

# A change without a source version leaves the number that stands.
_UPSERT = (
    "INSERT INTO records (kind, key, value, seq, source_version) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, seq = excluded.seq, "
    "source_version = coalesce(excluded.source_version, source_version)"
)

# The history is kept for a week: a follower that was away for longer takes a snapshot, and a write id that is
# older may be used again.
KEEP_MS = 7 * 24 * 3600 * 1000
_TRIM_EVERY_WRITES = 1_000


def position(db: sqlite3.Connection) -> Position:
    """Where the history stands."""
    return Position(*db.execute("SELECT head, chain FROM meta").fetchone())


def is_in_history(db: sqlite3.Connection, position: Position) -> bool:
    """Whether the history went through a position; one that was trimmed away counts as not."""
    if position.seq == 0:
        row = db.execute("SELECT genesis FROM meta").fetchone()
    else:
        row = db.execute("SELECT chain FROM writes WHERE seq = ?", (position.seq,)).fetchone()
    return row is not None and row[0] == position.chain


def changes_since(db: sqlite3.Connection, since: Position, at_most: int) -> Delta | None:
    """See RecordStore."""
    if not is_in_history(db, since) or position(db).seq - since.seq > at_most:
        return None
    steps = db.execute(
        "SELECT seq, chain, barrier FROM writes WHERE seq > ? ORDER BY seq", (since.seq,)
    ).fetchall()
    # The empty beginning stays in the history when later writes are trimmed away.
    if steps and steps[0][0] != since.seq + 1:
        return None
    rows = db.execute(
        "SELECT seq, kind, key, value FROM records WHERE seq > ? ORDER BY seq LIMIT ?",
        (since.seq, at_most + 1),
    ).fetchall()
    if len(rows) > at_most:
        return None
    return Delta(
        [
            PackedWrite(seq, pack(change for _, *change in changes))
            for seq, changes in groupby(rows, key=itemgetter(0))
        ],
        [Step(Position(seq, chain), bool(barrier)) for seq, chain, barrier in steps],
    )


def append(db: sqlite3.Connection, changes: Iterable[Change], write_id: str, *, barrier: bool) -> Position:
    """One write: applies the changes and gives its position; see RecordStore.write."""
    head = position(db)
    known = db.execute(
        "SELECT seq, chain, changes_digest FROM writes WHERE write_id = ?", (write_id,)
    ).fetchone()
    if known:
        return _repeat(known, changes, write_id)
    seq, digest = head.seq + 1, ChangesDigest()
    number = db.executemany(_UPSERT, _rows(db, changes, seq, digest)).rowcount
    if number < 1:
        return head
    chain = next_chain(head.chain, seq, write_id, digest.digest())
    now_ms = time.time_ns() // 1_000_000
    db.execute(
        "INSERT INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (seq, write_id, head.chain, chain, now_ms, barrier, number, digest.digest()),
    )
    if seq % _TRIM_EVERY_WRITES == 0:
        _trim(db, now_ms - KEEP_MS)
    db.execute("UPDATE meta SET head = ?, chain = ?", (seq, chain))
    return Position(seq, chain)


def _trim(db: sqlite3.Connection, before_ms: int) -> None:
    """Forgets writes before a moment, and the deletions that only followers from before them would miss."""
    (kept,) = db.execute(
        "SELECT seq FROM writes WHERE at_ms >= ? ORDER BY seq LIMIT 1", (before_ms,)
    ).fetchone()
    db.execute("DELETE FROM writes WHERE seq < ?", (kept,))
    # A deletion that the system of record numbered still stands against its older messages.
    db.execute("DELETE FROM records WHERE value IS NULL AND source_version IS NULL AND seq <= ?", (kept,))


def _repeat(known: tuple[int, bytes, bytes], changes: Iterable[Change], write_id: str) -> Position:
    seq, chain, known_digest = known
    digest = ChangesDigest()
    for change in changes:
        digest.add(change)
    if digest.digest() != known_digest:
        raise WriteIdReusedError(write_id)
    return Position(seq, chain)


def _rows(
    db: sqlite3.Connection, changes: Iterable[Change], seq: int, digest: ChangesDigest
) -> Iterator[tuple[str, str, bytes | None, int, int | None]]:
    """Rows to write; each change is checked as its turn comes and added to the digest."""
    for change in changes:
        kind, key, value, expected, source = change
        digest.add(change)
        if source is not None and source <= _source_version(db, kind, key):
            continue
        if expected is not None:
            found = _version(db, kind, key)
            if found != expected:
                raise ConflictError(kind, key, expected, found)
        yield kind, key, value, seq, source


def _version(db: sqlite3.Connection, kind: str, key: str) -> int:
    row = db.execute(
        "SELECT seq FROM records WHERE kind = ? AND key = ? AND value IS NOT NULL", (kind, key)
    ).fetchone()
    return row[0] if row else 0


def _source_version(db: sqlite3.Connection, kind: str, key: str) -> int:
    """The number that stands, -1 when there is none."""
    row = db.execute("SELECT source_version FROM records WHERE kind = ? AND key = ?", (kind, key)).fetchone()
    return -1 if row is None or row[0] is None else row[0]
