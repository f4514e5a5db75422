"""`pdp serve`: runs the sidecar."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pdp.cli.config import SERVE_SETTINGS, setting_options, settings_of

if TYPE_CHECKING:
    from pdp.serve import Ready


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Say the addresses, when ready, as one JSON line.")
@setting_options(*SERVE_SETTINGS)
def serve(as_json: bool, **options: Any) -> None:
    """Run the sidecar: answer gateways, keep the account state.

    Says its addresses once it is ready. SIGTERM or SIGINT stops it in order: new calls are refused, those in
    flight are answered, then it ends with exit code 0; a second signal ends it at once.

    \b
    Examples:
      pdp serve
      pdp serve --policy policies/portal --records sqlite:portal.db
      pdp serve --config pdp.toml --grpc 127.0.0.1:0 --json
      grpcurl -plaintext 127.0.0.1:7081 grpc.health.v1.Health/Check
    """  # noqa: D301 - click's mark for "keep these lines"
    from pdp.serve import run  # noqa: PLC0415 - the core is not needed to show help

    answered = run(settings_of(options), _as_json if as_json else _as_text)
    click.get_current_context().exit(0 if answered else 3)


def _as_json(ready: "Ready") -> None:
    click.echo(json.dumps(asdict(ready)))


def _as_text(ready: "Ready") -> None:
    click.echo(f"decisions (gRPC)  {ready.grpc}")
    click.echo(f"health (HTTP)     {ready.http}")
    click.echo(f"records (gRPC)    {ready.admin}")
    click.echo(f"metrics (HTTP)    {ready.metrics}")
    for setting, address in ready.doors.items():
        click.echo(f"{setting:<17} {address}")
