"""What a denial says in the user's language besides its reasons."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from poortwachter_client.decision import Decision, Message, Obligation, Reason
from poortwachter_client.negotiation import Language

_TEXTS: Final = {
    "title": Message("Geen toegang", "No access"),
    "unavailable": Message("Toegang kan nu niet worden gecontroleerd", "Access cannot be checked now"),
    "to_do": Message("Wat u kunt doen", "What you can do"),
    "log_in": Message("Inloggen met eHerkenning", "Log in with eHerkenning"),
    "reference": Message("Kenmerk", "Reference"),
    "article": Message(
        "artikel {article} van de gebruiksvoorwaarden", "article {article} of the terms of use"
    ),
}

_OBLIGATIONS: Final = {
    "step_up": Message(
        "Log opnieuw in met een hoger betrouwbaarheidsniveau.",
        "Log in again with a higher level of assurance.",
    ),
    "accept_terms": Message("Accepteer de gebruiksvoorwaarden.", "Accept the terms of use."),
    "activate": Message("Activeer het fiscaal nummer.", "Activate the fiscal number."),
    "acknowledge_instruction": Message(
        "Bevestig dat u de instructie hebt gelezen.", "Confirm that you have read the instruction."
    ),
    "supply_notification_email": Message(
        "Geef een e-mailadres op voor meldingen.", "Supply an e-mail address for notifications."
    ),
    "review_accounts": Message(
        "Controleer de accounts van uw organisatie.", "Review your organisation's accounts."
    ),
}


def in_language(message: Message, language: Language) -> str:
    """The text in a language, in the other one where it has none."""
    return (message.en or message.nl) if language == "en" else (message.nl or message.en)


def text(name: str, language: Language) -> str:
    """One of the fixed texts."""
    return in_language(_TEXTS[name], language)


def article(reason: Reason, language: Language) -> str:
    """The article that a reason rests on, in words; "" for none."""
    return text("article", language).format(article=reason.article) if reason.article else ""


def to_do(obligation: Obligation, language: Language) -> str:
    """What an obligation asks of the user; "" for one that has no words here."""
    message = _OBLIGATIONS.get(obligation.type)
    return "" if message is None else in_language(message, language)


def link(parameters: Mapping[str, Any]) -> str:
    """The URL that parameters name, if a page may link to it; otherwise ""."""
    url = parameters.get("url")
    try:
        safe = isinstance(url, str) and urlsplit(url).scheme in ("http", "https")
    except ValueError:
        safe = False
    return str(url) if safe else ""


def sentences(decision: Decision, language: Language) -> str:
    """All reasons in one text."""
    return " ".join(in_language(reason.message, language) or reason.code for reason in decision.reasons)
