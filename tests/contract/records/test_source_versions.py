"""Changes that the system of record numbers: an older message never overwrites a newer one."""

import pytest

from pdp.records.store import Change, ConflictError, RecordStore, StoreError, WriteIdReusedError
from tests.contract.records.conftest import ALL_WAYS_TO_WRITE

pytestmark = pytest.mark.parametrize("new_url", ALL_WAYS_TO_WRITE, indirect=True)

RECORD = Change("employer", "1", b'{"a":1}')


def at(source_version: int, value: bytes | None = b"{}", key: str = "1") -> Change:
    return Change("employer", key, value, source_version=source_version)


def value_of(store: RecordStore, key: str = "1") -> bytes | None:
    record = store.get("employer", key)
    return record.value if record else None


def test_an_older_message_never_overwrites_a_newer_one(store: RecordStore) -> None:
    newer = store.write([at(5, b"five")])
    assert store.write([at(4, b"four")]).position == newer.position
    assert value_of(store) == b"five"
    store.write([at(6, b"six")])
    assert value_of(store) == b"six"


def test_the_same_message_twice_changes_nothing(store: RecordStore) -> None:
    first = store.write([at(5, b"five")], "message-5")
    assert store.write([at(5, b"five")], "message-5") == first
    # Also under another write id, as a queue may deliver it again.
    assert store.write([at(5, b"five")]) == first
    assert store.write([at(5, b"other")]) == first
    assert value_of(store) == b"five"


def test_an_older_message_does_not_bring_back_what_was_deleted(store: RecordStore) -> None:
    store.write([at(1)])
    deleted = store.write([at(3, None)])
    assert store.write([at(2, b"two")]).position == deleted.position
    assert value_of(store) is None
    store.write([at(4, b"four")])
    assert value_of(store) == b"four"


def test_a_deletion_of_what_is_not_there_counts_too(store: RecordStore) -> None:
    deleted = store.write([at(3, None)])
    assert deleted.position.seq == 1
    assert store.write([at(2)]).position == deleted.position
    assert value_of(store) is None
    assert store.counts() == {}


def test_only_the_older_changes_of_a_write_are_left_out(store: RecordStore) -> None:
    store.write([at(5, b"five")])
    store.write([at(4, b"four"), at(1, b"other", key="2"), RECORD._replace(key="3")])
    assert [value_of(store, key) for key in ("1", "2", "3")] == [b"five", b"other", b'{"a":1}']


def test_changes_of_one_write_in_their_order(store: RecordStore) -> None:
    store.write([at(2, b"two"), at(1, b"one"), at(3, b"three"), at(3, b"again")])
    assert value_of(store) == b"three"


def test_a_change_without_a_number_leaves_the_number(store: RecordStore) -> None:
    store.write([at(5, b"five")])
    by_hand = store.write([RECORD])
    assert value_of(store) == b'{"a":1}'
    assert store.write([at(5, b"five")]).position == by_hand.position
    store.write([RECORD._replace(value=None)])
    store.write([at(4, b"four")])
    assert value_of(store) is None
    store.write([at(6, b"six")])
    assert value_of(store) == b"six"


def test_a_change_that_is_left_out_has_no_expected_version(store: RecordStore) -> None:
    store.write([at(5, b"five")])
    store.write([at(4, b"four")._replace(expected_version=77)])
    with pytest.raises(ConflictError):
        store.write([at(6, b"six")._replace(expected_version=77)])
    store.write([at(6, b"six")._replace(expected_version=1)])
    assert value_of(store) == b"six"


def test_a_repeat_compares_what_was_asked_for(store: RecordStore) -> None:
    store.write([at(5, b"five")])
    changes = [at(4, b"four"), RECORD._replace(key="2")]
    written = store.write(changes, "id-1")
    assert store.write(changes, "id-1") == written
    with pytest.raises(WriteIdReusedError):
        store.write(changes[1:], "id-1")
    with pytest.raises(WriteIdReusedError):
        store.write([at(3, b"four"), changes[1]], "id-1")


@pytest.mark.parametrize("number", [0, 1, 2**53 - 1, 2**53, 2**53 + 1, 1_764_054_000_123_456_789, 2**63 - 1])
def test_every_number_is_compared_exactly(store: RecordStore, number: int) -> None:
    store.write([at(number, b"first")])
    store.write([at(number, b"same")])
    if number:
        store.write([at(number - 1, b"older")])
    assert value_of(store) == b"first"
    if number < 2**63 - 1:
        store.write([at(number + 1, b"newer")])
        assert value_of(store) == b"newer"


@pytest.mark.parametrize("number", [-1, 2**63])
def test_a_number_that_cannot_be_kept(store: RecordStore, number: int) -> None:
    with pytest.raises(StoreError, match=r"^employer/1: source version .* is not between 0 and"):
        store.write([RECORD._replace(key="2"), at(number)])
    assert store.head().position.seq == 0
    assert store.counts() == {}
