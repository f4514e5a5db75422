"""The interface of a record store, and the values that pass through it.

A store keeps records (kind, key, canonical document) and the history of the writes that made them. Each write
is one step: all of its changes or none, under the next sequence number. A sequence number alone says little
once a store was restored or failed over, so a position also carries the chain hash of its history.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pdp.errors import RecordsError


class StoreError(RecordsError):
    """The store cannot do what was asked; the text is one sentence that says why."""


class ConflictError(StoreError):
    """A record does not stand at the version that a change requires. Nothing was changed.

    Args:
        kind: kind of the record.
        key: its key.
        expected: the version that the change requires, 0 for "no such record".
        found: the version at which it stands, 0 when there is no such record.
    """

    def __init__(self, kind: str, key: str, expected: int, found: int) -> None:
        self.kind, self.key, self.expected, self.found = kind, key, expected, found
        wanted = f"version {expected}" if expected else "no such record"
        stands = f"stands at version {found}" if found else "does not exist"
        super().__init__(f"{kind}/{key}: expected {wanted}, but it {stands}.")


class WriteIdReusedError(StoreError):
    """A write id that stands for other changes: taking it for a repeat would lose this write in silence."""

    def __init__(self, write_id: str) -> None:
        self.write_id = write_id
        super().__init__(f"Write id {write_id!r} stands for a write with other changes; use a new id.")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a store's history.

    Attributes:
        epoch: the run of the store that gave the position; another epoch, another registry of sidecars.
        seq: number of writes until here; gapless.
        chain: 20 bytes, hash of the whole history until here (`pdp.records.chain`).
    """

    epoch: str
    seq: int
    chain: bytes

    def token(self) -> str:
        """The state token of this position: "<seq>.<first 8 hex digits of the chain>"."""
        return f"{self.seq}.{self.chain[:4].hex()}"


class StoredRecord(NamedTuple):
    """A record as it stands: canonical document, and the sequence number of its last change."""

    kind: str
    key: str
    value: bytes
    version: int


class StoredChange(NamedTuple):
    """A record's latest change as followers see it; `value` None: it was deleted."""

    kind: str
    key: str
    value: bytes | None
    version: int


class Change(NamedTuple):
    """One change to write.

    `value` is the canonical document, None deletes. `expected_version`: only when the record stands at this
    version, 0: only when there is none, None: whatever it is.
    """

    kind: str
    key: str
    value: bytes | None
    expected_version: int | None = None


class Delta(NamedTuple):
    """What changed between two positions: each record once, in its latest form, and where that leads."""

    changes: list[StoredChange]
    position: Position


class StoreSnapshot(Protocol):
    """The whole state at one position, while its context is open."""

    position: Position

    def chunks(self, *, kind: str | None = None, in_order: bool = False) -> Iterator[list[StoredRecord]]:
        """Every record (of one kind) once, a few thousand at a time; `in_order`: by kind and key, slower."""


class RecordStore(Protocol):
    """A store of records. Safe to use from many threads; every method may raise StoreError."""

    def head(self) -> Position:
        """Where the history stands now. Cheap: followers ask it many times a second."""

    def write(self, changes: Iterable[Change], write_id: str | None = None) -> Position:
        """Applies the changes in order as one durable step and gives the position that holds them.

        A repeat of a write that stands (same `write_id`, same changes) changes nothing and gives its old
        position. No changes at all change nothing and give the head. What the iterable raises undoes all.

        Raises:
            ConflictError: a record is not at its `expected_version`.
            WriteIdReusedError: `write_id` stands for other changes.
        """

    def get(self, kind: str, key: str) -> StoredRecord | None:
        """The record, or None when there is none."""

    def page(self, kind: str, after: str = "", limit: int = 100) -> list[StoredRecord]:
        """Up to `limit` records of a kind whose keys sort (by code point) after `after`."""

    def counts(self) -> dict[str, int]:
        """Number of records of every kind that has any."""

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        """The whole state at one moment, read in bounded memory."""

    def changes_since(self, position: Position, at_most: int = 200_000) -> Delta | None:
        """What changed after `position`.

        None: a new snapshot is needed, as the position is not in this store's history, or more than
        `at_most` records changed.
        """

    def close(self) -> None:
        """Frees the store's resources; it cannot be used afterwards."""


def open_store(url: str, *, create: bool = True) -> RecordStore:
    """Opens the store that a URL names.

    Args:
        url: `sqlite:PATH`, one file of this node.
        create: whether a store that does not exist is made; otherwise it is an error.

    Raises:
        StoreError: the URL names no store, or the store cannot be opened.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "sqlite" and colon:
        from pdp.records.sqlite import SqliteStore  # noqa: PLC0415  (the interface does not need it)

        return SqliteStore(rest, create=create)
    if scheme in {"redis", "rediss"}:
        raise StoreError(f"Redis stores ({scheme}://) are not supported by this version; use sqlite:PATH.")
    raise StoreError(
        f"{scheme!r} is no kind of record store; write sqlite:PATH, for example sqlite:records.db."
    )
