"""The SQLite file of a record store: its tables, its checks on opening, its connections."""

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from pdp.records.chain import new_genesis
from pdp.records.store import StoreError

# "PdpR" in the file's header: this file is a record store and no other program's.
APPLICATION_ID = 0x50647052
SCHEMA_VERSION = 1

# How long a write waits for another process's; an import of a million records holds the file half a minute.
BUSY_SECONDS = 120.0

_SCHEMA = f"""
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    genesis BLOB NOT NULL,          -- 20 random bytes, written once: chain(0)
    epoch TEXT NOT NULL,            -- random for each initialisation of a file
    head INTEGER NOT NULL,          -- number of the last write
    chain BLOB NOT NULL             -- chain(head), see pdp.records.chain
);
CREATE TABLE records (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB,                     -- canonical document; NULL: deleted, kept so that followers learn of it
    seq INTEGER NOT NULL            -- the write that last changed it
);
CREATE UNIQUE INDEX records_by_key ON records (kind, key);
CREATE INDEX records_by_seq ON records (seq);
CREATE INDEX deleted_records ON records (kind) WHERE value IS NULL;
CREATE TABLE writes (
    seq INTEGER PRIMARY KEY,
    write_id TEXT NOT NULL UNIQUE,
    prev BLOB NOT NULL,             -- chain(seq - 1)
    chain BLOB NOT NULL,            -- chain(seq)
    at_ms INTEGER NOT NULL,         -- wall clock of the writer, epoch milliseconds; for people only
    changes INTEGER NOT NULL,       -- how many
    changes_digest BLOB NOT NULL    -- see pdp.records.chain
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


@contextmanager
def one_sentence(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into a StoreError that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_sentence(path, error)) from error


def _sentence(path: Path, error: sqlite3.Error) -> str:
    # The lower eight bits of an extended result code are the plain code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    known = {
        sqlite3.SQLITE_NOTADB: "is not a SQLite database",
        sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup or import the records into a new store",
        sqlite3.SQLITE_BUSY: "is being written by another process; try again later",
        sqlite3.SQLITE_READONLY: "cannot be written",
        sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened",
        sqlite3.SQLITE_PERM: "cannot be opened: permission denied",
    }
    return f"The record store {path} {known.get(code, f'fails: {error}')}."


class SqliteFile:
    """One record store's file and a small pool of connections to it.

    Args:
        path: the file.
        create: make and initialise it when it does not exist.

    Raises:
        StoreError: it cannot be opened, is no record store, or a newer version made it.
    """

    def __init__(self, path: str, *, create: bool) -> None:
        if not path:
            raise StoreError("sqlite: names no file; write sqlite:PATH, for example sqlite:records.db.")
        self.path = Path(path).absolute()
        self._lock = threading.Lock()
        self._free: list[sqlite3.Connection] = []
        self._closed = False
        self._made = self._prepare(create=create)
        self._identity = self._stat()
        with self.connection() as db:
            self._initialise(db)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread while the context is open; errors come as StoreError."""
        with one_sentence(self.path):
            db, identity = self._take()
            try:
                yield db
            except BaseException:
                # Whatever state it is in, nobody else gets it.
                with suppress(sqlite3.Error):
                    db.close()
                raise
            with self._lock:
                if not self._closed and identity == self._identity and len(self._free) < 8:
                    self._free.append(db)
                    return
            db.close()

    def close(self) -> None:
        """Closes the connections not in use; those in use close when they are given back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for db in free:
            db.close()

    def _prepare(self, *, create: bool) -> bool:
        """Makes an empty file that only this user can read, if there is none and one is wanted."""
        if self.path.exists():
            if not self.path.is_file():
                raise StoreError(f"The record store {self.path} is not a file.")
            return False
        if not create:
            raise StoreError(f"There is no record store {self.path}.")
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(f"The record store {self.path} cannot be made: {error.strerror}.") from error
        return True

    def _stat(self) -> tuple[int, int]:
        try:
            stat = self.path.stat()
        except OSError as error:
            raise StoreError(f"The record store {self.path} cannot be read: {error.strerror}.") from error
        return stat.st_dev, stat.st_ino

    def _take(self) -> tuple[sqlite3.Connection, tuple[int, int]]:
        """A connection, and which file it is open on."""
        identity = self._stat()
        with self._lock:
            if self._closed:
                raise StoreError(f"The record store {self.path} is closed.")
            if identity == self._identity and self._free:
                return self._free.pop(), identity
            # Another file under the same name (a restored backup): the old connections see the old one.
            stale = self._free if identity != self._identity else []
            self._free = [] if stale else self._free
            replaced, self._identity = identity != self._identity, identity
        for db in stale:
            db.close()
        db = self._connect()
        if replaced:
            self._check_header(db)
        return db, identity

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: SQLite never makes a file by itself.
        uri = f"file:{quote(str(self.path))}?mode=rw"
        db = sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in ("synchronous = FULL", "temp_store = MEMORY", "journal_size_limit = 67108864"):
                db.execute(f"PRAGMA {pragma}")
        except BaseException:
            db.close()
            raise
        return db

    def _initialise(self, db: sqlite3.Connection) -> None:
        """Makes the tables in an empty new file; checks any other."""
        if self._is_empty(db):
            if not self._made and self.path.stat().st_size:
                raise StoreError(f"The record store {self.path} is a database of another program.")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN EXCLUSIVE")
            # Another process may have been here first.
            if self._is_empty(db):
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                genesis = new_genesis()
                db.execute(
                    "INSERT INTO meta VALUES (1, ?, ?, 0, ?)", (genesis, secrets.token_hex(16), genesis)
                )
            db.execute("COMMIT")
        self._check_header(db)

    @staticmethod
    def _is_empty(db: sqlite3.Connection) -> bool:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        return not tables and not application

    def _check_header(self, db: sqlite3.Connection) -> None:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION_ID:
            raise StoreError(f"The record store {self.path} is a database of another program.")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"The record store {self.path} was made by a newer version of poortwachter "
                f"(format {version}, this version knows {SCHEMA_VERSION})."
            )
        db.execute("PRAGMA journal_mode = WAL")
