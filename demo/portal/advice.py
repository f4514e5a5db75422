"""What the sidecar's decision tells the portal, in the headers that the gateway adds (RFC 9651)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import http_sf

_MONTHS = (
    "januari februari maart april mei juni juli augustus september oktober november december".split()  # noqa: SIM905
)
_HERE = ZoneInfo("Europe/Amsterdam")


class UntoldError(Exception):
    """The request did not come by the gateway, or the decision cannot be read or kept: no page is shown."""


@dataclass(frozen=True, slots=True)
class Task:
    """An obligation or a notice in Dutch, with the page (path) that it is about and the words of the link."""

    text: str
    path: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of a request that is allowed.

    Attributes:
        id: of the decision.
        accountable: KvK of the employer that is accountable.
        obligations: what must be done.
        notices: what is to be told.
    """

    id: str
    accountable: str
    obligations: tuple[Task, ...]
    notices: tuple[Task, ...]


def decision_of(headers: Mapping[str, str]) -> Decision:
    """The decision in a request's headers.

    Raises:
        UntoldError: there is none, or it has an obligation that this portal does not know: who cannot do
            what an allow asks must not use the allow.
    """
    try:
        accountable = json.loads(headers["x-pdp-accountable"])["kvk"]
        obligations = _list(headers.get("x-pdp-obligations"))
        notices = _list(headers.get("x-pdp-notices"))
        return Decision(
            headers["x-pdp-decision-id"],
            accountable,
            tuple(_OBLIGATIONS[kind](told) for kind, told in obligations),
            tuple(_NOTICES.get(kind, _unknown_notice)(told) for kind, told in notices),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UntoldError from error


def moment(text: str) -> str:
    """A moment (RFC 3339) by the clock in the Netherlands, in Dutch."""
    local = datetime.fromisoformat(text).astimezone(_HERE)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year} om {local:%H:%M} uur"


def day(text: str) -> str:
    """A day (RFC 3339, or a date alone), in Dutch."""
    local = datetime.fromisoformat(text)
    local = local.astimezone(_HERE) if local.tzinfo else local
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


Told = Mapping[str, Any]


def _list(header: str | None) -> list[tuple[str, Told]]:
    if header is None:
        return []
    # A list has items with parameters, and lists of items, of which our headers have none.
    found: Any = http_sf.parse(header.encode("ascii"), tltype="list")
    return [(str(item), parameters) for item, parameters in found]


def _accept(told: Told) -> Task:
    return Task(
        f"Accepteer de gebruiksvoorwaarden, versie {told['version']}.", "/voorwaarden", "Lees en accepteer"
    )


_OBLIGATIONS: dict[str, Callable[[Told], Task]] = {
    "accept_terms": _accept,
    "supply_notification_email": lambda _: Task(
        "Geef een e-mailadres op, zodat wij u berichten kunnen sturen.", "/profiel", "E-mailadres opgeven"
    ),
    "acknowledge_instruction": lambda told: Task(
        f"Lees de nieuwe instructie {told['id']} en bevestig dat u die hebt gelezen.",
        "/profiel",
        "Naar de instructie",
    ),
    "review_accounts": lambda _: Task(
        "Controleer welke collega's een account hebben.", "/accounts", "Accounts controleren"
    ),
}


def _terms_changed(told: Told) -> Task:
    begins = day(told["effective_at"])
    text = f"De gebruiksvoorwaarden veranderen. Versie {told['version']} geldt vanaf {begins}."
    return Task(text, "/voorwaarden", "Lees de nieuwe voorwaarden")


def _interruption(told: Told) -> Task:
    if "message" in told:
        return Task(f"{json.loads(told['message'])['nl']} (Gepland vanaf {moment(told['from'])}.)")
    return Task(f"Het portaal is gesloten vanaf {moment(told['from'])}.")


def _unknown_notice(_: Told) -> Task:
    return Task("Er is een mededeling die dit portaal niet kan laten zien.")


_NOTICES: dict[str, Callable[[Told], Task]] = {
    "terms_changed": _terms_changed,
    "interruption_announced": _interruption,
    "consult_portal": lambda _: Task(
        "U hebt het portaal lang niet bezocht. Kijk regelmatig of er iets voor u is."
    ),
}
