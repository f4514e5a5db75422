"""What a bundle declares of how its kinds are held and how long their changes wait."""

from pathlib import Path

import pytest

from pdp._core import Policy, PolicyLoadError
from pdp.policy.bundle import load_bundle
from pdp.policy.declaration import BundleError, parse_declaration

POLICIES = Path(__file__).resolve().parents[3] / "policies"
PORTAL, EXAMPLE = POLICIES / "portal", POLICIES / "examples" / "authzen-certification"
DECLARATION = """
name: x
entrypoint: x/decision
request_schema: schemas/request.schema.json
kinds:
  door: {{schema: schemas/door.schema.json, key: "{{id}}"{more}}}
lookups: {{}}
"""


def _declared(more: str) -> bytes:
    return DECLARATION.format(more=more).encode()


def test_the_portal_s_lockouts_wait_for_all_and_are_held_everywhere() -> None:
    policy = load_bundle(PORTAL).policy
    assert policy.barrier_kinds == ["block", "incident", "termination"]
    assert policy.replicated_kinds == ["block", "incident", "termination", "terms"]


def test_what_a_bundle_does_not_declare_is_neither() -> None:
    policy = load_bundle(EXAMPLE).policy
    assert policy.kinds
    assert (policy.barrier_kinds, policy.replicated_kinds) == ([], [])


@pytest.mark.parametrize("more", ["", ", replicated: true", ", replicated: false, wait: all"])
def test_python_and_the_core_accept_the_same(more: str) -> None:
    document = parse_declaration(_declared(more)).to_json()
    with pytest.raises(PolicyLoadError, match="schema"):
        _core(document)


@pytest.mark.parametrize("more", [", replicated: 1", ", replicated: x", ", wait: local", ", wait: [all]"])
def test_python_and_the_core_refuse_the_same(more: str) -> None:
    with pytest.raises(BundleError, match=r"kinds\.door"):
        parse_declaration(_declared(more))
    good = parse_declaration(_declared("")).to_json()
    member = more.strip(", ").replace("[all]", '["all"]').replace("replicated", '"replicated"')
    member = member.replace("wait", '"wait"').replace(": x", ': "x"').replace(": local", ': "local"')
    bad = good.replace(b'"key":"{id}"', b'"key":"{id}",' + member.encode())
    assert bad != good
    with pytest.raises(PolicyLoadError, match=r"bundle\.yaml: "):
        _core(bad)


def _core(declaration: bytes) -> Policy:
    return Policy(wasm=b"", data=b"{}", declaration=declaration, schemas={}, revision="1")
