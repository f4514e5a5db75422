"""The tables of a SQLite record store, and what makes a file another run of the store."""

import secrets
import sqlite3

from pdp.records.chain import new_genesis
from pdp.records.sqlite_file import Layout
from pdp.records.store import Parameters

_SCHEMA = """
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    genesis BLOB NOT NULL,          -- 20 random bytes, written once: chain(0)
    epoch TEXT NOT NULL,            -- random; another one for every file, and for every lease
    file TEXT NOT NULL,             -- device and inode of the file that the epoch was made for
    head INTEGER NOT NULL,          -- number of the last write
    chain BLOB NOT NULL,            -- chain(head), see pdp.records.chain
    lease_ms INTEGER NOT NULL,      -- 0: being changed, no proof is given
    clock_rate_ppm INTEGER NOT NULL,
    old_lease_ms INTEGER NOT NULL,  -- while the lease is being changed: what proofs may still be out
    old_clock_rate_ppm INTEGER NOT NULL
);
CREATE TABLE records (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB,                     -- canonical document; NULL: deleted, kept so that followers learn of it
    seq INTEGER NOT NULL,           -- the write that last changed it
    source_version INTEGER          -- the system of record's number of this state; kept after a deletion
);
CREATE UNIQUE INDEX records_by_key ON records (kind, key);
CREATE INDEX records_by_seq ON records (seq);
CREATE INDEX deleted_records ON records (kind) WHERE value IS NULL;
CREATE TABLE writes (
    seq INTEGER PRIMARY KEY,
    write_id TEXT NOT NULL UNIQUE,
    prev BLOB NOT NULL,             -- chain(seq - 1)
    chain BLOB NOT NULL,            -- chain(seq)
    at_ms INTEGER NOT NULL,         -- wall clock of the writer, epoch milliseconds; for retention only
    barrier INTEGER NOT NULL,       -- whether somebody waits for the sidecars to have it
    changes INTEGER NOT NULL,       -- how many
    changes_digest BLOB NOT NULL    -- see pdp.records.chain
);
"""


def _fill(db: sqlite3.Connection) -> None:
    genesis, defaults = new_genesis(), Parameters()
    db.execute(
        "INSERT INTO meta VALUES (1, ?, ?, '', 0, ?, ?, ?, 0, 0)",
        (genesis, new_epoch(), genesis, defaults.lease_ms, defaults.clock_rate_ppm),
    )


def new_epoch() -> str:
    """A random text, unlike any other epoch."""
    return secrets.token_hex(16)


def _opened(db: sqlite3.Connection, file: str) -> None:
    """A file that is not the one that its epoch was made for (a restored backup) begins a new epoch."""
    if db.execute("SELECT file FROM meta").fetchone() == (file,):
        return
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE meta SET epoch = ?, file = ? WHERE file <> ?", (new_epoch(), file, file))
    db.execute("COMMIT")


RECORDS = Layout(
    what="record store",
    application_id=0x50647052,  # "PdpR"
    version=2,
    schema=_SCHEMA,
    fill=_fill,
    opened=_opened,
)
