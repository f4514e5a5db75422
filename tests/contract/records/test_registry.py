"""Freshness proofs and the registry of those who got them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pdp.records.store import (
    Beat,
    Change,
    ForkError,
    LeaseMismatchError,
    Member,
    Parameters,
    Position,
    RecordStore,
    StoreError,
    open_store,
)

A = Change("employer", "1", b'{"a":1}')


def beat(store: RecordStore, instance: str = "one", number: int = 1, drained: int | None = None) -> Beat:
    """A beat of a sidecar that holds all there is."""
    position = store.head().position
    return Beat(instance, number, position, position.seq if drained is None else drained, 4_000)


def test_a_beat_gives_the_head_and_registers(store: RecordStore) -> None:
    first = beat(store)
    written = store.write([A])
    assert store.beat(replace(first, about='{"host":"é"}')) == (written.epoch, written.position)
    assert store.members() == [Member("one", 1, 0, 0, '{"host":"é"}')]
    assert store.beat(beat(store, number=2)) == store.head()
    assert store.members() == [Member("one", 2, 1, 1, "{}")]


def test_a_beat_from_another_history_is_a_fork(store: RecordStore) -> None:
    zero = store.head().position
    store.write([A])
    position = store.write([A]).position
    good = beat(store)
    for fork in (
        replace(position, chain=bytes(20)),
        replace(position, seq=1),
        replace(position, seq=3),
        replace(zero, chain=position.chain),
        replace(zero, seq=1),
    ):
        with pytest.raises(ForkError):
            store.beat(replace(good, position=fork))
    assert store.members() == []
    # Any place in the history is none, from its very beginning.
    store.beat(replace(good, position=zero))
    store.beat(good)


def test_another_lease_is_refused(store: RecordStore) -> None:
    with pytest.raises(LeaseMismatchError, match=r"4000 ms.*5000 ms"):
        store.beat(replace(beat(store), lease_ms=5_000))
    assert store.members() == []


def test_the_view_tells_who_is_behind(store: RecordStore) -> None:
    for number in range(12):
        store.beat(beat(store, f"old-{number:02}", number + 1))
    first = store.write([A])
    view = store.view(1)
    assert (view.epoch, view.behind) == (first.epoch, 12)
    assert len(view.stragglers) == 10
    assert set(view.stragglers) <= {(f"old-{number:02}", number + 1) for number in range(12)}
    assert store.view(0) == (first.epoch, 0, ())
    for number in range(11):
        store.beat(beat(store, f"old-{number:02}", 100))
    store.beat(beat(store, "new", 1))
    assert store.view(1) == (first.epoch, 1, (("old-11", 12),))
    # A sidecar that holds the write, but has not drained what came before.
    store.beat(beat(store, "new", 2, drained=0))
    assert store.view(1).behind == 2


def test_forgetting_compares_the_beat(store: RecordStore) -> None:
    store.beat(beat(store, "one", 7))
    store.forget("one", 6)
    store.forget("two", 7)
    assert [member.instance for member in store.members()] == ["one"]
    store.forget("one", 7)
    assert store.members() == []
    assert store.view(5).behind == 0
    store.beat(beat(store, "one", 8))
    assert [member.number for member in store.members()] == [8]


def test_two_processes_share_the_registry(url: str, store: RecordStore) -> None:
    other = open_store(url)
    store.beat(beat(store, "one"))
    other.beat(beat(other, "two"))
    assert [member.instance for member in store.members()] == ["one", "two"]
    assert store.members() == other.members()
    assert store.view(1) == other.view(1)
    assert store.head().epoch == other.head().epoch == store.view(1).epoch
    other.close()


def test_every_answer_names_the_same_epoch(store: RecordStore) -> None:
    epoch = store.head().epoch
    assert store.write([A]).epoch == epoch
    assert store.write([]).epoch == epoch
    assert store.beat(beat(store)).epoch == epoch
    assert store.view(1).epoch == epoch


def test_initialising_again(store: RecordStore) -> None:
    head = store.head()
    store.initialise(Parameters())
    assert store.head() == head
    assert store.parameters() == Parameters(4_000, 100_000, 1)
    for other in (Parameters(lease_ms=5_000), Parameters(clock_rate_ppm=1), Parameters(shards=2)):
        with pytest.raises(StoreError, match="was initialised with other parameters"):
            store.initialise(other)
    assert store.parameters() == Parameters()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens while a change of the lease waits, instead of waiting."""
    during: list[Callable[[], None]] = []

    def wait(*_: object) -> None:
        for step in during:
            step()

    for module in ("sqlite", "redis"):
        monkeypatch.setattr(f"pdp.records.{module}.wait_until_proofs_ran_out", wait)
    return during


def test_changing_the_lease(store: RecordStore, waits: list[Callable[[], None]]) -> None:
    store.write([A])
    store.beat(beat(store))
    before = store.head()
    epochs = {before.epoch}

    def nobody_decides() -> None:
        epochs.add(store.head().epoch)
        for lease_ms in (0, 4_000, 8_000):
            with pytest.raises(LeaseMismatchError, match="is being changed"):
                store.beat(replace(beat(store), lease_ms=lease_ms))
        with pytest.raises(LeaseMismatchError, match="is being changed"):
            store.parameters()
        store.write([A])

    waits.append(nobody_decides)
    store.change_lease(Parameters(8_000, 50_000))
    assert store.parameters() == Parameters(8_000, 50_000, 1)
    epochs.add(store.head().epoch)
    # An epoch never has two leases.
    assert len(epochs) == 3
    assert store.members() == []
    assert store.head().position.seq == before.position.seq + 1
    with pytest.raises(LeaseMismatchError):
        store.beat(beat(store))
    store.beat(replace(beat(store), lease_ms=8_000))


def test_the_same_lease_is_no_change(store: RecordStore, waits: list[Callable[[], None]]) -> None:
    waits.append(lambda: pytest.fail("nothing to wait for"))
    head = store.head()
    store.change_lease(Parameters())
    assert store.head() == head


def test_the_number_of_shards_cannot_be_changed(store: RecordStore) -> None:
    with pytest.raises(StoreError, match="shard"):
        store.change_lease(Parameters(lease_ms=5_000, shards=store.parameters().shards + 1))
    store.parameters()


def test_a_change_of_the_lease_that_was_interrupted(
    url: str, store: RecordStore, waits: list[Callable[[], None]]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    waits.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.change_lease(Parameters(8_000))
    with pytest.raises(LeaseMismatchError):
        store.beat(beat(store))
    waits.clear()
    # Another process can write meanwhile, and finish the change.
    other = open_store(url)
    other.write([A])
    other.change_lease(Parameters())
    other.close()
    assert store.parameters() == Parameters()
    store.beat(beat(store))


def test_of_two_changes_of_the_lease_the_later_counts(
    store: RecordStore, waits: list[Callable[[], None]]
) -> None:
    def another() -> None:
        waits.clear()
        store.change_lease(Parameters(16_000))

    waits.append(another)
    with pytest.raises(StoreError, match="Another change"):
        store.change_lease(Parameters(8_000))
    assert store.parameters() == Parameters(16_000)


def test_a_position_of_no_store(store: RecordStore) -> None:
    with pytest.raises(ForkError):
        store.beat(replace(beat(store), position=Position(2**52, bytes(20))))
