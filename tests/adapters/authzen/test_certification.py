"""The AuthZEN certification scenario, all levels, over HTTPS against a real sidecar."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pdp.policy.declaration import load_yaml
from tests.adapters.authzen.door import EVALUATION, JSON, WELL_KNOWN, Answer, Door
from tests.end_to_end.sidecar import EXAMPLE, Starter
from tests.servers.certificates import Authority
from tests.servers.processes import free_port

TABLE = load_yaml(
    (Path(__file__).parent / "certification.yaml").read_text(encoding="utf-8"), "certification.yaml"
)
CASES = [
    pytest.param(case, id=f"{level}: {case['id']}")
    for level, cases in TABLE["levels"].items()
    for case in cases
]
GOOD = TABLE["good"]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Door]]:
    """The base URL of a sidecar that speaks TLS, and a connection to it."""
    folder = tmp_path_factory.mktemp("certification")
    authority = Authority(folder)
    certificate, key = authority.sign("sidecar")
    address = f"127.0.0.1:{free_port()}"
    starter = Starter(folder)
    try:
        starter(
            records=EXAMPLE / "records.jsonl",
            PDP_AUTHZEN=address,
            PDP_AUTHZEN_URL=f"https://{address}",
            # The scenario's times are long past.
            PDP_AUTHZEN_TIME="ignored",
            PDP_TLS_CERTIFICATE=str(certificate),
            PDP_TLS_KEY=str(key),
        )
        door = Door(address, authority.certificate)
        yield f"https://{address}", door
        door.close()
    finally:
        starter.close()


def _endpoint(case: Mapping[str, Any]) -> str:
    several = "evaluations" in case.get("body", {})
    return f"/access/v1/{case.get('endpoint', 'evaluations' if several else 'evaluation')}"


def _send(door: Door, case: Mapping[str, Any]) -> Answer:
    content = case["raw"] if "raw" in case else json.dumps(case["body"])
    headers = {"Content-Type": case.get("content_type", "application/json"), "X-Request-ID": case["id"]}
    answer = door.send("POST", _endpoint(case), content.encode(), headers)
    assert answer.headers["x-request-id"] == case["id"]
    return answer


@pytest.mark.parametrize("case", CASES)
def test_scenario(secured: tuple[str, Door], case: Mapping[str, Any]) -> None:
    door, want = secured[1], case["want"]
    for _ in range(case.get("times", 1)):
        answer = _send(door, case)
        assert answer.status == want.get("status", 200), answer
        assert answer.headers["content-type"] == "application/json"
        if answer.status != 200:
            assert isinstance(answer.body, str)
            assert answer.body.startswith(want.get("field", ""))
        if "decision" in want:
            assert answer.body["decision"] is want["decision"]
            assert isinstance(answer.body.get("context", {}), dict)
            assert "evaluations" not in answer.body
        if "decisions" in want:
            assert [result["decision"] for result in answer.body["evaluations"]] == want["decisions"]
            assert "decision" not in answer.body
        if "results" in want:
            _check_results(door, case, answer)


def _check_results(door: Door, case: Mapping[str, Any], answer: Answer) -> None:
    want, results = case["want"], answer.body["results"]
    assert all(expected in results for expected in want["results"])
    if want.get("exactly"):
        assert results == want["results"]
    members = {"name"} if case["endpoint"] == "search/action" else {"type", "id"}
    assert all(set(result) == members for result in results)
    assert isinstance(answer.body["page"]["next_token"], str)
    if case.get("follow"):
        assert answer.body["page"]["next_token"]
        found, token = list(results), answer.body["page"]["next_token"]
        while token:
            # C-4.5.2 sends the token alone.
            following = _send(door, {**case, "body": {**case["body"], "page": {"token": token}}})
            assert following.status == 200
            found += following.body["results"]
            token = following.body["page"]["next_token"]
        assert found == [TABLE["alice"], TABLE["bob"]]


def test_request_id_may_be_absent(secured: tuple[str, Door]) -> None:
    """C-2.5.2."""
    answer = secured[1].send("POST", EVALUATION, json.dumps(GOOD).encode(), JSON)
    assert (answer.status, "x-request-id" in answer.headers) == (200, False)


def test_discovery(secured: tuple[str, Door]) -> None:
    """C-6: the document, whatever the Host header says."""
    base, door = secured
    expected = {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
        "search_subject_endpoint": f"{base}/access/v1/search/subject",
        "search_resource_endpoint": f"{base}/access/v1/search/resource",
        "search_action_endpoint": f"{base}/access/v1/search/action",
    }
    for headers in ({}, {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}):
        answer = door.send("GET", WELL_KNOWN, headers=headers)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.body == expected
    for url in expected.values():
        assert url == base or door.post(url.removeprefix(base), {}).status == 400
