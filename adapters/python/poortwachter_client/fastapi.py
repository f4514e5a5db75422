"""For FastAPI: a dependency for each route, of HTTP and of WebSockets."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.responses import Response

from poortwachter_client import asgi
from poortwachter_client.aio import AsyncClient
from poortwachter_client.decision import Decision
from poortwachter_client.refusal import Answer, Refusals
from poortwachter_client.requirement import Requirement, set_current

_POLICY_VIOLATION = 1008


class Refused(Exception):
    """The request is denied. `Door.install` has the application answer it; otherwise it is an error 500."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.phrase}")
        self.answer = answer


class Door:
    """Makes dependencies that let through what is allowed, and give the decision.

    Args:
        app: gets the answers to what is denied.
        client: who is asked.
        subject: of a request's scope; None: nobody has logged in.
        refusals: how it says no.
    """

    def __init__(
        self,
        app: FastAPI,
        client: AsyncClient,
        *,
        subject: Callable[[asgi.Scope], Mapping[str, Any] | None] = asgi.session_subject,
        refusals: Refusals | None = None,
    ) -> None:
        self._door = asgi.Door(client, subject=subject, refusals=refusals)
        app.add_exception_handler(Refused, _respond)

    def requires(
        self,
        *,
        service: str,
        action: str,
        purpose: str = "",
        resource_type: str = "webdienst",
        properties: Callable[[asgi.Scope], Mapping[str, Any]] | None = None,
    ) -> Callable[[HTTPConnection], Awaitable[Decision]]:
        """A dependency, as in `Depends(door.requires(...))`; the arguments are those of `Requirement`."""
        requirement = Requirement(service, action, purpose, resource_type, properties)

        async def decide(connection: HTTPConnection) -> Decision:
            decided = await self._door.decide(connection.scope, requirement)
            if not isinstance(decided, Decision):
                assert isinstance(decided, Answer)  # noqa: S101
                raise Refused(decided)
            connection.state.decision = decided
            set_current(decided)
            return decided

        return decide


async def _respond(connection: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101
    answer = error.answer
    response = Response(answer.body, answer.status, dict(answer.headers))
    if isinstance(connection, WebSocket):
        if "websocket.http.response" in connection.scope.get("extensions", {}):
            await connection.send_denial_response(response)
        else:
            await connection.close(_POLICY_VIOLATION)
    return response
