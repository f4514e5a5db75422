"""The small portal's views and URLs in Django."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator, sync_and_async_middleware
from django.views import View

from poortwachter_client.django import public, requires
from poortwachter_client.requirement import current_decision
from tests.adapters.python.portal_apps import NOWHERE, READ, SUBMIT, fiscal_number, told


@sync_and_async_middleware  # type: ignore[untyped-decorator, unused-ignore]
def stand_in_for_sessions(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The authentication context comes in a header."""

    def log_in(request: HttpRequest) -> None:
        login = request.headers.get("X-Login")
        request.session = {"authentication": json.loads(login)} if login else {}

    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> Any:
            log_in(request)
            return await get_response(request)

        return asynchronous

    def synchronous(request: HttpRequest) -> Any:
        log_in(request)
        return get_response(request)

    return synchronous


@requires(**READ)
async def read(request: HttpRequest) -> JsonResponse:
    return JsonResponse(told(request.decision))


@method_decorator(requires(**SUBMIT), name="dispatch")
class Submit(View):  # type: ignore[misc]
    def post(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse(told(request.decision))


@requires(**NOWHERE)
def nowhere(request: HttpRequest) -> JsonResponse:
    return JsonResponse(told(request.decision))


def _properties(request: HttpRequest) -> Mapping[str, Any]:
    return fiscal_number(request.META["QUERY_STRING"])


@requires(**READ, properties=_properties)
def fiscal(request: HttpRequest) -> JsonResponse:
    return JsonResponse(told(request.decision))


@public
def open_to_all(request: HttpRequest) -> JsonResponse:
    return JsonResponse(told(current_decision()))


def undeclared(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"no": "one should see this"})


urlpatterns = [
    path("verzuim", read),
    path("submit", Submit.as_view()),
    path("nowhere", nowhere),
    path("fiscal", fiscal),
    path("public", open_to_all),
    path("undeclared", undeclared),
]
