"""Law (f): one value emptied, malformed, of another type or lost never turns a denial into an allow.

Records go through the write path, which refuses most of this: that is fine. What is accepted all the same is
decided, and an allow that remains is one that OPA gives too when a failing built-in function is an error.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.policy.deciders import OpaServer
from tests.policy.asked import Asked
from tests.policy.bundles import PORTAL
from tests.policy.portals import Portal, Records, portals, records
from tests.policy.spoiled import Path, at, spoiled, without

Place = tuple[str, str]
REQUEST: Place = ("request", "")
SPOILINGS = 8
"""For each portal: making one takes longer than deciding."""
# The names that say to what a measure applies. Another one that is right, such as the same in capitals, makes
# another measure.
SCOPES = {"incident": ("scope",), "termination": ("services",)}
LOGIN: Path = ("subject", "properties", "authentication")
# What a request must have: without it there is no question, or nobody who asks.
REQUIRED: tuple[Path, ...] = (
    ("subject",),
    ("subject", "type"),
    ("subject", "id"),
    ("subject", "properties"),
    LOGIN,
    (*LOGIN, "source"),
    (*LOGIN, "levelOfAssurance"),
    (*LOGIN, "authorizee"),
    (*LOGIN, "authorizee", "legalSubject"),
    (*LOGIN, "authorizee", "legalSubject", "identifierType"),
    (*LOGIN, "authorizee", "legalSubject", "identifier"),
    (*LOGIN, "authorizee", "actingSubject"),
    (*LOGIN, "authorizee", "actingSubject", "identifier"),
    (*LOGIN, "representee", "identifierType"),
    (*LOGIN, "representee", "identifier"),
    (*LOGIN, "mandate", "services"),
    ("action",),
    ("action", "name"),
    ("resource",),
    ("resource", "type"),
    ("resource", "id"),
)


def _allowed_with(asked: Asked, portal: Portal, place: Place, document: Any) -> Any:
    """The request, when it is allowed with this document instead of the portal's own; None: it is not."""
    request = document if place == REQUEST else portal.request
    found = {key: document if key == place else value for key, value in portal.records.items()}
    return request if asked.allows(found, request) else None


@settings(max_examples=350)
@given(portals(), st.data())
def test_a_spoiled_value_never_allows(
    asked: Asked, portal_server: OpaServer, portal: Portal, data: st.DataObject
) -> None:
    before = asked.allows(portal.records, portal.request)
    whole = {REQUEST: portal.request, **portal.records}
    for _ in range(SPOILINGS):
        place = data.draw(st.just(REQUEST) | st.sampled_from(sorted(whole)))  # few records let much through
        path, document = data.draw(spoiled(whole[place]))
        request = _allowed_with(asked, portal, place, document)
        if request is None or (path[0] in SCOPES.get(place[0], ()) and isinstance(at(document, path), str)):
            continue
        assert before, f"a denial became an allow by {'/'.join(place)} {path}: {at(document, path)!r}"
        assert asked.by_opa(portal_server, request, strict=True)["allow"], "OPA in strict mode denies it"


def _required(schema: dict[str, Any], value: Any, path: Path = ()) -> Iterator[Path]:
    """The places in a document that its schema requires, at any depth."""
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name in value:
                yield (*path, name)
        for name, inner in value.items():
            yield from _required(schema.get("properties", {}).get(name, {}), inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _required(schema.get("items", {}), inner, (*path, number))


@settings(max_examples=150)
@given(records())
def test_a_record_without_a_required_field_is_refused(asked: Asked, found: Records) -> None:
    if not found or not asked.load(found):
        return
    for (kind, key), value in found.items():
        for path in _required(schema_of(kind), value):
            less = {(kind, key): without(value, path)}
            assert not asked.load(less), f"{kind} without {path} was accepted"


@settings(max_examples=200)
@given(portals())
def test_a_request_without_a_required_field_never_allows(asked: Asked, portal: Portal) -> None:
    if not asked.load(portal.records):
        return
    for path in REQUIRED:
        try:
            less = without(portal.request, path)
        except KeyError:
            continue
        made = asked.decision(less)
        assert made is None or not made["allow"], f"without {path}"
        if len(path) == 1 or path[1] in ("type", "id", "name"):
            assert made is None, f"a question without {path}"


@cache
def schema_of(kind: str) -> dict[str, Any]:
    """The schema of a kind, as the bundle has it."""
    schema: dict[str, Any] = json.loads((PORTAL / "schemas" / f"{kind}.schema.json").read_text())
    return schema
