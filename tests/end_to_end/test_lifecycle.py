"""Start, readiness and stop of a real sidecar."""

import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from pdp.decision.v1.decision_pb2 import CheckResponse
from pdp.decision.v1.decision_service_pb2_grpc import DecisionServiceStub
from pdp.wire import request_to_message
from tests.end_to_end.sidecar import EXAMPLE, Sidecar, Starter, health, http, pdp, program, question, until

ADDRESSES = ("grpc", "http", "admin", "metrics")


def _free_address() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


def _slow_opa(folder: Path) -> tuple[Path, Path]:
    """An opa that waits for a file before it begins, and that file."""
    gate, script = folder / "gate", folder / "opa"
    script.write_text(
        f'#!/bin/sh\nwhile [ ! -e "{gate}" ]; do sleep 0.05; done\nexec "{program("opa")}" "$@"\n'
    )
    script.chmod(0o755)
    return script, gate


def _loading(start: Starter, folder: Path) -> tuple[Sidecar, Path]:
    """A sidecar that is still loading its policy until the returned file exists."""
    opa, gate = _slow_opa(folder)
    sidecar = start(ready=False, PDP_OPA=str(opa), PDP_POLICY_CACHE=str(folder / "cache"))
    return sidecar, gate


def _status(address: str, path: str) -> int:
    try:
        return http(address, path)[0]
    except OSError:
        return 0


def test_not_ready_before_policy_and_records_are_loaded(start: Starter, tmp_path: Path) -> None:
    opa, gate = _slow_opa(tmp_path)
    grpc_address, http_address = _free_address(), _free_address()
    sidecar = start(
        "--grpc",
        grpc_address,
        "--http",
        http_address,
        ready=False,
        PDP_OPA=str(opa),
        PDP_POLICY_CACHE=str(tmp_path / "cache"),
    )
    until(lambda: _status(http_address, "/healthz/live") == 200, 30, "liveness")
    assert _status(http_address, "/healthz/ready") == 503
    channel = sidecar.channel(grpc_address)
    assert health(channel) == HealthCheckResponse.NOT_SERVING
    answer = DecisionServiceStub(channel).Check(request_to_message(question()), timeout=20)
    assert not answer.allow
    assert [reason.code for reason in answer.reasons] == ["STATE_UNAVAILABLE"]

    gate.touch()
    start.wait(sidecar)
    until(lambda: health(channel) == HealthCheckResponse.SERVING, 5, "gRPC health")
    assert _status(http_address, "/healthz/ready") == 200


def test_a_signal_while_loading_ends_it_in_order(start: Starter, tmp_path: Path) -> None:
    sidecar, _ = _loading(start, tmp_path)
    until((tmp_path / "state.db").exists, 30, "the store")
    time.sleep(0.3)
    sidecar.signal()
    assert sidecar.ended() == 0
    assert "Stopped while loading." in sidecar.messages()


def _ask_later_state(sidecar: Sidecar, answers: list[CheckResponse | grpc.RpcError]) -> threading.Thread:
    """A call that stays in flight as long as the sidecar waits for a state that never comes."""
    stub = sidecar.stub()
    message = request_to_message(question(at_least_as_fresh="9999.00000000"))

    def ask() -> None:
        try:
            answers.append(stub.Check(message, timeout=30))
        except grpc.RpcError as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_in_flight_are_answered_new_ones_refused(start: Starter, number: signal.Signals) -> None:
    sidecar = start("--freshness-wait-ms", "2000")
    sidecar.check(question())
    answers: list[CheckResponse | grpc.RpcError] = []
    thread = _ask_later_state(sidecar, answers)
    time.sleep(0.5)
    began = time.monotonic()
    sidecar.signal(number)
    until(lambda: _refused(sidecar.grpc), 1.5, "refusing")
    thread.join(20)
    assert isinstance(answers[0], CheckResponse), answers
    assert [reason.code for reason in answers[0].reasons] == ["STATE_STALE"]
    assert sidecar.ended() == 0
    assert time.monotonic() - began < 8
    assert "every call in flight was answered" in sidecar.messages()


def _refused(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return False
    except OSError:
        return True


def test_it_ends_within_the_grace_though_a_call_does_not(start: Starter) -> None:
    sidecar = start("--freshness-wait-ms", "60000", "--shutdown-grace-seconds", "0.5")
    sidecar.check(question())
    answers: list[CheckResponse | grpc.RpcError] = []
    thread = _ask_later_state(sidecar, answers)
    time.sleep(0.5)
    began = time.monotonic()
    sidecar.signal()
    assert sidecar.ended() == 3
    assert time.monotonic() - began < 5
    thread.join(20)
    assert not (isinstance(answers[0], CheckResponse) and answers[0].allow)
    assert "not answered" in sidecar.messages()


def test_a_second_signal_ends_it_at_once(start: Starter) -> None:
    sidecar = start("--freshness-wait-ms", "60000", "--shutdown-grace-seconds", "60")
    sidecar.check(question())
    thread = _ask_later_state(sidecar, [])
    time.sleep(0.5)
    sidecar.signal()
    until(lambda: "Stopping" in sidecar.messages(), 10, "stopping")
    sidecar.signal()
    assert sidecar.ended(5) == -signal.SIGTERM
    thread.join(20)


def test_under_load_each_call_is_answered_or_refused(start: Starter) -> None:
    sidecar = start(records=EXAMPLE / "records.jsonl")
    stop = threading.Event()
    answered: list[int] = []
    errors: list[str] = []
    message = request_to_message(question())

    def ask() -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(sidecar.grpc, options=options) as channel:
            stub = DecisionServiceStub(channel)
            count = 0
            while not stop.is_set():
                try:
                    assert stub.Check(message, timeout=20).allow
                    count += 1
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        errors.append(f"{error.code()}: {error.details()}")
                    break
            answered.append(count)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    sidecar.signal()
    code = sidecar.ended()
    time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert code == 0
    assert not errors
    assert sum(answered) > 100


def test_state_survives_a_restart(start: Starter) -> None:
    first = start(records=EXAMPLE / "records.jsonl")
    before = first.check(question())
    first.signal()
    assert first.ended() == 0
    second = start()
    after = second.check(question(), fresh=before.state_token)
    assert after.allow
    assert after.state_token == before.state_token
    assert after.policy_revision == before.policy_revision


def test_state_survives_a_crash(start: Starter) -> None:
    first = start(records=EXAMPLE / "records.jsonl")
    token = first.check(question()).state_token
    first.signal(signal.SIGKILL)
    first.ended()
    assert start().check(question(), fresh=token).allow


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_port_in_use_is_one_sentence(name: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        flags = [
            part for each in ADDRESSES for part in (f"--{each}", address if each == name else "127.0.0.1:0")
        ]
        done = pdp("serve", *flags, "--records", f"sqlite:{tmp_path / 's.db'}", "--policy", str(EXAMPLE))
    _one_sentence(done.stderr)
    assert address in done.stderr
    assert done.returncode == 3
    assert done.stdout == ""
    assert time.monotonic() - began < 30


def _one_sentence(text: str) -> None:
    """Besides the log there is exactly one line, an error, without a traceback."""
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("arguments", "variables", "part"),
    [
        ([], {"PDP_GRCP": "x"}, "Unknown environment variable PDP_GRCP; did you mean PDP_GRPC?"),
        (["--config", "none.toml"], {}, "Cannot read the configuration file none.toml"),
        (["--threads", "many"], {}, 'Setting "threads" must be a whole number'),
        (["--grcp", "x"], {}, "No such option '--grcp'"),
        (["--policy", "no/such/bundle"], {}, "no/such/bundle"),
        (["--records", "sqlite:/no/such/folder/state.db"], {}, "/no/such/folder"),
        (["--records", "oracle:x"], {}, "'oracle' is no kind of record store"),
        (["--grpc", "no.such.host.invalid:0"], {}, "no.such.host.invalid:0"),
    ],
)
def test_a_mistake_at_the_start_is_one_sentence(
    arguments: list[str], variables: dict[str, str], part: str, tmp_path: Path
) -> None:
    own = {f"PDP_{name.upper()}": "127.0.0.1:0" for name in ADDRESSES}
    own |= {"PDP_RECORDS": f"sqlite:{tmp_path / 's.db'}", "PDP_POLICY": str(EXAMPLE)}
    done = pdp("serve", *arguments, **own | variables)
    _one_sentence(done.stderr)
    assert part in done.stderr
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("access/broken.rego", "package access.broken\n\nallow if {"),
        ("bundle.yaml", "name: [unclosed"),
        ("bundle.yaml", "name: x\nentrypoint: y\n"),
        ("schemas/user.schema.json", "{"),
    ],
)
def test_a_bundle_that_does_not_compile_is_one_sentence(
    start: Starter, tmp_path: Path, file: str, text: str
) -> None:
    broken = _copy(tmp_path / "broken")
    (broken / file).write_text(text, encoding="utf-8")
    sidecar = start(policy=broken, ready=False)
    assert sidecar.ended(60) == 3
    _one_sentence(sidecar.messages())
    assert file in sidecar.messages()


def _copy(target: Path) -> Path:
    for path in EXAMPLE.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(EXAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return target


def test_a_store_that_is_no_database_is_one_sentence(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("this is not a database " * 100, encoding="utf-8")
    sidecar = start(ready=False)
    assert sidecar.ended(60) == 3
    _one_sentence(sidecar.messages())
    assert "state.db" in sidecar.messages()


def test_a_corrupt_document_in_the_store_is_one_sentence(start: Starter, tmp_path: Path) -> None:
    first = start(records=EXAMPLE / "records.jsonl")
    first.signal()
    assert first.ended() == 0
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        db.execute("UPDATE records SET value = ? WHERE kind = 'user'", (b'{"id":',))
        db.commit()
    second = start(ready=False)
    assert second.ended(60) == 3
    _one_sentence(second.messages())
    assert "A stored record of kind user is not as this policy's schema would have it" in second.messages()
    assert "alice" not in second.messages()
    told = pdp("doctor", "--records", f"sqlite:{tmp_path / 'state.db'}", "--policy", str(EXAMPLE))
    assert told.returncode == 1
    assert "user/alice" in told.stdout


def test_an_open_administrative_address_is_warned_of(start: Starter) -> None:
    sidecar = start("--admin", "0.0.0.0:0")
    assert "asks for no credentials" in sidecar.messages()
    assert "asks for no credentials" not in start(store="other.db").messages()
