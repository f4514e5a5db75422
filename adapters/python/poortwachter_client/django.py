"""For Django, under WSGI or ASGI.

    MIDDLEWARE = [..., "poortwachter_client.django.Middleware"]
    POORTWACHTER = {"addresses": ["127.0.0.1:7081"]}

A view says what it requires (`requires`), or that it is `public`; a view that says neither is denied.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from poortwachter_client.aio import AsyncClient
from poortwachter_client.client import Client
from poortwachter_client.decision import Decision
from poortwachter_client.errors import InvalidRequest
from poortwachter_client.refusal import Answer, Asking, Refusals, invalid
from poortwachter_client.requirement import (
    Public,
    Requirement,
    deciding,
    declared,
    public,
    requires,
    set_current,
    subject_of,
    trace_of,
    unknown_route,
)

__all__ = ["Middleware", "public", "requires", "session_subject"]


def session_subject(request: HttpRequest) -> Mapping[str, Any] | None:
    """The subject whose authentication context the login left in the session as `authentication`."""
    session = getattr(request, "session", None)
    return None if session is None else subject_of(session.get("authentication"))


class Middleware:
    """Lets through what is allowed; a view finds the decision in `request.decision` and `current_decision`.

    It reads `settings.POORTWACHTER`: `addresses` and the client's other settings, `subject` (a callable:
    request → subject, None: nobody has logged in) and `refusals` (a `Refusals`).
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        own = dict(getattr(settings, "POORTWACHTER", {}))
        if not own.get("addresses"):
            raise ImproperlyConfigured(
                'POORTWACHTER must name the sidecars: {"addresses": ["127.0.0.1:7081"]}'
            )
        self._subject: Callable[[HttpRequest], Mapping[str, Any] | None] = own.pop("subject", session_subject)
        self._refusals: Refusals = own.pop("refusals", None) or Refusals()
        addresses = own.pop("addresses")
        self._get_response = get_response
        self.process_view: Callable[..., Any]
        self._is_async: bool = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
            self._async_client = AsyncClient(addresses, **own)
            self.process_view = self._view_async
        else:
            self._client = Client(addresses, **own)
            self.process_view = self._view

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """The response to a request."""
        if self._is_async:
            return self._call_async(request)
        with deciding(None):
            response: HttpResponseBase = self._get_response(request)
            return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        with deciding(None):
            response: HttpResponseBase = await self._get_response(request)
            return response

    def _view(self, request: HttpRequest, view: Callable[..., Any], *_: object) -> HttpResponse | None:
        requirement = declared(view)
        if not isinstance(requirement, Requirement):
            return self._undecided(request, requirement)
        try:
            return self._decided(
                request, self._client.check(self._question(request, requirement), metadata=_trace(request))
            )
        except InvalidRequest as error:
            return _response(invalid(error, _asking(request)))

    async def _view_async(
        self, request: HttpRequest, view: Callable[..., Any], *_: object
    ) -> HttpResponse | None:
        requirement = declared(view)
        if not isinstance(requirement, Requirement):
            return self._undecided(request, requirement)
        # Sessions are read from their store when they are first used, which may take a thread.
        question = await sync_to_async(self._question)(request, requirement)
        try:
            decision = await self._async_client.check(question, metadata=_trace(request))
        except InvalidRequest as error:
            return _response(invalid(error, _asking(request)))
        return self._decided(request, decision)

    def _question(self, request: HttpRequest, requirement: Requirement) -> dict[str, Any]:
        return requirement.question(request, self._subject(request))

    def _undecided(self, request: HttpRequest, requirement: Public | None) -> HttpResponse | None:
        if requirement is not None:
            return None
        return _response(self._refusals.answer(unknown_route(), _asking(request)))

    def _decided(self, request: HttpRequest, decision: Decision) -> HttpResponse | None:
        if not decision.allow:
            return _response(self._refusals.answer(decision, _asking(request)))
        request.decision = decision
        set_current(decision)
        return None


def _asking(request: HttpRequest) -> Asking:
    return Asking(
        request.method or "GET",
        request.get_full_path(),
        request.headers.get("Accept", ""),
        request.headers.get("Accept-Language", ""),
    )


def _trace(request: HttpRequest) -> tuple[tuple[str, str], ...]:
    return trace_of(request.headers.get("traceparent"))


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
