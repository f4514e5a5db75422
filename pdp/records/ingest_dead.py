"""The dead letters of an ingest: messages that could not be applied, with the reason."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from pdp.errors import RecordsError
from pdp.records.ingest_server import StreamServer
from pdp.records.ingest_stream import dead_letters_of

_PAGE = 20
_OURS = "dead:"

_REFUSALS = {
    b"NONE": "there is no dead letter {}",
    b"INCOMPLETE": "dead letter {} was not kept whole; let the system of record send it anew",
    b"EMPTY": "dead letter {} has no fields, as its message was gone; let the system of record send it anew",
}


class DeadLetter(NamedTuple):
    """A message that could not be applied.

    Attributes:
        id: of the dead letter, "1700000000000-0"; its first part is when it came here, epoch milliseconds.
        message: id that the message had in its stream.
        group: the consumer group that could not apply it.
        field: path of the field at fault, "" the message itself.
        reason: what is wrong with it.
        fields: of the message, in order; bytes that are not UTF-8 are escaped.
    """

    id: str
    message: str
    group: str
    field: str
    reason: str
    fields: list[tuple[str, str]]

    @property
    def at(self) -> datetime:
        """When it became a dead letter, by the clock of Redis."""
        return datetime.fromtimestamp(int(self.id.partition("-")[0]) / 1000, UTC)


class DeadLetters:
    """The dead letters of one stream.

    Args:
        url: of its Redis, see `StreamServer`.
        stream: the stream itself.
    """

    def __init__(self, url: str, stream: str) -> None:
        self._stream, self._key = stream, dead_letters_of(stream)
        self._server = StreamServer(url, stream)

    def __iter__(self) -> Iterator[DeadLetter]:
        """All of them, the oldest first. Raises StreamError."""
        after = "-"
        while page := self._server.ask("XRANGE", self._key, after, "+", "COUNT", _PAGE):
            for name, fields in page:
                yield _letter(name, fields)
            after = f"({page[-1][0].decode()}"

    def replay(self, letter: str) -> str:
        """Sends a dead letter to its stream again, in one step; gives its new id. Raises RecordsError."""
        status, *new = self._server.run("ingest_replay", [self._key, self._stream], [letter])
        if not new:
            raise RecordsError(f"Nothing was replayed: {_REFUSALS[status].format(letter)}.")
        return str(new[0].decode())

    def close(self) -> None:
        """Closes the connection."""
        self._server.close()


def _letter(name: bytes, fields: list[bytes]) -> DeadLetter:
    texts = [text.decode(errors="backslashreplace") for text in fields]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    ours = {field.removeprefix(_OURS): value for field, value in pairs if field.startswith(_OURS)}
    return DeadLetter(
        name.decode(),
        ours.get("id", ""),
        ours.get("group", ""),
        ours.get("field", ""),
        ours.get("reason", ""),
        [pair for pair in pairs if not pair[0].startswith(_OURS)],
    )
