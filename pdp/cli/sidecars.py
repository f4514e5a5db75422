"""`pdp sidecars`: which sidecars decide on the account state, and how far each of them is."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from pdp.cli.account_state import account_state, json_option, state_options
from pdp.records.fleet import FleetMember


@click.group()
def sidecars() -> None:
    """List the sidecars that decide on the account state.

    \b
    Examples:
      pdp sidecars list --admin 127.0.0.1:7082
      pdp sidecars list --records redis://redis.example:6379 --json
    """  # noqa: D301 - click's mark for "keep these lines"


@sidecars.command("list")
@json_option
@state_options
def list_(as_json: bool, **options: Any) -> None:
    """List the sidecars in the store's registry, from the store or by one of them (marked with a star).

    Applied is the number of the state that it said it decides on with its latest beat, of each shard; lag is
    how many writes it had not said it holds by then. One that stopped without notice stays in the list until
    the next write that waits for all has found it silent for longer than the lease.

    \b
    Examples:
      pdp sidecars list --admin 127.0.0.1:7082
      pdp sidecars list --json | jq 'select(.lag > 0).name'
    """  # noqa: D301
    with account_state(options) as state:
        members = state.access.sidecars()
    if as_json:
        for member in members:
            click.echo(json.dumps(_document(member), ensure_ascii=False))
        return
    if not members:
        click.echo("No sidecar is registered.", err=True)
        return
    table = Table("", "sidecar", "instance", "applied", "lag", "policy", box=None, header_style="dim")
    for member in members:
        applied = " ".join(str(shard.applied) for shard in member.shards)
        mark = "*" if member.is_self else ""
        table.add_row(
            mark, member.name or "?", member.instance, applied, str(_lag(member)), member.policy_revision
        )
    console = Console(highlight=False)
    # A list that is piped on is not cut off at some width.
    console.width = console.width if console.is_terminal else 1_000
    console.print(table)


def _document(member: FleetMember) -> dict[str, Any]:
    return {
        "instance": member.instance,
        "name": member.name,
        "policy_revision": member.policy_revision,
        "lag": _lag(member),
        "shards": [shard._asdict() for shard in member.shards],
        "self": member.is_self,
    }


def _lag(member: FleetMember) -> int:
    return sum(shard.lag for shard in member.shards)
