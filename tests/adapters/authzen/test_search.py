"""Searches over HTTP against generated records: exactly what an evaluation would allow."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.authzen.door import EVALUATIONS, Door, search_of
from tests.end_to_end.sidecar import Record, Sidecar, Starter

USERS = [f"user-{number}" for number in range(8)]
RECORDS = [f"record-{number}" for number in range(6)]
ACTIONS = ["read", "write", "delete"]
STATUS = st.sampled_from(["active", "archived"])
ROLE = st.sampled_from(["admin", "clerk"])


def _documents(
    name: str, ids: list[str], document: st.SearchStrategy[Any]
) -> st.SearchStrategy[list[Record]]:
    some = st.dictionaries(st.sampled_from(ids), document, max_size=len(ids))
    return some.map(lambda found: [(name, key, {"id": key, **value}) for key, value in found.items()])


STATES = st.tuples(
    _documents(
        "user",
        USERS,
        st.fixed_dictionaries({"properties": st.fixed_dictionaries({}, optional={"role": ROLE})}),
    ),
    _documents(
        "record",
        RECORDS,
        st.fixed_dictionaries(
            {
                "properties": st.fixed_dictionaries({"status": STATUS}),
                "access": st.lists(
                    st.fixed_dictionaries(
                        {
                            "user": st.sampled_from(USERS),
                            "actions": st.lists(st.sampled_from(ACTIONS), unique=True),
                        }
                    ),
                    max_size=6,
                ),
            }
        ),
    ),
).map(lambda both: both[0] + both[1])


def _properties(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Nothing, or properties."""
    return st.just({}) | st.fixed_dictionaries({}, optional=known).map(lambda found: {"properties": found})


REQUESTS = st.fixed_dictionaries(
    {
        "subject": st.builds(
            lambda key, more: {"type": "user", "id": key, **more},
            st.sampled_from([*USERS, "nobody"]),
            _properties(role=ROLE),
        ),
        "action": st.builds(
            lambda name, more: {"name": name, **more},
            st.sampled_from(ACTIONS),
            _properties(soft=st.booleans()),
        ),
        "resource": st.builds(
            lambda key, more: {"type": "record", "id": key, **more},
            st.sampled_from([*RECORDS, "nothing"]),
            _properties(status=STATUS),
        ),
    }
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sidecar, Door]]:
    """A sidecar whose records the tests write."""
    starter = Starter(tmp_path_factory.mktemp("search"))
    try:
        sidecar = starter(PDP_AUTHZEN="127.0.0.1:0")
        door = Door(sidecar.addresses["authzen"])
        yield sidecar, door
        door.close()
    finally:
        starter.close()


def _replace(sidecar: Sidecar, records: list[Record]) -> str:
    """Makes these the only records; gives the state token."""
    every = [("user", user) for user in USERS] + [("record", record) for record in RECORDS]
    kept = {(kind, key) for kind, key, _ in records}
    absent: list[Record] = [(kind, key, None) for kind, key in every if (kind, key) not in kept]
    return sidecar.apply(*absent, *records)


def _allowed(
    door: Door, request: Mapping[str, Any], sought: str, candidates: list[dict[str, Any]]
) -> list[Any]:
    """The candidates that an evaluation allows, in order."""
    if not candidates:
        return []
    evaluations = [{**request, sought: {**request.get(sought, {}), **candidate}} for candidate in candidates]
    answer = door.post(EVALUATIONS, {"evaluations": evaluations})
    assert answer.status == 200
    decisions = [result["decision"] for result in answer.body["evaluations"]]
    return [candidate for candidate, allowed in zip(candidates, decisions, strict=True) if allowed]


@settings(max_examples=60)
@given(records=STATES, request=REQUESTS, limit=st.integers(1, 4))
def test_a_search_finds_exactly_what_is_allowed(
    searched: tuple[Sidecar, Door], records: list[Record], request: dict[str, Any], limit: int
) -> None:
    sidecar, door = searched
    fresh = _replace(sidecar, records)
    # Without `action`, as AuthZEN has it: what a property of the action would change is not asked.
    bare = {"subject": request["subject"], "resource": request["resource"]}
    users = [{"type": "user", "id": key} for kind, key, _ in sorted(records, key=str) if kind == "user"]
    things = [{"type": "record", "id": key} for kind, key, _ in sorted(records, key=str) if kind == "record"]
    for sought, asked, candidates in (
        ("subject", request, users),
        ("resource", request, things),
        ("action", bare, [{"name": name} for name in sorted(ACTIONS)]),
    ):
        pages = list(door.pages(sought, {**asked, "at_least_as_fresh": fresh}, limit))
        found = [result for page in pages for result in page["results"]]
        assert found == _allowed(door, asked, sought, candidates)
        assert {page["context"]["state_token"] for page in pages} == {fresh}


def test_many_candidates_are_found_over_pages(searched: tuple[Sidecar, Door]) -> None:
    sidecar, door = searched
    users = [f"many-{number:04}" for number in range(1_200)]
    access = [{"user": user, "actions": ["read"]} for user in users[::100]]
    record = {"id": "record-0", "properties": {"status": "active"}, "access": access}
    for start in range(0, len(users), 400):
        part: list[Record] = [
            ("user", user, {"id": user, "properties": {}}) for user in users[start : start + 400]
        ]
        sidecar.apply(*part)
    sidecar.apply(("record", "record-0", record))
    request = {
        "subject": {"type": "user"},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "record-0"},
    }
    for limit in (5, 1_000):
        pages = list(door.pages("subject", request, limit))
        found = [result["id"] for page in pages for result in page["results"]]
        assert found == users[::100]
        assert len(pages) > 1
    for start in range(0, len(users), 400):
        sidecar.apply(*((("user", user, None)) for user in users[start : start + 400]))


def test_a_token_is_for_its_search_only(searched: tuple[Sidecar, Door]) -> None:
    sidecar, door = searched
    _replace(sidecar, [("user", user, {"id": user, "properties": {"role": "admin"}}) for user in USERS[:2]])
    record = {"id": "record-0", "properties": {"status": "archived"}, "access": []}
    sidecar.apply(("record", "record-0", record))
    request: dict[str, Any] = {
        "subject": {"type": "user"},
        "action": {"name": "write"},
        "resource": {"type": "record", "id": "record-0"},
        "page": {"limit": 1},
    }
    first = door.post(search_of("subject"), request).body
    token = first["page"]["next_token"]
    assert token
    for wrong in (
        {**request, "page": {"token": token, "limit": 2}},
        {**request, "action": {"name": "read"}, "page": {"token": token}},
        {**request, "context": {"ip": "::1"}, "page": {"token": token}},
        {**request, "page": {"token": token[:-2]}},
        {**request, "page": {"token": "AAAA"}},
        {**request, "page": {"limit": -1}},
    ):
        answer = door.post(search_of("subject"), wrong)
        assert (answer.status, answer.body.split(":")[0] in ("page.token", "page.limit")) == (400, True), (
            answer
        )
    assert door.post(search_of("resource"), {**request, "page": {"token": token}}).status == 400
    following = door.post(search_of("subject"), {**request, "page": {"token": token}}).body
    assert [result["id"] for result in first["results"] + following["results"]] == USERS[:2]
    assert following["page"]["next_token"] == ""


def test_records_held_on_demand_are_not_searched(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No partial answer that passes for a whole one."""
    starter = Starter(tmp_path_factory.mktemp("on_demand"))
    try:
        sidecar = starter("--records-mode", "on_demand", PDP_AUTHZEN="127.0.0.1:0")
        door = Door(sidecar.addresses["authzen"])
        request = {
            "subject": {"type": "user"},
            "action": {"name": "read"},
            "resource": {"type": "record", "id": "record-0"},
        }
        answer = door.post(search_of("subject"), request)
        assert (answer.status, "holds records of the kind user only as far" in answer.body) == (501, True)
        door.close()
    finally:
        starter.close()
