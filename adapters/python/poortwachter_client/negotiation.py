"""What a browser or program prefers (RFC 9110, 12.5): a language of ours, a page or a document."""

from typing import Literal

Language = Literal["nl", "en"]

_PROBLEM = ("application/problem+json", "application/json")
_PAGE = ("text/html", "application/xhtml+xml")


def language(accept_language: str) -> Language:
    """Dutch, unless English is preferred."""
    weights = _weights(accept_language)
    plain: dict[str, float] = {}
    for tag, weight in weights.items():
        primary = tag.partition("-")[0]
        plain[primary] = max(weight, plain.get(primary, 0.0))
    rest = plain.get("*", 0.0)
    return "en" if plain.get("en", rest) > plain.get("nl", rest) else "nl"


def wants_page(accept: str) -> bool:
    """Whether a page is preferred; who names neither gets a document."""
    weights = _weights(accept)
    page = max(weights.get(kind, 0.0) for kind in _PAGE)
    return page > 0 and page >= max(weights.get(kind, 0.0) for kind in _PROBLEM)


def _weights(header: str) -> dict[str, float]:
    """Each choice in lower case → its weight; what cannot be read weighs nothing."""
    weights: dict[str, float] = {}
    for part in header[:1000].split(","):
        choice, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = min(max(float(parameter[2:]), 0.0), 1.0)
                except ValueError:
                    weight = 0.0
        if choice:
            weights[choice] = weight
    return weights
