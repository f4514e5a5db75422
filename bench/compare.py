"""The sidecar, evaluated and cached, beside OPA, Cerbos and the bare echo."""

import json
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc

from bench import servers
from bench.caches import Held, Lookups, fill, fill_with_each
from bench.cerbos_requests import PATH as CERBOS_PATH
from bench.cerbos_requests import CerbosMessages
from bench.load import (
    CHECK,
    Load,
    Measured,
    Spread,
    Target,
    measure,
    measure_once,
    middle,
    write_bodies,
    write_order,
)
from bench.portal import POLICY, Portal
from pdp.config import Settings
from pdp.decision.v1 import decision_pb2

OPA_PATH = "/v1/data/portal/decision"
CACHE_BYTES = 256 << 20  # enough for one decision of each of 100,000 accounts
DEFAULT_CACHE_BYTES = Settings().cache_bytes
AGREEMENT_SAMPLE = 300
EVALUATED = "pdp, every call evaluated"
LARGE = f"pdp, cache of {CACHE_BYTES >> 20} MiB, filled"
DEFAULT = "pdp, cache of the default size, filled"
EMPTY = "pdp, cache of the default size, from empty"
OPA, CERBOS, ECHO = "OPA", "Cerbos", "bare tonic echo"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How long to measure: seconds a run, rounds, seconds for one run that fills a cache."""

    duration: float
    warmup: float
    rounds: int
    fill: float


@dataclass(frozen=True)
class Result:
    """One server: at capacity, at half of it, and its resident memory (bytes) afterwards.

    `cpu_us`: of a decision, over the rounds at capacity. `half`: None where it was not measured. `lookups`
    and `held`: of its decision cache, over all rounds and after them.
    """

    name: str
    capacity: Measured
    cpu_us: Spread
    half: Measured | None
    memory_bytes: int
    lookups: Lookups
    held: Held


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
            Target(EVALUATED, evaluated, "grpc", CHECK, grpc_bodies),
            Target(LARGE, cached, "grpc", CHECK, every, order),
            Target(DEFAULT, default, "grpc", CHECK, every, order),
            Target(OPA, opa, "rest", OPA_PATH, write_bodies(work / "opa.bin", opa_bodies)),
            Target(CERBOS, cerbos, "grpc", CERBOS_PATH, write_bodies(work / "cerbos.bin", cerbos_bodies)),
            Target(ECHO, echo, "grpc", CHECK, grpc_bodies),
        ]
        fill_with_each(targets[1], plan.fill, say)
        fill(targets[2], plan.fill, say)
        results = _measured(targets, plan, say)
    results.insert(3, _from_empty(portal, targets[2], plan, work, say))
    return results, agreement


def _measured(targets: Sequence[Target], plan: Plan, say: Say) -> list[Result]:
    """Rounds go over all servers, so that what disturbs the machine for a while disturbs them alike."""
    capacity: dict[str, list[Measured]] = {target.name: [] for target in targets}
    half: dict[str, list[Measured]] = {target.name: [] for target in targets}
    before = {target.name: Lookups.of(target.server) for target in targets}
    for number in range(plan.rounds):
        for target in targets:
            say(f"round {number + 1} of {plan.rounds}, capacity: {target.name}")
            capacity[target.name].append(measure(target, Load(plan.duration, plan.warmup)))
    for number in range(plan.rounds):
        for target in targets:
            say(f"round {number + 1} of {plan.rounds}, half of capacity: {target.name}")
            rate = middle(capacity[target.name]).per_second / 2
            half[target.name].append(measure(target, Load(plan.duration, plan.warmup, rate=rate)))
    return [
        Result(
            name=target.name,
            capacity=middle(capacity[target.name]),
            cpu_us=Spread.of(run.cpu_us for run in capacity[target.name]),
            half=middle(half[target.name]),
            memory_bytes=target.server.memory_bytes(),
            lookups=Lookups.of(target.server).since(before[target.name]),
            held=Held.of(target.server),
        )
        for target in targets
    ]


def _from_empty(portal: Portal, target: Target, plan: Plan, work: Path, say: Say) -> Result:
    """As the target, its cache empty at the beginning of each round: a sidecar that has just started."""
    runs: list[Measured] = []
    lookups, held, memory = Lookups(0, 0), Held(0, 0), 0
    for number in range(plan.rounds):
        say(f"round {number + 1} of {plan.rounds}, capacity: {EMPTY}")
        starting = servers.sidecar(portal.store, POLICY, cache_bytes=DEFAULT_CACHE_BYTES)
        with starting.running(work / "sidecar-empty.log") as server:
            runs.append(measure_once(replace(target, server=server), Load(plan.duration, 0.0)))
            lookups = lookups.and_more(Lookups.of(server))
            held, memory = Held.of(server), server.memory_bytes()
    cpu_us = Spread.of(run.cpu_us for run in runs)
    return Result(EMPTY, middle(runs), cpu_us, None, memory, lookups, held)


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
