"""Records for the command line: one interface over a store and over a running sidecar.

Documents pass as users write them (JSON, times in RFC 3339); whatever is refused or fails is a RecordsError.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol

from pdp._core import Policy
from pdp.records.documents import RefusedError, canonical, readable
from pdp.records.importer import CheckedLines, Progress, no_progress, read_pieces
from pdp.records.store import Change, Position, RecordStore, StoredRecord

_PIECE_BYTES = 1_048_576


class Record(NamedTuple):
    """A record with its readable document (JSON) and the sequence number of its last change."""

    kind: str
    key: str
    value: bytes
    version: int


class Edit(NamedTuple):
    """A change as a user makes it: `value` is a readable document (JSON), None deletes.

    `expected_version`: only when the record stands at this version, 0: only when there is none.
    """

    kind: str
    key: str
    value: bytes | None
    expected_version: int | None = None


class Imported(NamedTuple):
    """How many records an import held, and the token of the state that has them."""

    records: int
    state_token: str


class RecordAccess(Protocol):
    """What commands can do with records, wherever these are."""

    def kinds(self) -> dict[str, int]:
        """Every kind that the bundle declares or the store holds → its number of records."""

    def get(self, kind: str, key: str) -> Record | None:
        """The record, or None when there is none."""

    def records(self, kind: str) -> Iterator[Record]:
        """All records of a kind in the order of their keys."""

    def apply(self, edits: Sequence[Edit], write_id: str | None = None) -> str:
        """All edits or none; gives the state token of the write."""

    def import_lines(self, source: BinaryIO, progress: Progress = no_progress) -> Imported:
        """A whole file of JSON Lines or nothing of it."""

    def close(self) -> None:
        """Frees what the access holds."""


class StoreAccess:
    """Records straight in a store.

    Args:
        store: the store; closed by `close`.
        policy: gives the policy whose schemas apply; asked once for each call that needs one.
    """

    def __init__(self, store: RecordStore, policy: Callable[[], Policy]) -> None:
        self._store, self._policy = store, policy

    def kinds(self) -> dict[str, int]:
        """See RecordAccess."""
        return dict(sorted((dict.fromkeys(self._policy().kinds, 0) | self._store.counts()).items()))

    def get(self, kind: str, key: str) -> Record | None:
        """See RecordAccess."""
        policy = self._policy()
        self._refuse_unknown(policy, kind, key)
        stored = self._store.get(kind, key)
        return _record(policy, stored) if stored else None

    def page(self, kind: str, after: str, limit: int) -> list[Record]:
        """Up to `limit` records of a kind with keys after `after`."""
        policy = self._policy()
        self._refuse_unknown(policy, kind, "")
        return [_record(policy, stored) for stored in self._store.page(kind, after, limit)]

    def records(self, kind: str) -> Iterator[Record]:
        """See RecordAccess. All as they stand at one moment."""
        policy = self._policy()
        self._refuse_unknown(policy, kind, "")
        with self._store.snapshot() as snapshot:
            for chunk in snapshot.chunks(kind=kind, in_order=True):
                for stored in chunk:
                    yield _record(policy, stored)

    def write(self, edits: Sequence[Edit], write_id: str | None = None) -> Position:
        """As `apply`, and gives the position of the write."""
        policy = self._policy()
        return self._store.write([self._change(policy, edit) for edit in edits], write_id)

    def apply(self, edits: Sequence[Edit], write_id: str | None = None) -> str:
        """See RecordAccess."""
        return self.write(edits, write_id).token()

    def check_lines(self, pieces: Iterator[bytes]) -> CheckedLines:
        """The checked changes of a file that comes in pieces; to be closed by the caller."""
        lines = CheckedLines(self._policy())
        try:
            for piece in pieces:
                lines.feed(piece)
            lines.finish()
        except BaseException:
            lines.close()
            raise
        return lines

    def write_lines(self, lines: CheckedLines, progress: Progress = no_progress) -> Position:
        """Writes checked lines in one step."""
        return self._store.write(lines.changes(progress))

    def import_lines(self, source: BinaryIO, progress: Progress = no_progress) -> Imported:
        """See RecordAccess."""
        with self.check_lines(read_pieces(source, progress, "Checking", _PIECE_BYTES)) as lines:
            position = self.write_lines(lines, progress)
            return Imported(lines.records, position.token())

    def close(self) -> None:
        """See RecordAccess."""
        self._store.close()

    def _change(self, policy: Policy, edit: Edit) -> Change:
        if edit.value is None:
            self._refuse_unknown(policy, edit.kind, edit.key)
            return Change(edit.kind, edit.key, None, edit.expected_version)
        value = canonical(policy, edit.kind, edit.key, edit.value)
        return Change(edit.kind, edit.key, value, edit.expected_version)

    @staticmethod
    def _refuse_unknown(policy: Policy, kind: str, key: str) -> None:
        """A kind that the bundle does not declare is a mistake in typing, not an empty kind."""
        if kind not in policy.kinds:
            known = ", ".join(sorted(policy.kinds))
            place = f"{kind}/{key}" if key else kind
            raise RefusedError(place, "", f"the bundle declares no kind {kind!r}; it has {known}")


def _record(policy: Policy, stored: StoredRecord) -> Record:
    value = readable(policy, stored.kind, stored.key, stored.value)
    return Record(stored.kind, stored.key, value, stored.version)
