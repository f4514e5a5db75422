"""Records for the command line: one interface over a store and over a running sidecar.

Documents pass as users write them (JSON, times in RFC 3339); whatever is refused or fails is a RecordsError.
"""

import heapq
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import BinaryIO, NamedTuple, Protocol

from pdp._core import Policy
from pdp.records.barrier import Barrier, Outcome
from pdp.records.documents import RefusedError, canonical, readable
from pdp.records.fleet import FleetMember, fleet, names
from pdp.records.importer import CheckedLines, Progress, no_progress, read_pieces
from pdp.records.store import Change, RecordStore, StoredRecord, StoreError, UnconfirmedError, Written
from pdp.records.timing import Timing
from pdp.records.waiting import AS_DECLARED, Applied, UnknownOutcomeError, Wait, Waited, WaitFor

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
    `source_version`: see `pdp.records.store.Change`.
    """

    kind: str
    key: str
    value: bytes | None
    expected_version: int | None = None
    source_version: int | None = None


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

    def apply(self, edits: Sequence[Edit], write_id: str | None = None, wait: Wait = AS_DECLARED) -> Applied:
        """All edits or none, and waits. Repeating a write (same id, same edits) writes nothing, but waits.

        Raises:
            UnknownOutcomeError: whether it was written is not known.
            RecordsError: it is refused, nothing was changed.
        """

    def import_lines(self, source: BinaryIO, progress: Progress = no_progress) -> Imported:
        """A whole file of JSON Lines or nothing of it (on a store with several shards: shard by shard)."""

    def sidecars(self) -> list[FleetMember]:
        """The sidecars in the store's registry."""

    def close(self) -> None:
        """Frees what the access holds."""


class StoreAccess:
    """Records straight in a store.

    Args:
        store: the store; closed by `close`.
        policy: gives the policy whose schemas apply; asked once for each call that needs one.
        barrier: of this process. Without it one is made for the first write that waits for all; as it has
            observed nothing yet, such a write waits until every older freshness proof has run out.
        timing: of the barrier.
        settle_seconds: how long gateways wait for an answer, for writes that settle.
    """

    def __init__(
        self,
        store: RecordStore,
        policy: Callable[[], Policy],
        *,
        barrier: Barrier | None = None,
        timing: Timing | None = None,
        settle_seconds: float = 1.0,
    ) -> None:
        self._store, self._policy = store, policy
        self.settle_seconds = settle_seconds
        """How long gateways wait for an answer."""
        self._barrier, self._timing = barrier, timing

    def kinds(self) -> dict[str, int]:
        """See RecordAccess."""
        self._require_initialised()
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
        self._require_initialised()
        return [_record(policy, stored) for stored in self._store.page(kind, after, limit)]

    def records(self, kind: str) -> Iterator[Record]:
        """See RecordAccess. Those of one shard as they stand at one moment."""
        policy = self._policy()
        self._refuse_unknown(policy, kind, "")
        with ExitStack() as snapshots:
            of_shards = [
                self._in_order(snapshots, shard, kind) for shard in range(self._store.parameters().shards)
            ]
            for stored in heapq.merge(*of_shards, key=lambda record: record.key):
                yield _record(policy, stored)

    def _in_order(self, snapshots: ExitStack, shard: int, kind: str) -> Iterator[StoredRecord]:
        snapshot = snapshots.enter_context(self._store.snapshot(shard, [kind]))
        return (stored for chunk in snapshot.chunks(kind=kind, in_order=True) for stored in chunk)

    def apply(self, edits: Sequence[Edit], write_id: str | None = None, wait: Wait = AS_DECLARED) -> Applied:
        """See RecordAccess. Without waiting for all it returns once the write is durable."""
        written, waited = self.write(edits, write_id, wait)
        return Applied(written.token() if written else "", waited)

    def write(
        self, edits: Sequence[Edit], write_id: str | None = None, wait: Wait = AS_DECLARED
    ) -> tuple[Written | None, Waited | None]:
        """As `apply`, and gives where the write stands (None: not known to stand)."""
        policy = self._policy()
        changes = [self._change(policy, edit) for edit in edits]
        write_id = write_id or secrets.token_hex(16)
        if not self.waits_for_all(edits, wait):
            try:
                return self._store.write(changes, write_id), None
            except UnconfirmedError as error:
                raise UnknownOutcomeError(f"{error} The write id is {write_id}.") from error
        timing = self._timing = self._timing or self._store_timing()
        self._barrier = self._barrier or Barrier(self._store, timing)
        outcome = self._barrier.write(
            changes,
            write_id,
            timeout_seconds=wait.timeout_seconds,
            settle_seconds=self.settle_seconds if wait.settle else 0.0,
        )
        return outcome.written, self._waited(outcome, timing)

    def waits_for_all(self, edits: Sequence[Edit], wait: Wait) -> bool:
        """Whether a write of these edits goes through the barrier."""
        if wait.until is not WaitFor.DECLARED:
            return wait.until is WaitFor.ALL
        declared = set(self._policy().barrier_kinds)
        return any(edit.kind in declared for edit in edits)

    def longest_wait_seconds(self) -> float:
        """How long a write that waits for all takes at most, when this process has observed nothing yet."""
        return self._store_timing().settle_ns / 1e9

    def _store_timing(self) -> Timing:
        return Timing.of(self._store.parameters(), self._store.promotion_seconds)

    def _waited(self, outcome: Outcome, timing: Timing) -> Waited:
        path, problem = outcome.path.value if outcome.path else "", outcome.problem
        if path and (changed := self._other_times(timing)):
            path, problem = "", changed
        shard = outcome.written.shard if outcome.written else None
        return Waited(
            path=path,
            seconds=outcome.waited_seconds,
            write_id=outcome.write_id,
            stragglers=names(self._store, shard, outcome.stragglers),
            confirmed=outcome.written is not None,
            problem=problem,
        )

    def _other_times(self, timing: Timing) -> str:
        """Why a wait proves nothing: it was as long as another lease asks for. "" when it was right."""
        try:
            changed = self._store_timing() != timing
        except StoreError as error:
            return str(error)
        return "The store's lease was changed; start again what decides or writes on it." if changed else ""

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

    def import_lines(self, source: BinaryIO, progress: Progress = no_progress) -> Imported:
        """See RecordAccess."""
        with self.check_lines(read_pieces(source, progress, "Checking", _PIECE_BYTES)) as lines:
            written = lines.write_to(self._store, progress)
            return Imported(lines.records, ",".join(each.token() for each in written))

    def sidecars(self) -> list[FleetMember]:
        """See RecordAccess."""
        return fleet(self._store)

    def close(self) -> None:
        """See RecordAccess."""
        self._store.close()

    def _change(self, policy: Policy, edit: Edit) -> Change:
        value = None
        if edit.value is None:
            self._refuse_unknown(policy, edit.kind, edit.key)
        else:
            value = canonical(policy, edit.kind, edit.key, edit.value)
        return Change(edit.kind, edit.key, value, edit.expected_version, edit.source_version)

    def _require_initialised(self) -> None:
        """A store that lost everything must not pass for an empty one: a backup of it would be empty too."""
        self._store.parameters()

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
