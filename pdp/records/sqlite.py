"""The embedded record store: one SQLite file of this node, in WAL mode, durable at every commit."""

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pdp.records.chain import ChangesDigest, next_chain
from pdp.records.sqlite_file import SqliteFile
from pdp.records.store import (
    Change,
    ConflictError,
    Delta,
    Position,
    StoredChange,
    StoredRecord,
    WriteIdReusedError,
)

_UPSERT = (
    "INSERT INTO records (kind, key, value, seq) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, seq = excluded.seq"
)
_CHUNK_RECORDS = 5_000

# The history is kept for a week: a follower that was away for longer takes a snapshot, and a write id that is
# older may be used again.
_KEEP_MS = 7 * 24 * 3600 * 1000
_TRIM_EVERY_WRITES = 1_000


class SqliteStore:
    """A `RecordStore` in one SQLite file.

    Args:
        path: the file; its directory must exist, and must not be on a network file system.
        create: make the file when there is none.

    Raises:
        StoreError: the file cannot be opened or is not a record store of this version.
    """

    def __init__(self, path: str, *, create: bool = True) -> None:
        self._file = SqliteFile(path, create=create)
        # Writers of this process queue here rather than in SQLite's polling busy handler.
        self._writing = threading.Lock()

    def head(self) -> Position:
        """See RecordStore."""
        with self._file.connection() as db:
            return _head(db)

    def write(self, changes: Iterable[Change], write_id: str | None = None) -> Position:
        """See RecordStore."""
        with self._writing, self._file.connection() as db:
            db.execute("BEGIN IMMEDIATE")
            # A failure closes the connection, and that rolls the transaction back.
            position = _write(db, changes, write_id or secrets.token_hex(16))
            db.execute("COMMIT")
            return position

    def get(self, kind: str, key: str) -> StoredRecord | None:
        """See RecordStore."""
        with self._file.connection() as db:
            row = db.execute(
                "SELECT kind, key, value, seq FROM records WHERE kind = ? AND key = ? AND value IS NOT NULL",
                (kind, key),
            ).fetchone()
        return StoredRecord._make(row) if row else None

    def page(self, kind: str, after: str = "", limit: int = 100) -> list[StoredRecord]:
        """See RecordStore."""
        with self._file.connection() as db:
            rows = db.execute(
                "SELECT kind, key, value, seq FROM records "
                "WHERE kind = ? AND key > ? AND value IS NOT NULL ORDER BY key LIMIT ?",
                (kind, after, limit),
            ).fetchall()
        return list(map(StoredRecord._make, rows))

    def counts(self) -> dict[str, int]:
        """See RecordStore. Reads indexes only."""
        with self._file.connection() as db, _read_transaction(db):
            rows = db.execute("SELECT kind, count(*) FROM records GROUP BY kind ORDER BY kind").fetchall()
            deleted = dict(
                db.execute("SELECT kind, count(*) FROM records WHERE value IS NULL GROUP BY kind").fetchall()
            )
        left = ((kind, number - deleted.get(kind, 0)) for kind, number in rows)
        return {kind: number for kind, number in left if number}

    @contextmanager
    def snapshot(self) -> Iterator["SqliteSnapshot"]:
        """See RecordStore."""
        with self._file.connection() as db, _read_transaction(db):
            yield SqliteSnapshot(db)

    def changes_since(self, position: Position, at_most: int = 200_000) -> Delta | None:
        """See RecordStore."""
        with self._file.connection() as db, _read_transaction(db):
            head = _head(db)
            if head.epoch != position.epoch or _chain_at(db, position.seq) != position.chain:
                return None
            rows = db.execute(
                "SELECT kind, key, value, seq FROM records WHERE seq > ? LIMIT ?", (position.seq, at_most + 1)
            ).fetchall()
        if len(rows) > at_most:
            return None
        return Delta(list(map(StoredChange._make, rows)), head)

    def close(self) -> None:
        """See RecordStore."""
        self._file.close()


class SqliteSnapshot:
    """A `StoreSnapshot` in an open read transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.position = _head(db)

    def chunks(self, *, kind: str | None = None, in_order: bool = False) -> Iterator[list[StoredRecord]]:
        """See StoreSnapshot."""
        # NOT INDEXED: in the order of the file, which for a large one is several times faster.
        indexed, order = ("", "ORDER BY kind, key") if in_order else ("NOT INDEXED", "")
        chosen, arguments = ("", ()) if kind is None else ("AND kind = ?", (kind,))
        cursor = self._db.execute(
            f"SELECT kind, key, value, seq FROM records {indexed} WHERE value IS NOT NULL {chosen} {order}",  # noqa: S608
            arguments,
        )
        while rows := cursor.fetchmany(_CHUNK_RECORDS):
            yield list(map(StoredRecord._make, rows))


@contextmanager
def _read_transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN")
    yield
    # On a failure the connection is closed, which ends the transaction too.
    db.execute("COMMIT")


def _head(db: sqlite3.Connection) -> Position:
    return Position(*db.execute("SELECT epoch, head, chain FROM meta").fetchone())


def _chain_at(db: sqlite3.Connection, seq: int) -> bytes | None:
    """The chain hash at a sequence number of the history, None when it has no such number."""
    if seq == 0:
        row = db.execute("SELECT genesis FROM meta").fetchone()
    else:
        row = db.execute("SELECT chain FROM writes WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row else None


def _write(db: sqlite3.Connection, changes: Iterable[Change], write_id: str) -> Position:
    """One write inside an open transaction."""
    head = _head(db)
    known = db.execute(
        "SELECT seq, chain, changes_digest FROM writes WHERE write_id = ?", (write_id,)
    ).fetchone()
    if known:
        return _repeat(head, known, changes, write_id)
    seq, digest = head.seq + 1, ChangesDigest()
    number = db.executemany(_UPSERT, _rows(db, changes, seq, digest)).rowcount
    if number < 1:
        return head
    chain = next_chain(head.chain, seq, write_id, digest.digest())
    now_ms = time.time_ns() // 1_000_000
    db.execute(
        "INSERT INTO writes VALUES (?, ?, ?, ?, ?, ?, ?)",
        (seq, write_id, head.chain, chain, now_ms, number, digest.digest()),
    )
    if seq % _TRIM_EVERY_WRITES == 0:
        _trim(db, now_ms - _KEEP_MS)
    db.execute("UPDATE meta SET head = ?, chain = ?", (seq, chain))
    return Position(head.epoch, seq, chain)


def _trim(db: sqlite3.Connection, before_ms: int) -> None:
    """Forgets writes before a moment, and the deletions that only followers from before them would miss."""
    (kept,) = db.execute(
        "SELECT seq FROM writes WHERE at_ms >= ? ORDER BY seq LIMIT 1", (before_ms,)
    ).fetchone()
    db.execute("DELETE FROM writes WHERE seq < ?", (kept,))
    db.execute("DELETE FROM records WHERE value IS NULL AND seq <= ?", (kept,))


def _repeat(
    head: Position, known: tuple[int, bytes, bytes], changes: Iterable[Change], write_id: str
) -> Position:
    seq, chain, known_digest = known
    digest = ChangesDigest()
    for kind, key, value, _expected in changes:
        digest.add(kind, key, value)
    if digest.digest() != known_digest:
        raise WriteIdReusedError(write_id)
    return Position(head.epoch, seq, chain)


def _rows(
    db: sqlite3.Connection, changes: Iterable[Change], seq: int, digest: ChangesDigest
) -> Iterator[tuple[str, str, bytes | None, int]]:
    """Rows to write; each change is checked as its turn comes and added to the digest."""
    for kind, key, value, expected in changes:
        if expected is not None:
            found = _version(db, kind, key)
            if found != expected:
                raise ConflictError(kind, key, expected, found)
        digest.add(kind, key, value)
        yield kind, key, value, seq


def _version(db: sqlite3.Connection, kind: str, key: str) -> int:
    row = db.execute(
        "SELECT seq FROM records WHERE kind = ? AND key = ? AND value IS NOT NULL", (kind, key)
    ).fetchone()
    return row[0] if row else 0
