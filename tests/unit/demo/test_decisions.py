"""The made-up portal and its requests, before the portal's own policies."""

import json
from collections import Counter
from pathlib import Path

import pytest

from pdp import _core
from pdp.demo.moments import seconds_of
from pdp.demo.portal import Portal
from pdp.demo.requests import FAULTS, iter_requests
from pdp.policy.bundle import load_bundle
from pdp.policy.deciders import CoreDecider, encode
from pdp.policy.opa import OpaError, find_opa

AT = seconds_of("2026-03-02T09:00:00Z")
SIZE = 2_000


PORTAL = Path(__file__).resolve().parents[3] / "policies" / "portal"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> _core.Policy:
    try:
        opa = find_opa()
    except OpaError as error:
        pytest.skip(str(error))
    return load_bundle(PORTAL, opa=opa.program, cache_dir=tmp_path_factory.mktemp("cache")).policy


def test_every_record_passes_its_schema(policy: _core.Policy) -> None:
    for kind, key, document in Portal(SIZE, 3, AT).records():
        policy.canonical(kind, key, encode(document))


def test_requests_are_the_same_for_the_same_seed() -> None:
    first, second = (list(iter_requests(1, 500, 50, AT)) for _ in range(2))
    assert first == second
    assert first != list(iter_requests(2, 500, 50, AT))


def test_there_are_as_many_requests_as_asked() -> None:
    assert len(list(iter_requests(1, 1, 20, AT))) == 20


def test_most_requests_are_allowed_and_the_rest_are_denied_for_many_reasons(policy: _core.Policy) -> None:
    decider = CoreDecider(policy)
    rows = [
        (kind, key, policy.canonical(kind, key, encode(document)), 1)
        for kind, key, document in Portal(SIZE, 3, AT).records()
    ]
    decider.install(rows)
    answers = [
        json.loads(decider.core.check(encode(request), AT * 1_000))
        for request in iter_requests(3, SIZE, 4_000, AT)
    ]
    allowed = sum(answer["allow"] for answer in answers) / len(answers)
    assert 0.83 <= allowed <= 0.92
    codes = Counter(reason["code"] for answer in answers for reason in answer["reasons"])
    assert "POLICY_ERROR" not in codes
    assert len(codes) >= len(FAULTS)
    said = {each["type"] for answer in answers for each in answer["obligations"] + answer["notices"]}
    assert said >= {
        "accept_terms",
        "acknowledge_instruction",
        "consult_portal",
        "interruption_announced",
        "review_accounts",
        "step_up",
        "supply_notification_email",
        "terms_changed",
    }
