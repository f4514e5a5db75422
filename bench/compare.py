"""The sidecar, evaluated and cached, beside OPA, Cerbos and the bare echo."""

import json
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bench import servers
from bench.cerbos_requests import PATH as CERBOS_PATH
from bench.cerbos_requests import CerbosMessages
from bench.load import CHECK, Load, Measured, Target, measure, middle, write_bodies, write_order
from bench.portal import POLICY, Portal
from pdp.config import Settings
from pdp.decision.v1 import decision_pb2

OPA_PATH = "/v1/data/portal/decision"
CACHE_BYTES = 256 << 20  # enough for one decision of each of 100,000 accounts
DEFAULT_CACHE_BYTES = Settings().cache_bytes
AGREEMENT_SAMPLE = 300
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How long to measure: seconds a run, rounds, seconds for the first run of a cache."""

    duration: float
    warmup: float
    rounds: int
    fill: float


@dataclass(frozen=True)
class Result:
    """One server: at capacity, at half of it, and its resident memory (bytes) afterwards."""

    name: str
    capacity: Measured
    half: Measured
    memory_bytes: int
    note: str = ""


@dataclass(frozen=True)
class Agreement:
    """Over a sample of the requests: how often OPA's and Cerbos' answers are the sidecar's."""

    requests: int
    allowed: int
    opa: int
    cerbos: int


def compare(portal: Portal, plan: Plan, work: Path, say: Say) -> tuple[list[Result], Agreement]:
    """Starts every server, checks that they answer alike, measures them in turn, round by round."""
    with ExitStack() as stack:

        def start(name: str, starting: servers.Starting) -> servers.Server:
            say(f"starting {name}")
            return stack.enter_context(starting.running(work / f"{name}.log"))

        evaluated = start("sidecar", servers.sidecar(portal.store, POLICY, cache_bytes=0))
        cached = start("sidecar-cache", servers.sidecar(portal.store, POLICY, cache_bytes=CACHE_BYTES))
        default = start(
            "sidecar-default", servers.sidecar(portal.store, POLICY, cache_bytes=DEFAULT_CACHE_BYTES)
        )
        opa = start("opa", servers.opa(POLICY))
        cerbos = start("cerbos", servers.cerbos(servers.ROOT / "bench/cerbos/policies"))
        echo = start("echo", servers.echo())
        messages = CerbosMessages(cerbos.address)

        say("encoding the requests")
        inputs = portal.policy_inputs()
        grpc_bodies = write_bodies(work / "grpc.bin", portal.check_requests())
        every = write_bodies(work / "accounts.bin", portal.check_requests_of_accounts())
        order = write_order(work / "zipf.bin", portal.zipf())
        opa_bodies = [b'{"input":' + document + b"}" for document in inputs]
        cerbos_bodies = [messages.encode(json.loads(document)) for document in inputs]

        say("comparing the answers")
        agreement = _agreement(portal, evaluated, opa, opa_bodies, (messages, cerbos, cerbos_bodies))
        targets = [
            Target("pdp, every call evaluated", evaluated, "grpc", CHECK, grpc_bodies),
            Target("pdp, decision cache on", cached, "grpc", CHECK, every, order),
            Target("pdp, cache of the default size", default, "grpc", CHECK, every, order),
            Target("OPA", opa, "rest", OPA_PATH, write_bodies(work / "opa.bin", opa_bodies)),
            Target("Cerbos", cerbos, "grpc", CERBOS_PATH, write_bodies(work / "cerbos.bin", cerbos_bodies)),
            Target("bare tonic echo", echo, "grpc", CHECK, grpc_bodies),
        ]
        for target in targets[1:3]:
            say(f"filling the cache: {target.name}")
            measure(target, Load(plan.duration, plan.fill))
        return _measured(targets, plan, say), agreement


def _measured(targets: Sequence[Target], plan: Plan, say: Say) -> list[Result]:
    """Rounds go over all servers, so that what disturbs the machine for a while disturbs them alike."""
    capacity: dict[str, list[Measured]] = {target.name: [] for target in targets}
    half: dict[str, list[Measured]] = {target.name: [] for target in targets}
    lookups = {t.name: (t.server.counter(_HITS), t.server.counter(_MISSES)) for t in targets}
    for number in range(plan.rounds):
        for target in targets:
            say(f"round {number + 1} of {plan.rounds}, capacity: {target.name}")
            capacity[target.name].append(measure(target, Load(plan.duration, plan.warmup)))
    for number in range(plan.rounds):
        for target in targets:
            say(f"round {number + 1} of {plan.rounds}, half of capacity: {target.name}")
            rate = middle(capacity[target.name]).per_second / 2
            half[target.name].append(measure(target, Load(plan.duration, plan.warmup, rate=rate)))
    results = []
    for target in targets:
        hits = target.server.counter(_HITS) - lookups[target.name][0]
        misses = target.server.counter(_MISSES) - lookups[target.name][1]
        note = f"{hits / (hits + misses):.1%} of the calls answered from the cache" if hits else ""
        at_capacity, at_half = middle(capacity[target.name]), middle(half[target.name])
        results.append(Result(target.name, at_capacity, at_half, target.server.memory_bytes(), note))
    return results


_HITS = "pdp_decision_cache_hits_total"
_MISSES = "pdp_decision_cache_misses_total"


def _agreement(
    portal: Portal,
    sidecar: servers.Server,
    opa: servers.Server,
    opa_bodies: Sequence[bytes],
    cerbos: tuple[CerbosMessages, servers.Server, Sequence[bytes]],
) -> Agreement:
    """Asks each the same questions, so that what is measured is the same work."""
    messages, cerbos_server, cerbos_bodies = cerbos
    ours: list[tuple[bool, list[str]]] = []
    with grpc.insecure_channel(sidecar.address) as channel:
        call: servers.Call = channel.unary_unary(CHECK, None, decision_pb2.CheckResponse.FromString)
        for body in portal.check_requests()[:AGREEMENT_SAMPLE]:
            answer = call(body, timeout=10)
            ours.append((answer.allow, [reason.code for reason in answer.reasons]))
    same_opa = same_cerbos = 0
    for number, (allow, codes) in enumerate(ours):
        question = urllib.request.Request(f"http://{opa.address}{OPA_PATH}", opa_bodies[number])
        with urllib.request.urlopen(question, timeout=10) as answered:
            result: dict[str, Any] = json.load(answered)["result"]
        theirs = (result["allow"], sorted(reason["code"] for reason in result["reasons"]))
        same_opa += theirs == (allow, codes)
        same_cerbos += messages.ask(cerbos_server.address, cerbos_bodies[number])[0] is allow
    return Agreement(len(ours), sum(allow for allow, _ in ours), same_opa, same_cerbos)
