"""The registry of sidecars beside a SQLite record store: a small file of its own.

An import of a million records holds the records' file for half a minute; beats must not wait for that, nor
pay for a disk's flush. So a beat is two steps: it registers here, and *then* reads the head of the records.
A proof whose head lacks a write was thus registered before that write, and whoever waits for the write sees
it. The epoch names both files: whoever finds a registry of another epoch than the records' empties it, and a
registry that was emptied or made anew is another epoch.
"""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pdp.records.sqlite_file import Layout, SqliteFile
from pdp.records.store import Beat, Member, RegistryView

_SCHEMA = """
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,               -- random; another one whenever the registry begins empty
    epoch TEXT NOT NULL             -- of the records' file for which the members registered
);
CREATE TABLE members (
    instance TEXT PRIMARY KEY,
    number INTEGER NOT NULL,        -- of its latest beat
    seq INTEGER NOT NULL,
    drained INTEGER NOT NULL,
    about TEXT NOT NULL
);
CREATE INDEX members_by_drained ON members (drained);
"""
_STRAGGLERS = 10


def _fill(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO meta VALUES (1, ?, '')", (secrets.token_hex(8),))


_REGISTRY = Layout(
    what="registry of sidecars",
    application_id=0x50647053,  # "PdpS"
    version=1,
    schema=_SCHEMA,
    fill=_fill,
    opened=lambda _db, _file: None,
    synchronous="NORMAL",
    lasting=False,
)


class SqliteRegistry:
    """The registry of one record store; methods take the epoch of the records' file.

    Args:
        records: the records' file; the registry stands beside it.

    Raises:
        StoreError: the registry cannot be opened.
    """

    def __init__(self, records: Path) -> None:
        self._file = SqliteFile(Path(f"{records}-registry"), _REGISTRY, create=True)

    def epoch(self, records_epoch: str) -> str:
        """The epoch of both files."""
        with self._file.connection() as db:
            own, known = db.execute("SELECT id, epoch FROM meta").fetchone()
        if known == records_epoch:
            return f"{records_epoch}.{own}"
        with self._of(records_epoch) as db:
            return _epoch(db, records_epoch)

    def register(self, beat: Beat, records_epoch: str) -> str:
        """Stores a beat; gives the epoch of both files."""
        with self._of(records_epoch) as db:
            db.execute(
                "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?)",
                (beat.instance, beat.number, beat.position.seq, beat.drained, beat.about),
            )
            return _epoch(db, records_epoch)

    def view(self, seq: int, records_epoch: str) -> RegistryView:
        """See RecordStore."""
        with self._of(records_epoch) as db:
            (behind,) = db.execute("SELECT count(*) FROM members WHERE drained < ?", (seq,)).fetchone()
            stragglers = db.execute(
                "SELECT instance, number FROM members WHERE drained < ? ORDER BY drained, instance LIMIT ?",
                (seq, _STRAGGLERS),
            ).fetchall()
            return RegistryView(_epoch(db, records_epoch), behind, tuple(stragglers))

    def members(self, records_epoch: str) -> list[Member]:
        """See RecordStore."""
        with self._of(records_epoch) as db:
            rows = db.execute(
                "SELECT instance, number, seq, drained, about FROM members ORDER BY instance"
            ).fetchall()
        return list(map(Member._make, rows))

    def forget(self, instance: str, number: int, records_epoch: str) -> None:
        """See RecordStore."""
        with self._of(records_epoch) as db:
            db.execute("DELETE FROM members WHERE instance = ? AND number = ?", (instance, number))

    def close(self) -> None:
        """See RecordStore."""
        self._file.close()

    @contextmanager
    def _of(self, records_epoch: str) -> Iterator[sqlite3.Connection]:
        """A write transaction on the registry of an epoch: registrations of another one never count."""
        with self._file.transaction(write=True) as db:
            if db.execute("SELECT epoch FROM meta").fetchone() != (records_epoch,):
                db.execute("DELETE FROM members")
                db.execute("UPDATE meta SET id = ?, epoch = ?", (secrets.token_hex(8), records_epoch))
            yield db


def _epoch(db: sqlite3.Connection, records_epoch: str) -> str:
    (own,) = db.execute("SELECT id FROM meta").fetchone()
    return f"{records_epoch}.{own}"
