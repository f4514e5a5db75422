"""What followers get of a history: changes and steps since a position, or None; news; records by key."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from pdp.records.packing import last_changes
from pdp.records.store import Change, Position, RecordStore, Step, StoredChange, StoreError, open_store

A = Change("employer", "1", b'{"a":1}')
B = Change("employer", "2", b'{"b":1}')
C = Change("account", "1", b'{"c":1}')


def test_changes_since_a_position(store: RecordStore) -> None:
    zero = store.head().position
    one = store.write([A, B]).position
    two = store.write([A._replace(value=b"{}")]).position
    head = store.write([B._replace(value=None), C]).position
    delta = store.changes_since(one)
    assert delta is not None
    assert delta.steps == [Step(two, barrier=False), Step(head, barrier=False)]
    assert sorted(last_changes(delta)) == [
        StoredChange("account", "1", b'{"c":1}', 3),
        StoredChange("employer", "1", b"{}", 2),
        StoredChange("employer", "2", None, 3),
    ]
    all_of_it = store.changes_since(zero)
    assert all_of_it is not None
    assert len(last_changes(all_of_it)) == 3
    assert [step.position for step in all_of_it.steps] == [one, two, head]
    assert store.changes_since(head) == ([], [])


def test_what_a_source_version_leaves_out_is_no_change(store: RecordStore) -> None:
    start = store.write([A._replace(source_version=5)]).position
    store.write([A._replace(source_version=4), B, C._replace(source_version=1)])
    delta = store.changes_since(start)
    assert delta is not None
    assert sorted(last_changes(delta)) == [
        StoredChange("account", "1", b'{"c":1}', 2),
        StoredChange("employer", "2", b'{"b":1}', 2),
    ]


def test_a_step_says_whether_a_barrier_waits_for_it(store: RecordStore) -> None:
    zero = store.head().position
    store.write([A], barrier=True)
    store.write([B])
    delta = store.changes_since(zero)
    assert delta is not None
    assert [step.barrier for step in delta.steps] == [True, False]


def test_a_position_outside_the_history_needs_a_new_snapshot(store: RecordStore) -> None:
    zero = store.head().position
    store.write([A])
    head = store.write([B]).position
    assert store.changes_since(replace(head, chain=bytes(20))) is None
    assert store.changes_since(replace(head, seq=1)) is None
    assert store.changes_since(replace(head, seq=3)) is None
    assert store.changes_since(replace(head, seq=0)) is None
    assert store.changes_since(replace(zero, seq=1)) is None
    assert store.changes_since(Position(1, zero.chain)) is None


def test_another_store_is_another_history(new_url: Callable[[str], str], store: RecordStore) -> None:
    other = open_store(new_url("other"))
    position = store.write([A], "same").position
    assert other.write([A], "same").position.seq == position.seq
    assert other.changes_since(position) is None
    other.close()


def test_too_many_changes_need_a_new_snapshot(store: RecordStore) -> None:
    zero = store.head().position
    store.write([A, B, C])
    assert store.changes_since(zero, at_most=2) is None
    assert store.changes_since(zero, at_most=3) is not None


def test_the_snapshot_and_the_changes_after_it_are_the_whole_state(store: RecordStore) -> None:
    """However much is written while a snapshot is read."""
    stop = threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            key = f"{number % 700:03}"
            store.write([Change("item", key, b"%d" % number if number % 3 else None)])

    store.write([Change("item", f"{number:03}", b"0") for number in range(700)])
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        with store.snapshot() as snapshot:
            state = {r.key: (r.version, r.value) for chunk in snapshot.chunks() for r in chunk}
    finally:
        stop.set()
        thread.join()
    delta = store.changes_since(snapshot.position)
    assert delta is not None
    for change in last_changes(delta):
        if change.version > state.get(change.key, (0, b""))[0]:
            state[change.key] = (change.version, change.value or b"")
    whole = {key: value for key, (_, value) in state.items() if value}
    with store.snapshot() as snapshot:
        assert whole == {r.key: r.value for chunk in snapshot.chunks() for r in chunk}


def test_writers_and_readers_in_many_threads(store: RecordStore) -> None:
    failures: list[Exception] = []

    def work(name: int) -> None:
        try:
            for number in range(20):
                position = store.write([Change("kind", f"{name}-{number}", b"{}")]).position
                assert store.head().position.seq >= position.seq
                assert store.get("kind", f"{name}-{number}") is not None
                assert store.changes_since(position) is not None
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert store.head().position.seq == 120
    assert store.counts() == {"kind": 120}


def test_news_come_soon(url: str, store: RecordStore) -> None:
    other = open_store(url)
    for writer in (store, other):
        position = store.head().position
        timer = threading.Timer(0.1, writer.write, args=([A],))
        began = time.monotonic()
        timer.start()
        came = store.news(position, seconds=5.0)
        assert 0.09 < time.monotonic() - began < 1.0
        timer.join()
        assert came is not None
        assert came == store.changes_since(position)
        assert [step.position for step in came.steps] == [store.head().position]
        # What is there already is news at once.
        assert store.news(position, seconds=5.0) == came
        assert time.monotonic() - began < 1.0
    # Without any the time is bounded.
    began = time.monotonic()
    assert store.news(store.head().position, seconds=0.2) == ([], [])
    assert 0.15 < time.monotonic() - began < 1.0
    other.close()


def test_fetching_by_key(store: RecordStore) -> None:
    store.write([A, C])
    head = store.write([B, C._replace(value=None)]).position
    fetched = store.fetch(0, [("employer", "1"), ("account", "1"), ("employer", "none"), ("employer", "2")])
    assert fetched.position == head
    assert fetched.records == [
        StoredChange("employer", "1", b'{"a":1}', 1),
        StoredChange("account", "1", None, 0),
        StoredChange("employer", "none", None, 0),
        StoredChange("employer", "2", b'{"b":1}', 2),
    ]
    assert store.fetch(0, []) == (head, [])


def test_a_snapshot_of_some_kinds(store: RecordStore) -> None:
    store.write([A, B, C, Change("service", "1", b"{}")])
    with store.snapshot(kinds=["account", "service", "none"]) as snapshot:
        assert sorted(r.kind for chunk in snapshot.chunks() for r in chunk) == ["account", "service"]
        assert [r.kind for chunk in snapshot.chunks(kind="service") for r in chunk] == ["service"]
        assert not [r for chunk in snapshot.chunks(kind="employer") for r in chunk]
    with store.snapshot(kinds=[]) as snapshot:
        assert list(snapshot.chunks()) == []


def test_news_of_a_closed_store(store: RecordStore) -> None:
    position = store.head().position
    store.close()
    with pytest.raises(StoreError):
        store.news(position)


def test_news_after_a_position_of_another_history(store: RecordStore) -> None:
    """Whatever the entries that follow say of themselves: they do not go on from there."""
    zero = store.head().position
    one = store.write([A]).position
    store.write([B])
    for other in (replace(zero, chain=bytes(20)), replace(one, chain=bytes(20)), replace(one, seq=0)):
        assert store.news(other, seconds=0.2) is None


def test_news_of_more_entries_than_are_read_at_once(store: RecordStore) -> None:
    zero = store.head().position
    for number in range(120):
        store.write([A._replace(key=str(number % 7))])
    came = store.news(zero)
    assert came is not None
    assert came == store.changes_since(zero)
    assert (len(came.steps), len(last_changes(came))) == (120, 7)
