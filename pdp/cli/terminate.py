"""`pdp terminate`: article 5.1, access ended wholly or for some services, and given back."""

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
from pdp.cli.block import SUBJECTS
from pdp.cli.measure import Measure, carry_out, measure_of, measure_options, report
from pdp.errors import PdpError
from pdp.records.access import Edit, Record
from pdp.records.waiting import WaitFor

Document = dict[str, Any]


@click.command()
@click.argument("subject", type=SUBJECTS, metavar="account|organisation|employer")
@click.argument("name", metavar="ID")
@click.option(
    "--ground",
    type=click.Choice(["misuse", "terms_rejected", "special_circumstances"]),
    help="Why (article 5.1); required unless --undo.",
)
@click.option("--service", "services", metavar="ID", multiple=True, help="Only for this service; repeatable.")
@click.option("--from", "begins", type=MOMENT, metavar="TIME", help="When it begins; default: at once.")
@click.option("--reference", metavar="TEXT", help="Your own reference, e.g. a ticket.")
@click.option("--replace", is_flag=True, help="Replace a termination that stands.")
@click.option("--undo", is_flag=True, help="Give access back instead, wholly or for each --service.")
@yes_option
@json_option
@measure_options
@state_options
def terminate(subject: str, name: str, **options: Any) -> None:
    """End the access of an account, an organisation or an employer (article 5.1).

    Without --service all access ends. Services are added to those of a termination that stands, on the same
    ground; anything else that stands is replaced only with --replace. --undo lifts a termination. As with a
    block, nobody needs to be known under ID; a note says when nobody is. A termination at once begins a
    minute back, so that differences between clocks leave no gap.

    It returns when no sidecar can decide without it (--wait all, the default); exit code 4 means that this is
    not known yet. --undo does not wait for all sidecars unless --wait all says so: one that learns of it a
    moment later denies a moment longer, which harms nobody.

    \b
    Examples:
      pdp terminate employer 87654321 --ground special_circumstances
      pdp terminate account 4f1c... --ground misuse --service ziekmelden --service wga-inzien
      pdp terminate account 4f1c... --undo --service wga-inzien
      pdp terminate employer 87654321 --undo
    """  # noqa: D301 - click's mark for "keep these lines"
    undo, services = options["undo"], list(options["services"])
    _check_options(options)
    measure = measure_of(options, WaitFor.LOCAL if undo else WaitFor.DECLARED)
    key = f"{subject}:{name}"
    with account_state(options) as state:
        standing = state.access.get("termination", key)
        if standing is None:
            affected.note_unknown(state, subject, name)
        if undo:
            document, sentence = _lifted(standing, f"{subject} {name}", services, measure)
        else:
            affected.require_services(state, services)
            document = _merged(standing, f"{subject} {name}", options, measure)
            sentence = f"End the access of {subject} {name} to {_services(document['services'])}"
        confirmed(
            f"{sentence}.", state, yes=options["yes"], affected=lambda: affected.of(state, subject, name)
        )
        value = None if document is None else json.dumps(document).encode()
        edit = Edit("termination", key, value, standing.version if standing else 0)
        applied = carry_out(state, edit, measure.write_id, measure.wait)
    done = f"Done: {sentence[0].lower()}{sentence[1:]}"
    report(applied, {"key": key}, done, as_json=options["as_json"])


def _check_options(options: dict[str, Any]) -> None:
    if not options["undo"]:
        if options["ground"] is None:
            raise click.UsageError("Say why, with --ground.")
        return
    for name in ("ground", "begins", "reference", "replace"):
        if options[name]:
            raise click.UsageError(f"--{'from' if name == 'begins' else name} does not go with --undo.")


def _merged(standing: Record | None, who: str, options: dict[str, Any], measure: Measure) -> Document:
    """The termination to write: a new one, or the one that stands with services added."""
    services: list[str] | str = sorted(set(options["services"])) or "*"
    begins = options["begins"]
    new: Document = {
        "ground": options["ground"],
        "services": services,
        "from": rfc3339(begins or measure.at - AT_ONCE),
    }
    if options["reference"] is not None:
        new["reference"] = options["reference"]
    if standing and not options["replace"] and not measure.stands_as(standing.value, new):
        document: Document = json.loads(standing.value)
        begun = read_time(document["from"]) <= datetime.now(UTC)
        addable = begun and begins is None and document["services"] != "*" and services != "*"
        if not addable or options["ground"] != document["ground"] or options["reference"] is not None:
            raise PdpError(
                f"The access of {who} to {_services(document['services'])} was ended already, on the ground "
                f"{document['ground']} from {document['from']}; add --replace to put this in its place."
            )
        return {**document, "services": sorted({*document["services"], *services})}
    return new


def _lifted(
    standing: Record | None, who: str, services: list[str], measure: Measure
) -> tuple[Document | None, str]:
    """What is left of a termination (None: nothing), and what that means."""
    if standing is None:
        if measure.repeated:
            return None, f"Give {who} back its access to {_services(services or '*')}"
        raise PdpError(f"The access of {who} was not ended; nothing was done.")
    document: Document = json.loads(standing.value)
    if not services:
        return None, f"Give {who} back its access to {_services(document['services'])}"
    ended = document["services"]
    missing = services if ended == "*" else [service for service in services if service not in ended]
    if missing and not (measure.repeated and ended != "*" and missing == services):
        raise PdpError(
            f"The access of {who} was ended to {_services(ended)}, not to service {missing[0]} by itself."
        )
    left = [service for service in ended if service not in services]
    sentence = f"Give {who} back its access to {_services(services)}"
    return ({**document, "services": left} if left else None), sentence


def _services(services: list[str] | str) -> str:
    return "everything" if services == "*" else "service " + ", ".join(services)
