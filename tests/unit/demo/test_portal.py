"""The made-up portal: the same for the same seed, consistent, complete, fit for the bundle."""

import json
from collections import Counter
from typing import Any

import pytest

from pdp.demo.moments import DAY, seconds_of, stamp
from pdp.demo.numbers import passes_elfproef
from pdp.demo.portal import MAX_EMPLOYERS, Portal, Record

AT = seconds_of("2026-03-02T09:00:00Z")
SIZE = 3_000

Records = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def listed() -> list[Record]:
    return list(Portal(SIZE, 1, AT).records())


@pytest.fixture(scope="module")
def records(listed: list[Record]) -> Records:
    return {(kind, key): document for kind, key, document in listed}


def of(records: Records, kind: str) -> dict[str, dict[str, Any]]:
    return {key: document for (each, key), document in records.items() if each == kind}


def test_no_record_stands_twice(listed: list[Record], records: Records) -> None:
    assert len(listed) == len(records)


def test_same_seed_same_portal(listed: list[Record]) -> None:
    assert json.dumps(listed) == json.dumps(list(Portal(SIZE, 1, AT).records()))


def test_another_seed_another_portal(records: Records) -> None:
    other = {(kind, key) for kind, key, _ in Portal(SIZE, 2, AT).records()}
    assert not other & {key for key in records if key[0] in ("account", "delegation")}


def test_an_employer_needs_no_other(listed: list[Record]) -> None:
    portal = Portal(SIZE, 1, AT)
    expected = portal.employer(1_234)
    _ = portal.employer(7)
    assert portal.employer(1_234) == expected
    assert all(record in listed for record in expected.records())


def test_the_present_moves_every_time_with_it() -> None:
    text = json.dumps(list(Portal(40, 1, AT).records()))
    assert text != json.dumps(list(Portal(40, 1, AT + DAY).records()))


def test_accounts_per_employer(records: Records) -> None:
    assert 2 <= len(of(records, "account")) / SIZE <= 3


def test_accounts_refer_to_what_there_is(records: Records) -> None:
    employers, services, versions = of(records, "employer"), of(records, "service"), of(records, "terms")
    for account in of(records, "account").values():
        employer = employers[account["employer"]]
        numbers = {entry["number"] for entry in employer["fiscal_numbers"]}
        assert account["organisation"] in employers
        if account["organisation"] != account["employer"]:
            assert ("delegation", f"{account['employer']}:{account['organisation']}") in records
        for entry in account["terms"]:
            assert entry["version"] in versions
        for grant in account["grants"]:
            assert set(grant["purposes"]) <= set(services[grant["service"]]["purposes"])
            assert set(grant.get("fiscal_numbers", ())) <= numbers


def test_delegations_refer_to_employers(records: Records) -> None:
    employers = of(records, "employer")
    for key, delegation in of(records, "delegation").items():
        assert key == f"{delegation['employer']}:{delegation['intermediary']}"
        assert delegation["employer"] != delegation["intermediary"]
        assert {delegation["employer"], delegation["intermediary"]} <= set(employers)


def test_blocks_and_terminations_are_of_somebody(records: Records) -> None:
    for key in [*of(records, "block"), *of(records, "termination")]:
        kind, name = key.split(":", 1)
        assert ("account" if kind == "account" else "employer", name) in records


def test_numbers_are_valid(records: Records) -> None:
    for employer in of(records, "employer").values():
        assert passes_elfproef(employer["rsin"])
        for entry in employer["fiscal_numbers"]:
            assert passes_elfproef(entry["number"][:9])
            if "activated_by" in entry:
                assert ("account", entry["activated_by"]) in records


def test_intermediaries_are_few_and_have_many_clients(records: Records) -> None:
    clients = Counter(key.split(":")[1] for key in of(records, "delegation"))
    assert len(clients) <= SIZE / 200
    most, least = clients.most_common()[0][1], clients.most_common()[-1][1]
    assert most > 10 * least


def test_delegations_are_in_every_state(records: Records) -> None:
    now = stamp(AT)
    states = Counter(_state(delegation, now) for delegation in of(records, "delegation").values())
    assert set(states) == {"in force", "revoked", "expired", "future"}
    assert states["in force"] > 0.8 * sum(states.values())
    scopes = [scope for each in of(records, "delegation").values() for scope in each["scopes"]]
    assert any(scope["services"] != "*" for scope in scopes)
    assert any(scope["fiscal_numbers"] != "*" for scope in scopes)


def _state(delegation: dict[str, Any], now: str) -> str:
    if delegation.get("revoked_at", "9") <= now:
        return "revoked"
    if any(scope["from"] <= now < scope.get("until", "9") for scope in delegation["scopes"]):
        return "in force"
    return "future" if any(scope["from"] > now for scope in delegation["scopes"]) else "expired"


def test_everything_happens_somewhere(records: Records) -> None:
    accounts = of(records, "account").values()
    assert {account["status"] for account in accounts} == {"active", "closed", "removed"}
    assert any(not account["terms"] for account in accounts)
    assert any("rejected_at" in entry for account in accounts for entry in account["terms"])
    instructions = [each for account in accounts for each in account["instructions"]]
    assert any("acknowledged_at" not in each for each in instructions)
    assert any("acknowledged_at" in each for each in instructions)
    assert of(records, "block")
    assert of(records, "termination")
    assert of(records, "activation_code")


def test_no_incident_runs_for_everybody(records: Records) -> None:
    now = stamp(AT)
    incidents = of(records, "incident").values()
    running = [each for each in incidents if each["from"] <= now and "ended_at" not in each]
    assert [list(each["scope"]) for each in running] == [["employers"]]
    assert any(each["from"] > now for each in incidents)
    assert any("ended_at" in each for each in incidents)


def test_one_version_of_the_terms_is_to_come(records: Records) -> None:
    now = stamp(AT)
    terms = of(records, "terms")
    assert [version for version, each in terms.items() if each["effective_at"] > now] == ["4.3"]
    assert all(each["published_at"] < now for each in terms.values())


@pytest.mark.parametrize("size", [0, MAX_EMPLOYERS + 1])
def test_impossible_size(size: int) -> None:
    with pytest.raises(ValueError, match="employers"):
        Portal(size, 1)


@pytest.mark.parametrize("size", [1, 2, 57, 58])
def test_small_portals(size: int) -> None:
    found = [key for kind, key, _ in Portal(size, 1, AT).records() if kind == "employer"]
    assert len(set(found)) == size
