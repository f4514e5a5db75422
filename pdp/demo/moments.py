"""Moments as epoch seconds, and how records write them."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

HOUR = 3_600
DAY = 86_400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Ready pieces: most of the time of making a portal goes into writing times.
_MINUTES = [f"T{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]
_SECONDS = [f"{second:02d}Z" for second in range(60)]


def stamp(seconds: int) -> str:
    """RFC 3339 in UTC of epoch seconds."""
    rest = seconds % DAY
    return _day(seconds // DAY) + _MINUTES[rest // 60] + _SECONDS[rest % 60]


@lru_cache(maxsize=16_384)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).strftime("%Y-%m-%d")


def today() -> int:
    """The beginning of this day (UTC) in epoch seconds, for which a portal is made unless told otherwise."""
    return int(datetime.now(UTC).timestamp()) // DAY * DAY


def seconds_of(text: str) -> int:
    """Epoch seconds of an RFC 3339 time. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset such as Z")
    return int(moment.timestamp())
