"""The table of real-shaped logins, through the core's reading of them to the portal's decision."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdp import DecisionPoint
from pdp._core import Identity

ROOT = Path(__file__).resolve().parents[2]
TABLE = yaml.safe_load((ROOT / "tests/adapters/assertions.yaml").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in TABLE["cases"]}
PSEUDONYM = TABLE["values"]["pseudonym"]
LOGIN_CODES = {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}


@pytest.fixture(scope="module")
def point() -> Iterator[DecisionPoint]:
    with DecisionPoint(ROOT / "policies/portal", []) as point:
        yield point


def _present(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}


def _changed(case: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    claims = _present(case["claims"])
    changes = change.get("set", {})
    if case["mapping"] == "saml-json":
        claims["Attributes"] = _present(claims["Attributes"] | changes)
        changes = {"AuthnContextClassRef": change["level"]} if "level" in change else {}
    return _present(claims | changes)


def _identified(case: dict[str, Any], claims: dict[str, Any]) -> Any:
    gateway = {"header": "x-login", "mapping": case["mapping"]}
    if case["mapping"] != "authentication":
        gateway["source"] = "eherkenning"
    identity = Identity.from_json(json.dumps({"gateway": gateway}).encode())
    return json.loads(identity.identify([("x-login", json.dumps(claims).encode())], trusted=True))


def _codes(point: DecisionPoint, subject: Any, login: dict[str, Any]) -> tuple[set[str], Any]:
    """What the portal says about its first page: the codes about the login, and who is accountable."""
    account = {
        "employer": login["employer"],
        "organisation": login["organisation"],
        "status": "active",
        "notification_email": True,
        "terms": [],
        "grants": [],
        "consulted_at": "2026-01-01T00:00:00Z",
        "instructions": [],
    }
    point.apply([{"kind": "account", "key": PSEUDONYM, "value": account}])
    decision = point.check(
        {
            "subject": subject,
            "action": {"name": "read"},
            "resource": {"type": "portal", "id": "werkgeversportaal"},
        }
    )
    codes = LOGIN_CODES.intersection(decision.codes)
    assert not codes or not decision.allow
    return codes, decision.accountable


@pytest.mark.parametrize("name", CASES)
def test_a_login_reaches_the_decision_as_what_it_is_or_is_denied(name: str, point: DecisionPoint) -> None:
    case = CASES[name]
    login = case["login"]
    is_kvk = "type" not in login
    whole = _identified(case, _present(case["claims"]))
    assert whole["problem"] is None
    if is_kvk:
        assert _codes(point, whole["subject"], login) == (set(), {"kvk": login["employer"]})
    else:
        # The portal knows organisations by their KvK number only.
        login = {"employer": "12345678", "organisation": "12345678"}
        assert _codes(point, whole["subject"], login) == ({"AUTHENTICATION_INVALID"}, None)
    for change in case["changes"]:
        changed = _identified(case, _changed(case, change))
        problem = changed["problem"] and changed["problem"]["code"]
        assert problem == change.get("problem"), change
        if problem is not None:
            expected = "LOGIN_NOT_EHERKENNING" if problem == "source_other" else "AUTHENTICATION_INVALID"
            assert _codes(point, changed["subject"], login) == ({expected}, None), change


@pytest.mark.parametrize("name", [name for name in CASES if "chain" in name and "context" not in name])
def test_a_chain_that_lost_its_intermediary_is_denied_to_the_intermediarys_account(
    name: str, point: DecisionPoint
) -> None:
    case = CASES[name]
    alone = [change for change in case["changes"] if "login" in change and "services" not in change["login"]]
    for change in alone:
        changed = _identified(case, _changed(case, change))
        assert changed["problem"] is None
        assert _codes(point, changed["subject"], case["login"]) == ({"AUTHENTICATION_INVALID"}, None)
    assert alone or case["mapping"] == "saml-json"
