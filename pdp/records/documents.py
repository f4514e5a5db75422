"""Between documents as users write them (times in RFC 3339) and as the store holds them (canonical)."""

import json

from pdp._core import Policy, RecordError
from pdp.errors import RecordsError


class RefusedError(RecordsError):
    """A record or a line that is refused; nothing was changed.

    Args:
        place: where it stands, "employer/12345678" or "line 7".
        field: path in the document, "" the document itself.
        message: what is wrong with it.
    """

    def __init__(self, place: str, field: str, message: str) -> None:
        self.place, self.field, self.message = place, field, message
        super().__init__(": ".join(part for part in (place, field, message) if part))


def canonical(policy: Policy, kind: str, key: str, value: bytes) -> bytes:
    """The canonical form of a JSON document that its kind's schema admits. Raises RefusedError."""
    try:
        return policy.canonical(kind, key, value)
    except RecordError as error:
        raise RefusedError(f"{kind}/{key}", error.field, error.message) from error


def readable(policy: Policy, kind: str, key: str, value: bytes) -> bytes:
    """A stored document as a user writes it, JSON. Raises RefusedError for a kind that the bundle lacks."""
    try:
        return policy.readable(kind, value)
    except RecordError as error:
        raise RefusedError(f"{kind}/{key}", error.field, error.message) from error


def json_line(kind: str, key: str, value: bytes) -> bytes:
    """One line of an export, newline included; `value` is the readable document."""
    head = json.dumps({"kind": kind, "key": key}, ensure_ascii=False, separators=(",", ":"))
    return b"".join((head[:-1].encode(), b',"value":', value, b"}\n"))
