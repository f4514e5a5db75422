"""`pdp incident`: articles 4.2 and 4.3, access interrupted for an incident or a threat."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from pdp.cli import affected, interruption
from pdp.cli.account_state import (
    AT_ONCE,
    MOMENT,
    AccountState,
    account_state,
    confirmed,
    json_option,
    read_time,
    rfc3339,
    state_options,
    yes_option,
)
from pdp.cli.measure import Measure, carry_out, measure_of, measure_options, report
from pdp.errors import PdpError
from pdp.records.access import Edit
from pdp.records.waiting import WaitFor


@dataclass(frozen=True, slots=True)
class Scope:
    """What an incident closes: the portal, some services or some employers."""

    portal: bool
    services: tuple[str, ...]
    employers: tuple[str, ...]

    def __post_init__(self) -> None:
        if sum(map(bool, (self.portal, self.services, self.employers))) != 1:
            raise click.UsageError(
                "Say what it closes, one of: --portal, --service ID ..., --employer KVK ..."
            )

    def document(self) -> dict[str, Any]:
        """As the record has it."""
        if self.portal:
            return {"portal": True}
        return {"services": [*self.services]} if self.services else {"employers": [*self.employers]}

    def __str__(self) -> str:
        return described(self.document())

    def affected(self, state: AccountState) -> str:
        """A sentence with the number of accounts."""
        if self.portal:
            return affected.everyone(state)
        if self.services:
            return affected.with_grant_for(state, self.services)
        return affected.of_employers(state, self.employers)

    def require_known(self, state: AccountState) -> None:
        """Refuses a service that does not exist: with a mistake in its id the right one would stay open."""
        affected.require_services(state, self.services)
        for employer in self.employers:
            affected.note_unknown(state, "employer", employer)


def described(scope: dict[str, Any]) -> str:
    """A record's scope for people."""
    if scope.get("portal"):
        return "the whole portal"
    if "services" in scope:
        return "service " + ", ".join(scope["services"])
    return "employer " + ", ".join(scope["employers"])


def _scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--message-en", metavar="TEXT", help="The same in English."),
        click.option(
            "--message-nl",
            metavar="TEXT",
            help="The text for users in Dutch, shown before and while it is closed; default: that access is "
            "interrupted, from when if announced, and until when if expected.",
        ),
        click.option("--expected-end", type=MOMENT, metavar="TIME", help="When it is expected to be over."),
        click.option("--nature", metavar="TEXT", help="What is the matter, for the user."),
        click.option(
            "--kind", type=click.Choice(["incident", "threat"]), default="incident", show_default=True
        ),
        click.option(
            "--employer", "employers", metavar="KVK", multiple=True, help="Close it to this employer."
        ),
        click.option("--service", "services", metavar="ID", multiple=True, help="Close this service."),
        click.option("--portal", is_flag=True, help="Close the whole portal."),
    ):
        command = option(command)
    return state_options(measure_options(json_option(yes_option(command))))


@click.group()
def incident() -> None:
    """Interrupt access for an incident or threat, and lift it (articles 4.2 and 4.3).

    An incident closes the portal, services (--service, repeatable) or employers (--employer, repeatable)
    until it is ended, whatever its expected end said. Each command asks for confirmation and says how many
    accounts it affects; with --yes it goes on at once.

    `declare` and `announce` return when no sidecar can decide without it (--wait all, the default), and say
    how that came about; exit code 4 means that it may stand, but is not known to be in force everywhere.

    \b
    Examples:
      pdp incident declare --portal --nature "Storing in de database"
      pdp incident declare --service ziekmelden --kind threat --nature "Phishing" --yes
      pdp incident announce --portal --nature "Onderhoud" --from 2026-03-07T20:00:00Z \\
          --expected-end 2026-03-07T23:00:00Z
      pdp incident list
      pdp incident end inc-20260302-1f9a3c
    """  # noqa: D301 - click's mark for "keep these lines"


@incident.command()
@_scope_options
def declare(**options: Any) -> None:
    """Interrupt access at once; print the incident's id.

    It begins a minute back, so that differences between clocks leave no gap.

    \b
    Examples:
      pdp incident declare --portal --nature "Storing in de database"
      pdp incident declare --employer 12345678 --kind threat --nature "Gelekte inloggegevens" --yes
      ID=$(pdp incident declare --service ziekmelden --nature "Storing" --yes)
    """  # noqa: D301
    _create(options, measure_of(options), begins=None)


@incident.command()
@click.option("--from", "begins", type=MOMENT, metavar="TIME", required=True, help="When it begins.")
@_scope_options
def announce(begins: datetime, **options: Any) -> None:
    """Announce an interruption that begins later; print its id. Until then users get a notice.

    \b
    Example:
      pdp incident announce --service ziekmelden --nature "Onderhoud" \\
          --from 2026-03-07T20:00:00Z --expected-end 2026-03-07T23:00:00Z
    """  # noqa: D301
    measure = measure_of(options)
    if begins <= measure.at:
        raise click.UsageError(f"--from {rfc3339(begins)} is not in the future; to begin now use `declare`.")
    _create(options, measure, begins=begins)


def _create(options: dict[str, Any], measure: Measure, begins: datetime | None) -> None:
    scope = Scope(options["portal"], options["services"], options["employers"])
    now = measure.at
    ends = options["expected_end"]
    if ends is not None and ends <= (begins or now):
        raise click.UsageError(f"--expected-end {rfc3339(ends)} is not after the beginning.")
    name = f"inc-{now:%Y%m%d}-{measure.tag()}"
    document = {
        "scope": scope.document(),
        "kind": options["kind"],
        "announced_at": rfc3339(now),
        "from": rfc3339(begins or now - AT_ONCE),
        "message": _message(scope, options, begins),
    }
    if options["nature"] is not None:
        document["nature"] = options["nature"]
    if ends is not None:
        document["expected_end"] = rfc3339(ends)
    start = f"from {rfc3339(begins)}" if begins else "now"
    with account_state(options) as state:
        scope.require_known(state)
        question = f"Close {scope} {start}, for {_cause(document)}, until it is ended."
        confirmed(question, state, yes=options["yes"], affected=lambda: scope.affected(state))
        edit = Edit("incident", name, json.dumps(document).encode(), 0)
        applied = carry_out(state, edit, measure.write_id, measure.wait)
    if not options["as_json"]:
        click.echo(name)
    sentence = f"{str(scope).capitalize()} is closed {start}"
    report(applied, {"id": name}, sentence, as_json=options["as_json"], err=True)


def _message(scope: Scope, options: dict[str, Any], begins: datetime | None) -> dict[str, str]:
    what = ("deze dienst", "this service") if scope.services else ("het portaal", "the portal")
    own = {"nl": options["message_nl"], "en": options["message_en"]}
    texts = interruption.texts(what, begins, options["expected_end"])
    return {language: own[language] or text for language, text in texts.items()}


@incident.command()
@click.argument("name", metavar="ID")
@yes_option
@json_option
@measure_options
@state_options
def end(name: str, yes: bool, as_json: bool, **options: Any) -> None:
    """End an incident, or withdraw one that was announced: access is possible again.

    It does not wait for all sidecars unless --wait all says so: one that learns of it a moment later denies a
    moment longer, which harms nobody, and a silent one must not hold it up.

    \b
    Example:
      pdp incident end inc-20260302-1f9a3c
    """  # noqa: D301
    measure = measure_of(options, WaitFor.LOCAL)
    with account_state(options) as state:
        record = state.access.get("incident", name)
        if record is None:
            raise PdpError(f"There is no incident {name!r}; `pdp incident list` shows them.")
        document = json.loads(record.value)
        if "ended_at" in document and not measure.stands_as(
            record.value, document | {"ended_at": rfc3339(measure.at)}
        ):
            raise PdpError(f"Incident {name} was ended already, at {document['ended_at']}.")
        scope = Scope(
            "portal" in document["scope"],
            tuple(document["scope"].get("services", ())),
            tuple(document["scope"].get("employers", ())),
        )
        question = f"End {_cause(document)}, {name}: open {scope} again."
        confirmed(question, state, yes=yes, affected=lambda: scope.affected(state))
        document["ended_at"] = rfc3339(measure.at)
        edit = Edit("incident", name, json.dumps(document).encode(), record.version)
        applied = carry_out(state, edit, measure.write_id, measure.wait)
    report(applied, {"id": name}, f"Ended {name}", as_json=as_json)


@incident.command("list")
@click.option("--all", "ended", is_flag=True, help="Those that were ended too.")
@json_option
@state_options
def list_(ended: bool, as_json: bool, **options: Any) -> None:
    """List incidents that run or are announced; with --json one a line."""
    with account_state(options) as state:
        found = [(record.key, json.loads(record.value)) for record in state.access.records("incident")]
    now = datetime.now(UTC)
    shown = [(key, _phase(document, now), document) for key, document in found]
    shown = [row for row in shown if ended or row[1] != "ended"]
    for key, phase, document in sorted(shown, key=lambda row: str(row[2]["from"])):
        if as_json:
            click.echo(json.dumps({"id": key, "state": phase, **document}, ensure_ascii=False))
            continue
        until = f", expected until {document['expected_end']}" if "expected_end" in document else ""
        click.echo(f"{key}  {phase}  {described(document['scope'])}  from {document['from']}{until}")
        click.echo(f"    {_cause(document)}")
    if not shown and not as_json:
        click.echo("There is no incident." if ended else "No incident runs or is announced.", err=True)


def _cause(document: dict[str, Any]) -> str:
    kind: str = document["kind"]
    return f'{kind} "{document["nature"]}"' if "nature" in document else kind


def _phase(document: dict[str, Any], now: datetime) -> str:
    if "ended_at" in document:
        return "ended"
    return "running" if read_time(document["from"]) <= now else "announced"
