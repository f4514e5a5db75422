"""Laws of the portal's policy, over generated portals (`portals.py`)."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdp import _core
from pdp.policy.bundle import Bundle
from pdp.policy.deciders import CoreDecider, OpaServer, encode
from pdp.policy.moments import parse_moment
from tests.policy.bundles import PORTAL
from tests.policy.portals import (
    NOW_MS,
    OFFICE,
    Portal,
    Records,
    blocks,
    incidents,
    portals,
    records,
    requests,
    terminations,
)

LAW = settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
AGAINST_OPA = settings(LAW, max_examples=400)
EMPTY_OR_OTHER: tuple[Any, ...] = (None, "", 0, -1, 1.5, True, [], {}, "x", [None], {"x": "y"})


class Asked:
    """Decides portals by the bundle, one after the other."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.decider = CoreDecider(bundle.policy)

    def load(self, found: Records, *, backwards: bool = False) -> bool:
        """Installs records; False: one of them is refused when it is written."""
        rows = []
        for (kind, key), value in found.items():
            text = json.dumps(value, sort_keys=backwards)
            try:
                rows.append((kind, key, self.bundle.policy.canonical(kind, key, text.encode()), 1))
            except _core.RecordError:
                return False
        self.decider.install(rows[::-1] if backwards else rows)
        return True

    def decision(self, request: Any, at_ms: int = NOW_MS) -> dict[str, Any] | None:
        """The decision without its id; None: an invalid request."""
        try:
            made: dict[str, Any] = json.loads(self.decider.core.check(encode(request), at_ms))
        except _core.RequestError:
            return None
        del made["decision_id"], made["state_token"]
        assert made["allow"] is not made["reasons"]
        assert made["allow"] == (not made["reasons"])
        return made

    def allows(self, found: Records, request: Any) -> bool:
        """Whether records and request that are both accepted end in an allow."""
        made = self.decision(request) if self.load(found) else None
        return made is not None and made["allow"]


@pytest.fixture(scope="module")
def asked(portal: Bundle) -> Asked:
    return Asked(portal)


def test_the_portals_are_worth_asking(asked: Asked) -> None:
    """Allows and many kinds of denial occur: the laws below are about something."""
    codes: set[str] = set()
    allowed = []

    @settings(LAW, max_examples=300)
    @given(portals())
    def collect(portal: Portal) -> None:
        if asked.load(portal.records) and (made := asked.decision(portal.request)):
            allowed.append(made["allow"])
            codes.update(reason["code"] for reason in made["reasons"])

    collect()
    assert allowed.count(True) > len(allowed) // 20
    assert len(codes) >= 15, sorted(codes)
    assert "POLICY_ERROR" not in codes


@LAW
@given(portals(), st.floats(0, 1, exclude_max=True))
def test_a_decision_is_the_same_until_its_valid_until(asked: Asked, portal: Portal, part: float) -> None:
    """Law (a)."""
    if not asked.load(portal.records) or (made := asked.decision(portal.request)) is None:
        return
    end = parse_moment(made["valid_until"]) if made["valid_until"] else NOW_MS + 3650 * 86_400_000
    assert end is not None
    for at_ms in {NOW_MS + int((end - NOW_MS) * part), end - 1}:
        assert asked.decision(portal.request, at_ms) == made


def _measure(draw: st.DrawFn) -> tuple[tuple[str, str], Any]:
    kind, documents = draw(
        st.sampled_from((("block", blocks), ("termination", terminations), ("incident", incidents)))
    )
    owner = draw(st.sampled_from(("account:anna", "employer:27381054", f"organisation:{OFFICE}")))
    return (kind, "added" if kind == "incident" else owner), draw(documents)


@LAW
@given(portals(), st.composite(_measure)())
def test_a_measure_more_never_allows(
    asked: Asked, portal: Portal, measure: tuple[tuple[str, str], Any]
) -> None:
    """Law (b)."""
    (place, document) = measure
    if place in portal.records or asked.allows(portal.records, portal.request):
        return
    assert not asked.allows({**portal.records, place: document}, portal.request)


def _with_one_less(found: Records) -> Iterator[Records]:
    """The records without one delegation, grant, activation or acceptance, each in turn."""
    for place in found:
        if place[0] == "delegation":
            yield {key: value for key, value in found.items() if key != place}
    parts = [(("account", "anna"), name) for name in ("grants", "terms")]
    for place, name in [*parts, (("employer", "27381054"), "fiscal_numbers")]:
        for number, item in enumerate(found.get(place, {}).get(name, [])):
            if "rejected_at" in item:
                continue
            fewer = deepcopy(found)
            if name == "fiscal_numbers":
                fewer[place][name][number].pop("activated_at", None)
            else:
                del fewer[place][name][number]
            yield fewer


@LAW
@given(portals())
def test_a_permission_less_never_allows(asked: Asked, portal: Portal) -> None:
    """Law (c)."""
    if asked.allows(portal.records, portal.request):
        return
    for fewer in _with_one_less(portal.records):
        assert not asked.allows(fewer, portal.request)


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _backwards(inner) for name, inner in reversed(value.items())}
    return value


@LAW
@given(portals())
def test_order_says_nothing(asked: Asked, portal: Portal) -> None:
    """Law (d)."""
    if not asked.load(portal.records):
        return
    made = asked.decision(portal.request)
    assert asked.load({key: _backwards(value) for key, value in portal.records.items()}, backwards=True)
    assert asked.decision(_backwards(portal.request)) == made


def _by_opa(asked: Asked, server: OpaServer, request: Any, *, strict: bool = False) -> dict[str, Any]:
    core = asked.decider.core
    result = server.evaluate(
        asked.bundle.policy.entrypoint, core.policy_input(encode(request), NOW_MS), strict=strict
    )
    made: dict[str, Any] = json.loads(core.finish(encode(request), result, NOW_MS))
    del made["decision_id"], made["state_token"]
    return made


@AGAINST_OPA
@given(portals())
def test_opa_decides_the_same(asked: Asked, portal_server: OpaServer, portal: Portal) -> None:
    """Law (e), byte for byte."""
    if not asked.load(portal.records) or (made := asked.decision(portal.request)) is None:
        return
    assert encode(_by_opa(asked, portal_server, portal.request)) == encode(made)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner: Any = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in inner:
        yield (*path, name)
        yield from _places(item, (*path, name))


def _replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy with the value at the path replaced, unless it is of the same type and not empty."""
    copy = deepcopy(value)
    target = copy
    for name in path[:-1]:
        target = target[name]
    if type(target[path[-1]]) is type(by) and by not in ("", [], {}):
        by = None
    target[path[-1]] = by
    return copy


@settings(LAW, max_examples=800)
@given(portals(), st.data())
def test_a_spoiled_value_never_allows(
    asked: Asked, portal_server: OpaServer, portal: Portal, data: st.DataObject
) -> None:
    """Law (f): a value emptied or of another type, in a record or in the request."""
    before = asked.allows(portal.records, portal.request)
    whole = {"request": portal.request, **{"/".join(key): value for key, value in portal.records.items()}}
    place = data.draw(st.sampled_from(sorted(whole)))
    paths = sorted(_places(whole[place]), key=str)
    if not paths:
        return
    spoiled = _replaced(
        whole[place], data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(EMPTY_OR_OTHER))
    )
    request = spoiled if place == "request" else portal.request
    found = {key: spoiled if "/".join(key) == place else value for key, value in portal.records.items()}
    if not asked.allows(found, request):
        return
    assert before, "a denial became an allow"
    assert _by_opa(asked, portal_server, request, strict=True)["allow"], "OPA in strict mode denies it"


@settings(LAW, max_examples=400)
@given(records(), requests(OFFICE), st.data())
def test_a_required_field_less_never_allows(
    asked: Asked, found: Records, request: dict[str, Any], data: st.DataObject
) -> None:
    """Law (f): a required field of a record or of the request removed is refused."""
    if not found or not asked.load(found):
        return
    key = data.draw(st.sampled_from(sorted(found)))
    schema = json.loads(schema_of(key[0]))
    name = data.draw(st.sampled_from(sorted(schema["required"])))
    less = {**found, key: {field: value for field, value in found[key].items() if field != name}}
    assert not asked.load(less), f"{key[0]} without {name} was accepted"
    for part, field in (("subject", "type"), ("subject", "id"), ("action", "name"), ("resource", "id")):
        without = deepcopy(request)
        del without[part][field]
        assert asked.load(found)
        assert asked.decision(without) is None


def schema_of(kind: str) -> str:
    """The schema of a kind, as the bundle has it."""

    return (PORTAL / "schemas" / f"{kind}.schema.json").read_text()
