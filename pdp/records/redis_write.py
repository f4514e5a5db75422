"""One write to Redis: small ones by one script, large ones prepared and then committed."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from pdp.records.redis_changes import Batch, Incoming, Limit
from pdp.records.redis_large import PIECE, LargeWrite
from pdp.records.redis_primary import Answer, Argument, Primaries, head_of
from pdp.records.store import Change, ConflictError, StoreError, WriteIdReusedError, Written

log = logging.getLogger(__name__)

# The script blocks Redis for about 3 µs a change, and the replicas get it in one go.
LARGEST = Limit(10_000, 8_000_000)

# The history is kept for a day, and some of it for longer: a follower that was away for longer takes a
# snapshot, and a write id that is older may be used again.
RETENTION_MS = 24 * 3600 * 1000
KEPT_ENTRIES = 1_000


def write(
    primaries: Primaries,
    changes: Iterable[Change],
    shard_of: Callable[[str, str], int],
    write_id: str,
    *,
    barrier: bool,
) -> Written:
    """See RecordStore."""
    incoming = Incoming(changes, shard_of)
    first = incoming.batch(LARGEST)
    if incoming.is_over:
        answer = _write_small(primaries, incoming, first, write_id, barrier=barrier)
    else:
        answer = _write_large(primaries, incoming, first, write_id, barrier=barrier)
    _raise_refusal(answer, write_id)
    epoch, position = head_of(answer.values)
    return Written(incoming.shard, epoch, position)


def _write_small(
    primaries: Primaries, incoming: Incoming, batch: Batch, write_id: str, *, barrier: bool
) -> Answer:
    own, kinds = primaries.keys(incoming.shard), batch.kinds
    keys = [*own.registry, own.stream, own.writes, own.kinds, own.large]
    for kind in kinds:
        keys += own.of_kind(kind)
    now_ms = time.time_ns() // 1_000_000
    arguments: list[Argument] = [write_id, incoming.digest, int(barrier), now_ms, RETENTION_MS, KEPT_ENTRIES]
    return primaries.run(
        incoming.shard, "write", keys, [*arguments, *batch.arguments(), *kinds], confirm=True
    )


def _write_large(
    primaries: Primaries, incoming: Incoming, first: Batch, write_id: str, *, barrier: bool
) -> Answer:
    large = LargeWrite(primaries, incoming.shard, write_id)
    begun = large.begin()
    if begun.status == "KNOWN":
        return _repeat_large(primaries, incoming, write_id)
    try:
        answer = _stage_all(large, incoming, first)
        if answer.status == "OK":
            answer = large.commit(incoming.digest, barrier=barrier, retention=(RETENTION_MS, KEPT_ENTRIES))
    finally:
        # Also after a commit: one that had nothing to change leaves what was prepared.
        _drop(large)
    return answer


def _stage_all(large: LargeWrite, incoming: Incoming, first: Batch) -> Answer:
    """The answer to the last piece, or to the first one that is refused."""
    answer = Answer("OK", [])
    for piece in _pieces(incoming, first):
        answer = large.stage(piece)
        if answer.status != "OK":
            break
    return answer


def _pieces(incoming: Incoming, first: Batch) -> Iterator[Batch]:
    yield from first.pieces(PIECE)
    while not incoming.is_over:
        yield incoming.batch(PIECE)


def _repeat_large(primaries: Primaries, incoming: Incoming, write_id: str) -> Answer:
    """A large write whose id is known: only its digest is compared."""
    while not incoming.is_over:
        incoming.batch(PIECE)
    return _write_small(primaries, incoming, Batch(), write_id, barrier=False)


def _drop(large: LargeWrite) -> None:
    try:
        large.drop()
    except StoreError as error:
        log.warning("What a large write had prepared is left to expire: %s", error)


def _raise_refusal(answer: Answer, write_id: str) -> None:
    if answer.status == "REUSED":
        raise WriteIdReusedError(write_id)
    if answer.status == "CONFLICT":
        kind, key, expected, found = answer.values
        raise ConflictError(kind.decode(), key.decode(), int(expected), int(found))
