"""Who plays in the demo: requests that are allowed, and what can be wrong with them."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pdp.demo.catalogue import LEVEL, REGISTER
from pdp.demo.requests import Request
from pdp.errors import PdpError


@dataclass(frozen=True, slots=True)
class Act:
    """A request with one fault: who does what, the article that it meets, the code that must come out."""

    person: str
    title: str
    article: str
    code: str
    request: Request


def employee_of(requests: Sequence[Request], decisions: Sequence[dict[str, Any]]) -> Request:
    """An allowed request to read by somebody who acts for the own employer, with a fiscal number."""
    return _first(requests, decisions, lambda context: "mandate" not in context)


def intermediary_of(requests: Sequence[Request], decisions: Sequence[dict[str, Any]]) -> Request:
    """An allowed request to read by somebody who acts for a client, with a fiscal number."""
    return _first(requests, decisions, lambda context: "mandate" in context)


def faults_of(employee: Request, intermediary: Request) -> list[Act]:
    """What goes wrong, article by article."""
    return [
        _act(employee, "logs in at EH2", "2.2", "ASSURANCE_LEVEL_TOO_LOW", _at_eh2),
        _act(employee, "logs in with DigiD", "2.2", "LOGIN_NOT_EHERKENNING", _with_digid),
        _act(intermediary, "swaps intermediary and employer", "2.2", "AUTHENTICATION_INVALID", _swapped),
        _act(
            employee, "uses another employer's number", "2.6", "FISCAL_NUMBER_NOT_OF_EMPLOYER", _other_number
        ),
        _act(employee, "wants the data for advertising", "2.7", "PURPOSE_NOT_OF_SERVICE", _advertising),
        _act(intermediary, "has no mandate for this service", "2.9", "MANDATE_OUT_OF_SCOPE", _no_mandate),
        _act(employee, "has no account", "2.10", "ACCOUNT_UNKNOWN", _nobody),
    ]


def who(request: Request) -> str:
    """The person of a request, for people to read."""
    context = request["subject"]["properties"]["authentication"]
    company = context["authorizee"]["legalSubject"]["identifier"]
    person = f"{request['subject']['id'][:8]}…"
    if "representee" in context:
        return f"{person} of intermediary {company} for employer {context['representee']['identifier']}"
    return f"{person} of employer {company}"


def what(request: Request) -> str:
    """What a request asks, for people to read."""
    resource = request["resource"]
    number = resource.get("properties", {}).get("fiscal_number")
    return f"{request['action']['name']} {resource['id']}" + (f" of {number}" if number else "")


def _first(
    requests: Sequence[Request], decisions: Sequence[dict[str, Any]], fits: Callable[[dict[str, Any]], bool]
) -> Request:
    for request, decision in zip(requests, decisions, strict=True):
        numbered = "fiscal_number" in request["resource"].get("properties", {})
        context = request["subject"]["properties"]["authentication"]
        if decision["allow"] and numbered and request["action"]["name"] == "read" and fits(context):
            return request
    raise PdpError("The made-up portal has nobody for this demo; take another --seed or more --employers.")


def _act(request: Request, title: str, article: str, code: str, fault: Callable[[Request], None]) -> Act:
    changed = copy.deepcopy(request)
    fault(changed)
    return Act(who(request), title, article, code, changed)


def _context(request: Request) -> dict[str, Any]:
    context: dict[str, Any] = request["subject"]["properties"]["authentication"]
    return context


def _at_eh2(request: Request) -> None:
    _context(request)["levelOfAssurance"] = LEVEL + "loa2"


def _with_digid(request: Request) -> None:
    _context(request)["source"] = "digid"


def _swapped(request: Request) -> None:
    intermediary, employer = _context(request)["authorizee"]["legalSubject"], _context(request)["representee"]
    intermediary["identifier"], employer["identifier"] = employer["identifier"], intermediary["identifier"]


def _other_number(request: Request) -> None:
    request["resource"]["properties"]["fiscal_number"] = "111222333"


def _advertising(request: Request) -> None:
    request["action"]["properties"]["processing_activity_id"] = REGISTER + "reclame"


def _no_mandate(request: Request) -> None:
    _context(request)["mandate"]["services"] = []


def _nobody(request: Request) -> None:
    nobody = "0" * 40
    request["subject"]["id"] = nobody
    _context(request)["authorizee"]["actingSubject"]["identifier"] = nobody
