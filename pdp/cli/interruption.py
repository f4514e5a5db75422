"""What users read of an interruption when the operator gives no text of their own.

The same text is shown beforehand, as a notice, and while access is interrupted, with the reason. So it is
true before and after the beginning, and it says no cause: the incident's nature tells that.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS = (
    ("januari", "January"),
    ("februari", "February"),
    ("maart", "March"),
    ("april", "April"),
    ("mei", "May"),
    ("juni", "June"),
    ("juli", "July"),
    ("augustus", "August"),
    ("september", "September"),
    ("oktober", "October"),
    ("november", "November"),
    ("december", "December"),
)


def texts(what: tuple[str, str], begins: datetime | None, ends: datetime | None) -> dict[str, str]:
    """The text in both languages.

    Args:
        what: what is closed, in Dutch and English, as in "access to …".
        begins: when it was announced to begin; None: it has begun.
        ends: when it is expected to end.
    """
    dutch, english = f"De toegang tot {what[0]} is", f"Access to {what[1]} is"
    if begins is None:
        dutch, english = f"{dutch} tijdelijk onderbroken.", f"{english} interrupted for now."
    else:
        at = _moment(begins)
        dutch, english = f"{dutch} onderbroken vanaf {at[0]}.", f"{english} interrupted from {at[1]}."
    if ends is None:
        return {"nl": f"{dutch} Probeer het later opnieuw.", "en": f"{english} Try again later."}
    at = _moment(ends)
    return {
        "nl": f"{dutch} Wij verwachten dat dit duurt tot {at[0]}. Probeer het daarna opnieuw.",
        "en": f"{english} We expect this to last until {at[1]}. Try again after that.",
    }


def _moment(moment: datetime) -> tuple[str, str]:
    """A moment by the clock in the Netherlands, in Dutch and English."""
    try:
        local, zone = moment.astimezone(ZoneInfo("Europe/Amsterdam")), ("", " Dutch time")
    except ZoneInfoNotFoundError:  # a machine without a table of time zones
        local, zone = moment.astimezone(UTC), (" (UTC)", " (UTC)")
    dutch, english = _MONTHS[local.month - 1]
    clock = f"{local:%H:%M}"
    return (
        f"{local.day} {dutch} {local.year} om {clock} uur{zone[0]}",
        f"{local.day} {english} {local.year} at {clock}{zone[1]}",
    )
