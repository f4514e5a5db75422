"""What a bundle may declare as searched, as Python and the core both read it."""

import json
from typing import Any

import pytest
import yaml

from pdp._core import Policy, PolicyLoadError
from pdp.policy.declaration import BundleError, parse_declaration

BASE: dict[str, Any] = {
    "name": "test",
    "entrypoint": "test/decision",
    "request_schema": "schemas/request.schema.json",
    "kinds": {"user": {"schema": "schemas/user.schema.json", "key": "{id}"}},
    "lookups": {},
}


def _read(search: Any) -> Any:
    return parse_declaration(yaml.safe_dump({**BASE, "search": search})).document["search"]


def _core_says(search: Any) -> str:
    """What the core refuses: the declaration, or else the policy, which is none."""
    schemas = dict.fromkeys(("schemas/user.schema.json", "schemas/request.schema.json"), b"{}")
    declaration = json.dumps({**BASE, "search": search}).encode()
    with pytest.raises(PolicyLoadError) as refused:
        Policy(wasm=b"", data=b"{}", declaration=declaration, schemas=schemas, revision="1")
    return str(refused.value)


@pytest.mark.parametrize(
    "search",
    [
        {},
        {"subject": {}},
        {"subject": {"user": {"kind": "user"}}, "resource": {"a b": {"kind": "user"}}},
        {"action": {"record": {"names": ["read"]}, "user": {"kind": "user", "path": "may.do"}}},
    ],
)
def test_usable(search: Any) -> None:
    assert _read(search) == search
    assert "bundle.yaml" not in _core_says(search)


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ("user", "search must be a mapping"),
        ({"context": {}}, "search has an unknown key 'context'"),
        ({"subject": ["user"]}, "search.subject must be a mapping"),
        ({"subject": {"user": {}}}, "search.subject.user lacks 'kind'"),
        ({"subject": {"user": {"kind": "account"}}}, "there is no kind 'account'; declared are user"),
        ({"subject": {"user": {"names": ["a"]}}}, "search.subject.user has an unknown key 'names'"),
        ({"action": {"record": {"names": []}}}, "search.action.record.names must be a list"),
        ({"action": {"record": {"names": [1]}}}, "search.action.record.names[0] must be a text"),
        ({"action": {"record": {"kind": "user"}}}, "search.action.record lacks 'path'"),
        ({"action": {"record": {"names": ["a"], "kind": "user"}}}, "has an unknown key 'kind'"),
    ],
)
def test_refused_with_the_place(search: Any, says: str) -> None:
    with pytest.raises(BundleError) as refused:
        _read(search)
    assert says in str(refused.value)
    assert "bundle.yaml" in _core_says(search)
