"""What users read of an interruption: true before it begins and while it lasts, without a cause."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfoNotFoundError

import pytest

from pdp.cli import interruption

PORTAL = ("het portaal", "the portal")
SERVICE = ("deze dienst", "this service")
EVENING = datetime(2026, 3, 7, 20, tzinfo=UTC)
SUMMER = datetime(2026, 8, 1, 4, 30, tzinfo=UTC)


def sentences(texts: dict[str, str]) -> tuple[list[str], list[str]]:
    return texts["nl"].removesuffix(".").split(". "), texts["en"].removesuffix(".").split(". ")


def test_at_once() -> None:
    assert interruption.texts(PORTAL, None, None) == {
        "nl": "De toegang tot het portaal is tijdelijk onderbroken. Probeer het later opnieuw.",
        "en": "Access to the portal is interrupted for now. Try again later.",
    }


def test_announced_with_an_expected_end() -> None:
    dutch, english = sentences(interruption.texts(SERVICE, EVENING, SUMMER))
    assert dutch == [
        "De toegang tot deze dienst is onderbroken vanaf 7 maart 2026 om 21:00 uur",
        "Wij verwachten dat dit duurt tot 1 augustus 2026 om 06:30 uur",
        "Probeer het daarna opnieuw",
    ]
    assert english == [
        "Access to this service is interrupted from 7 March 2026 at 21:00 Dutch time",
        "We expect this to last until 1 August 2026 at 06:30 Dutch time",
        "Try again after that",
    ]


def test_each_moment_is_told_only_if_it_is_known() -> None:
    assert len(sentences(interruption.texts(PORTAL, EVENING, None))[0]) == 2
    at_once, until, again = sentences(interruption.texts(PORTAL, None, EVENING))[0]
    assert at_once == "De toegang tot het portaal is tijdelijk onderbroken"
    assert until == "Wij verwachten dat dit duurt tot 7 maart 2026 om 21:00 uur"
    assert again == "Probeer het daarna opnieuw"


def test_without_a_table_of_time_zones_it_says_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(interruption, "ZoneInfo", none)
    texts = interruption.texts(PORTAL, EVENING, None)
    assert "vanaf 7 maart 2026 om 20:00 uur (UTC)." in texts["nl"]
    assert "from 7 March 2026 at 20:00 (UTC)." in texts["en"]
