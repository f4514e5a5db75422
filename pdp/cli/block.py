"""`pdp block` and `pdp unblock`: articles 4.5 and 4.6."""

import json
from datetime import UTC, datetime
from typing import Any

import click

from pdp.cli import affected
from pdp.cli.account_state import (
    AT_ONCE,
    MOMENT,
    account_state,
    confirmed,
    json_option,
    read_time,
    rfc3339,
    state_options,
    yes_option,
)
from pdp.errors import PdpError
from pdp.records.access import Edit

SUBJECTS = click.Choice(["account", "organisation", "employer"])


@click.command()
@click.argument("subject", type=SUBJECTS, metavar="account|organisation|employer")
@click.argument("name", metavar="ID")
@click.option(
    "--ground",
    type=click.Choice(["misuse", "suspected_misuse", "third_party_report"]),
    required=True,
    help="Why: misuse or a suspicion of it (article 4.6), or what a third party reported (article 4.5).",
)
@click.option("--from", "begins", type=MOMENT, metavar="TIME", help="When it begins; default: at once.")
@click.option(
    "--until", type=MOMENT, metavar="TIME", help="When it ends by itself; default: when it is lifted."
)
@click.option("--reference", metavar="TEXT", help="Your own reference, e.g. a ticket.")
@click.option("--replace", is_flag=True, help="Replace a block that is in force or still to begin.")
@yes_option
@json_option
@state_options
def block(subject: str, name: str, **options: Any) -> None:
    """Block an account, an organisation or an employer: no access, no messages, no specifications.

    ID is the account's subject id, or the KvK number of the organisation (of an intermediary's users) or of
    the employer (of all who act for it). Nobody needs to be known under it: a block may come before the
    account, and then counts from the account's first request; a note says so, for it may be a mistake. A
    block that begins at once begins a minute back, so that differences between clocks leave no gap. It asks
    for confirmation; with --yes it goes on at once.

    \b
    Examples:
      pdp block account 4f1c... --ground suspected_misuse --until 2026-03-09T00:00:00Z
      pdp block organisation 12345678 --ground misuse --reference INC-2042
      pdp block employer 87654321 --ground third_party_report --admin 127.0.0.1:7082 --yes
    """  # noqa: D301 - click's mark for "keep these lines"
    begins, until, now = options["begins"], options["until"], datetime.now(UTC)
    if until is not None and until <= (begins or now):
        raise click.UsageError(f"--until {rfc3339(until)} is not after the beginning.")
    document = {"ground": options["ground"], "from": rfc3339(begins or now - AT_ONCE)}
    if until is not None:
        document["until"] = rfc3339(until)
    if options["reference"] is not None:
        document["reference"] = options["reference"]
    key = f"{subject}:{name}"
    end = f"until {rfc3339(until)}" if until else "until it is lifted"
    with account_state(options) as state:
        version = 0
        if standing := state.access.get("block", key):
            version = standing.version
            _refuse_standing(subject, name, json.loads(standing.value), now, replace=options["replace"])
        affected.note_unknown(state, subject, name)
        start = f"from {rfc3339(begins)}" if begins else "now"
        question = f"Block {subject} {name} {start} {end}, for {options['ground']}."
        confirmed(question, state, yes=options["yes"], affected=lambda: affected.of(state, subject, name))
        token = state.access.apply([Edit("block", key, json.dumps(document).encode(), version)])
    _report(options["as_json"], key, token, f"Blocked {subject} {name} {end}")


@click.command()
@click.argument("subject", type=SUBJECTS, metavar="account|organisation|employer")
@click.argument("name", metavar="ID")
@yes_option
@json_option
@state_options
def unblock(subject: str, name: str, yes: bool, as_json: bool, **options: Any) -> None:
    """Lift a block; other blocks, incidents and terminations stay in force.

    \b
    Example:
      pdp unblock account 4f1c...
    """  # noqa: D301
    key = f"{subject}:{name}"
    with account_state(options) as state:
        standing = state.access.get("block", key)
        if standing is None:
            affected.note_unknown(state, subject, name)
            raise PdpError(f"There is no block of {subject} {name}; nothing was done.")
        document = json.loads(standing.value)
        question = f"Lift the block of {subject} {name} ({_described(document)})."
        confirmed(question, state, yes=yes, affected=lambda: affected.of(state, subject, name))
        token = state.access.apply([Edit("block", key, None, standing.version)])
    _report(as_json, key, token, f"Lifted the block of {subject} {name}")


def _refuse_standing(
    subject: str, name: str, document: dict[str, Any], now: datetime, *, replace: bool
) -> None:
    """A block that counts is not replaced by mistake, for example by a shorter one."""
    over = "until" in document and read_time(document["until"]) <= now
    if not over and not replace:
        raise PdpError(
            f"{subject.capitalize()} {name} is blocked already ({_described(document)}); "
            "add --replace to put this block in its place."
        )


def _described(document: dict[str, Any]) -> str:
    until = f"until {document['until']}" if "until" in document else "without an end"
    return f"{document['ground']}, from {document['from']}, {until}"


def _report(as_json: bool, key: str, token: str, sentence: str) -> None:
    click.echo(json.dumps({"key": key, "state_token": token}) if as_json else f"{sentence}; state {token}.")
