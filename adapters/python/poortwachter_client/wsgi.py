"""For any WSGI application."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from poortwachter_client.client import Client
from poortwachter_client.decision import Decision
from poortwachter_client.errors import InvalidRequest
from poortwachter_client.refusal import Answer, Asking, Refusals, invalid
from poortwachter_client.requirement import (
    Public,
    Requirement,
    deciding,
    subject_of,
    trace_of,
    unknown_route,
)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
else:
    WSGIEnvironment = dict

ENVIRON = "poortwachter.decision"
"""Where the application finds the decision in its environ."""


def session_subject(environ: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The subject whose authentication context the login left in the session as `authentication`.

    The session is what Beaker and its like put in the environ: `beaker.session` or `session`.
    """
    session = environ.get("beaker.session", environ.get("session"))
    return subject_of(session.get("authentication")) if isinstance(session, Mapping) else None


class Door:
    """Lets through what is allowed. The application finds the decision with `current_decision`, and in
    `environ["poortwachter.decision"]`.

    Args:
        client: who is asked.
        subject: of a request's environ; None: nobody has logged in.
        refusals: how it says no.
    """

    def __init__(
        self,
        client: Client,
        *,
        subject: Callable[[WSGIEnvironment], Mapping[str, Any] | None] = session_subject,
        refusals: Refusals | None = None,
    ) -> None:
        self._client, self._subject = client, subject
        self._refusals = refusals or Refusals()

    def requires(
        self,
        *,
        service: str,
        action: str,
        purpose: str = "",
        resource_type: str = "webdienst",
        properties: Callable[[WSGIEnvironment], Mapping[str, Any]] | None = None,
    ) -> Callable[["WSGIApplication"], "WSGIApplication"]:
        """Decorates an application; the arguments are those of `Requirement`."""
        requirement = Requirement(service, action, purpose, resource_type, properties)
        return lambda app: self.middleware(app, lambda _: requirement)

    def middleware(
        self, app: "WSGIApplication", requirement: Callable[[WSGIEnvironment], Requirement | Public | None]
    ) -> "WSGIApplication":
        """Wraps an application.

        Args:
            app: what runs when it is allowed.
            requirement: what must be allowed for an environ; `PUBLIC`: nothing; None: no known route, denied.
        """

        def guarded(environ: WSGIEnvironment, start_response: "StartResponse") -> Iterable[bytes]:
            decided = self._decide(environ, requirement(environ))
            if isinstance(decided, Answer):
                start_response(f"{decided.status} {decided.phrase}", list(decided.headers))
                return [decided.body]
            environ[ENVIRON] = decided
            return _run(app, environ, start_response, decided)

        return guarded

    def _decide(
        self, environ: WSGIEnvironment, requirement: Requirement | Public | None
    ) -> Decision | Answer | None:
        if isinstance(requirement, Public):
            return None
        asking = _asking(environ)
        if requirement is None:
            return self._refusals.answer(unknown_route(), asking)
        question = requirement.question(environ, self._subject(environ))
        try:
            decision = self._client.check(question, metadata=trace_of(environ.get("HTTP_TRACEPARENT")))
        except InvalidRequest as error:
            return invalid(error, asking)
        return decision if decision.allow else self._refusals.answer(decision, asking)


def _run(
    app: "WSGIApplication",
    environ: WSGIEnvironment,
    start_response: "StartResponse",
    decision: Decision | None,
) -> Iterator[bytes]:
    """The application, with the decision until its last byte."""
    with deciding(decision):
        body = app(environ, start_response)
        try:
            yield from body
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()


def _asking(environ: WSGIEnvironment) -> Asking:
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    # PEP 3333: the bytes of the path, decoded as Latin-1.
    target = quote(path.encode("latin-1"))
    if query := environ.get("QUERY_STRING"):
        target += f"?{query}"
    return Asking(
        environ["REQUEST_METHOD"],
        target,
        environ.get("HTTP_ACCEPT", ""),
        environ.get("HTTP_ACCEPT_LANGUAGE", ""),
    )
