"""The embedded record store: one SQLite file of this node, in WAL mode, durable at every commit.

Beside it stands a small file with the registry of the sidecars that use it (`pdp.records.sqlite_registry`).
"""
# ruff: noqa: ARG002 - a file has one shard, whichever is asked for

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pdp.records import sqlite_history
from pdp.records.lease import check_parameters, lease_mismatch, wait_until_proofs_ran_out
from pdp.records.sqlite_file import SqliteFile
from pdp.records.sqlite_registry import SqliteRegistry
from pdp.records.sqlite_tables import RECORDS, new_epoch
from pdp.records.store import (
    MOST_CHANGES,
    Beat,
    Change,
    Delta,
    Fetched,
    ForkError,
    Head,
    Member,
    Parameters,
    Position,
    RegistryView,
    StoredChange,
    StoredRecord,
    StoreError,
    UnconfirmedError,
    Written,
)

_CHUNK_RECORDS = 5_000
# How often the head is looked at for writes of other processes.
_LOOK_SECONDS = 0.02


class SqliteStore:
    """A `RecordStore` in one SQLite file, with one shard and no replicas.

    Args:
        path: the file; its directory must exist and be writable, and must not be on a network file system.
        create: make the file when there is none, with the default parameters.

    Raises:
        StoreError: the file cannot be opened or is not a record store of this version.
    """

    def __init__(self, path: str, *, create: bool = True) -> None:
        if not path:
            raise StoreError("sqlite: names no file; write sqlite:PATH, for example sqlite:records.db.")
        self.acks = 0
        self.promotion_seconds = 0.0
        self._file = SqliteFile(Path(path), RECORDS, create=create)
        self._registry = SqliteRegistry(self._file.path)
        # Writers of this process queue here rather than in SQLite's polling busy handler.
        self._writing = threading.Lock()
        self._news = threading.Condition()
        self._writes = 0

    def initialise(self, parameters: Parameters) -> None:
        """See RecordStore. A file was initialised when it was made."""
        if parameters != self.parameters():
            raise StoreError(f"The record store {self._file.path} was initialised with other parameters.")

    def parameters(self) -> Parameters:
        """See RecordStore."""
        with self._file.connection() as db:
            lease_ms, rate = db.execute("SELECT lease_ms, clock_rate_ppm FROM meta").fetchone()
        if not lease_ms:
            raise lease_mismatch(lease_ms, lease_ms)
        return Parameters(lease_ms, rate, 1)

    def change_lease(self, parameters: Parameters) -> None:
        """See RecordStore."""
        check_parameters(parameters)
        if parameters.shards != 1:
            raise StoreError("A SQLite record store has one shard.")
        epoch = new_epoch()
        with self._file.transaction(write=True) as db:
            now = db.execute("SELECT lease_ms, clock_rate_ppm FROM meta").fetchone()
            if now == (parameters.lease_ms, parameters.clock_rate_ppm):
                return
            db.execute(
                "UPDATE meta SET lease_ms = 0, old_lease_ms = lease_ms, old_clock_rate_ppm = clock_rate_ppm "
                "WHERE lease_ms > 0"
            )
            db.execute("UPDATE meta SET epoch = ?", (epoch,))
            old = db.execute("SELECT old_lease_ms, old_clock_rate_ppm FROM meta").fetchone()
        wait_until_proofs_ran_out(Parameters(*old), parameters, self.promotion_seconds)
        with self._file.connection() as db:
            # Only if nobody else began another change meanwhile.
            changed = db.execute(
                "UPDATE meta SET lease_ms = ?, clock_rate_ppm = ?, epoch = ? WHERE epoch = ?",
                (parameters.lease_ms, parameters.clock_rate_ppm, new_epoch(), epoch),
            ).rowcount
        if not changed:
            raise StoreError("Another change of the store's lease began meanwhile; that one counts.")

    def shard_of(self, kind: str, key: str) -> int:
        """See RecordStore."""
        return 0

    def head(self, shard: int = 0) -> Head:
        """See RecordStore."""
        with self._file.connection() as db:
            epoch, seq, chain = db.execute("SELECT epoch, head, chain FROM meta").fetchone()
        return Head(self._registry.epoch(epoch), Position(seq, chain))

    def write(
        self, changes: Iterable[Change], write_id: str | None = None, *, barrier: bool = False
    ) -> Written:
        """See RecordStore."""
        with self._writing, self._file.transaction(write=True) as db:
            position = sqlite_history.append(db, changes, write_id or secrets.token_hex(16), barrier=barrier)
            epoch = _epoch(db)
        with self._news:
            self._writes += 1
            self._news.notify_all()
        return Written(0, self._registry.epoch(epoch), position)

    def get(self, kind: str, key: str) -> StoredRecord | None:
        """See RecordStore."""
        with self._file.connection() as db:
            return _get(db, kind, key)

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
        with self._file.transaction() as db:
            rows = db.execute("SELECT kind, count(*) FROM records GROUP BY kind ORDER BY kind").fetchall()
            deleted = dict(
                db.execute("SELECT kind, count(*) FROM records WHERE value IS NULL GROUP BY kind").fetchall()
            )
        left = ((kind, number - deleted.get(kind, 0)) for kind, number in rows)
        return {kind: number for kind, number in left if number}

    @contextmanager
    def snapshot(
        self,
        shard: int = 0,
        kinds: Sequence[str] | None = None,
    ) -> Iterator["SqliteSnapshot"]:
        """See RecordStore."""
        with self._file.transaction() as db:
            yield SqliteSnapshot(db, kinds)

    def changes_since(self, position: Position, shard: int = 0, at_most: int = MOST_CHANGES) -> Delta | None:
        """See RecordStore."""
        with self._file.transaction() as db:
            return sqlite_history.changes_since(db, position, at_most)

    def news(self, position: Position, shard: int = 0, seconds: float = 0.25) -> Delta | None:
        """See RecordStore. Writes of this process are told at once, those of others are looked for."""
        ends = time.monotonic() + seconds
        while True:
            seen = self._writes
            with self._file.connection() as db:
                stands = sqlite_history.position(db)
            left = ends - time.monotonic()
            if stands != position or left <= 0:
                return self.changes_since(position, shard)
            with self._news:
                if self._writes == seen:
                    self._news.wait(min(left, _LOOK_SECONDS))

    def fetch(self, shard: int, keys: Sequence[tuple[str, str]]) -> Fetched:
        """See RecordStore."""
        with self._file.transaction() as db:
            found = [_get(db, kind, key) for kind, key in keys]
            return Fetched(
                sqlite_history.position(db),
                [
                    StoredChange(*record) if record else StoredChange(kind, key, None, 0)
                    for (kind, key), record in zip(keys, found, strict=True)
                ],
            )

    def beat(self, beat: Beat, shard: int = 0) -> Head:
        """See RecordStore. Registers first and reads the head then, see `pdp.records.sqlite_registry`."""
        epoch, _ = self._proof(beat)
        registered = self._registry.register(beat, epoch)
        epoch_now, head = self._proof(beat)
        if epoch_now != epoch:
            raise UnconfirmedError("The record store was replaced while a sidecar registered in it.")
        return Head(registered, head)

    def view(self, seq: int, shard: int = 0) -> RegistryView:
        """See RecordStore."""
        return self._registry.view(seq, self._records_epoch())

    def members(self, shard: int = 0) -> list[Member]:
        """See RecordStore."""
        return self._registry.members(self._records_epoch())

    def forget(self, instance: str, number: int, shard: int = 0) -> None:
        """See RecordStore."""
        self._registry.forget(instance, number, self._records_epoch())

    def close(self) -> None:
        """See RecordStore."""
        self._file.close()
        self._registry.close()

    def _records_epoch(self) -> str:
        with self._file.connection() as db:
            return _epoch(db)

    def _proof(self, beat: Beat) -> tuple[str, Position]:
        """The epoch of the records' file and its head, for a sidecar whose lease and state are of it."""
        with self._file.transaction() as db:
            epoch, lease_ms = db.execute("SELECT epoch, lease_ms FROM meta").fetchone()
            if not lease_ms or lease_ms != beat.lease_ms:
                raise lease_mismatch(lease_ms, beat.lease_ms)
            if not sqlite_history.is_in_history(db, beat.position):
                raise ForkError(f"The record store's history does not hold {beat.position.token()}.")
            return epoch, sqlite_history.position(db)


class SqliteSnapshot:
    """A `StoreSnapshot` in an open read transaction."""

    def __init__(self, db: sqlite3.Connection, kinds: Sequence[str] | None) -> None:
        self._db, self._kinds = db, kinds
        self.position = sqlite_history.position(db)

    def chunks(self, *, kind: str | None = None, in_order: bool = False) -> Iterator[list[StoredRecord]]:
        """See StoreSnapshot."""
        kinds = (
            self._kinds if kind is None else [k for k in (kind,) if self._kinds is None or k in self._kinds]
        )
        # NOT INDEXED: in the order of the file, which for a large one is several times faster.
        indexed, order = ("", "ORDER BY kind, key") if in_order else ("NOT INDEXED", "")
        chosen = "" if kinds is None else f"AND kind IN ({', '.join('?' * len(kinds))})"
        cursor = self._db.execute(
            f"SELECT kind, key, value, seq FROM records {indexed} WHERE value IS NOT NULL {chosen} {order}",  # noqa: S608
            kinds or (),
        )
        while rows := cursor.fetchmany(_CHUNK_RECORDS):
            yield list(map(StoredRecord._make, rows))


def _epoch(db: sqlite3.Connection) -> str:
    (epoch,) = db.execute("SELECT epoch FROM meta").fetchone()
    return str(epoch)


def _get(db: sqlite3.Connection, kind: str, key: str) -> StoredRecord | None:
    row = db.execute(
        "SELECT kind, key, value, seq FROM records WHERE kind = ? AND key = ? AND value IS NOT NULL",
        (kind, key),
    ).fetchone()
    return StoredRecord._make(row) if row else None
