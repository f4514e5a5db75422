"""Sidecars on one Redis: lockouts that hold everywhere, and what is told of sidecars and servers that go."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pdp.decision.v1.decision_pb2 import CheckResponse
from pdp.records.access import Edit
from pdp.records.admin import AdminAccess
from pdp.records.waiting import Wait, WaitFor
from tests.end_to_end import portal
from tests.end_to_end.sidecar import PORTAL, Sidecar, Starter, http, pdp, until
from tests.servers.redis import (
    RedisServer,
    redis_cluster,
    redis_sentinels,
    redis_server,
    redis_with_replicas,
)

LEASE_SECONDS = 2.0
W_SECONDS = LEASE_SECONDS * 1.1 / 0.9 + 0.1
SLACK_SECONDS = 1.5
"""For a machine that has other things to do."""


@contextmanager
def running_pair(folder: Path) -> Iterator[tuple[RedisServer, list[Sidecar]]]:
    """A Redis that keeps what it acknowledged, and two sidecars with the small portal on it, who know each
    other for long enough.
    """
    starter = Starter(folder)
    with redis_server(folder, appendonly="yes", appendfsync="always") as server:
        try:
            _done("records", "init", "--records", server.url, "--max-staleness", str(LEASE_SECONDS))
            sidecars = [starter(policy=PORTAL, PDP_RECORDS=server.url) for _ in range(2)]
            token = sidecars[0].apply(*portal.records())
            for sidecar in sidecars:
                assert sidecar.check(portal.request(), fresh=token).allow
            time.sleep(W_SECONDS)
            yield server, sidecars
        finally:
            starter.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, list[Sidecar]]]:
    """One pair for all tests that leave things as they were."""
    with running_pair(tmp_path_factory.mktemp("pair")) as running:
        yield running


@pytest.fixture
def redis(running: tuple[RedisServer, list[Sidecar]]) -> RedisServer:
    """The server of `pair`."""
    return running[0]


@pytest.fixture
def pair(running: tuple[RedisServer, list[Sidecar]]) -> Iterator[list[Sidecar]]:
    """Two sidecars; what a test locks out is open again afterwards."""
    _, sidecars = running
    yield sidecars
    access = AdminAccess(sidecars[0].admin)
    edits = [Edit(kind, each.key, None) for kind in ("incident", "block") for each in access.records(kind)]
    token = access.apply(edits, wait=Wait(WaitFor.LOCAL)).state_token if edits else ""
    access.close()
    for sidecar in sidecars:
        until(lambda sidecar=sidecar: sidecar.check(portal.request(), fresh=token).allow, 10, "lifting")  # type: ignore[misc]


def _done(*arguments: str) -> str:
    done = pdp(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _codes(answer: CheckResponse) -> list[str]:
    return [reason.code for reason in answer.reasons]


def _declared(sidecar: Sidecar, *options: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(
        _done("incident", "declare", "--portal", "--yes", "--json", "--admin", sidecar.admin, *options)
    )
    return said


def _listed(sidecar: Sidecar) -> list[dict[str, Any]]:
    lines = _done("sidecars", "list", "--json", "--admin", sidecar.admin).splitlines()
    return [json.loads(line) for line in lines]


def _metric(sidecar: Sidecar, name: str) -> float:
    page = http(sidecar.metrics, "/metrics")[1]
    found = [line.split()[-1] for line in page.splitlines() if line.split(" ")[0].split("{")[0] == name]
    return float(found[0])


def test_a_lockout_holds_on_both_when_the_command_returns(pair: list[Sidecar]) -> None:
    one, other = pair
    for _ in range(3):
        said = _declared(one)
        answers = [sidecar.check(portal.request()) for sidecar in pair]
        assert [_codes(answer) for answer in answers] == [["INCIDENT_LOCKOUT"]] * 2
        assert said["barrier"]["path"] == "fast"
        assert said["barrier"]["waited_ms"] < 1_000
        _done("incident", "end", said["id"], "--yes", "--wait", "all", "--admin", other.admin)
        assert [sidecar.check(portal.request()).allow for sidecar in pair] == [True, True]
    text = pdp("incident", "declare", "--portal", "--yes", "--admin", one.admin)
    assert "(every sidecar confirmed)." in text.stderr


def test_both_are_listed(pair: list[Sidecar], redis: RedisServer) -> None:
    one = pair[0]
    listed = _listed(one)
    assert {member["name"].split()[1] for member in listed} == {str(s.process.pid) for s in pair}
    assert {member["name"].split()[2] for member in listed} == {s.grpc for s in pair}
    assert [member["self"] for member in listed].count(True) == 1
    assert {member["policy_revision"] for member in listed} == {one.revision}
    # A sidecar tells what it applied with its next beat.
    until(lambda: {member["lag"] for member in _listed(one)} == {0})
    offline = _done("sidecars", "list", "--json", "--records", redis.url).splitlines()
    assert {json.loads(line)["instance"] for line in offline} == {m["instance"] for m in listed}


def test_a_sidecar_that_hangs_holds_a_lockout_up_for_its_lease_only(pair: list[Sidecar]) -> None:
    one, other = pair
    other.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        said = _declared(one)
        taken = time.monotonic() - began
    finally:
        other.signal(signal.SIGCONT)
    # It may not have decided on it yet, but it certainly cannot allow.
    first = other.check(portal.request())
    assert _codes(first) in (["INCIDENT_LOCKOUT"], ["STATE_STALE"])
    assert said["barrier"]["path"] == "timed"
    assert LEASE_SECONDS < said["barrier"]["waited_ms"] / 1000 < W_SECONDS + SLACK_SECONDS
    assert taken < W_SECONDS + SLACK_SECONDS + 3
    until(lambda: _codes(other.check(portal.request())) == ["INCIDENT_LOCKOUT"], 10, "the lockout")
    until(lambda: len(_listed(one)) == 2, 10, "its return to the list")


def test_a_wait_that_is_too_short_leaves_it_open_and_names_who_hangs(pair: list[Sidecar]) -> None:
    one, other = pair
    other.signal(signal.SIGSTOP)
    try:
        done = pdp("incident", "declare", "--portal", "--yes", "--timeout", "0.5", "--admin", one.admin)
    finally:
        other.signal(signal.SIGCONT)
    assert done.returncode == 4
    assert f"{other.process.pid} {other.grpc}" in done.stderr
    assert "must be treated as in force" in done.stderr
    assert _codes(one.check(portal.request())) == ["INCIDENT_LOCKOUT"]


def test_a_lockout_from_outside_holds_when_the_command_returns(
    pair: list[Sidecar], redis: RedisServer
) -> None:
    where = ("--records", redis.url, "--policy", str(PORTAL))
    began = time.monotonic()
    done = pdp("block", "account", portal.USER, "--ground", "misuse", "--yes", *where)
    assert [_codes(sidecar.check(portal.request())) for sidecar in pair] == [["ACCOUNT_BLOCKED"]] * 2
    assert done.returncode == 0, done.stderr
    assert "Waiting about 3 s" in done.stderr
    assert W_SECONDS < time.monotonic() - began < W_SECONDS + SLACK_SECONDS + 4


def test_redis_goes_and_comes_back_and_sidecars_end(tmp_path: Path) -> None:
    """Decisions go stale and recover by themselves; who ends leaves the list; a Redis that hangs stops nobody
    from ending.
    """
    with running_pair(tmp_path) as (redis, pair):
        _goes_stale_and_recovers(redis, pair)
        one, other = pair
        other.signal()
        assert other.ended() == 0
        assert [member["self"] for member in _listed(one)] == [True]
        assert _declared(one)["barrier"]["path"] == "fast"
        redis.pause()
        began = time.monotonic()
        one.signal()
        assert one.ended(30) == 0
        assert time.monotonic() - began < 10


def _goes_stale_and_recovers(redis: RedisServer, pair: list[Sidecar]) -> None:
    one = pair[0]
    assert _metric(one, "pdp_state_fresh") == 1
    redis.kill()
    began = time.monotonic()
    assert one.check(portal.request()).allow
    until(lambda: _codes(one.check(portal.request())) == ["STATE_STALE"], LEASE_SECONDS + 1, "staleness")
    assert time.monotonic() - began > LEASE_SECONDS / 2
    assert _metric(one, "pdp_state_fresh") == 0
    assert http(one.http, "/healthz/fresh")[0] == 503
    status, text = http(one.http, "/healthz/ready")
    assert (status, json.loads(text)["state"]) == (200, "stale")
    done = pdp("incident", "declare", "--portal", "--yes", "--timeout", "1", "--admin", one.admin)
    assert done.returncode in (3, 4)
    time.sleep(2)
    assert redis.start()
    for sidecar in pair:
        until(lambda sidecar=sidecar: sidecar.check(portal.request()).allow, 10, "recovery")  # type: ignore[misc]
        assert http(sidecar.http, "/healthz/fresh")[0] == 200
        assert _metric(sidecar, "pdp_state_fresh") == 1
        assert "works again after" in sidecar.messages()
        assert "Traceback" not in sidecar.messages()
    said = _declared(one)
    assert said["barrier"]["state"] == "done"
    assert [_codes(sidecar.check(portal.request())) for sidecar in pair] == [["INCIDENT_LOCKOUT"]] * 2


def test_a_sidecar_that_holds_records_on_demand(
    pair: list[Sidecar], redis: RedisServer, start: Starter
) -> None:
    """It decides as the others do, is part of what a lockout waits for, and sees each change."""
    other = start("--records-mode", "on_demand", "--on-demand-mib", "1", policy=PORTAL, PDP_RECORDS=redis.url)
    everybody = [*pair, other]
    assert [sidecar.check(portal.request()).allow for sidecar in everybody] == [True] * 3
    assert _metric(other, "pdp_on_demand_misses_total") > 0
    said = _declared(pair[0])
    assert [_codes(sidecar.check(portal.request())) for sidecar in everybody] == [["INCIDENT_LOCKOUT"]] * 3
    assert said["barrier"]["path"] == "fast"
    assert len(_listed(pair[0])) == 3
    _done("incident", "end", said["id"], "--yes", "--wait", "all", "--admin", pair[0].admin)
    account = dict(portal.records()[-1][2] or {})
    token = pair[0].apply(("account", portal.USER, account | {"grants": []}))
    assert [sidecar.check(portal.request(), fresh=token).allow for sidecar in everybody] == [False] * 3
    token = other.apply(("account", portal.USER, account))
    assert [sidecar.check(portal.request(), fresh=token).allow for sidecar in everybody] == [True] * 3


def _one_sentence(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, text
    assert "Traceback" not in text
    return errors[0]


def test_stores_that_cannot_be_used_are_one_sentence(start: Starter, tmp_path: Path) -> None:
    with redis_server(tmp_path / "other", requirepass="geheim") as server:
        cases = {
            "redis://127.0.0.1:1": "cannot be reached",
            server.url: "asks for a user and password",
            f"redis://:verkeerd@{server.address}": "refuses this user and password",
            f"redis://:geheim@{server.address}": "not initialised",
            f"redis+cluster://:geheim@{server.address}?acks=0": "",
        }
        for url, sentence in cases.items():
            sidecar = start(ready=False, PDP_RECORDS=url)
            assert sidecar.ended(60) == 3
            assert sentence in _one_sentence(sidecar.messages())
            assert "geheim" not in sidecar.messages()
            assert "verkeerd" not in sidecar.messages()
        # An empty export in place of an error would be an empty backup.
        where = ("--records", f"redis://:geheim@{server.address}", "--policy", str(PORTAL))
        exported = pdp("records", "export", *where)
        assert (exported.returncode, exported.stdout) == (3, "")
        assert "not initialised" in exported.stderr


def test_another_staleness_than_the_stores_is_refused(start: Starter, redis: RedisServer) -> None:
    sidecar = start("--max-staleness-seconds", "5", ready=False, PDP_RECORDS=redis.url)
    assert sidecar.ended(60) == 3
    sentence = _one_sentence(sidecar.messages())
    assert "max_staleness_seconds is 5, but the record store was initialised with 2" in sentence
    assert start("--max-staleness-seconds", "2", PDP_RECORDS=redis.url).revision


def test_passwords_are_never_shown(start: Starter, tmp_path: Path) -> None:
    with redis_server(tmp_path / "other", requirepass="geheim") as server:
        url = f"redis://:geheim@{server.address}"
        shown = f"redis://:***@{server.address}"
        assert _done("records", "init", "--records", url).startswith(f"{shown}: initialised with")
        sidecar = start(policy=PORTAL, PDP_RECORDS=url)
        said = _done("config", "show", "--records", url)
        assert shown in said
        done = pdp("block", "account", "x", "--ground", "misuse", "--yes", "--timeout", "0.1",
                   "--records", url, "--policy", str(PORTAL))  # fmt: skip
        assert done.returncode == 4
        assert shown in done.stderr
        doctor = _done("doctor", "--records", url, "--policy", str(PORTAL))
        server.kill()
        time.sleep(1)
        for text in (said, done.stdout, done.stderr, doctor, sidecar.messages()):
            assert "geheim" not in text


def test_a_lockout_rides_out_a_failover(start: Starter, tmp_path: Path) -> None:
    """Strict operation: every replica must acknowledge, so it also waits until the old primary is one."""
    with (
        redis_with_replicas(tmp_path, 2, appendonly="yes") as (primary, _, _),
        redis_sentinels(tmp_path, primary) as sentinels,
        ThreadPoolExecutor(1) as pool,
    ):
        url = f"redis+sentinel://{','.join(sentinel.address for sentinel in sentinels)}/records?acks=2"
        _done("records", "init", "--records", url)
        pair = [start(policy=PORTAL, PDP_RECORDS=url) for _ in range(2)]
        token = pair[0].apply(*portal.records())
        assert [sidecar.check(portal.request(), fresh=token).allow for sidecar in pair] == [True, True]
        primary.kill()
        who = ("account", portal.USER, "--ground", "misuse", "--yes")
        blocked = pool.submit(_done, "block", *who, "--timeout", "60", "--admin", pair[1].admin)
        until(lambda: _primary(sentinels[0]) != primary.port, 20, "the failover")
        assert primary.start()
        assert "In force everywhere after " in blocked.result(90)
        assert [_codes(sidecar.check(portal.request())) for sidecar in pair] == [["ACCOUNT_BLOCKED"]] * 2


def _primary(sentinel: RedisServer) -> int:
    state: dict[str, Any] = sentinel.client().sentinel_master("records")  # type: ignore[assignment]
    return int(state["port"])


def test_several_shards(start: Starter, tmp_path: Path) -> None:
    with redis_cluster(tmp_path / "other") as nodes:
        url = f"redis+cluster://{nodes[0].address}?acks=0"
        _done("records", "init", "--records", url, "--shards", "3", "--max-staleness", "2")
        sidecar = start(policy=PORTAL, PDP_RECORDS=url)
        lines = tmp_path / "portal.jsonl"
        lines.write_text(
            "".join(json.dumps({"kind": k, "key": key, "value": v}) + "\n" for k, key, v in portal.records())
        )
        token = sidecar.load(lines)
        assert [part.count(":") for part in token.split(",")] == [0, 1, 1]
        assert sidecar.check(portal.request(), fresh=token).allow
        exported = _done("records", "export", "--admin", sidecar.admin)
        assert len(exported.splitlines()) == len(portal.records())
        time.sleep(W_SECONDS)
        said = _declared(sidecar)
        assert said["barrier"]["path"] == "fast"
        assert _codes(sidecar.check(portal.request())) == ["INCIDENT_LOCKOUT"]
        assert len(_listed(sidecar)[0]["shards"]) == 3
        doctor = _done("doctor", "--records", url, "--policy", str(PORTAL))
        assert "shards 3" in doctor


def test_the_doctor_looks_into_redis(pair: list[Sidecar], redis: RedisServer) -> None:
    where = ("--records", redis.url, "--policy", str(PORTAL), "--json")
    done = pdp("doctor", *where)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout
    assert [finding for finding in findings if finding["level"] != "ok"] == []
    said = "\n".join(finding["text"] for finding in findings)
    assert "keeps an append-only file, appendfsync always." in said
    assert "Sidecars registered: 2, silent: 0." in said
    client = redis.client()
    client.config_set("appendfsync", "everysec")
    client.config_set("maxmemory-policy", "volatile-lru")
    done = pdp("doctor", *where[:-1])
    client.config_set("appendfsync", "always")
    client.config_set("maxmemory-policy", "noeviction")
    assert done.returncode == 1
    assert "appendfsync everysec: a crash may lose its last writes" in done.stdout
    assert "has maxmemory-policy volatile-lru." in done.stdout
    done = pdp("doctor", "--records", f"{redis.url}?acks=1", "--policy", str(PORTAL))
    assert "has 0 replicas, and acks asks 1" in done.stdout
