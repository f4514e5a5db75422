"""For any ASGI application: HTTP requests and the handshakes of WebSockets."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from poortwachter_client.aio import AsyncClient
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

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008


def session_subject(scope: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The subject whose authentication context the login left in the session as `authentication`."""
    session = scope.get("session")
    return subject_of(session.get("authentication")) if isinstance(session, Mapping) else None


class Door:
    """Lets through what is allowed. The application finds the decision in `scope["state"]["decision"]`
    (Starlette: `request.state.decision`) and with `current_decision`.

    A WebSocket is decided at its handshake, once; ask the client again for what happens later on it.

    Args:
        client: who is asked.
        subject: of a request's scope; None: nobody has logged in.
        refusals: how it says no.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        subject: Callable[[Scope], Mapping[str, Any] | None] = session_subject,
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
        properties: Callable[[Scope], Mapping[str, Any]] | None = None,
    ) -> Callable[[App], App]:
        """Decorates an application, or an endpoint that is one; the arguments are those of `Requirement`."""
        requirement = Requirement(service, action, purpose, resource_type, properties)
        return lambda app: self.middleware(app, lambda _: requirement)

    def middleware(self, app: App, requirement: Callable[[Scope], Requirement | Public | None]) -> App:
        """Wraps an application.

        Args:
            app: what runs when it is allowed.
            requirement: what must be allowed for a scope; `PUBLIC`: nothing; None: no known route, denied.
        """

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            if scope["type"] not in ("http", "websocket"):
                raise RuntimeError(f"cannot decide on a scope of type {scope['type']!r}")
            decided = await self.decide(scope, requirement(scope))
            if isinstance(decided, Answer):
                await _refuse(decided, scope, receive, send)
                return
            state = {**scope.get("state", {}), "decision": decided}
            with deciding(decided):
                await app({**scope, "state": state}, receive, send)

        return guarded

    async def decide(
        self, scope: Scope, requirement: Requirement | Public | None
    ) -> Decision | Answer | None:
        """The decision that lets a request through (None: it needs none), or the answer that does not."""
        if isinstance(requirement, Public):
            return None
        asking = _asking(scope)
        if requirement is None:
            return self._refusals.answer(unknown_route(), asking)
        question = requirement.question(scope, self._subject(scope))
        try:
            decision = await self._client.check(question, metadata=trace_of(_header(scope, b"traceparent")))
        except InvalidRequest as error:
            return invalid(error, asking)
        return decision if decision.allow else self._refusals.answer(decision, asking)


def _asking(scope: Scope) -> Asking:
    target = scope.get("root_path", "") + scope["path"]
    if scope.get("raw_path"):
        target = scope["raw_path"].decode("latin-1")
    if query := scope.get("query_string", b""):
        target += "?" + query.decode("latin-1")
    return Asking(
        scope.get("method", "GET"),
        target,
        _header(scope, b"accept") or "",
        _header(scope, b"accept-language") or "",
    )


def _header(scope: Scope, name: bytes) -> str | None:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return ",".join(values) if values else None


async def _refuse(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # its websocket.connect
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        kind = "websocket.http.response"
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": answer.body})
