"""The forty decisions of the AuthZEN todo scenario, over HTTP."""

from pdp.policy.tables import load_table
from tests.adapters.authzen.door import EVALUATION, EVALUATIONS, Door, search_of
from tests.end_to_end.sidecar import ROOT, Starter, pdp

TODO = ROOT / "policies" / "examples" / "authzen-todo"


def test_decisions(start: Starter) -> None:
    sidecar = start(policy=TODO, records=TODO / "records.jsonl", PDP_AUTHZEN="127.0.0.1:0")
    door = Door(sidecar.addresses["authzen"])
    cases = load_table(TODO / "decisions.yaml")
    assert len(cases) >= 40
    for case in cases:
        answer = door.post(EVALUATION, case.request)
        assert (answer.status, answer.body["decision"]) == (200, case.want["allow"]), case.name
    # The same at once, as later events did.
    batch = door.post(EVALUATIONS, {"evaluations": [case.request for case in cases]}).body["evaluations"]
    assert [result["decision"] for result in batch] == [case.want["allow"] for case in cases]
    users = door.post(
        search_of("subject"),
        {
            "subject": {"type": "user"},
            "action": {"name": "can_create_todo"},
            "resource": {"type": "todo", "id": "todo-1"},
        },
    )
    assert len(users.body["results"]) == 3
    door.close()


def test_the_bundle_is_checked_and_covered() -> None:
    for verb in ("check", "test"):
        done = pdp("policy", verb, str(TODO))
        assert done.returncode == 0, done.stdout + done.stderr
