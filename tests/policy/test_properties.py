"""Laws of the portal's policy, over generated portals (`portals.py`)."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.policy.deciders import OpaServer, encode
from pdp.policy.moments import parse_moment
from tests.policy.asked import Asked
from tests.policy.portals import (
    NOW_MS,
    OFFICE,
    Portal,
    Records,
    blocks,
    incidents,
    portals,
    terminations,
)
from tests.policy.spoiled import mutated

LAW = settings(max_examples=250)
AGAINST_OPA = settings(max_examples=400)
MUTATED = settings(max_examples=700)
MUTATIONS = 8
"""For each portal."""


def test_the_portals_are_worth_asking(asked: Asked) -> None:
    """Allows and many kinds of denial occur: the laws below are about something."""
    codes: set[str] = set()
    allowed = []

    @settings(max_examples=300)
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


@AGAINST_OPA
@given(portals())
def test_opa_decides_the_same(asked: Asked, portal_server: OpaServer, portal: Portal) -> None:
    """Law (e), byte for byte."""
    if not asked.load(portal.records) or (made := asked.decision(portal.request)) is None:
        return
    assert encode(asked.by_opa(portal_server, portal.request)) == encode(made)


def test_opa_decides_the_same_on_inputs_that_are_wrong(asked: Asked, portal_server: OpaServer) -> None:
    """Law (e), byte for byte, on inputs that pass no check: records as no store would hold them."""
    compared: set[bytes] = set()

    @MUTATED
    @given(portals(), st.data())
    def compare(portal: Portal, data: st.DataObject) -> None:
        found = asked.canonical(portal.records)
        if found is None:
            return
        for _ in range(MUTATIONS):
            documents = {"request": portal.request, **{"/".join(key): value for key, value in found.items()}}
            place = data.draw(st.sampled_from(sorted(documents)))
            document = data.draw(mutated(documents[place]))
            request = document if place == "request" else portal.request
            asked.load_unchecked(
                {key: document if "/".join(key) == place else value for key, value in found.items()}
            )
            if (made := asked.decision(request)) is None:
                continue
            policy_input = asked.decider.core.policy_input(encode(request), NOW_MS)
            if policy_input not in compared:
                assert encode(asked.by_opa(portal_server, request)) == encode(made)
                compared.add(policy_input)

    compare()
    assert len(compared) >= 2000
