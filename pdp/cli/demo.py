"""`pdp demo`: the whole of it on embedded defaults, each answer verified; ends by itself."""

import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pdp.cli.account_state import progress_bar, rfc3339
from pdp.cli.config import setting_options, settings_of
from pdp.cli.demo_data import write_records
from pdp.demo.cast import Act, employee_of, faults_of, intermediary_of, what, who
from pdp.demo.catalogue import LEVEL
from pdp.demo.portal import Portal
from pdp.demo.requests import Request, iter_requests
from pdp.demo.sidecar import Decision, Sidecar, running
from pdp.errors import PdpError
from pdp.records.admin import AdminAccess

_WIDTH = 110
_MARGIN = " " * 7
_LEAST_ALLOWED, _MOST_ALLOWED = 0.7, 0.98


@click.command()
@click.option("--employers", type=click.IntRange(200, 1_000_000), default=3_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another portal.")
@click.option("--requests", type=click.IntRange(1_000, 1_000_000), default=4_000, show_default=True)
@setting_options("policy", "policy_cache", "opa")
def demo(employers: int, seed: int, requests: int, **options: Any) -> None:
    """See it all work: a sidecar, a portal of thousands of employers, questions and answers.

    It starts `pdp serve` on free ports with a store in a temporary folder, makes up a portal and loads it
    through the sidecar, asks over gRPC, declares an incident and ends it, blocks an account and lifts the
    block. Every answer is compared with what it should be; one that is otherwise ends the demo with a
    sentence and exit code 3. Nothing stays behind.
    """
    settings = settings_of(options)
    words = ["--policy", settings.policy, "--policy-cache", settings.policy_cache, "--opa", settings.opa]
    portal = Portal(employers, seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pdp-demo-") as name:
        stage = _Stage()
        stage.title("A sidecar in a process of its own")
        with running(Path(name), words) as sidecar:
            stage.say(f"Decisions on {sidecar.grpc}, policy {sidecar.policy_revision}.")
            _play(stage, sidecar, portal, Path(name), requests)
        stage.title("The end")
        stage.say("The sidecar answered what was under way and ended with code 0.")
    taken = time.monotonic() - began
    stage.say(f"[green]{stage.verified:,} answers were as they should be[/], in {taken:.0f} s.")


@dataclass(slots=True)
class _Stage:
    """Tells what happens and verifies it."""

    console: Console = field(default_factory=lambda: Console(highlight=False))
    verified: int = 0

    def __post_init__(self) -> None:
        self.console.width = min(self.console.width, _WIDTH) if self.console.is_terminal else _WIDTH

    def title(self, text: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{text}[/]", align="left", style="dim")

    def say(self, text: str) -> None:
        self.console.print(text)

    def command(self, text: str) -> None:
        self.console.print(Text(f"$ {text}", style="bold cyan"))

    def expect(self, met: bool, otherwise: str) -> None:
        """Counts an answer as verified, or ends the demo."""
        if not met:
            raise PdpError(f"The demo did not go as it should: {otherwise}")
        self.verified += 1

    def allowed(self, asked: str, decision: Decision) -> None:
        """Shows a decision that must be an allow."""
        self._answer(asked, decision)
        self.expect(decision["allow"], f"{asked!r} was denied: {_codes(decision)}.")

    def denied(self, asked: str, decision: Decision, code: str, article: str | None = None) -> dict[str, Any]:
        """Shows a decision that must be a denial with this code; gives the reason."""
        self._answer(asked, decision)
        found = [reason for reason in decision["reasons"] if reason["code"] == code]
        self.expect(
            not decision["allow"] and bool(found),
            f"{asked!r} should be denied with {code}, but was {_outcome(decision)}.",
        )
        told = found[0]["article"]
        if article is not None:
            self.expect(told == article, f"{code} should rest on article {article}, not {told}.")
        return dict(found[0])

    def _answer(self, asked: str, decision: Decision) -> None:
        mark = "[bold green]allow[/]" if decision["allow"] else "[bold red]deny [/]"
        self.console.print(f"{mark}  {asked}")
        for reason in decision["reasons"]:
            self.console.print(f"{_MARGIN}[red]{reason['code']}[/] [dim](article {reason['article']})[/]")
            self.quote(reason["message"]["nl"])
            self.aside(_pairs(reason["details"]))
        for each in decision["obligations"]:
            self.aside(f"must: {each['type']} (article {each['article']}) {_pairs(each)}")

    def quote(self, text: str) -> None:
        """What a user is told."""
        self.console.print(Padding(Text(text, style="italic"), (0, 0, 0, len(_MARGIN)), expand=False))

    def aside(self, text: str) -> None:
        """Something beside the answer."""
        if text:
            self.console.print(
                Padding(Text(text.rstrip(), style="dim"), (0, 0, 0, len(_MARGIN)), expand=False)
            )


def _play(stage: _Stage, sidecar: Sidecar, portal: Portal, folder: Path, count: int) -> None:
    stage.title(f"A portal of {portal.size:,} employers")
    _load(stage, sidecar, portal, folder / "portal.jsonl")
    stage.title(f"{count:,} questions over gRPC")
    requests = list(iter_requests(portal.seed, portal.size, count, portal.at))
    decisions = _ask_all(stage, sidecar, requests)
    employee, intermediary = employee_of(requests, decisions), intermediary_of(requests, decisions)
    stage.title("An employee, and an intermediary")
    _ask_both(stage, sidecar, employee, intermediary)
    stage.title("What the terms of use do not allow, article by article")
    for act in faults_of(employee, intermediary):
        _perform(stage, sidecar, act)
    stage.title("Article 4.2: an incident")
    _incident(stage, sidecar, employee, requests[:500])
    stage.title("Article 4.6: a block")
    _block(stage, sidecar, employee)


def _load(stage: _Stage, sidecar: Sidecar, portal: Portal, path: Path) -> None:
    with progress_bar() as report:
        with path.open("wb") as file:
            number = write_records(portal, file, report)
        access = AdminAccess(sidecar.admin)
        try:
            began = time.monotonic()
            with path.open("rb") as lines:
                imported = access.import_lines(lines, report)
            taken = time.monotonic() - began
            kinds = access.kinds()
        finally:
            access.close()
    stage.expect(imported.records == number, f"{imported.records} of {number} records were imported.")
    stage.say(f"Loaded {number:,} records through the sidecar in {taken:.1f} s:")
    stage.say("  " + ", ".join(f"{amount:,} {kind}" for kind, amount in kinds.items() if amount))


def _ask_all(stage: _Stage, sidecar: Sidecar, requests: list[Request]) -> list[Decision]:
    began = time.monotonic()
    decisions = list(sidecar.check_all(requests))
    taken = time.monotonic() - began
    allowed = sum(decision["allow"] for decision in decisions)
    share = allowed / len(decisions)
    stage.say(f"{allowed:,} allowed ({share:.0%}), the others denied, in {taken:.1f} s. Why:")
    reasons = [reason for decision in decisions for reason in decision["reasons"]]
    counts = Counter((reason["article"], reason["code"]) for reason in reasons)
    texts = {reason["code"]: reason["message"] for reason in reasons}
    table = Table(
        "article", "code", "times", "what the user is told", box=None, padding=(0, 1), header_style="dim"
    )
    for (article, code), number in sorted(counts.items(), key=lambda row: _in_order(row[0])):
        table.add_row(article, code, str(number), texts[code]["nl"])
    stage.console.print(table)
    stage.expect(_LEAST_ALLOWED < share < _MOST_ALLOWED, f"{share:.0%} of the requests were allowed.")
    stage.expect("POLICY_ERROR" not in texts, "the policy failed on a request.")
    for decision in decisions:
        complete = decision["allow"] is (not decision["reasons"])
        stage.expect(complete, f"a decision contradicts itself: {_outcome(decision)}, {_codes(decision)}")
    return decisions


def _ask_both(stage: _Stage, sidecar: Sidecar, employee: Request, intermediary: Request) -> None:
    for request in (employee, intermediary):
        stage.say(f"[dim]{who(request)}[/]")
        decision = sidecar.check(request)
        stage.allowed(what(request), decision)
        context = request["subject"]["properties"]["authentication"]
        employer = context.get("representee", context["authorizee"]["legalSubject"])["identifier"]
        stage.expect(
            decision["accountable"] == {"kvk": employer},
            f"accountable should be employer {employer}, not {decision['accountable']}.",
        )
        for each in decision["notices"]:
            stage.aside(f"notice: {each['type']} (article {each['article']}) {_pairs(each)}")
        stage.aside(f"accountable: employer {employer} (article 2.9)")
        stage.aside(f"valid until {decision['valid_until'] or 'something is changed'}")


def _perform(stage: _Stage, sidecar: Sidecar, act: Act) -> None:
    stage.say(f"[dim]{act.person} {act.title}[/]")
    stage.denied(what(act.request), sidecar.check(act.request), act.code, act.article)


def _incident(stage: _Stage, sidecar: Sidecar, request: Request, everybody: list[Request]) -> None:
    stage.allowed(f"before: {what(request)}", sidecar.check(request))
    nature = "verdachte inlogpogingen"
    expected = rfc3339((datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0))
    command = ["incident", "declare", "--portal", "--nature", nature, "--expected-end", expected]
    stage.command(f'pdp incident declare --portal --nature "{nature}" --expected-end {expected}')
    declared = sidecar.command(*command)
    name = declared["id"]
    _in_force(stage, declared)
    reason = stage.denied(what(request), sidecar.check(request), "INCIDENT_LOCKOUT", "4.2")
    told = reason["details"]
    stage.expect(
        told.get("incident") == name, f"the lockout names incident {told.get('incident')}, not {name}."
    )
    stage.expect(told.get("nature") == nature, f"the lockout tells {told.get('nature')!r}, not {nature!r}.")
    let_in = sum(decision["allow"] for decision in sidecar.check_all(everybody))
    stage.expect(let_in == 0, f"{let_in} requests were allowed during the lockout.")
    stage.aside(f"None of {len(everybody)} other requests was allowed.")
    stage.command(f"pdp incident end {name}")
    sidecar.command("incident", "end", name)
    stage.allowed(f"after: {what(request)}", sidecar.check(request))


def _in_force(stage: _Stage, said: dict[str, Any]) -> None:
    """Shows how a measure came to be in force on all sidecars (of which there is one here)."""
    barrier = said["barrier"]
    stage.expect(barrier["state"] == "done", "the measure is not known to be in force everywhere.")
    stage.aside(f"In force everywhere after {barrier['waited_ms']} ms ({barrier['path']} path).")


def _block(stage: _Stage, sidecar: Sidecar, request: Request) -> None:
    subject = request["subject"]["id"]
    until = rfc3339((datetime.now(UTC) + timedelta(days=7)).replace(microsecond=0))
    command = ["block", "account", subject, "--ground", "suspected_misuse", "--until", until]
    stage.command(f"pdp {' '.join(command)}")
    _in_force(stage, sidecar.command(*command))
    decision = sidecar.check(request)
    reason = stage.denied(what(request), decision, "ACCOUNT_BLOCKED")
    told = reason["details"].get("until")
    stage.expect(told == until, f"the block should end {until}, but the user is told {told}.")
    stage.expect(decision["valid_until"] is not None, "a block that ends by itself bounds the decision.")
    stage.command(f"pdp unblock account {subject}")
    sidecar.command("unblock", "account", subject)
    stage.allowed(f"after: {what(request)}", sidecar.check(request))


def _in_order(row: tuple[str, str]) -> tuple[list[int], str]:
    """Article 2.10 after 2.9."""
    article, code = row
    return [int(part) for part in article.split(".") if part.isdecimal()], code


def _codes(decision: Decision) -> str:
    return ", ".join(reason["code"] for reason in decision["reasons"]) or "no reason"


def _outcome(decision: Decision) -> str:
    return "allowed" if decision["allow"] else f"denied with {_codes(decision)}"


def _pairs(document: dict[str, Any]) -> str:
    """Details for people: without type and article, and without the text that was shown already."""
    shown = {name: each for name, each in document.items() if name not in ("type", "article", "message")}
    return ", ".join(f"{name.replace('_', ' ')} {_plain(each)}" for name, each in sorted(shown.items()))


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " or ".join(map(_plain, value))
    return str(value).removeprefix(LEVEL)
