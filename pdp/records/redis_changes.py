"""The changes of a write, packed for the scripts while they come in."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgpack

from pdp.records.chain import ChangesDigest
from pdp.records.packing import join, pack_change
from pdp.records.store import Change, SpreadError


@dataclass(frozen=True, slots=True)
class Limit:
    """How much goes to Redis at once: number of changes, and bytes."""

    changes: int
    size: int


class Packed(NamedTuple):
    """A change as the scripts take it: [kind, key] deletes, [kind, key, document]."""

    kind: str
    change: bytes
    expected_version: int | None
    source_version: int | None


@dataclass(slots=True)
class Batch:
    """Changes for one script."""

    changes: list[Packed] = field(default_factory=list)
    size: int = 0

    def add(self, change: Change) -> None:
        """Takes in the next change."""
        kind, key, value, expected, source = change
        packed = pack_change(kind, key, value)
        self.changes.append(Packed(kind, packed, expected, source))
        self.size += len(packed)

    def reaches(self, limit: Limit) -> bool:
        """Whether it holds as much as goes to Redis at once."""
        return len(self.changes) >= limit.changes or self.size >= limit.size

    def pieces(self, limit: Limit) -> Iterator["Batch"]:
        """The same changes, in smaller batches."""
        piece = Batch()
        for packed in self.changes:
            piece.changes.append(packed)
            piece.size += len(packed.change)
            if piece.reaches(limit):
                yield piece
                piece = Batch()
        if piece.changes:
            yield piece

    @property
    def kinds(self) -> list[str]:
        """The kinds of the changes, each once."""
        return list(dict.fromkeys(packed.kind for packed in self.changes))

    def arguments(self) -> list[bytes]:
        """Changes and conditions, as the scripts take them (`write.lua`)."""
        changes = join([packed.change for packed in self.changes])
        conditions = [
            msgpack.packb(
                [
                    number,
                    -1 if packed.expected_version is None else packed.expected_version,
                    "" if packed.source_version is None else str(packed.source_version),
                ]
            )
            for number, packed in enumerate(self.changes, 1)
            if packed.expected_version is not None or packed.source_version is not None
        ]
        return [changes, join(conditions)]


class Incoming:
    """The changes of one write as they come: in one shard all of them, and counted into the digest.

    Args:
        changes: consumed once.
        shard_of: gives the shard of a kind and key.
    """

    def __init__(self, changes: Iterable[Change], shard_of: Callable[[str, str], int]) -> None:
        self._changes, self._shard_of = iter(changes), shard_of
        self._shard: int | None = None
        self._digest = ChangesDigest()
        self.is_over = False
        """Whether the last batch was the last one."""

    @property
    def shard(self) -> int:
        """The shard of the changes so far; 0 when there was none."""
        return self._shard or 0

    @property
    def digest(self) -> bytes:
        """The digest of the changes so far."""
        return self._digest.digest()

    def batch(self, limit: Limit) -> Batch:
        """The next changes. Raises SpreadError."""
        batch = Batch()
        for change in self._changes:
            shard = self._shard_of(change.kind, change.key)
            if self._shard is None:
                self._shard = shard
            elif shard != self._shard:
                raise SpreadError(
                    f"{change.kind}/{change.key} is in another shard than the changes before it; "
                    "write the changes of each shard by themselves."
                )
            self._digest.add(change)
            batch.add(change)
            if batch.reaches(limit):
                return batch
        self.is_over = True
        return batch
