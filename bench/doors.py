"""The same questions through every door: over gRPC, as gateways ask them, over AuthZEN, and of OPA's REST."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import door_answers as answers
from bench import door_requests as form
from bench import servers
from bench.compare import AGREEMENT_SAMPLE, OPA_PATH, Plan, Say
from bench.envoy import envoy
from bench.envoy import portal as pages
from bench.load import CHECK, Load, Measured, Spread, Target, measure, middle, write_bodies
from bench.portal import POLICY, Portal

NATIVE = "gRPC, `Check`"
EXT_AUTHZ = "Envoy's ext_authz"
FORWARD_AUTH = "forward-auth"
AUTHZEN = "AuthZEN"
EXT_AUTHZ_JWT = "ext_authz, login by token"
FORWARD_AUTH_JWT = "forward-auth, login by token"
OPA = "OPA's REST"
ENVOY_ASKS, ENVOY_PLAIN = "Envoy that asks", "Envoy that does not"
AT_FIXED_RATE = (FORWARD_AUTH, AUTHZEN, OPA)
RATE = 300.0
# Each is verified when the answers are compared, and remembered from then on.
TOKENS = AGREEMENT_SAMPLE
READ: dict[str, answers.Read] = {
    NATIVE: answers.of_check,
    EXT_AUTHZ: answers.of_ext_authz,
    FORWARD_AUTH: answers.of_forward_auth,
    AUTHZEN: answers.of_authzen,
    EXT_AUTHZ_JWT: answers.of_ext_authz,
    FORWARD_AUTH_JWT: answers.of_forward_auth,
    OPA: answers.of_opa,
}
EXT_AUTHZ_PATH = "/envoy.service.auth.v3.Authorization/Check"
AUTHZEN_PATH = "/access/v1/evaluation"


@dataclass(frozen=True)
class Door:
    """One door as fast as it answers: the middle of the rounds, and what of it differs between them."""

    name: str
    capacity: Measured
    cpu_us: Spread


@dataclass(frozen=True)
class DoorFigures:
    """All that is measured. `fixed`: by name, at `RATE` requests a second.

    `questions`: how many different ones; `compared`: of how many of them every door's answer was looked at;
    `allowed`: of those.
    """

    accounts: int
    questions: int
    compared: int
    allowed: int
    capacity: list[Door]
    fixed: dict[str, Measured]


def measure_doors(portal: Portal, plan: Plan, work: Path, say: Say) -> DoorFigures:
    """Starts one sidecar with every door, and OPA; compares their answers; measures them in turn.

    Raises RuntimeError when a door decides otherwise than the native call.
    """
    tokens = form.Tokens()
    bundle = _bundle(work)
    addresses = dict(zip(("forward_auth", "authzen"), servers.free_addresses(2), strict=True))
    settings = {**addresses, "identity": str(tokens.declare(work))}
    with ExitStack() as stack:
        say("starting the sidecar with every door, and OPA")
        starting = servers.sidecar(portal.store, bundle, cache_bytes=0, more=settings)
        sidecar = stack.enter_context(starting.running(work / "doors-sidecar.log"))
        opa = stack.enter_context(servers.opa(bundle).running(work / "doors-opa.log"))
        say("encoding the questions for every door")
        questions, bodies = _encoded(portal, tokens)
        targets = _targets(sidecar, opa, addresses, bodies, work)
        say("comparing the answers")
        allowed = _agreed(targets, bodies)
        capacity = _capacity(targets, plan, say)
        fixed = _fixed([target for target in targets if target.name in AT_FIXED_RATE], plan, say)
        granted = [question for question, may in zip(questions, allowed, strict=True) if may]
        fixed |= _through_envoy(granted, sidecar, plan, work, say)
    sample = allowed[:AGREEMENT_SAMPLE]
    return DoorFigures(portal.accounts, len(questions), len(sample), sum(sample), capacity, fixed)


def _bundle(work: Path) -> Path:
    """The portal's policy, with routes for the questions."""
    bundle = work / "doors-policy"
    shutil.rmtree(bundle, ignore_errors=True)
    # The table of the routes would miss those that are added.
    shutil.copytree(POLICY, bundle, ignore=shutil.ignore_patterns("routes_test.yaml"))
    form.with_routes(bundle / "routes.yaml")
    return bundle


def _encoded(portal: Portal, tokens: form.Tokens) -> tuple[list[form.Question], dict[str, list[bytes]]]:
    """The questions that every door can be asked, and what to send to each."""
    asked = [
        (question, document)
        for question, document in zip(portal.documents(), portal.policy_inputs(), strict=True)
        if form.by_gateway(question)
    ]
    questions, documents = [each for each, _ in asked], [each for _, each in asked]
    by_header = [(question, form.gateway_login(question)) for question in questions]
    by_token = [(question, tokens.login(question)) for question in questions[:TOKENS]]
    return questions, {
        NATIVE: [form.native(question) for question in questions],
        EXT_AUTHZ: [form.ext_authz(*asked) for asked in by_header],
        FORWARD_AUTH: [form.forward_auth(*asked) for asked in by_header],
        AUTHZEN: [form.authzen(question) for question in questions],
        EXT_AUTHZ_JWT: [form.ext_authz(*asked) for asked in by_token],
        FORWARD_AUTH_JWT: [form.forward_auth(*asked) for asked in by_token],
        OPA: form.opa(documents),
    }


def _targets(
    sidecar: servers.Server,
    opa: servers.Server,
    doors: dict[str, str],
    bodies: dict[str, list[bytes]],
    work: Path,
) -> list[Target]:
    forward_auth, authzen = (replace(sidecar, address=doors[name]) for name in ("forward_auth", "authzen"))
    how = {
        NATIVE: (sidecar, "grpc", CHECK),
        EXT_AUTHZ: (sidecar, "grpc", EXT_AUTHZ_PATH),
        FORWARD_AUTH: (forward_auth, "http", ""),
        AUTHZEN: (authzen, "rest", AUTHZEN_PATH),
        EXT_AUTHZ_JWT: (sidecar, "grpc", EXT_AUTHZ_PATH),
        FORWARD_AUTH_JWT: (forward_auth, "http", ""),
        OPA: (opa, "rest", OPA_PATH),
    }
    return [
        Target(name, *where, write_bodies(work / f"doors-{number}.bin", bodies[name]))
        for number, (name, where) in enumerate(how.items())
    ]


def _agreed(targets: Sequence[Target], bodies: dict[str, list[bytes]]) -> list[bool]:
    """Whether each question is allowed, after every door was asked a sample."""
    native = next(target for target in targets if target.name == NATIVE)
    wanted = answers.of_check(native, bodies[NATIVE])
    for target in targets:
        said = READ[target.name](target, bodies[target.name][:AGREEMENT_SAMPLE])
        for number, (answer, right) in enumerate(zip(said, wanted, strict=False)):
            if answer != right:
                raise RuntimeError(f"{target.name} answers {answer} to question {number}, {NATIVE} {right}.")
    return [allow for allow, _ in wanted]


def _capacity(targets: Sequence[Target], plan: Plan, say: Say) -> list[Door]:
    runs: dict[str, list[Measured]] = {target.name: [] for target in targets}
    for number in range(plan.rounds):
        for target in targets:
            say(f"round {number + 1} of {plan.rounds}, capacity: {target.name}")
            runs[target.name].append(measure(target, Load(plan.duration, plan.warmup)))
    return [Door(name, middle(each), Spread.of(run.cpu_us for run in each)) for name, each in runs.items()]


def _fixed(targets: Sequence[Target], plan: Plan, say: Say) -> dict[str, Measured]:
    """At `RATE`; twice as long a run, so that its slowest hundredth is more than a few requests."""
    runs: dict[str, list[Measured]] = {target.name: [] for target in targets}
    for number in range(plan.rounds):
        for target in targets:
            say(f"round {number + 1} of {plan.rounds}, {RATE:g} requests/s: {target.name}")
            load = Load(2 * plan.duration, plan.warmup, rate=RATE)
            runs[target.name].append(measure(target, load))
    return {name: middle(each) for name, each in runs.items()}


def _through_envoy(
    granted: Sequence[form.Question], sidecar: servers.Server, plan: Plan, work: Path, say: Say
) -> dict[str, Measured]:
    """What is allowed, so that it gets through to the portal's page, asked for or not."""
    requests = [form.browser(question, form.gateway_login(question)) for question in granted]
    file = write_bodies(work / "doors-envoy.bin", requests)
    with ExitStack() as stack:
        say("starting Envoy")
        page = stack.enter_context(pages(work).running(work / "doors-portal.log"))

        def front(name: str, *, asks: bool) -> Target:
            starting = envoy(work, portal=page.address, sidecar=sidecar.address, asks=asks)
            server = stack.enter_context(starting.running(work / f"doors-envoy-{asks}.log"))
            return Target(name, server, "http", "", file, beside=(sidecar, page))

        return _fixed([front(ENVOY_PLAIN, asks=False), front(ENVOY_ASKS, asks=True)], plan, say)
