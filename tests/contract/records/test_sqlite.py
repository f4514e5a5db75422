"""What only a store of files can meet: files that are replaced, and an import that holds one for long."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdp.records.sqlite import SqliteStore
from pdp.records.store import Beat, Change, ForkError, RecordStore

A = Change("employer", "1", b'{"a":1}')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[RecordStore]:
    store = SqliteStore(str(path))
    yield store
    store.close()


def beat(store: RecordStore, instance: str = "one", number: int = 1) -> Beat:
    position = store.head().position
    return Beat(instance, number, position, position.seq, 4_000)


def test_a_restored_backup_is_another_epoch_of_the_same_history(path: Path, store: RecordStore) -> None:
    first = store.write([A])
    backup = path.with_name("backup.db")
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    lost = store.write([A._replace(value=b"{}")])
    store.beat(beat(store))
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    shutil.move(backup, path)
    head = store.head()
    assert head.position == first.position
    assert head.epoch not in {first.epoch, lost.epoch}
    assert store.members() == []
    with pytest.raises(ForkError):
        store.beat(Beat("one", 2, lost.position, 0, 4_000))
    assert store.changes_since(first.position) == ([], [])
    # Another process sees the same epoch.
    other = SqliteStore(str(path))
    assert other.head() == head
    assert store.beat(beat(store)) == head
    assert [member.instance for member in other.members()] == ["one"]
    other.close()


def test_a_file_that_is_moved_back_is_the_same_epoch(path: Path, store: RecordStore) -> None:
    store.write([A])
    head = store.head()
    store.close()
    path.rename(path.with_name("elsewhere.db"))
    path.with_name("elsewhere.db").rename(path)
    again = SqliteStore(str(path))
    assert again.head() == head
    again.close()


def test_a_registry_that_was_lost_is_another_epoch(path: Path, store: RecordStore) -> None:
    other = SqliteStore(str(path))
    store.beat(beat(store, "one"))
    before = store.view(0).epoch
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}-registry{suffix}").unlink(missing_ok=True)
    other.beat(beat(other, "two"))
    after = other.view(0)
    assert after.epoch != before
    assert store.view(0) == after
    assert store.head().epoch == store.write([]).epoch == after.epoch
    assert [member.instance for member in store.members()] == ["two"]
    store.beat(beat(store, "one", 2))
    assert [member.instance for member in other.members()] == ["one", "two"]
    other.close()


def test_a_registry_emptied_for_another_epoch_is_never_trusted_again(store: SqliteStore) -> None:
    """As by a process that was paused between its look at the records and its look at the registry."""
    store.beat(beat(store))
    before = store.view(0).epoch
    store._registry.members("an epoch of before")
    assert store.members() == []
    assert store.view(0).epoch != before


def test_an_import_does_not_delay_proofs(store: RecordStore) -> None:
    half_way, go_on = threading.Event(), threading.Event()

    def changes() -> Iterator[Change]:
        for number in range(20_000):
            yield Change("item", str(number), b"{}")
            if number == 10_000:
                half_way.set()
                go_on.wait(10)

    writer = threading.Thread(target=store.write, args=(changes(),))
    writer.start()
    assert half_way.wait(10)
    began = time.monotonic()
    for number in range(1, 20):
        assert store.beat(beat(store, number=number)).position.seq == 0
        assert store.view(1).behind == 1
    took = time.monotonic() - began
    go_on.set()
    writer.join()
    assert took < 1.0
    assert store.beat(beat(store, number=20)).position.seq == 1
    assert store.view(1).behind == 0


def test_a_deletion_with_a_source_version_outlives_the_history(
    path: Path, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.records.sqlite_history._TRIM_EVERY_WRITES", 5)
    store.write([A, Change("employer", "2", b"{}", source_version=1)])
    store.write([A._replace(value=None), Change("employer", "2", None, source_version=3)])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE writes SET at_ms = 0")
    db.close()
    for _ in range(3):
        store.write([Change("item", "1", b"{}")])
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT key FROM records WHERE value IS NULL").fetchall() == [("2",)]
    db.close()
    store.write([Change("employer", "2", b"{}", source_version=2)])
    assert store.get("employer", "2") is None


ENDS_BEFORE_THE_FIRST_COMMIT = """
import os, sqlite3, sys
from pdp.records.sqlite import SqliteStore

class Connection(sqlite3.Connection):
    def execute(self, statement, *rest):
        if statement == "COMMIT":
            os._exit(9)
        return super().execute(statement, *rest)

connect = sqlite3.connect
sqlite3.connect = lambda *given, **named: connect(*given, **named, factory=Connection)
SqliteStore(sys.argv[1])
"""


def test_a_process_that_ends_while_it_makes_a_file_leaves_one_to_be_made(path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", ENDS_BEFORE_THE_FIRST_COMMIT, path], check=False)
    assert ended.returncode == 9
    assert path.exists()
    store = SqliteStore(str(path))
    assert store.counts() == {}
    store.close()
