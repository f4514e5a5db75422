"""Applies the messages of a system of record, from a Redis stream, to the records.

A message is acknowledged only after its change is durable, so a crash at any point loses none; it may apply
one twice, which its source version makes harmless. Messages that can never be applied go to the dead letters;
trouble with the stream or the records is waited out. The form of messages, and what is promised:
`docs/ingest.md`.
"""

import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pdp.errors import RecordsError
from pdp.records.documents import RefusedError
from pdp.records.ingest_message import Entry, parse
from pdp.records.ingest_stream import SourceStream
from pdp.records.ingest_trouble import Stop, StoppedError, Trouble
from pdp.records.ingest_write import Checked, Writer

log = logging.getLogger(__name__)

Count = Callable[[str], object]
"""Told the outcome of each message: "applied", "repeated" (it changed nothing) or "dead"."""

_LARGEST_GROUP_BYTES = 1_048_576
_LONGEST_REASON = 1_000
# Below every id; as a cursor: the beginning, and in an answer the end.
_START = "0-0"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much, and how long.

    Attributes:
        batch: most messages read, and written together, at a time.
        idle_ms: a message that was handed to a consumer so long ago, and is still pending, is taken over.
        block_ms: how long one call waits for a message; also how late a stop may be noticed.
        patience_seconds: trouble that lasts longer ends `drain`; `run` waits it out.
    """

    batch: int = 100
    idle_ms: int = 60_000
    block_ms: int = 500
    patience_seconds: float = 60.0


class Ingest:
    """One consumer of the group. For one thread; others, in any process, share the load.

    Args:
        stream: where messages come from.
        writer: where their changes go.
        count: told the outcome of each message.
        stop: ends `run` and `drain` early; what was read by then is applied, unless there is trouble.
        limits: how much, and how long.
    """

    def __init__(
        self,
        stream: SourceStream,
        writer: Writer,
        *,
        stop: Stop,
        count: Count = lambda _outcome: None,
        limits: Limits | None = None,
    ) -> None:
        self._stream, self._writer, self._stop, self._count = stream, writer, stop, count
        self._limits = limits or Limits()
        self._stream_trouble, self._store_trouble = Trouble(stop), Trouble(stop)
        # Messages may be pending for this consumer that it does not have in hand: from before a crash, or as
        # a reply was lost.
        self._join_anew = True
        self._claim_at = 0.0
        self._claim_seconds = max(self._limits.idle_ms / 4_000, 0.1)

    def run(self) -> None:
        """Applies messages until told to stop."""
        while not self._stop.is_set():
            self._attempt(wait=True)

    def drain(self) -> None:
        """Applies what is in the stream now and returns, when there is nothing left or it was told to stop.

        What another consumer got less than `idle_ms` ago is left to it.

        Raises RecordsError: trouble that lasted too long.
        """
        for trouble in (self._stream_trouble, self._store_trouble):
            trouble.patience_seconds = self._limits.patience_seconds
        while not self._stop.is_set() and self._attempt(wait=False):
            pass

    def _attempt(self, *, wait: bool) -> bool:
        """One turn; False when there was nothing to do."""
        with suppress(StoppedError):
            try:
                found = self._turn(wait=wait)
            except RecordsError as error:
                self._join_anew = True
                self._stream_trouble.wait(error)
                return True
            self._stream_trouble.over()
            return found
        return False

    def _turn(self, *, wait: bool) -> bool:
        if self._join_anew:
            self._stream.join()
            self._handle_own()
            self._join_anew = False
        if time.monotonic() >= self._claim_at:
            self._handle_idle()
            self._claim_at = time.monotonic() + self._claim_seconds * random.uniform(0.8, 1.2)  # noqa: S311
        entries = self._stream.new(self._limits.batch).entries
        if not entries and wait:
            entries = self._stream.wait(self._limits.block_ms)
        self._handle(entries)
        return bool(entries)

    def _handle_own(self) -> None:
        after = _START
        while not self._stop.is_set():
            entries = self._stream.own(self._limits.batch, after).entries
            if not entries:
                return
            self._handle(entries)
            after = entries[-1].id

    def _handle_idle(self) -> None:
        cursor = _START
        while True:
            cursor, entries, gone = self._stream.idle(self._limits.batch, cursor, self._limits.idle_ms)
            if entries:
                log.info("Took over %d messages that another consumer did not settle.", len(entries))
            for _ in range(gone):
                self._count("dead")
            self._handle(entries)
            if cursor == _START or self._stop.is_set():
                return

    def _handle(self, entries: Sequence[Entry]) -> None:
        checked = []
        for entry in entries:
            try:
                checked.append(self._writer.check(parse(entry)))
            except RefusedError as refused:
                self._bury(entry.id, refused)
        for group in _groups(checked):
            self._settle(group)

    def _settle(self, group: list[Checked]) -> None:
        """Applies the changes of a group, then acknowledges its messages. INVARIANT: in this order."""
        try:
            changed = self._write(group)
        except RefusedError as refused:
            if len(group) == 1:
                self._bury(group[0].message.entry, refused)
                return
            # Only the bad one must not be applied.
            middle = len(group) // 2
            self._settle(group[:middle])
            self._settle(group[middle:])
            return
        self._acknowledge(group)
        for _ in group:
            self._count("applied" if changed else "repeated")

    def _write(self, group: list[Checked]) -> bool:
        """Writes until it stands: what may have been written is repeated under the same id."""
        write_id = _write_id(self._stream.source.stream, group)
        while True:
            try:
                changed = self._writer.write([checked.change for checked in group], write_id)
            except RefusedError:
                raise
            except RecordsError as error:
                self._store_trouble.wait(error)
            else:
                self._store_trouble.over()
                return changed

    def _acknowledge(self, group: list[Checked]) -> None:
        self._stream.acknowledge([checked.message.entry for checked in group])

    def _bury(self, entry: str, refused: RefusedError) -> None:
        if self._stream.bury(entry, refused.field, refused.message[:_LONGEST_REASON]):
            self._count("dead")
            # Neither key nor reason: both may hold personal data.
            log.warning("Message %s went to the dead letters: %s.", entry, refused.field or "the message")


def _groups(checked: Sequence[Checked]) -> Iterator[list[Checked]]:
    """What can be written together: of one shard, each record once, not too large; in order in a shard."""
    groups: dict[int, tuple[list[Checked], set[tuple[str, str]], int]] = {}
    for one in checked:
        group, keys, size = groups.get(one.shard, ([], set(), 0))
        record = (one.change.kind, one.change.key)
        if group and (record in keys or size + one.message.size > _LARGEST_GROUP_BYTES):
            yield group
            group, keys, size = [], set(), 0
        group.append(one)
        keys.add(record)
        groups[one.shard] = (group, keys, size + one.message.size)
    yield from (group for group, _, _ in groups.values())


def _write_id(stream: str, group: Sequence[Checked]) -> str:
    """The same for the same messages, also after a restart.

    What they say is part of it: a stream that was made anew may give the same ids to other messages.
    """
    digest = hashlib.sha256()
    for message, _, _ in group:
        for part in (message.entry, message.kind, message.key, str(message.version)):
            digest.update(part.encode() + b"\0")
        digest.update(hashlib.sha256(message.value or b"").digest())
    return f"ingest:{stream}:{group[0].message.entry}:{digest.hexdigest()[:32]}"
