"""URLs and files that are no record store: one clear sentence each."""

import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from pdp.records.packing import last_changes
from pdp.records.sqlite import SqliteStore
from pdp.records.sqlite_tables import RECORDS
from pdp.records.store import Change, StoreError, open_store


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("records.db", "'records.db' is no kind of record store"),
        ("postgres://user:secret@host", "'postgres' is no kind of record store"),
        ("sqlite:", "names no file"),
        ("", "is no kind of record store"),
    ],
)
def test_a_url_that_names_no_store(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_text("kind,key,value\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"records\.db is not a SQLite database\.$"):
        SqliteStore(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("application_id", [0, 7])
def test_a_database_of_another_program(tmp_path: Path, application_id: int) -> None:
    path = tmp_path / "records.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE records (x)")
        db.execute(f"PRAGMA application_id = {application_id}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a database of another program"):
        SqliteStore(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(("step", "age"), [(1, "a newer"), (-1, "an older")])
def test_a_store_of_another_version(tmp_path: Path, step: int, age: str) -> None:
    path = tmp_path / "records.db"
    SqliteStore(str(path)).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {RECORDS.version + step}")
    db.close()
    with pytest.raises(StoreError, match=f"made by {age} version of poortwachter"):
        SqliteStore(str(path))


def test_a_directory_that_is_missing_or_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be made: No such file or directory"):
        SqliteStore(str(tmp_path / "missing" / "records.db"))
    with pytest.raises(StoreError, match="is not a file"):
        SqliteStore(str(tmp_path))


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.touch()
    SqliteStore(str(path)).close()
    SqliteStore(str(path), create=False).close()


def test_the_file_is_private_and_its_name_may_be_odd(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%20.db"
    store = SqliteStore(str(path))
    store.write([Change("kind", "key", b"{}")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {file.name.removesuffix("-wal").removesuffix("-shm") for file in tmp_path.iterdir()} == {
        path.name,
        f"{path.name}-registry",
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    store.close()


def test_the_store_is_durable_by_its_settings(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "records.db"))
    with store._file.connection() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_a_file_that_was_replaced_is_seen_as_another_history(tmp_path: Path) -> None:
    path, other = tmp_path / "records.db", tmp_path / "other.db"
    store = SqliteStore(str(path))
    position = store.write([Change("kind", "key", b"{}")]).position
    SqliteStore(str(other)).close()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    shutil.move(other, path)
    assert store.head().position.seq == 0
    assert store.changes_since(position) is None
    path.unlink()
    with pytest.raises(StoreError, match="cannot be read: No such file or directory"):
        store.head()
    store.close()


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    store = SqliteStore(str(path))
    store.write([Change("kind", str(number), b"x" * 1000) for number in range(1000)])
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreError, match="is damaged"):
        SqliteStore(str(path)).head()


def test_a_store_that_another_process_writes_for_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.records.sqlite_file.BUSY_SECONDS", 0.05)
    path = tmp_path / "records.db"
    store = SqliteStore(str(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is being written by another process; try again later"):
        store.write([Change("kind", "key", b"{}")])
    assert store.head().position.seq == 0
    other.close()
    assert store.write([Change("kind", "key", b"{}")]).position.seq == 1
    store.close()


def test_an_old_history_is_forgotten_and_its_followers_load_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.records.sqlite_history._TRIM_EVERY_WRITES", 10)
    store = SqliteStore(str(tmp_path / "records.db"))
    positions = [store.head().position]
    positions += [
        store.write([Change("kind", str(number), b"{}"), Change("kind", str(number - 1), None)]).position
        for number in range(9)
    ]
    with store._file.connection() as db:
        db.execute("UPDATE writes SET at_ms = at_ms - 8 * 24 * 3600 * 1000 WHERE seq <= 6")
    positions.append(store.write([Change("kind", "9", b"{}")]).position)
    known = [store.changes_since(position) is not None for position in positions]
    assert known == [False] * 7 + [True] * 4
    delta = store.changes_since(positions[7])
    assert delta is not None
    assert sorted((change.key, change.value) for change in last_changes(delta)) == [
        ("6", None),
        ("7", None),
        ("8", b"{}"),
        ("9", b"{}"),
    ]
    assert store.counts() == {"kind": 2}
    store.close()
