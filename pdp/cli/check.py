"""`pdp check`: decides requests, offline or by a running sidecar, with the same output."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from pdp.cli.account_state import MOMENT
from pdp.cli.config import setting_options, settings_of
from pdp.errors import InvalidRequest, PdpError

Decide = Callable[[bytes], dict[str, Any]]
OFFLINE_SETTINGS = (
    "policy",
    "policy_cache",
    "opa",
    "clock_skew_seconds",
    "evaluation_limit_ms",
    "evaluation_memory_mib",
)
ANSWER_SECONDS = 10.0


@click.command()
@click.argument("requests", metavar="REQUEST.json...", nargs=-1, required=True)
@click.option("--records", metavar="FILE.jsonl", help="The account state: JSON Lines, or a store's URL.")
@click.option("--at", type=MOMENT, metavar="TIME", help="Decide as at this moment (RFC 3339) instead of now.")
@click.option("--server", metavar="HOST:PORT", help="Ask the sidecar that answers gRPC here instead.")
@click.option(
    "--at-least-as-fresh", metavar="TOKEN", default="", help="With --server: a state token from a write."
)
@setting_options(*OFFLINE_SETTINGS)
def check(
    requests: tuple[str, ...],
    records: str | None,
    at: datetime | None,
    server: str | None,
    at_least_as_fresh: str,
    **options: Any,
) -> None:
    """Decide requests; print one decision a line, as JSON.

    REQUEST.json holds one request; "-" reads JSON Lines from standard input. An invalid request gives
    {"error": {"field", "message"}} on its line.

    \b
    Examples:
      pdp check --records portal.jsonl request.json
      pdp check --records portal.jsonl --at 2026-03-02T09:00:00Z request.json
      cat requests.jsonl | pdp check --records portal.jsonl -
      pdp check --server 127.0.0.1:7081 request.json
      pdp check --records portal.jsonl request.json | jq '.reasons[].message.nl'

    Exit codes for one request: 0 allowed, 1 denied, 2 invalid; for several: 0, or 2 when any is invalid;
    3: not decided, e.g. because a file cannot be read.
    """  # noqa: D301 - click's mark for "keep these lines"
    if server is not None:
        _refuse_offline_options(records, at, options)
        decide = _by_server(server, at_least_as_fresh)
    else:
        if at_least_as_fresh:
            raise click.UsageError("--at-least-as-fresh needs --server.")
        decide = _offline(records, at, options)
    click.get_current_context().exit(_run(requests, decide))


def _run(requests: tuple[str, ...], decide: Decide) -> int:
    outcomes: list[int] = []
    for name, text in _texts(requests):
        try:
            decision = decide(text)
        except InvalidRequest as error:
            decision = {"error": {"field": error.field, "message": error.message}}
            click.echo(f"Error: {name} is not a valid request: {error}.", err=True)
        click.echo(json.dumps(decision, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
        outcomes.append(2 if "error" in decision else 0 if decision["allow"] is True else 1)
    if not outcomes:
        click.echo("Error: there is no request on standard input.", err=True)
        return 2
    return outcomes[0] if len(outcomes) == 1 else 2 * int(2 in outcomes)


def _texts(requests: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for name in requests:
        if name == "-":
            for number, line in enumerate(sys.stdin.buffer, start=1):
                if line.strip():
                    yield f"line {number}", line
            continue
        try:
            yield name, Path(name).read_bytes()
        except OSError as error:
            raise PdpError(f"Cannot read the request {name}: {error.strerror}.") from error


def _refuse_offline_options(records: str | None, at: datetime | None, options: dict[str, Any]) -> None:
    given = [name for name, value in {"records": records, "at": at, **options}.items() if value is not None]
    if given:
        raise click.UsageError(
            f"--{given[0].replace('_', '-')} is for deciding offline; with --server the sidecar's own counts."
        )


def _offline(records: str | None, at: datetime | None, options: dict[str, Any]) -> Decide:
    from pdp.decision_point import DecisionPoint  # noqa: PLC0415 - the core is not needed to ask a server

    settings = settings_of(options)
    point = DecisionPoint(policy=settings.policy, records=records or (), settings=settings)
    click.get_current_context().call_on_close(point.close)
    return lambda text: json.loads(point.check_json(text, at))


def _by_server(address: str, at_least_as_fresh: str) -> Decide:
    import grpc  # noqa: PLC0415 - slow to import, and not needed offline

    from pdp.decision.v1 import decision_service_pb2, decision_service_pb2_grpc  # noqa: PLC0415
    from pdp.wire import parse_request, request_to_message, response_to_json  # noqa: PLC0415

    stub = decision_service_pb2_grpc.DecisionServiceStub(grpc.insecure_channel(address))
    refused = (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    )

    def decide(text: bytes) -> dict[str, Any]:
        message = request_to_message(parse_request(text))
        message.at_least_as_fresh = at_least_as_fresh or message.at_least_as_fresh
        # A batch of one: its answer carries an invalid request's field as data.
        batch = decision_service_pb2.CheckBatchRequest(requests=[message])
        try:
            result = stub.CheckBatch(batch, timeout=ANSWER_SECONDS).results[0]
        except grpc.RpcError as error:
            if error.code() in refused:
                raise InvalidRequest("", error.details() or error.code().name) from error
            raise PdpError(f"The sidecar at {address} gave no answer: {error.details()}.") from error
        if result.WhichOneof("result") == "invalid":
            raise InvalidRequest(result.invalid.field, result.invalid.message)
        return response_to_json(result.response)

    return decide
