"""Both clients against real sidecars, and against a PDP in chosen trouble: no allow that no PDP gave."""

import inspect
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from pdp.decision.v1 import decision_pb2 as sidecars_contract
from poortwachter_client import AsyncClient, Call, Client, Decision, InvalidRequest, RetryOptions
from poortwachter_client.contract import decision_pb2
from tests.adapters.python.clients import KINDS, asking, both, stopped
from tests.adapters.python.conftest import Fleet
from tests.adapters.python.fake_pdp import FakePdp, allowing, failing
from tests.end_to_end import portal
from tests.end_to_end.sidecar import Sidecar, program, question, until

REQUEST = portal.request()
REQUEST_FOR_CERTIFICATE = [
    *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"),
    *("-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=pdp", "-addext", "subjectAltName=IP:127.0.0.1"),
]
UNAVAILABLE = ("PDP_UNAVAILABLE",)


@both
def test_a_decision_is_what_the_sidecar_said(pdp: Sidecar, kind: str) -> None:
    with asking(kind, [pdp.grpc]) as client:
        yes = client.check(REQUEST)
        assert (yes.allow, bool(yes), yes.codes, yes.unavailable) == (True, True, (), False)
        assert yes.accountable == {"kvk": portal.EMPLOYER}
        assert yes.policy_revision == pdp.revision
        assert len(yes.decision_id) == 32
        no = client.check(portal.request(service="nowhere"))
        assert (no.allow, bool(no), no.codes) == (False, False, ("SERVICE_UNKNOWN",))
        (reason,) = no.reasons
        assert (reason.article, bool(reason.message.nl), bool(reason.message.en)) == ("2.7", True, True)
        assert no.to_dict()["reasons"][0]["code"] == "SERVICE_UNKNOWN"


@both
def test_an_invalid_request_is_an_error_that_names_the_field(pdp: Sidecar, kind: str) -> None:
    """Whether the client finds it or the sidecar."""
    wrong: list[tuple[Any, str]] = [
        (REQUEST | {"subject": {"type": "user", "id": ""}}, "subject.id"),
        (REQUEST | {"subject": {"type": "user"}}, "subject.id"),
        (REQUEST | {"subject": {"type": "user", "id": 7}}, "subject.id"),
        (REQUEST | {"context": {"time": "yesterday"}}, "context.time"),
        (REQUEST | {"context": {"a": float("nan")}}, "context"),
        (REQUEST | {"context": {"a": object()}}, "context"),
        ({key: value for key, value in REQUEST.items() if key != "action"}, "action"),
        (["no", "mapping"], ""),
    ]
    with asking(kind, [pdp.grpc]) as client:
        for request, field in wrong:
            with pytest.raises(InvalidRequest) as raised:
                client.check(request)
            assert raised.value.field == field, request


@both
def test_a_batch_is_answered_in_order(pdp: Sidecar, kind: str) -> None:
    requests = [
        REQUEST,
        {"subject": 1},
        portal.request(service="nowhere"),
        REQUEST | {"context": {"time": "x"}},
    ]
    with asking(kind, [pdp.grpc]) as client:
        yes, mistaken, no, refused = client.check_many(requests)
        assert isinstance(yes, Decision)
        assert yes.allow
        assert isinstance(mistaken, InvalidRequest)
        assert mistaken.field == "subject"
        assert isinstance(no, Decision)
        assert no.codes == ("SERVICE_UNKNOWN",)
        assert isinstance(refused, InvalidRequest)
        assert refused.field == "context.time"
        assert client.check_many([]) == []
        with pytest.raises(InvalidRequest):
            client.check_many([REQUEST] * 1001)


@both
def test_a_sidecar_that_is_gone_is_a_denial(fleet: Fleet, kind: str) -> None:
    (sidecar,) = fleet(1)
    with asking(kind, [sidecar.grpc], timeout=2.0) as client:
        until(lambda: client.check(REQUEST).allow, 20, "a first answer")
        sidecar.signal(signal.SIGKILL)
        sidecar.ended()
        for _ in range(5):
            assert client.check(REQUEST).codes == UNAVAILABLE
        answers = client.check_many([REQUEST, {"subject": 1}])
        assert isinstance(answers[0], Decision)
        assert answers[0].codes == UNAVAILABLE
        assert isinstance(answers[1], InvalidRequest)


@both
@pytest.mark.parametrize("balance", ["first", "round_robin"])
def test_one_of_two_sidecars_is_killed_and_then_stopped(fleet: Fleet, kind: str, balance: str) -> None:
    """Every request is answered by the other: at once, or within its time-out."""
    one, other = fleet(2)
    with asking(kind, [one.grpc, other.grpc], timeout=2.0, balance=balance) as client:
        until(lambda: all(client.check(REQUEST).allow for _ in range(4)), 20, "first answers")
        with stopped(one):
            assert all(client.check(REQUEST).allow for _ in range(10))
        one.signal(signal.SIGKILL)
        one.ended()
        assert all(client.check(REQUEST).allow for _ in range(10))
        other.signal(signal.SIGKILL)
        other.ended()
        assert client.check(REQUEST).codes == UNAVAILABLE


@both
def test_round_robin_asks_each(kind: str) -> None:
    with (
        FakePdp() as one,
        FakePdp() as other,
        asking(kind, [one.address, other.address], balance="round_robin") as client,
    ):
        assert all(client.check(question()).allow for _ in range(10))
        assert (one.calls, other.calls) == (5, 5)


@both
@pytest.mark.parametrize(
    ("status", "times", "allow", "calls"),
    [
        (grpc.StatusCode.UNAVAILABLE, 1, True, 2),
        (grpc.StatusCode.UNAVAILABLE, 2, True, 3),
        (grpc.StatusCode.UNAVAILABLE, 3, False, 3),
        (grpc.StatusCode.INTERNAL, 1, False, 1),
        (grpc.StatusCode.PERMISSION_DENIED, 1, False, 1),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 1, False, 1),
        (grpc.StatusCode.UNIMPLEMENTED, 1, False, 1),
    ],
)
def test_only_what_may_be_repeated_is(
    kind: str, status: grpc.StatusCode, times: int, allow: bool, calls: int
) -> None:
    with FakePdp(failing(status, times=times)) as fake, asking(kind, [fake.address]) as client:
        decision = client.check(question())
        assert (decision.allow, fake.calls) == (allow, calls)
        if not allow:
            assert decision.codes == UNAVAILABLE
            assert decision.reasons[0].details == {"cause": status.name}


@both
def test_an_invalid_request_is_never_repeated(kind: str) -> None:
    refusing = failing(grpc.StatusCode.INVALID_ARGUMENT, "subject.id: is no good")
    with FakePdp(refusing) as fake, FakePdp() as other:
        with (
            asking(kind, [fake.address, other.address]) as client,
            pytest.raises(InvalidRequest, match=r"subject\.id: is no good"),
        ):
            client.check(question())
        assert (fake.calls, other.calls) == (1, 0)


@both
def test_what_is_repeated_at_large_has_a_bound(kind: str) -> None:
    """A PDP in trouble gets little more than one call for each request."""
    retries = RetryOptions(attempts=3, tokens=10, refill=0.1)
    with (
        FakePdp(failing(grpc.StatusCode.UNAVAILABLE)) as fake,
        asking(kind, [fake.address], retries=retries) as client,
    ):
        for _ in range(30):
            assert client.check(question()).codes == UNAVAILABLE
        assert 30 < fake.calls <= 30 + 5


@both
def test_an_answer_that_comes_too_late_is_not_used(kind: str) -> None:
    def slow(request: Any, context: Any) -> Any:
        time.sleep(0.4)
        return allowing(request, context)

    with FakePdp(slow) as fake, asking(kind, [fake.address]) as client:
        began = time.monotonic()
        assert client.check(question(), timeout=0.1).codes == UNAVAILABLE
        assert time.monotonic() - began < 5
        assert client.check(question(), timeout=10.0).allow


@both
def test_an_answer_in_hand_when_the_time_is_over_is_not_used(kind: str) -> None:
    """The process was stopped while the answer was under way, so that no timer of gRPC has run out."""

    class Jumping:
        """The steady clock jumps ahead while a call is under way."""

        ahead = 0

        def steady_ns(self) -> int:
            return time.monotonic_ns() + self.ahead

        def wall_ns(self) -> int:
            return time.time_ns()

    clock = Jumping()

    def meanwhile(request: Any, context: Any) -> Any:
        clock.ahead += 60_000_000_000
        return allowing(request, context)

    with FakePdp(meanwhile) as fake, asking(kind, [fake.address], clock=clock) as client:
        decision = client.check(question())
        assert decision.codes == UNAVAILABLE
        assert decision.reasons[0].details == {"cause": "an answer that came too late"}
        (answer,) = client.check_many([question()])
        assert isinstance(answer, Decision)
        assert answer.codes == UNAVAILABLE


@both
@pytest.mark.parametrize(
    "strange",
    [
        decision_pb2.CheckResponse(),
        decision_pb2.CheckResponse(allow=True, reasons=[decision_pb2.Reason(code="ODD")]),
    ],
)
def test_an_answer_that_contradicts_itself_is_a_denial(
    kind: str, strange: decision_pb2.CheckResponse
) -> None:
    with FakePdp(lambda request, context: strange) as fake, asking(kind, [fake.address]) as client:
        decision = client.check(question())
        assert not decision.allow
        assert decision.codes


@both
def test_metadata_goes_along(kind: str) -> None:
    with FakePdp() as fake, asking(kind, [fake.address], metadata=(("x-gateway", "portal"),)) as client:
        client.check(question(), metadata=(("traceparent", "00-1-2-3"),))
        assert (fake.metadata["x-gateway"], fake.metadata["traceparent"]) == ("portal", "00-1-2-3")


@both
def test_a_unix_socket(kind: str, tmp_path: Path) -> None:
    with FakePdp(address=f"unix:{tmp_path}/pdp.sock") as fake, asking(kind, [fake.address]) as client:
        assert client.check(question()).allow


def _certificates(folder: Path) -> dict[str, bytes]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    subprocess.run(
        [program("openssl"), *REQUEST_FOR_CERTIFICATE],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=30,
    )
    return {name: (folder / f"{name}.pem").read_bytes() for name in ("key", "cert")}


@both
def test_tls_with_certificates_of_both(kind: str, tmp_path: Path) -> None:
    files = _certificates(tmp_path)
    key, cert = files["key"], files["cert"]
    served = grpc.ssl_server_credentials([(key, cert)], root_certificates=cert, require_client_auth=True)
    with FakePdp(credentials=served) as fake:
        for credentials, allow in (
            (grpc.ssl_channel_credentials(cert, key, cert), True),
            (grpc.ssl_channel_credentials(cert), False),
            (grpc.ssl_channel_credentials(), False),
            (None, False),
        ):
            with asking(kind, [fake.address], credentials=credentials, timeout=2.0) as client:
                assert client.check(question()).allow is allow


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("addresses", "settings", "says"),
    [
        ([], {}, "at least one address"),
        ("127.0.0.1:1", {}, "a list"),
        (["127.0.0.1:1"], {"timeout": 0}, "timeout"),
        (["127.0.0.1:1"], {"balance": "random"}, "balance"),
        (["127.0.0.1:1", "192.0.2.7:7081"], {}, "192.0.2.7:7081 is not on this machine"),
        (["dns:///pdp.example:7081"], {}, "not on this machine"),
        (["127.0.0.1.example:7081"], {}, "not on this machine"),
        (["localhost.example"], {}, "not on this machine"),
    ],
)
def test_settings_that_are_not_safe_are_refused(
    kind: str, addresses: Any, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        # Looped starts a thread only after its client was made.
        KINDS[kind](addresses, **settings)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:7081", "localhost:7081", "[::1]:7081", "ipv4:127.0.0.2:1", "unix:/run/pdp.sock"]
)
def test_this_machine_needs_no_tls(address: str) -> None:
    Client([address]).close()
    Client(["192.0.2.7:7081"], plaintext=True).close()


@both
def test_each_call_is_told_to_the_metrics(kind: str) -> None:
    told: list[Call] = []
    with FakePdp(failing(grpc.StatusCode.UNAVAILABLE, times=1)) as fake:
        with asking(kind, [fake.address], observe=told.append) as client:
            client.check(question())
            client.check_many([question()])
            with pytest.raises(InvalidRequest):
                client.check({})
        with asking(kind, ["127.0.0.1:1"], observe=told.append, timeout=0.5) as client:
            client.check(question())
    seen = [(call.outcome, call.cached, call.attempts) for call in told]
    assert seen[:3] == [("allow", False, 2), ("answered", False, 1), ("invalid", False, 0)]
    assert seen[3][:2] == ("unavailable", False)
    assert all(call.seconds >= 0 for call in told)


def test_a_closed_client_says_so(pdp: Sidecar) -> None:
    client = Client([pdp.grpc], timeout=10.0)
    client.check(REQUEST)
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.check(REQUEST)


def test_the_decision_cannot_be_changed(pdp: Sidecar) -> None:
    """It may be shared with others, from the cache."""
    with Client([pdp.grpc], timeout=10.0) as client:
        decision: Any = client.check(REQUEST)
        with pytest.raises(TypeError):
            decision.accountable["kvk"] = "other"
        with pytest.raises(AttributeError):
            decision.allow = False


def test_both_copies_of_the_contract_live_in_one_process() -> None:
    assert decision_pb2.DESCRIPTOR.serialized_pb == sidecars_contract.DESCRIPTOR.serialized_pb
    request = sidecars_contract.CheckRequest(at_least_as_fresh="x")
    assert decision_pb2.CheckRequest.FromString(request.SerializeToString()).at_least_as_fresh == "x"


def test_both_clients_offer_the_same() -> None:
    """With the same parameters and defaults; what they do is the same core."""

    def offered(kind: type) -> dict[str, list[tuple[str, Any]]]:
        return {
            name: [(p.name, p.default) for p in inspect.signature(member).parameters.values()]
            for name, member in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") or name == "__init__"
        }

    assert offered(Client) == offered(AsyncClient)
    assert {"check", "check_many", "connect", "close"} <= set(offered(Client))
