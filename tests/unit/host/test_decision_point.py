"""The library: the sidecar's decisions without a socket."""

import doctest
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import pdp
from pdp import Decision, DecisionPoint, InvalidRequest, PdpError
from pdp.config import Settings
from pdp.errors import RecordsError
from pdp.policy.bundle import BundleError

EXAMPLE = Path("policies/examples/authzen-certification")
RECORDS = EXAMPLE / "records.jsonl"
READERS = {"kind": "user", "key": "carol", "value": {"id": "carol", "properties": {}}}


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[3])


@pytest.fixture
def point() -> DecisionPoint:
    return DecisionPoint(EXAMPLE, RECORDS)


def request(subject: str = "alice", action: str = "read", **more: Any) -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": {"type": "record", "id": "record-1"},
        **more,
    }


def test_the_example_in_the_documentation_holds() -> None:
    point = DecisionPoint  # imports the module
    results = doctest.testmod(sys.modules[point.__module__])
    assert results.attempted >= 4
    assert results.failed == 0


def test_a_decision_is_typed_and_is_the_contract_s_json(point: DecisionPoint) -> None:
    decision = point.check(request("bob", "write"))
    assert not decision.allow
    assert decision.codes == ("ACTION_NOT_GRANTED",)
    reason = decision.reasons[0]
    assert reason.message.nl
    assert reason.message.en
    assert decision.policy_revision == point.policy_revision
    assert decision.state_token == point.state_token
    document = decision.to_dict()
    assert document["allow"] is False
    assert document["reasons"][0]["code"] == "ACTION_NOT_GRANTED"
    assert Decision.from_json(json.dumps(document).encode()) == decision


def test_only_an_allow_is_true(point: DecisionPoint) -> None:
    assert point.check(request())
    assert not point.check(request("bob", "write"))


def test_obligations_notices_and_times_are_read() -> None:
    document = {
        "allow": True,
        "reasons": [],
        "obligations": [{"type": "step_up", "article": "2.2", "acr_values": ["loa4"]}],
        "notices": [{"type": "consult_portal", "article": "2.8"}],
        "accountable": {"kvk": "12345678"},
        "valid_until": "2026-03-02T09:00:00.001Z",
        "policy_revision": "r",
        "state_token": "1.00",
        "decision_id": "d",
    }
    decision = Decision.from_json(json.dumps(document).encode())
    assert decision.obligations[0].parameters == {"acr_values": ["loa4"]}
    assert (decision.notices[0].type, decision.notices[0].parameters) == ("consult_portal", {})
    assert decision.valid_until == datetime(2026, 3, 2, 9, 0, 0, 1000, tzinfo=UTC)
    assert decision.to_dict() == document


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"subject": {"type": "user"}}, "subject.id"),
        ({"subject": "alice"}, "subject"),
        ({"context": {"weight": float("nan")}}, "context.weight"),
        ({"context": {"list": [1, float("inf")]}}, "context.list[1]"),
        ({"context": {"when": datetime(2026, 1, 1, tzinfo=UTC)}}, "context.when"),
        ({"context": {"text": "\ud800"}}, "context.text"),
    ],
)
def test_an_invalid_request_names_its_field(point: DecisionPoint, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        point.check(request() | change)
    assert caught.value.field == field
    assert caught.value.message


def test_a_request_that_contains_itself_is_invalid(point: DecisionPoint) -> None:
    context: dict[str, Any] = {}
    context["self"] = context
    with pytest.raises(InvalidRequest):
        point.check(request(context=context))


def test_at_is_the_clock(point: DecisionPoint) -> None:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    near = (at + timedelta(seconds=5)).isoformat()
    assert point.check(request(context={"time": near}), at=at)
    with pytest.raises(InvalidRequest) as caught:
        point.check(request(context={"time": near}))
    assert caught.value.field == "context.time"
    with pytest.raises(ValueError, match="has no zone"):
        point.check(request(), at=datetime(2026, 3, 2, 9))  # noqa: DTZ001


def test_many_are_decided_in_order(point: DecisionPoint) -> None:
    answers = point.check_many(
        [request(), request(""), {"context": {1.5: float("nan")}}, request("bob", "write")]
    )
    assert isinstance(answers[0], Decision)
    assert answers[0].allow
    assert isinstance(answers[1], InvalidRequest)
    assert answers[1].field == "subject.id"
    assert isinstance(answers[2], InvalidRequest)
    assert isinstance(answers[3], Decision)
    assert not answers[3].allow
    assert point.check_many([]) == []


def test_records_may_come_from_memory_and_change() -> None:
    point = DecisionPoint(EXAMPLE, [json.loads(line) for line in RECORDS.read_text().splitlines()])
    assert point.check(request())
    assert point.check(request("carol")).codes == ("SUBJECT_UNKNOWN",)
    before = point.state_token
    token = point.apply([READERS])
    assert token == point.state_token != before
    assert point.check(request("carol")).codes == ("ACTION_NOT_GRANTED",)
    point.apply([READERS | {"value": None}])
    assert "SUBJECT_UNKNOWN" in point.check(request("carol")).codes


def test_a_refused_change_changes_nothing(point: DecisionPoint) -> None:
    before = point.state_token
    with pytest.raises(RecordsError, match=r"^records, line 2: value\.properties: "):
        point.apply([READERS, {"kind": "user", "key": "dave", "value": {"id": "dave"}}])
    assert point.state_token == before
    assert "SUBJECT_UNKNOWN" in point.check(request("carol")).codes


def test_without_records_everything_is_unknown() -> None:
    assert not DecisionPoint(EXAMPLE).check(request())


def test_a_store_is_followed(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    with pytest.raises(RecordsError, match=r"state\.db"):
        DecisionPoint(EXAMPLE, url)
    _fill(url)
    with DecisionPoint(EXAMPLE, url) as point:
        assert point.check(request())
        token = point.apply([READERS])
        assert token == point.state_token
        assert point.check(request("carol")).codes == ("ACTION_NOT_GRANTED",)
        with DecisionPoint(EXAMPLE, url) as other:
            assert other.state_token == token


def test_a_point_that_was_closed_denies_and_leaves_the_registry(tmp_path: Path) -> None:
    from pdp.records.store import open_store

    url = f"sqlite:{tmp_path / 'state.db'}"
    _fill(url)
    store = open_store(url)
    point = DecisionPoint(EXAMPLE, url)
    assert point.check(request())
    assert [member.about for member in store.members()] != []
    point.close()
    assert store.members() == []
    assert point.check(request()).codes == ("STATE_STALE",)
    store.close()


def test_another_staleness_than_the_stores_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'state.db'}"
    _fill(url)
    with pytest.raises(RecordsError, match="max_staleness_seconds is 9, but the record store"):
        DecisionPoint(EXAMPLE, url, settings=Settings(max_staleness_seconds=9))


def _fill(url: str) -> None:
    from pdp.records.access import StoreAccess
    from pdp.records.store import open_store

    policy = DecisionPoint(EXAMPLE)._bundle.policy
    access = StoreAccess(open_store(url), lambda: policy)
    with RECORDS.open("rb") as lines:
        access.import_lines(lines)
    access.close()


def test_what_cannot_be_loaded_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        DecisionPoint(tmp_path / "none")
    with pytest.raises(RecordsError, match="No such file or directory"):
        DecisionPoint(EXAMPLE, tmp_path / "none.jsonl")
    with pytest.raises(PdpError):
        DecisionPoint(EXAMPLE, "sqlite:/no/such/folder/state.db")


def test_the_settings_limits_count() -> None:
    point = DecisionPoint(EXAMPLE, RECORDS, settings=Settings(max_request_bytes=500, clock_skew_seconds=60))
    moment = datetime.now(UTC) + timedelta(seconds=30)
    assert point.check(request(context={"time": moment.isoformat()}))
    with pytest.raises(InvalidRequest):
        point.check(request(context={"text": "x" * 1000}))


def test_many_threads_decide_at_once(point: DecisionPoint) -> None:
    def ask(number: int) -> bool:
        return point.check(request("alice" if number % 2 else "bob", "write")).allow

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(400))) == [number % 2 == 1 for number in range(400)]


def test_only_what_is_exported_is_there() -> None:
    assert {name: getattr(pdp, name) for name in pdp.__all__}
    with pytest.raises(AttributeError):
        pdp.Nothing  # noqa: B018
