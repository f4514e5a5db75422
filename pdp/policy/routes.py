"""Tests of routes.yaml: which request is which question, and which routes no test reaches."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdp.policy.declaration import BundleError, load_yaml

if TYPE_CHECKING:
    from pdp import _core

TABLE = "routes_test.yaml"
"""Beside routes.yaml; never part of a bundle."""

_REQUEST = {"method", "target", "headers"}
_WANTED = {"route", "action", "resource", "context", "public", "refused"}


@dataclass(frozen=True, slots=True)
class RouteCase:
    """One case. `want`: "unknown", {"public": ROUTE}, {"refused": TEXT}, or a route and its question.

    `headers`: (name, value) in their order; a name may be there twice.
    """

    file: Path
    description: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    want: Any


def load_route_table(path: Path) -> list[RouteCase]:
    """The cases of a table. Raises BundleError that names file and case."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from error
    cases = load_yaml(text, str(path))
    if not isinstance(cases, list):
        raise BundleError(f"{path} must hold a list of cases.")
    return [_case(path, number, case) for number, case in enumerate(cases, start=1)]


def found(policy: "_core.Policy", method: str, target: str, headers: Iterable[tuple[str, str]] = ()) -> Any:
    """What a request is, in the form of a case's `want`. Raises BundleError for what is no HTTP request."""
    pairs = [(name, value.encode()) for name, value in headers]
    try:
        return json.loads(policy.find_route(method, target, pairs))
    except ValueError as error:
        raise BundleError(f"{method} {target}: {error}.") from error


def difference(case: RouteCase, is_now: Any) -> str:
    """What is wrong with an answer; "" when it is the wanted one.

    `properties` and `context` that are not wanted are wanted empty.
    """
    if _complete(case.want) == _complete(is_now):
        return ""
    return f"wanted {_text(case.want)}\n   got {_text(is_now)}"


def route_of(answer: Any) -> str:
    """The name of the route that was found; "" for none."""
    return str(answer.get("route") or answer.get("public") or "") if isinstance(answer, dict) else ""


def _complete(want: Any) -> Any:
    if not isinstance(want, dict) or "route" not in want:
        return want
    entities = {name: {"properties": {}, **want.get(name, {})} for name in ("action", "resource")}
    return {"context": {}, **want, **entities}


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, sort_keys=True)


def _case(file: Path, number: int, case: Any) -> RouteCase:
    where = f"{file}: case {number}"
    if not isinstance(case, dict) or set(case) != {"description", "request", "want"}:
        raise BundleError(f"{where} must have description, request and want, and nothing else.")
    request, want = case["request"], case["want"]
    if not isinstance(request, dict) or not {"method", "target"} <= set(request) <= _REQUEST:
        raise BundleError(
            f"{where}: request must have method and target, may have headers, and nothing else."
        )
    if want != "unknown" and not (isinstance(want, dict) and want and set(want) <= _WANTED):
        raise BundleError(f"{where}: want must be unknown, or have {', '.join(sorted(_WANTED))}.")
    return RouteCase(
        file=file,
        description=str(case["description"]),
        method=str(request["method"]),
        target=str(request["target"]),
        headers=tuple(_headers(where, request.get("headers", {}))),
        want=want,
    )


def _headers(where: str, headers: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(headers, Mapping):
        raise BundleError(f"{where}: headers must be names with a value, or a list of values.")
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [values]:
            yield str(name), str(value)
