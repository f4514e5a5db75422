"""What changes, as this sidecar applies it: the answers of `WatchRecords`."""

import threading
from collections.abc import Callable, Iterator

from pdp._core import Policy
from pdp.records.access import Record
from pdp.records.documents import RefusedError, readable
from pdp.records.follow import Follower
from pdp.records.messages import record_message
from pdp.records.packing import last_changes
from pdp.records.store import Position, RecordStore, StoredChange, StoreError
from pdp.records.v1.record_service_pb2 import WatchRecordsResponse

# A thousand documents stay below the 4 MB that a message usually may have.
_RECORDS_AT_ONCE = 500
# How soon a caller that has gone is noticed; changes are noticed at once.
_LOOK_SECONDS = 0.5
_AGAIN_SECONDS = 0.5


def watch(
    store: RecordStore,
    policy: Callable[[], Policy],
    follower: Follower,
    kinds: set[str],
    over: threading.Event,
) -> Iterator[WatchRecordsResponse]:
    """Answers until `over`; the first one at once, with the state from which on changes are told.

    Args:
        store: where the changes are read, once the follower has applied them.
        policy: gives the policy in force, for documents as users write them.
        follower: of this sidecar.
        kinds: which changes; empty: all.
        over: set when the caller has gone.
    """
    shards = follower.shards
    at = [shard.position for shard in shards]
    yield WatchRecordsResponse(state_token=_token(at))
    while not over.is_set():
        pause = 0.0
        for number, shard in enumerate(shards):
            before, reached = at[number], shard.position
            if reached is None or reached == before:
                # Ends as soon as it moves; with many shards the others are looked at meanwhile.
                shard.wait_until(
                    lambda history, before=before: history.position != before,  # type: ignore[misc]
                    _LOOK_SECONDS / len(at),
                )
                continue
            try:
                changes = _changes(store, number, before, reached)
            except StoreError:
                pause = _AGAIN_SECONDS
                continue
            at[number] = reached
            if changes is None:
                yield WatchRecordsResponse(state_token=_token(at), reset=True)
            else:
                yield from _told(policy(), changes, kinds, _token(at))
        over.wait(pause)


def _changes(
    store: RecordStore, shard: int, before: Position | None, reached: Position
) -> list[StoredChange] | None:
    """What changed between two positions of this sidecar; None when that cannot be known (any more).

    The store may be further on: documents as they stand by then come later, with their own state. Raises
    StoreError when it cannot be read now, or is read where it is behind.
    """
    delta = None if before is None else store.changes_since(before, shard)
    if delta is None:
        return None
    if all(step.position != reached for step in delta.steps):
        raise StoreError("The record store is read where it is behind.")
    return [change for change in last_changes(delta) if change.version <= reached.seq]


def _told(
    policy: Policy, changes: list[StoredChange], kinds: set[str], token: str
) -> Iterator[WatchRecordsResponse]:
    chosen = [change for change in changes if not kinds or change.kind in kinds]
    records = [record for change in chosen if (record := _record(policy, change)) is not None]
    for start in range(0, len(records), _RECORDS_AT_ONCE):
        piece = records[start : start + _RECORDS_AT_ONCE]
        yield WatchRecordsResponse(changed=map(record_message, piece), state_token=token)


def _record(policy: Policy, change: StoredChange) -> Record | None:
    """The document as a user writes it; None for a kind that the bundle lacks."""
    value = b""
    if change.value is not None:
        try:
            value = readable(policy, change.kind, change.key, change.value)
        except RefusedError:
            return None
    return Record(change.kind, change.key, value, change.version)


def _token(at: list[Position | None]) -> str:
    return ",".join(position.token(shard) for shard, position in enumerate(at) if position)
