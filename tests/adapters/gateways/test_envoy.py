"""What only Envoy does: HTTP/2, gRPC applications, metadata in its access log, bodies sent along."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from tests.adapters.gateways.conftest import USER, Site, declare_identity, login
from tests.adapters.gateways.raw import ask
from tests.adapters.gateways.running import gateway
from tests.adapters.gateways.upstream import upstream
from tests.end_to_end.sidecar import PORTAL, ROOT, Starter, until

METHOD = "/portal.Echo/Say"
# Nothing in the portal's own bundle is a gRPC method.
ROUTE = f"""
  - {{name: echo, path: {METHOD}, methods: [POST], action: {{name: read}}, resource: *portal}}
"""


Headers = list[tuple[str, str]]


def at(level: str) -> Headers:
    """The header of a login at a level, fresh, as tokens expire; "": of none."""
    return [login(level)] if level else []


@dataclass
class Application(grpc.GenericRpcHandler):
    """A gRPC application that answers each message with itself, and remembers the metadata of its calls."""

    arrived: list[dict[str, str | bytes]] = field(default_factory=list)

    def service(self, call: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        self.arrived.append({str(name): value for name, value in call.invocation_metadata})

        def echo(message: bytes, _: grpc.ServicerContext) -> bytes:
            return message

        return grpc.unary_unary_rpc_method_handler(echo)


@dataclass
class Envoys:
    """Envoys in front of one portal, and of a gRPC application."""

    start: Callable[..., Site]
    site: Site
    application: Application
    log: Path

    def logged(self, decision: str) -> dict[str, Any]:
        """The line of the access log about a decision, which Envoy writes a little later."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
            found[:] = [line for line in map(json.loads, lines) if line.get("decision") == decision]
            return bool(found)

        until(look, what=f"a line about {decision} in the access log")
        (line,) = found
        return line


@pytest.fixture(scope="module")
def envoys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoys]:
    folder = tmp_path_factory.mktemp("envoy")
    policy = folder / "portal"
    shutil.copytree(PORTAL, policy)
    with (policy / "routes.yaml").open("a", encoding="utf-8") as routes:
        routes.write(ROUTE)
    application = Application()
    server = grpc.server(ThreadPoolExecutor(max_workers=2), handlers=[application])
    portal_grpc = server.add_insecure_port("127.0.0.1:0")
    starter = Starter(folder)
    with ExitStack() as stack:
        stack.callback(starter.close)
        server.start()
        stack.callback(lambda: server.stop(grace=None).wait(timeout=10))
        sidecar = starter(
            policy=policy,
            records=ROOT / "docs/example/records.jsonl",
            PDP_IDENTITY=str(declare_identity(folder)),
        )
        portal = stack.enter_context(upstream())

        def start(**more: Any) -> Site:
            """An Envoy more."""
            running = partial(gateway, "envoy", grpc=sidecar.grpc, forward="127.0.0.1:9")
            port = stack.enter_context(running(portal=portal.port, portal_grpc=portal_grpc, **more))
            site = Site("envoy", port, sidecar, portal)
            until(lambda: site.ask("/", headers=[login()]).status == 200, what="an answer")
            return site

        log = folder / "envoy.log"
        yield Envoys(start, start(log=log), application, log)


@pytest.fixture(scope="module")
def browser(envoys: Envoys) -> Iterator[httpx.Client]:
    """A client that speaks HTTP/2 without asking first."""
    address = f"http://127.0.0.1:{envoys.site.port}"
    with httpx.Client(http1=False, http2=True, base_url=address, timeout=20, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("target", "level", "headers", "status", "header"),
    [
        ("/?a=b", "loa3", [], 200, "x-pdp-decision-id"),
        ("/static/x", "", [], 200, "content-type"),
        ("/accounts", "", [], 401, "www-authenticate"),
        ("/", "", [("Accept", "text/html")], 302, "location"),
        ("/", "loa2", [("Accept", "text/html")], 302, "location"),
        ("/beheer", "loa3", [], 403, "x-pdp-codes"),
    ],
    ids=["allowed", "public", "login", "redirect", "step-up", "denied"],
)
def test_http_2(
    envoys: Envoys,
    browser: httpx.Client,
    target: str,
    level: str,
    headers: Headers,
    status: int,
    header: str,
) -> None:
    envoys.site.portal.arrived.clear()
    answer = browser.get(target, headers=[*at(level), *headers])
    assert (answer.http_version, answer.status_code) == ("HTTP/2", status)
    assert answer.headers[header]
    assert [request.target for request in envoys.site.portal.arrived] == ([target] if status == 200 else [])


def test_many_at_a_time_over_one_connection_do_not_mix(envoys: Envoys, browser: httpx.Client) -> None:
    kinds = [("/", 200), ("/beheer", 403), ("/static/x", 200), ("/profiel", 200)] * 10

    def answer(kind: tuple[str, int]) -> tuple[str, int]:
        return kind[0], browser.get(kind[0], headers=[login()]).status_code

    with ThreadPoolExecutor(max_workers=8) as threads:
        assert list(threads.map(answer, kinds)) == kinds


def test_an_answer_says_which_decision_let_it_through(envoys: Envoys) -> None:
    answer = envoys.site.ask("/", headers=[login(), ("X-Pdp-Decision-Id", "0" * 32)])
    decision = answer.headers["x-pdp-decision-id"]
    assert envoys.site.portal.only().headers["x-pdp-decision-id"] == [decision]
    assert "x-pdp-accountable" not in answer.headers, "for the portal, not for the user"


@pytest.mark.parametrize(
    ("target", "level", "expected"),
    [
        ("/", "loa3", {"answer": "allowed", "route": "home", "status": 200, "codes": []}),
        ("/beheer", "loa3", {"answer": "denied", "route": "", "status": 403, "codes": ["ROUTE_UNKNOWN"]}),
        ("/profiel", "loa2", {"answer": "step_up", "route": "profile", "status": 401}),
        ("/profiel", "", {"answer": "login", "route": "profile", "status": 401}),
    ],
    ids=["allowed", "denied", "step-up", "login"],
)
def test_the_access_log_says_what_was_decided(
    envoys: Envoys, target: str, level: str, expected: dict[str, Any]
) -> None:
    answer = envoys.site.ask(target, headers=at(level))
    line = envoys.logged(answer.headers["x-pdp-decision-id"])
    assert {name: line[name] for name in expected} == expected


def _call(
    envoys: Envoys, *metadata: tuple[str, str], method: str = METHOD, message: bytes = b"goeiedag"
) -> tuple[grpc.StatusCode, str]:
    """The status of a gRPC call and what the answer or the message says."""
    envoys.application.arrived.clear()
    options = [("grpc.enable_retries", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{envoys.site.port}", options=options) as channel:
        call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        lower = tuple((name.lower(), value) for name, value in metadata)
        try:
            answer = call(message, metadata=lower, timeout=15)
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
        return grpc.StatusCode.OK, bytes(answer).decode()


def test_a_grpc_call_that_may_reaches_its_application(envoys: Envoys) -> None:
    forged = ("x-pdp-accountable", '{"kvk":"99999999"}')
    assert _call(envoys, login(), forged) == (grpc.StatusCode.OK, "goeiedag")
    (metadata,) = envoys.application.arrived
    assert metadata["x-pdp-accountable"] == '{"kvk":"12345678"}'
    assert envoys.logged(str(metadata["x-pdp-decision-id"]))["route"] == "echo"


@pytest.mark.parametrize(
    ("level", "method", "status", "code"),
    [
        ("", METHOD, grpc.StatusCode.UNAUTHENTICATED, "AUTHENTICATION_INVALID"),
        ("loa2", METHOD, grpc.StatusCode.UNAUTHENTICATED, "ASSURANCE_LEVEL_TOO_LOW"),
        ("loa3", "/portal.Echo/Other", grpc.StatusCode.PERMISSION_DENIED, "ROUTE_UNKNOWN"),
        ("", "/static/x", grpc.StatusCode.PERMISSION_DENIED, "ROUTE_UNKNOWN"),
    ],
    ids=["no-login", "step-up", "unknown", "post-to-public"],
)
def test_a_grpc_call_that_may_not_gets_the_status_of_its_denial(
    envoys: Envoys, level: str, method: str, status: grpc.StatusCode, code: str
) -> None:
    got, message = _call(envoys, *at(level), method=method)
    assert got is status
    assert code in message, "the reasons travel in the message"
    assert not envoys.application.arrived


def test_a_forged_token_is_no_login_to_a_grpc_call(envoys: Envoys) -> None:
    name, value = login()
    assert _call(envoys, (name, value[:-3]))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert not envoys.application.arrived


def test_a_block_counts_with_the_next_grpc_call(envoys: Envoys) -> None:
    sidecar = envoys.site.sidecar
    sidecar.apply(("block", f"account:{USER}", {"ground": "misuse", "from": "2026-01-01T00:00:00Z"}))
    try:
        status, message = _call(envoys, login())
        assert (status, "ACCOUNT_BLOCKED" in message) == (grpc.StatusCode.PERMISSION_DENIED, True)
        assert not envoys.application.arrived
    finally:
        sidecar.apply(("block", f"account:{USER}", None))
    assert _call(envoys, login())[0] is grpc.StatusCode.OK


def test_no_answer_is_unavailable_to_a_grpc_call(envoys: Envoys) -> None:
    sidecar = envoys.site.sidecar
    sidecar.signal(signal.SIGSTOP)
    try:
        assert _call(envoys, login())[0] is grpc.StatusCode.UNAVAILABLE
        assert not envoys.application.arrived
    finally:
        sidecar.signal(signal.SIGCONT)
    until(lambda: _call(envoys, login())[0] is grpc.StatusCode.OK, what="an answer again")


def _with_body(most_bytes: int, *, cut: bool, as_bytes: bool) -> Callable[[Any], None]:
    """A change of the configuration: Envoy sends the sidecar the body as well."""

    def change(document: Any) -> None:
        (listener,) = document["static_resources"]["listeners"]
        (manager,) = listener["filter_chains"][0]["filters"]
        authorization = manager["typed_config"]["http_filters"][0]
        assert authorization["name"] == "envoy.filters.http.ext_authz"
        authorization["typed_config"]["with_request_body"] = {
            "max_request_bytes": most_bytes,
            "allow_partial_message": cut,
            "pack_as_bytes": as_bytes,
        }

    return change


SMALL = b'{"method": "GET", "path": "/static/x"}'
BINARY = bytes(range(256)) * 16
LARGE = BINARY * 512  # 2 MiB: more than the sidecar reads of a message
SENT_ALONG = [
    ("whole", _with_body(8_192, cut=False, as_bytes=False), {SMALL: 200, LARGE: 413}),
    ("bytes", _with_body(8_192, cut=False, as_bytes=True), {SMALL: 200, BINARY: 200, LARGE: 413}),
    ("partial", _with_body(1_024, cut=True, as_bytes=True), {SMALL: 200, BINARY: 200, LARGE: 200}),
    ("too-much", _with_body(4 << 20, cut=False, as_bytes=True), {SMALL: 200, BINARY: 200, LARGE: 503}),
]


@pytest.mark.parametrize(
    ("change", "bodies"), [case[1:] for case in SENT_ALONG], ids=[c[0] for c in SENT_ALONG]
)
def test_a_body_that_is_sent_along_changes_no_decision(
    envoys: Envoys, change: Callable[[Any], None], bodies: dict[bytes, int]
) -> None:
    site = envoys.start(change=change)
    for body, status in bodies.items():
        answer = ask(site.port, "/webdiensten/onbekend", "POST", [login()], body)
        assert answer.status == (403 if status == 200 else status), (
            "what the body says is no login and no path"
        )
        assert site.ask("/voorwaarden/akkoord", "POST", body=body).status == (
            401 if status == 200 else status
        )
        assert not site.portal.arrived
        assert site.ask("/voorwaarden/akkoord", "POST", [login()], body).status == status
        assert [request.body for request in site.portal.arrived] == ([body] if status == 200 else [])
