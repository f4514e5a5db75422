"""A large write: prepared piece by piece under keys of its own, committed by one short script.

One script that writes a million records would block Redis for half a minute (every sidecar's proof would
run out, Sentinels would promote a replica) and send them all to the replicas at once. So each kind that the
write changes is copied, the changes are made in the copy, and the commit renames: it takes milliseconds,
whatever the size. What others write meanwhile is brought over by the commit. All of it expires if the writer
goes away. For that time Redis holds these kinds twice.
"""

import secrets
import time
from collections.abc import Sequence

from pdp.records.redis_changes import Batch, Limit
from pdp.records.redis_primary import Answer, Argument, Primaries
from pdp.records.store import StoreError, UnconfirmedError

# What blocks Redis for some milliseconds.
PIECE = Limit(1_000, 500_000)
_COPY_AT_ONCE = 1_000
# A writer that pauses for longer loses what it prepared.
EXPIRES_SECONDS = 600
# After how many bytes the replicas are waited for, so that beats need not wait long for theirs.
_AHEAD_BYTES = 2_000_000
_FOLLOW_MS, _FOLLOW_TIMES = 1_500, 40


class LargeWrite:
    """A large write under way; `drop` it at the end.

    Args:
        primaries: of the store.
        shard: that all changes are in.
        write_id: of the write.
    """

    def __init__(self, primaries: Primaries, shard: int, write_id: str) -> None:
        self._primaries, self._shard, self._write_id = primaries, shard, write_id
        self._keys = primaries.keys(shard)
        self._id = secrets.token_hex(4)
        self._state, self._deleted, self._expected = self._keys.staged(self._id)
        self._kinds: list[str] = []
        self._ahead = 0

    def begin(self) -> Answer:
        """Takes the lock for large writes. See large_begin.lua; raises StoreError when another has it."""
        keys = [*self._keys.registry, self._keys.writes, self._keys.lock, self._state]
        answer = self._primaries.run(
            self._shard, "large_begin", keys, [self._write_id, self._id, EXPIRES_SECONDS]
        )
        if answer.status == "BUSY":
            raise StoreError("Another large write to the record store is under way; try again later.")
        return answer

    def stage(self, batch: Batch) -> Answer:
        """Prepares some changes. See large_stage.lua."""
        for kind in batch.kinds:
            if kind not in self._kinds:
                self._copy(kind)
        kinds = batch.kinds
        keys = [*self._keys.registry, self._keys.lock, self._state, self._deleted, self._expected]
        for kind in kinds:
            keys += self._keys.staged_kind(self._id, kind)
        answer = self._primaries.run(
            self._shard, "large_stage", keys, [self._id, EXPIRES_SECONDS, *batch.arguments(), *kinds]
        )
        self._refuse_lost(answer)
        self._let_replicas_follow(batch.size)
        return answer

    def commit(self, digest: bytes, *, barrier: bool, retention: Sequence[int]) -> Answer:
        """Puts what is prepared in place. See large_commit.lua."""
        own = self._keys
        keys = [*own.registry, own.stream, own.writes, own.kinds, own.large, own.lock]
        keys += [self._state, self._deleted, self._expected]
        for kind in self._kinds:
            keys += own.of_kind(kind) + own.staged_kind(self._id, kind)
        now_ms = time.time_ns() // 1_000_000
        arguments: list[Argument] = [
            self._id,
            self._write_id,
            digest,
            int(barrier),
            now_ms,
            *retention,
            *self._kinds,
        ]
        answer = self._primaries.run(self._shard, "large_commit", keys, arguments, confirm=True)
        self._refuse_lost(answer)
        if answer.status == "OVERTAKEN":
            raise StoreError(
                "Too much was written while a large write was prepared; nothing of it was changed, try again."
            )
        return answer

    def drop(self) -> None:
        """Frees what was prepared; without this it expires."""
        keys = [*self._keys.registry, self._keys.lock, *self._keys.staged(self._id)]
        for kind in self._kinds:
            keys += self._keys.staged_kind(self._id, kind)
        self._primaries.run(self._shard, "large_drop", keys, [self._id])

    def _copy(self, kind: str) -> None:
        self._kinds.append(kind)
        staged = self._keys.staged_kind(self._id, kind)
        for source, target in zip(self._keys.of_kind(kind), staged, strict=True):
            go_on = b""
            while True:
                keys = [*self._keys.registry, self._keys.lock, self._state, source, target]
                answer = self._primaries.run(
                    self._shard, "large_copy", keys, [self._id, EXPIRES_SECONDS, go_on, _COPY_AT_ONCE]
                )
                self._refuse_lost(answer)
                self._let_replicas_follow(PIECE.size)
                go_on = answer.values[0]
                if not go_on:
                    break

    def _let_replicas_follow(self, size: int) -> None:
        acks = self._primaries.acks
        self._ahead += size
        if not acks or self._ahead < _AHEAD_BYTES:
            return
        self._ahead = 0
        for _ in range(_FOLLOW_TIMES):
            with self._primaries.link(self._shard) as link:
                # WAIT is for what its own connection wrote.
                link.ask("EXPIRE", self._keys.lock, EXPIRES_SECONDS)
                if link.ask("WAIT", acks, _FOLLOW_MS) >= acks:
                    return
        raise UnconfirmedError("The replicas do not keep up with a large write; nothing of it was changed.")

    @staticmethod
    def _refuse_lost(answer: Answer) -> None:
        if answer.status == "LOST":
            raise StoreError("What a large write had prepared is gone; nothing of it was changed, try again.")
