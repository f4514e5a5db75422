"""Where ingested messages are written: straight into a store, or through a running sidecar."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import grpc

from pdp._core import LineError, Policy
from pdp.errors import RecordsError
from pdp.records.access import Edit, RecordAccess
from pdp.records.documents import RefusedError, canonical, json_line
from pdp.records.ingest_message import Message
from pdp.records.store import Change, RecordStore, StoreError, WriteIdReusedError


class Checked(NamedTuple):
    """A message that may be written: its change, and the shard that holds its record.

    Which form the change's document has is between the writer's `check` and its `write`.
    """

    message: Message
    change: Change
    shard: int


class Writer(Protocol):
    """Checks and writes changes."""

    def check(self, message: Message) -> Checked:
        """Raises RefusedError: the bundle does not admit it."""

    def write(self, changes: Sequence[Change], write_id: str) -> bool:
        """Writes changes of one shard durably, all or none; False when they changed nothing.

        Raises:
            RefusedError: one of them is refused.
            RecordsError: trouble that says nothing about the changes.
        """

    def close(self) -> None:
        """Frees what the writer holds."""


class StoreWriter:
    """Writes straight into a store.

    A change of a kind whose writes wait for all sidecars is marked, so that each says at once that it holds
    it; this does not wait for them, as the system of record waits for no answer.

    Args:
        store: closed by `close`.
        policy: gives the policy in force, whose schemas apply.
    """

    def __init__(self, store: RecordStore, policy: Callable[[], Policy]) -> None:
        self._store, self._policy = store, policy

    def check(self, message: Message) -> Checked:
        """See Writer."""
        _, kind, key, document, version, _ = message
        policy = self._policy()
        value = None
        if document is None:
            _check_deletion(policy, message)
        else:
            try:
                value = canonical(policy, kind, key, document)
            except RefusedError as error:
                # Kind and key are fields of the message; all else is in its document.
                field = error.field if error.field in {"kind", "key"} else _within(error.field)
                raise RefusedError(message.entry, field, error.message) from error
        return Checked(message, Change(kind, key, value, None, version), self._store.shard_of(kind, key))

    def write(self, changes: Sequence[Change], write_id: str) -> bool:
        """See Writer. Another writer's write at the same moment may make nothing look like something."""
        marked = set(self._policy().barrier_kinds)
        barrier = any(change.kind in marked for change in changes)
        before = self._store.head(self._store.shard_of(changes[0].kind, changes[0].key)).position.seq
        try:
            written = self._store.write(changes, write_id, barrier=barrier)
        except WriteIdReusedError:
            # The same messages, but another bundle makes other documents of them. The source versions say
            # which of them still count.
            written = self._store.write(changes, barrier=barrier)
        return written.position.seq > before

    def close(self) -> None:
        """See Writer."""
        self._store.close()


class AdminWriter:
    """Writes through a sidecar, which checks the documents and waits as the bundle declares for their kinds.

    Args:
        access: to the sidecar; closed by `close`.
    """

    def __init__(self, access: RecordAccess) -> None:
        self._access = access
        # Newest write seen of each shard.
        self._newest: dict[str, int] = {}

    def check(self, message: Message) -> Checked:
        """See Writer. Leaves it to the sidecar."""
        _, kind, key, document, version, _ = message
        return Checked(message, Change(kind, key, document, None, version), 0)

    def write(self, changes: Sequence[Change], write_id: str) -> bool:
        """See Writer. Where the store has several shards, one by one. Another writer's write at the same
        moment may make nothing look like something.
        """
        try:
            return self._apply(changes, write_id)
        except RecordsError as error:
            if not _refused_for_what_stands(error):
                raise
        if len(changes) > 1:
            newer = [self.write([change], f"{write_id}:{place}") for place, change in enumerate(changes)]
            return any(newer)
        # The id stands for an older write; see StoreWriter.
        return self._apply(changes, None)

    def close(self) -> None:
        """See Writer."""
        self._access.close()

    def _apply(self, changes: Sequence[Change], write_id: str | None) -> bool:
        applied = self._access.apply([Edit(*change) for change in changes], write_id)
        if applied.waited is not None and not applied.waited.confirmed:
            raise StoreError(applied.waited.problem or "The write was not acknowledged in time.")
        shard, _, position = applied.state_token.rpartition(":")
        seq = int(position.partition(".")[0])
        newer = seq > self._newest.get(shard, -1)
        self._newest[shard] = max(seq, self._newest.get(shard, -1))
        return newer


def _refused_for_what_stands(error: RecordsError) -> bool:
    """Changes of several shards in one write, or a write id in use (or a store that nobody initialised)."""
    cause = error.__cause__
    return (
        isinstance(cause, grpc.RpcError)
        and isinstance(cause, grpc.Call)
        and cause.code() is grpc.StatusCode.FAILED_PRECONDITION
    )


def _check_deletion(policy: Policy, message: Message) -> None:
    line = json_line(message.kind, message.key, b"null")
    try:
        policy.canonical_lines(line)
    except LineError as error:
        raise RefusedError(message.entry, error.field, error.message) from error


def _within(field: str) -> str:
    return f"value.{field}" if field else "value"
