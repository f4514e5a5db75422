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
from pdp.cli.measure import carry_out, measure_of, measure_options, report
from pdp.errors import PdpError
from pdp.records.access import Edit
from pdp.records.waiting import WaitFor

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
@measure_options
@state_options
def block(subject: str, name: str, **options: Any) -> None:
    """Block an account, an organisation or an employer: no access, no messages, no specifications.

    ID is the account's subject id, or the KvK number of the organisation (of an intermediary's users) or of
    the employer (of all who act for it). Nobody needs to be known under it: a block may come before the
    account, and then counts from the account's first request; a note says so, for it may be a mistake. A
    block that begins at once begins a minute back, so that differences between clocks leave no gap. It asks
    for confirmation; with --yes it goes on at once. It returns when no sidecar can decide without it
    (--wait all, the default); exit code 4 means that this is not known yet.

    \b
    Examples:
      pdp block account 4f1c... --ground suspected_misuse --until 2026-03-09T00:00:00Z
      pdp block organisation 12345678 --ground misuse --reference INC-2042
      pdp block employer 87654321 --ground third_party_report --admin 127.0.0.1:7082 --yes
    """  # noqa: D301 - click's mark for "keep these lines"
    measure = measure_of(options)
    begins, until, now = options["begins"], options["until"], measure.at
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
            if not (options["replace"] or measure.stands_as(standing.value, document)):
                _refuse_standing(subject, name, json.loads(standing.value))
        affected.note_unknown(state, subject, name)
        start = f"from {rfc3339(begins)}" if begins else "now"
        question = f"Block {subject} {name} {start} {end}, for {options['ground']}."
        confirmed(question, state, yes=options["yes"], affected=lambda: affected.of(state, subject, name))
        edit = Edit("block", key, json.dumps(document).encode(), version)
        applied = carry_out(state, edit, measure.write_id, measure.wait)
    report(applied, {"key": key}, f"Blocked {subject} {name} {end}", as_json=options["as_json"])


@click.command()
@click.argument("subject", type=SUBJECTS, metavar="account|organisation|employer")
@click.argument("name", metavar="ID")
@yes_option
@json_option
@measure_options
@state_options
def unblock(subject: str, name: str, yes: bool, as_json: bool, **options: Any) -> None:
    """Lift a block; other blocks, incidents and terminations stay in force.

    It does not wait for all sidecars unless --wait all says so: one that learns of it a moment later denies a
    moment longer, which harms nobody, and a silent one must not hold it up.

    \b
    Example:
      pdp unblock account 4f1c...
    """  # noqa: D301
    measure = measure_of(options, WaitFor.LOCAL)
    key = f"{subject}:{name}"
    with account_state(options) as state:
        standing = state.access.get("block", key)
        if standing is None and not measure.repeated:
            affected.note_unknown(state, subject, name)
            raise PdpError(f"There is no block of {subject} {name}; nothing was done.")
        what = f" ({_described(json.loads(standing.value))})" if standing else ""
        question = f"Lift the block of {subject} {name}{what}."
        confirmed(question, state, yes=yes, affected=lambda: affected.of(state, subject, name))
        edit = Edit("block", key, None, standing.version if standing else 0)
        applied = carry_out(state, edit, measure.write_id, measure.wait)
    report(applied, {"key": key}, f"Lifted the block of {subject} {name}", as_json=as_json)


def _refuse_standing(subject: str, name: str, document: dict[str, Any]) -> None:
    """A block that counts is not replaced by mistake, for example by a shorter one."""
    over = "until" in document and read_time(document["until"]) <= datetime.now(UTC)
    if not over:
        raise PdpError(
            f"{subject.capitalize()} {name} is blocked already ({_described(document)}); "
            "add --replace to put this block in its place."
        )


def _described(document: dict[str, Any]) -> str:
    until = f"until {document['until']}" if "until" in document else "without an end"
    return f"{document['ground']}, from {document['from']}, {until}"
