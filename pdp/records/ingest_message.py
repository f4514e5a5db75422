"""The messages of a system of record: their form, and what makes one bad.

A message is an entry of a Redis stream with the fields `kind`, `key`, `value` (JSON as users write it; absent
or empty deletes the record), `version` (the source version of this state of the record) and optionally `id`
(the sender's own, for people). See `docs/ingest.md`.
"""

from typing import NamedTuple

from pdp.records.documents import RefusedError

LARGEST_BYTES = 1_048_576
"""How large a message may be, names and values of its fields together: as large as a line of an import."""

# As the stores keep it.
LARGEST_VERSION = 2**63 - 1

_FIELDS = ("kind", "key", "value", "version", "id")
_MOST_FIELDS = 16
_LONGEST_ID = 200
_SHOWN = 60


class Entry(NamedTuple):
    """An entry of a stream as it was read.

    Attributes:
        id: its id in the stream, "1700000000000-0".
        size: bytes of the names and values of its fields; -1: it is no longer in the stream.
        fields: names and values in turn; empty when it is too large to be read, or no longer there.
    """

    id: str
    size: int
    fields: list[bytes]


class Message(NamedTuple):
    """A message whose form is right; whether the bundle admits it is not known yet.

    `entry` is its id in the stream; `value` is a JSON document as users write it, None deletes the record.
    """

    entry: str
    kind: str
    key: str
    value: bytes | None
    version: int
    size: int


def parse(entry: Entry) -> Message:
    """The message that an entry holds.

    Raises:
        RefusedError: it is none; `field` is the name of the field at fault.
    """
    if entry.size < 0:
        raise RefusedError(entry.id, "", "was removed from the stream before it was applied")
    if entry.size > LARGEST_BYTES:
        raise RefusedError(entry.id, "", f"has {entry.size:,} bytes, more than {LARGEST_BYTES:,}")
    fields = _fields(entry)
    for required in ("kind", "key", "version"):
        if required not in fields or not fields[required]:
            raise RefusedError(entry.id, required, "is required")
    if len(fields.get("id", "")) > _LONGEST_ID:
        raise RefusedError(entry.id, "id", f"is longer than {_LONGEST_ID} characters")
    value = fields.get("value", "")
    if value and not value.strip():
        raise RefusedError(entry.id, "value", "is blank; a message without it deletes the record")
    version = _version(entry.id, fields["version"])
    return Message(entry.id, fields["kind"], fields["key"], value.encode() or None, version, entry.size)


def _fields(entry: Entry) -> dict[str, str]:
    """Every field by its name. An unknown one is refused: `vaule` for `value` would delete the record."""
    if len(entry.fields) > 2 * _MOST_FIELDS:
        raise RefusedError(entry.id, "", f"has {len(entry.fields) // 2} fields; those known are {_known()}")
    fields: dict[str, str] = {}
    for name_bytes, value in zip(entry.fields[::2], entry.fields[1::2], strict=True):
        name = name_bytes.decode(errors="backslashreplace")
        if name not in _FIELDS:
            raise RefusedError(entry.id, name[:_SHOWN], f"is not a known field here; those are {_known()}")
        if name in fields:
            raise RefusedError(entry.id, name, "is given twice")
        try:
            fields[name] = value.decode()
        except UnicodeDecodeError as error:
            raise RefusedError(entry.id, name, f"is not UTF-8 (byte {error.start})") from error
    return fields


def _known() -> str:
    return ", ".join(_FIELDS)


def _version(entry: str, text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_VERSION)):
        version = int(text)
        if version <= LARGEST_VERSION:
            return version
    raise RefusedError(
        entry, "version", f"must be a whole number from 0 to {LARGEST_VERSION}, not {text[:_SHOWN]!r}"
    )
