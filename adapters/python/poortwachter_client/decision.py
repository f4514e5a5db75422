"""What a decision is to the application. Everything in it is read-only: answers from the cache are shared."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PDP_UNAVAILABLE = "PDP_UNAVAILABLE"
"""Code of the denial where no sidecar could be asked."""


@dataclass(frozen=True, slots=True)
class Message:
    """A text in the languages of the portal's users."""

    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request is denied: a stable code, the article that it rests on ("" for none), a text, details."""

    code: str
    article: str
    message: Message
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Obligation:
    """What the caller must do, e.g. `step_up`. `parameters`: everything else that it says."""

    type: str
    article: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """What the user should be told, e.g. `terms_changed`. `parameters`: everything else that it says."""

    type: str
    article: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer. It is true (as in `if decision:`) only when it allows.

    Attributes:
        allow: whether the request may go on.
        reasons: all that apply, sorted by code; empty exactly when allowed.
        obligations: what the caller must do.
        notices: what the user should be told.
        accountable: who is accountable for this use, e.g. `{"kvk": "87654321"}`; None when nobody is named.
        valid_until: the first moment at which the clock alone changes the answer, rounded down to
            a microsecond; None when it never does.
        policy_revision: which policy decided; "" when none did.
        state_token: which state of the records it decided on; "" when none.
        decision_id: 32 hex digits; of a cached answer those of the sidecar's, "" when no sidecar answered.
        cached: whether it came from this client's cache.
    """

    allow: bool
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    notices: tuple[Notice, ...] = ()
    accountable: Mapping[str, Any] | None = None
    valid_until: datetime | None = None
    policy_revision: str = ""
    state_token: str = ""
    decision_id: str = ""
    cached: bool = False

    def __bool__(self) -> bool:
        return self.allow

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each reason, in order."""
        return tuple(reason.code for reason in self.reasons)

    @property
    def unavailable(self) -> bool:
        """Whether it is a denial because no sidecar could be asked."""
        return PDP_UNAVAILABLE in self.codes

    def to_dict(self) -> dict[str, Any]:
        """The decision as the contract's JSON: snake_case names, times as RFC 3339."""
        return {
            "allow": self.allow,
            "reasons": [
                {
                    "code": reason.code,
                    "article": reason.article,
                    "message": {"nl": reason.message.nl, "en": reason.message.en},
                    "details": thawed(reason.details),
                }
                for reason in self.reasons
            ],
            "obligations": [_flat(item) for item in self.obligations],
            "notices": [_flat(item) for item in self.notices],
            "accountable": thawed(self.accountable),
            "valid_until": None if self.valid_until is None else self.valid_until.isoformat(),
            "policy_revision": self.policy_revision,
            "state_token": self.state_token,
            "decision_id": self.decision_id,
        }


def pdp_unavailable(cause: str) -> Decision:
    """The denial where no sidecar could be asked (fail closed). `cause`: a gRPC status, or another."""
    message = Message(
        nl="Uw toegang kan nu niet worden gecontroleerd. Probeer het later opnieuw.",
        en="Your access cannot be checked at the moment. Please try again later.",
    )
    return Decision(allow=False, reasons=(Reason(PDP_UNAVAILABLE, "", message, {"cause": cause}),))


def thawed(value: Any) -> Any:
    """A read-only value as plain JSON: dicts and lists."""
    if isinstance(value, Mapping):
        return {name: thawed(member) for name, member in value.items()}
    if isinstance(value, tuple):
        return [thawed(item) for item in value]
    return value


def _flat(item: Obligation | Notice) -> dict[str, Any]:
    return {"type": item.type, "article": item.article, **thawed(item.parameters)}
