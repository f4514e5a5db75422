"""`python -m demo.portal`: brings the demo portal up until Ctrl-C."""

import json
import sys

import click

from demo.portal.supervisor import Up, run
from pdp.errors import PdpError


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="Of the portal."
)
@click.option(
    "--regie-port",
    type=click.IntRange(0, 65_535),
    default=8090,
    show_default=True,
    help="Of the presenter's page.",
)
@click.option("--json", "as_json", is_flag=True, help="Say the addresses, when ready, as one JSON line.")
def main(port: int, regie_port: int, as_json: bool) -> None:
    """A small employers' portal behind a real Envoy that asks a real sidecar; Ctrl-C ends it.

    A port that is in use is replaced by a free one. All of it listens on loopback only, and its login is a
    stand-in: whoever opens it chooses who to be.
    """
    if not as_json:
        click.echo("Starting the sidecar, the portal and Envoy ...")
    try:
        run(port, regie_port, _as_json if as_json else _as_text)
    except PdpError as error:
        click.echo(str(error), err=True)
        sys.exit(3)
    if not as_json:
        click.echo("\nEnded; nothing of it is left.")


def _as_json(demo: Up) -> None:
    click.echo(json.dumps({"portal": demo.portal, "regie": demo.regie, "admin": demo.sidecar.admin}))


def _as_text(demo: Up) -> None:
    click.secho(f"\n  Portal   {demo.portal}", bold=True)
    click.echo(f"  Regie    {demo.regie}   (for the presenter: incidents and blocks)\n")
    click.echo(
        "Everything listens on this machine only. The login is a stand-in for eHerkenning; all people,"
    )
    click.echo("companies and numbers are made up. Ctrl-C ends it.")


if __name__ == "__main__":
    main()
