"""The stream of a system of record: its consumer group, and its dead letters."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pdp.records.ingest_message import LARGEST_BYTES, Entry
from pdp.records.ingest_server import StreamError, StreamServer
from pdp.records.redis_node import ANSWER_SECONDS

log = logging.getLogger(__name__)

# A dead letter's copy of a message has so many of its fields at most (Lua can pass on a few thousand values).
_BURIED_FIELDS = 100


def dead_letters_of(stream: str) -> str:
    """The name of the stream that holds a stream's dead letters."""
    return f"{stream}:dead"


@dataclass(frozen=True, slots=True)
class Source:
    """Which stream to read, and as whom.

    Attributes:
        url: of its Redis, see `StreamServer`.
        stream: its name.
        group: the consumer group; every process of one group gets a part of the messages.
        consumer: name of this process within its group.
        dead_letters: how many dead letters are kept, approximately; the oldest go first.
    """

    url: str
    stream: str
    group: str
    consumer: str
    dead_letters: int = 10_000


class Batch(NamedTuple):
    """Messages handed to this consumer.

    `cursor`: where to go on ("0-0": the end; of `idle` only); `gone`: how many were no longer in the stream,
    and were buried.
    """

    cursor: str
    entries: list[Entry]
    gone: int


class SourceStream:
    """The stream, as one consumer of the group sees it. Every method may raise StreamError.

    Args:
        source: which stream.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._server = StreamServer(source.url, source.stream)
        self._keys = (source.stream, dead_letters_of(source.stream))

    def join(self) -> None:
        """Makes the group if there is none, so that it gets the stream from its first message on."""
        stream, group = self.source.stream, self.source.group
        for key in self._keys:
            if self._server.ask("TYPE", key) not in (b"stream", b"none"):
                raise StreamError(f"The stream {stream}: the key {key} is something else in this Redis.")
        try:
            self._server.ask("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
            log.info("Made the group %s of the stream %s.", group, stream)
        except StreamError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def new(self, count: int) -> Batch:
        """Messages that no consumer of the group has got yet."""
        return self._read("new", count)

    def own(self, count: int, after: str) -> Batch:
        """Messages that are pending for this consumer, with ids above `after`."""
        return self._read("own", count, begin=after)

    def idle(self, count: int, cursor: str, idle_ms: int) -> Batch:
        """Takes over messages that were handed out `idle_ms` ago or longer and are still pending."""
        return self._read("idle", count, begin=cursor, idle_ms=idle_ms)

    def wait(self, milliseconds: int) -> list[Entry]:
        """The next message, once there is one; nothing when none came in time."""
        source = self.source
        whose = ("GROUP", source.group, source.consumer, "COUNT", 1, "BLOCK", milliseconds)
        seconds = milliseconds / 1_000 + ANSWER_SECONDS
        answer = self._server.ask("XREADGROUP", *whose, "STREAMS", source.stream, ">", seconds=seconds)
        ((_, entries),) = answer.items() if answer else (("", ()),)
        return [_entry(name, sum(map(len, fields)), fields) for name, fields in entries]

    def acknowledge(self, ids: Sequence[str]) -> None:
        """Says that these messages are applied, so that nobody gets them again."""
        self._server.ask("XACK", self.source.stream, self.source.group, *ids)

    def bury(self, entry: str, field: str, reason: str) -> bool:
        """Moves a message to the dead letters, in one step; False when somebody else settled it before."""
        source = self.source
        what = (source.group, entry, field, reason, source.dead_letters, _BURIED_FIELDS, LARGEST_BYTES)
        return bool(self._server.run("ingest_bury", self._keys, what))

    def pending(self) -> int:
        """How many messages the group's consumers got and did not settle."""
        return int(self._server.ask("XPENDING", self.source.stream, self.source.group)[0])

    def leave(self) -> None:
        """Takes this consumer out of the group, unless messages are pending for it."""
        self._server.run("ingest_leave", self._keys[:1], (self.source.group, self.source.consumer))

    def close(self) -> None:
        """Closes the connection."""
        self._server.close()

    def _read(self, how: str, count: int, begin: str = "", idle_ms: int = 0) -> Batch:
        source = self.source
        what = (how, source.group, source.consumer, count, LARGEST_BYTES, begin, idle_ms, source.dead_letters)
        cursor, entries, gone = self._server.run("ingest_read", self._keys, what)
        return Batch(cursor.decode(), [_entry(*entry) for entry in entries], gone)


def _entry(name: bytes, size: int, fields: list[bytes]) -> Entry:
    return Entry(name.decode(), size, fields if size <= LARGEST_BYTES else [])
