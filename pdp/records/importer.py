"""Imports JSON Lines: checked line by line into a temporary file, then written in one step (a shard).

Checking first keeps the store's write lock free while a large file or a slow caller is read, and needs memory
for a few thousand lines only.
"""

import io
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import TracebackType
from typing import BinaryIO, Self

from pdp._core import LineError, Policy
from pdp.errors import RecordsError
from pdp.records.documents import RefusedError
from pdp.records.store import Change, RecordStore, StoreError, Written

MAX_LINE_BYTES = 1_048_576
# Some thousand lines of usual length.
_BATCH_BYTES = 1_048_576
# Records between two reports of progress.
_TELL_EVERY = 5_000
# Lengths of kind, key and document; the document's is _DELETED when there is none.
_FRAME = struct.Struct(">III")
_DELETED = 0xFFFF_FFFF

Progress = Callable[[str, int, int | None], None]
"""Told what is being done ("Checking", "Writing"), how much of it is done, and how much it is if known."""


def no_progress(_step: str, _done: int, _total: int | None) -> None:
    """Tells nobody."""


class CheckedLines:
    """The changes of one import, collected by `feed` and `finish`, given back by `changes`.

    A record that stands more than once counts as its last line says.

    Args:
        policy: whose schemas the records must meet.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._pending = bytearray()
        self._next_line = 1
        self._file = tempfile.TemporaryFile(  # noqa: SIM115 - closed by `close`
            prefix="pdp-import-", buffering=_BATCH_BYTES
        )
        self.records = 0
        """Records checked so far."""

    def feed(self, data: bytes) -> None:
        """Takes in the next piece of the file, of any size. Raises RefusedError with the first bad line."""
        self._pending += data
        if len(self._pending) < _BATCH_BYTES:
            return
        end = self._pending.rfind(b"\n") + 1
        if end:
            whole = bytes(self._pending[:end])
            del self._pending[:end]
            self._check(whole)
        self._refuse_long(self._pending)

    def finish(self) -> None:
        """Takes in the last line, which may lack its newline. Raises RefusedError."""
        self._check(bytes(self._pending))
        self._pending.clear()
        with _room():
            self._file.flush()

    def changes(self, progress: Progress = no_progress) -> Iterator[Change]:
        """All changes in the order of their lines; the progress is counted in records."""
        self._file.seek(0)
        done = 0
        while frame := self._file.read(_FRAME.size):
            kind, key, value = _FRAME.unpack(frame)
            yield Change(
                self._file.read(kind).decode(),
                self._file.read(key).decode(),
                None if value == _DELETED else self._file.read(value),
            )
            done += 1
            if done % _TELL_EVERY == 0:
                progress("Writing", done, self.records)
        progress("Writing", done, self.records)

    def write_to(self, store: RecordStore, progress: Progress = no_progress) -> list[Written]:
        """Writes all changes: in one step, or on a store with several shards in one step for each.

        Raises StoreError; it says so when some shards were written by then.
        """
        shards = store.parameters().shards
        if shards == 1:
            return [store.write(self.changes(progress))]
        written: list[Written] = []
        done = count()

        def of_shard(shard: int) -> Iterator[Change]:
            for change in self.changes():
                if store.shard_of(change.kind, change.key) == shard:
                    yield change
                    if (number := next(done) + 1) % _TELL_EVERY == 0:
                        progress("Writing", number, self.records)

        for shard in range(shards):
            try:
                # A write of nothing is one of the first shard's head.
                each = store.write(of_shard(shard))
                written += [each] if each not in written else []
            except StoreError as error:
                if not written:
                    raise
                raise StoreError(
                    f"{error} {len(written)} of {shards} shards are written already; repeat the import."
                ) from error
        progress("Writing", self.records, self.records)
        return written

    def __enter__(self) -> Self:
        """The temporary file lives as long as this context."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes the temporary file."""
        self._file.close()

    def _refuse_long(self, lines: bytes | bytearray) -> None:
        for number, line in enumerate(lines.split(b"\n"), self._next_line):
            if len(line) > MAX_LINE_BYTES:
                raise RefusedError(f"line {number}", "", f"longer than {MAX_LINE_BYTES:,} bytes")

    def _check(self, lines: bytes) -> None:
        self._refuse_long(lines)
        try:
            rows = self._policy.canonical_lines(lines, self._next_line)
        except LineError as error:
            raise RefusedError(f"line {error.line}", error.field, error.message) from error
        self._next_line += lines.count(b"\n")
        self.records += len(rows)
        pieces: list[bytes] = []
        for kind, key, value in rows:
            kind_bytes, key_bytes = kind.encode(), key.encode()
            length = _DELETED if value is None else len(value)
            pieces += (
                _FRAME.pack(len(kind_bytes), len(key_bytes), length),
                kind_bytes,
                key_bytes,
                value or b"",
            )
        with _room():
            self._file.write(b"".join(pieces))


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordsError(f"The import cannot be kept in a temporary file: {error.strerror}.") from error


def read_pieces(source: BinaryIO, progress: Progress, step: str, piece_bytes: int) -> Iterator[bytes]:
    """A file in pieces, with its progress in bytes (and its size, where it has one).

    Raises RecordsError when it cannot be read.
    """
    done, total = 0, _size(source)
    try:
        while piece := source.read(piece_bytes):
            yield piece
            done += len(piece)
            progress(step, done, total)
    except OSError as error:
        name = getattr(source, "name", "the input")
        raise RecordsError(f"Cannot read {name}: {error.strerror}.") from error


def _size(source: BinaryIO) -> int | None:
    try:
        here = source.tell()
        size = source.seek(0, io.SEEK_END)
        source.seek(here)
    except (OSError, ValueError):
        return None
    return size
