"""A SQLite file of this program: checked when opened, pooled connections, failures as one sentence each."""

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pdp.records.store import StoreError

# How long a write waits for another process's; an import of a million records holds the file half a minute.
BUSY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file holds.

    Attributes:
        what: "record store": the beginning of every sentence about it.
        application_id: four letters in the file's header: this file is ours and no other program's.
        version: of the format; other ones are refused.
        schema: its tables, as SQL statements.
        fill: writes the first rows of a new file.
        opened: told each file (a connection, and which file it is) before it is used.
        synchronous: "FULL": a commit survives a loss of power; "NORMAL": maybe not, but the file stays whole.
        lasting: a file that vanishes while it is in use is a failure; otherwise an empty one takes its place.
    """

    what: str
    application_id: int
    version: int
    schema: str
    fill: Callable[[sqlite3.Connection], None]
    opened: Callable[[sqlite3.Connection, str], None]
    synchronous: str = "FULL"
    lasting: bool = True


class SqliteFile:
    """One file and a small pool of connections to it.

    Args:
        path: the file.
        layout: what it holds.
        create: make and initialise it when it does not exist.

    Raises:
        StoreError: it cannot be opened, is another program's, or is in a format of another version.
    """

    def __init__(self, path: Path, layout: Layout, *, create: bool) -> None:
        self.path, self._layout = path.absolute(), layout
        self._name = f"The {layout.what} {self.path}"
        self._lock = threading.Lock()
        self._free: list[sqlite3.Connection] = []
        self._closed = False
        self._identity = ""
        with self._one_sentence():
            if create:
                self._make()
            elif not self.path.exists():
                raise StoreError(f"There is no {layout.what} {self.path}.")
            with self.connection():
                pass

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread while the context is open; errors come as StoreError."""
        with self._one_sentence():
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

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction; what is raised undoes it."""
        with self.connection() as db:
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield db
            # On a failure the connection is closed, which ends the transaction too.
            db.execute("COMMIT")

    def close(self) -> None:
        """Closes the connections not in use; those in use close when they are given back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for db in free:
            db.close()

    def _take(self) -> tuple[sqlite3.Connection, str]:
        """A connection, and which file it is open on."""
        if self._closed:
            raise StoreError(f"{self._name} is closed.")
        if not self._layout.lasting:
            self._make()
        identity = self._stat()
        with self._lock:
            if identity == self._identity and self._free:
                return self._free.pop(), identity
            # Another file under the same name (a restored backup): the old connections see the old one.
            new = identity != self._identity
            stale, self._free = (self._free, []) if new else ([], self._free)
        for db in stale:
            db.close()
        db = self._connect()
        try:
            if new:
                self._open(db, identity)
        except BaseException:
            db.close()
            raise
        return db, identity

    def _make(self) -> None:
        """Makes an empty file that only this user can read, if there is none."""
        if self.path.exists():
            return
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(f"{self._name} cannot be made: {error.strerror}.") from error

    def _stat(self) -> str:
        """Which file stands at the path."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise StoreError(f"{self._name} cannot be read: {error.strerror}.") from error
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{self._name} is not a file.")
        return f"{found.st_dev}:{found.st_ino}"

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: SQLite never makes a file by itself.
        uri = f"file:{quote(str(self.path))}?mode=rw"
        db = sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in (
                f"synchronous = {self._layout.synchronous}",
                "temp_store = MEMORY",
                "journal_size_limit = 67108864",
            ):
                db.execute(f"PRAGMA {pragma}")
        except BaseException:
            db.close()
            raise
        return db

    def _open(self, db: sqlite3.Connection, identity: str) -> None:
        """Takes a file into use."""
        self._fill(db)
        self._check_header(db)
        # One that was put there since it was looked at must not pass for this one.
        if self._stat() != identity:
            raise StoreError(f"{self._name} is being replaced; try again.")
        self._layout.opened(db, identity)
        with self._lock:
            self._identity = identity

    def _fill(self, db: sqlite3.Connection) -> None:
        """Makes the tables in a file that is empty and new, in one step: a process that ends in the middle of
        it leaves an empty file. Only then does the file become one in WAL mode, which writes to it.
        """
        # Looked at first, as another process may be making them.
        size = self.path.stat().st_size
        if self._is_empty(db):
            if size:
                raise StoreError(f"{self._name} is a database of another program.")
            db.execute("BEGIN EXCLUSIVE")
            # Another process may have been here first.
            if self._is_empty(db):
                for statement in self._layout.schema.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {self._layout.application_id}")
                db.execute(f"PRAGMA user_version = {self._layout.version}")
                self._layout.fill(db)
            db.execute("COMMIT")

    @staticmethod
    def _is_empty(db: sqlite3.Connection) -> bool:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        return not tables and not application

    def _check_header(self, db: sqlite3.Connection) -> None:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        if application != self._layout.application_id:
            raise StoreError(f"{self._name} is a database of another program.")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != self._layout.version:
            age = "a newer" if version > self._layout.version else "an older"
            raise StoreError(
                f"{self._name} was made by {age} version of poortwachter "
                f"(format {version}, this version knows {self._layout.version})."
            )
        db.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def _one_sentence(self) -> Iterator[None]:
        """Turns what SQLite raises into a StoreError that names the file."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._name} {_fault(error)}.") from error


def _fault(error: sqlite3.Error) -> str:
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
    return known.get(code, f"fails: {error}")
