"""What every record store promises."""

from collections.abc import Callable, Iterator

import pytest

from pdp.records.chain import ChangesDigest, next_chain
from pdp.records.redis_large import PIECE
from pdp.records.store import (
    Change,
    ConflictError,
    Head,
    RecordStore,
    StoredRecord,
    StoreError,
    WriteIdReusedError,
    open_store,
)
from tests.contract.records.conftest import ALL_WAYS_TO_WRITE

pytestmark = pytest.mark.parametrize("new_url", ALL_WAYS_TO_WRITE, indirect=True)

A = Change("employer", "1", b'{"a":1}')
B = Change("employer", "2", b'{"b":1}')
C = Change("account", "1", b'{"c":1}')


def everything(store: RecordStore) -> list[StoredRecord]:
    with store.snapshot() as snapshot:
        return sorted(record for chunk in snapshot.chunks() for record in chunk)


def test_a_new_store_is_empty_and_at_zero(store: RecordStore) -> None:
    assert store.head().position.seq == 0
    assert len(store.head().position.chain) == 20
    assert store.counts() == {}
    assert everything(store) == []
    assert store.get("employer", "1") is None


def test_two_new_stores_have_different_histories(new_url: Callable[[str], str], store: RecordStore) -> None:
    other = open_store(new_url("other"))
    assert other.head().position.chain != store.head().position.chain
    assert other.head().epoch != store.head().epoch
    other.close()


def test_a_write_is_numbered_without_gaps_and_read_back(store: RecordStore) -> None:
    first, second = store.write([A, C]), store.write([B])
    assert (first.position.seq, second.position.seq) == (1, 2)
    assert store.head() == Head(second.epoch, second.position)
    assert first.epoch == second.epoch
    assert first.shard == store.shard_of("employer", "1")
    assert store.get("employer", "1") == StoredRecord("employer", "1", b'{"a":1}', 1)
    assert store.get("employer", "2") == StoredRecord("employer", "2", b'{"b":1}', 2)
    assert store.counts() == {"account": 1, "employer": 2}


def test_the_token_is_the_number_and_the_beginning_of_the_chain(store: RecordStore) -> None:
    written = store.write([A])
    assert written.token() == f"1.{written.position.chain.hex()[:8]}"


def test_the_chain_is_the_documented_hash(store: RecordStore) -> None:
    genesis = store.head().position.chain
    changes = [A, C._replace(value=None), B._replace(source_version=7)]
    digest = ChangesDigest()
    for change in changes:
        digest.add(change)
    written = store.write(changes, "write-1")
    assert written.position.chain == next_chain(genesis, 1, "write-1", digest.digest())


def test_a_record_is_replaced_and_deleted(store: RecordStore) -> None:
    store.write([A, B])
    store.write([A._replace(value=b"{}")])
    assert store.get("employer", "1") == StoredRecord("employer", "1", b"{}", 2)
    store.write([A._replace(value=None)])
    assert store.get("employer", "1") is None
    assert store.counts() == {"employer": 1}
    assert [record.key for record in everything(store)] == ["2"]
    store.write([A])
    assert store.get("employer", "1") == StoredRecord("employer", "1", b'{"a":1}', 4)


def test_changes_apply_in_order_so_that_the_last_wins(store: RecordStore) -> None:
    store.write([A, A._replace(value=None), A._replace(value=b'{"last":1}')])
    assert everything(store) == [StoredRecord("employer", "1", b'{"last":1}', 1)]


def test_no_changes_change_nothing(store: RecordStore) -> None:
    written = store.write([A])
    assert store.write([]) == written
    assert store.head().position == written.position


@pytest.mark.parametrize(("expected", "found"), [(0, 1), (2, 1), (7, 1)])
def test_an_expected_version_that_is_not_met_changes_nothing(
    store: RecordStore, expected: int, found: int
) -> None:
    head = store.write([A]).position
    with pytest.raises(ConflictError, match=r"^employer/1: expected .* version 1\.$") as caught:
        store.write([B, A._replace(value=b"{}", expected_version=expected)])
    error = caught.value
    assert (error.kind, error.key, error.expected, error.found) == ("employer", "1", expected, found)
    assert store.head().position == head
    assert everything(store) == [StoredRecord("employer", "1", b'{"a":1}', 1)]


def test_expected_versions_that_are_met(store: RecordStore) -> None:
    store.write([A._replace(expected_version=0)])
    store.write([A._replace(value=b"{}", expected_version=1)])
    store.write([A._replace(value=None, expected_version=2)])
    # A deleted record does not exist, whatever the store keeps of it.
    store.write([A._replace(expected_version=0)])
    with pytest.raises(ConflictError, match="but it does not exist"):
        store.write([B._replace(expected_version=1)])


def test_a_repeated_write_changes_nothing_and_gives_its_old_position(store: RecordStore) -> None:
    first = store.write([A._replace(expected_version=0)], "id-1")
    later = store.write([A._replace(value=b"{}")])
    assert store.write([A._replace(expected_version=0)], "id-1") == first
    assert store.head().position == later.position
    assert store.get("employer", "1") == StoredRecord("employer", "1", b"{}", 2)


def test_other_changes_under_a_known_write_id_are_refused(store: RecordStore) -> None:
    head = store.write([A], "id-1").position
    with pytest.raises(WriteIdReusedError, match="id-1"):
        store.write([B], "id-1")
    assert store.head().position == head


def test_what_the_changes_raise_undoes_the_write(store: RecordStore) -> None:
    def changes() -> Iterator[Change]:
        yield A
        raise LookupError("half way")

    with pytest.raises(LookupError):
        store.write(changes())
    assert store.head().position.seq == 0
    assert everything(store) == []
    assert store.write([B]).position.seq == 1


def test_pages_are_in_the_order_of_code_points(store: RecordStore) -> None:
    keys = ["a", "B", "é", "10", "9", "z" * 300, "\U0001f600", "\ue000", "a\nb"]
    store.write([Change("kind", key, b"{}") for key in keys])
    store.write(
        [Change("kind", "deleted", b"{}"), Change("kind", "deleted", None), Change("other", "x", b"{}")]
    )
    read: list[str] = []
    while page := store.page("kind", read[-1] if read else "", 2):
        assert len(page) <= 2
        read += [record.key for record in page]
    assert read == sorted(keys)


@pytest.mark.parametrize("changed", [100, 3_000])
def test_what_is_not_changed_while_a_snapshot_is_read_is_in_it(
    store: RecordStore, changed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.records.redis_write.PIECE", PIECE)
    monkeypatch.setattr("pdp.records.redis_large._COPY_AT_ONCE", 1_000)
    keys = [f"{number:05}" for number in range(6_000)]
    store.write([Change("kind", key, b"{}") for key in keys])
    with store.snapshot() as snapshot:
        chunks = snapshot.chunks()
        found = {record.key for record in next(chunks)}
        written = store.write([Change("kind", key, None) for key in keys[:changed]])
        found |= {record.key for chunk in chunks for record in chunk}
    assert snapshot.position.seq == 1
    assert found >= set(keys[changed:])
    assert found <= set(keys)
    assert store.head().position == written.position
    assert len(everything(store)) == 6_000 - changed


def test_a_snapshot_of_one_kind_in_order(store: RecordStore) -> None:
    store.write([B, C, A])
    with store.snapshot() as snapshot:
        in_order = [
            record.key for chunk in snapshot.chunks(kind="employer", in_order=True) for record in chunk
        ]
        assert in_order == ["1", "2"]
        assert [len(chunk) for chunk in snapshot.chunks(kind="account")] == [1]


def test_what_was_written_is_there_when_the_store_is_opened_again(url: str, store: RecordStore) -> None:
    written = store.write([A, B, C], "id-1")
    store.close()
    again = open_store(url, create=False)
    assert again.head() == (written.epoch, written.position)
    assert len(everything(again)) == 3
    assert again.write([A, B, C], "id-1") == written
    again.close()


def test_a_closed_store_says_so(store: RecordStore) -> None:
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.head()


def test_two_stores_on_one_url_see_each_other(url: str, store: RecordStore) -> None:
    other = open_store(url)
    first = store.write([A])
    assert other.head() == (first.epoch, first.position)
    second = other.write([A._replace(value=b"{}", expected_version=1)])
    assert store.head() == (second.epoch, second.position)
    with pytest.raises(ConflictError):
        store.write([A._replace(expected_version=1)])
    other.close()
