"""What an application declares of its views, and where it finds the decision."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from poortwachter_client.decision import Decision, Message, Reason

View = TypeVar("View", bound=Callable[..., Any])

ANONYMOUS: Mapping[str, Any] = {"type": "user", "id": "anonymous"}
"""The subject of a request of which nobody is known to have logged in: what it lacks, the policy says."""

_MARK = "poortwachter_requirement"
# W3C Trace Context; anything else of that name is not passed on.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_current: ContextVar[Decision | None] = ContextVar("poortwachter_decision", default=None)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must be allowed before a view runs.

    Attributes:
        service: id of the resource, e.g. the webdienst.
        action: its name.
        purpose: URI of the processing activity; "" for none.
        resource_type: of the resource.
        properties: properties of the resource that a request names, e.g. its `fiscal_number`; gets what the
            framework calls a request (ASGI: the scope, WSGI: the environ, gRPC: the request message).
    """

    service: str
    action: str
    purpose: str = ""
    resource_type: str = "webdienst"
    properties: Callable[[Any], Mapping[str, Any]] | None = None

    def question(self, request: Any, subject: Mapping[str, Any] | None) -> dict[str, Any]:
        """The request to the PDP, in AuthZEN's shape. Without a subject it is `ANONYMOUS`."""
        action: dict[str, Any] = {"name": self.action}
        if self.purpose:
            action["properties"] = {"processing_activity_id": self.purpose}
        resource: dict[str, Any] = {"type": self.resource_type, "id": self.service}
        if self.properties is not None:
            resource["properties"] = self.properties(request)
        return {"subject": ANONYMOUS if subject is None else subject, "action": action, "resource": resource}


class Public:
    """Stands for: no decision is needed."""


PUBLIC = Public()


def requires(
    *,
    service: str,
    action: str,
    purpose: str = "",
    resource_type: str = "webdienst",
    properties: Callable[[Any], Mapping[str, Any]] | None = None,
) -> Callable[[View], View]:
    """Declares what must be allowed before a view runs; the arguments are those of `Requirement`.

    It only marks: Django's middleware or gRPC's interceptor asks. In ASGI, WSGI and FastAPI the door itself
    has `requires`.
    """
    requirement = Requirement(service, action, purpose, resource_type, properties)

    def mark(view: View) -> View:
        setattr(view, _MARK, requirement)
        return view

    return mark


def public(view: View) -> View:
    """Declares that a view needs no decision."""
    setattr(view, _MARK, PUBLIC)
    return view


def declared(view: object) -> Requirement | Public | None:
    """What was declared of a view; None: nothing was."""
    found = getattr(view, _MARK, None)
    return found if isinstance(found, Requirement | Public) else None


def current_decision() -> Decision | None:
    """The decision under which the present request runs; None: none was needed."""
    return _current.get()


@contextmanager
def deciding(decision: Decision | None) -> Iterator[None]:
    """For the doors: while this is open, `current_decision` gives this one."""
    token = _current.set(decision)
    try:
        yield
    finally:
        _current.reset(token)


def set_current(decision: Decision | None) -> None:
    """For the doors that share their context with one request only, or open `deciding` around them."""
    _current.set(decision)


def unknown_route() -> Decision:
    """The denial where an application declared nothing of what is asked for."""
    message = Message(
        "Voor deze pagina is geen toegang geregeld.", "No access has been arranged for this page."
    )
    return Decision(allow=False, reasons=(Reason("ROUTE_UNKNOWN", "", message, {}),))


def subject_of(authentication: object) -> Mapping[str, Any] | None:
    """The subject of an authentication context, as a login leaves it in the session; None: nobody logged in.

    Args:
        authentication: `{"source", "levelOfAssurance", "authorizee": {"actingSubject": {…}, …}, …}`.
    """
    if not isinstance(authentication, Mapping):
        return None
    acting: object = authentication
    for name in ("authorizee", "actingSubject", "identifier"):
        acting = acting.get(name) if isinstance(acting, Mapping) else None
    if not isinstance(acting, str) or not acting:
        acting = ANONYMOUS["id"]  # the policy denies what contradicts itself
    return {"type": "user", "id": acting, "properties": {"authentication": authentication}}


def trace_of(traceparent: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata that takes a trace along; nothing where the header is none."""
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return ()
    return (("traceparent", traceparent),)
