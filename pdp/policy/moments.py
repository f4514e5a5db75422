"""Moments: RFC 3339 times and epoch milliseconds, and shifting every time in a document."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_RFC3339 = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_moment(text: str) -> int | None:
    """Epoch milliseconds of an RFC 3339 time; None when `text` is no such time."""
    if not _RFC3339.match(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:
        return None


def format_moment(at_ms: int) -> str:
    """RFC 3339 in UTC with a `Z`; a fraction only where there is one."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    text = moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")


def shifted(value: Any, by_ms: int) -> Any:
    """A copy of JSON data in which every text that is an RFC 3339 time is moved by `by_ms`."""
    if isinstance(value, dict):
        return {key: shifted(item, by_ms) for key, item in value.items()}
    if isinstance(value, list):
        return [shifted(item, by_ms) for item in value]
    if isinstance(value, str):
        moment = parse_moment(value)
        return value if moment is None else format_moment(moment + by_ms)
    return value
