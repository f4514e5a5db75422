"""What commands that write share: ids to repeat a write with, how long it waits, and what that came to."""

import hashlib
import json
import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from pdp.cli.account_state import AccountState, rfc3339
from pdp.config import without_password
from pdp.records.access import Edit, StoreAccess
from pdp.records.waiting import (
    DEFAULT_TIMEOUT_SECONDS,
    Applied,
    UnknownOutcomeError,
    Wait,
    Waited,
    WaitFor,
)

PENDING = 4
"""Exit code when a write may stand, but is not known to be in force everywhere."""

# The id that a measure prints names its moment, so that a repeat writes the very same documents.
_MEASURE_ID = re.compile(r"^(\d{8}T\d{6}\.\d{3})Z-[\w.:-]{1,64}$", re.ASCII)
_MOMENT = "%Y%m%dT%H%M%S.%f"
_TELL_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One write of a command.

    Attributes:
        at: the moment that it counts as taken at; a repeat keeps it.
        write_id: of the write.
        repeated: whether the id was given, so that the write may stand already.
        wait: how long it waits.
    """

    at: datetime
    write_id: str
    repeated: bool
    wait: Wait

    def tag(self) -> str:
        """Six hex digits, the same for a repeat."""
        return hashlib.sha256(self.write_id.encode()).hexdigest()[:6]

    def stands_as(self, standing: bytes | None, document: dict[str, Any]) -> bool:
        """Whether this is a repeat of a write that stands: the record says already what would be written."""
        return self.repeated and standing is not None and _plain(json.loads(standing)) == _plain(document)


def measure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options of `measure_of`."""
    for option in (
        click.option(
            "--write-id",
            metavar="ID",
            help="Repeat a measure that was left open, under the id that it printed: nothing is written "
            "twice, and it waits again.",
        ),
        click.option(
            "--settle",
            is_flag=True,
            help="With --wait all: also until gateways have given up requests that began before.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0.1, max=600),
            metavar="SECONDS",
            default=DEFAULT_TIMEOUT_SECONDS,
            show_default=True,
            help="With --wait all: how long to wait at most; then exit code 4.",
        ),
        click.option(
            "--wait",
            type=click.Choice(["all", "local"]),
            help="Return when it is in force on all sidecars, or once it is durable (and in force on that of "
            "--admin).",
        ),
    ):
        command = option(command)
    return command


def measure_of(options: dict[str, Any], default: WaitFor = WaitFor.DECLARED) -> Measure:
    """The measure that a command's options ask for. `default`: what it waits for unless `--wait` says."""
    now = datetime.now(UTC)
    at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    given: str | None = options["write_id"]
    if given is not None:
        found = _MEASURE_ID.match(given)
        try:
            at = datetime.strptime(found[1] if found else "", _MOMENT).replace(tzinfo=UTC)
        except ValueError:
            raise click.UsageError(
                f"--write-id {given} is no id that a measure printed, such as 20260302T090000.000Z-1f9a3c."
            ) from None
        if at > now:
            raise click.UsageError(f"--write-id {given} names a moment that lies ahead.")
    write_id = given or f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}Z-{secrets.token_hex(8)}"
    return Measure(at, write_id, given is not None, wait_of(options, default))


def wait_of(options: dict[str, Any], default: WaitFor = WaitFor.DECLARED) -> Wait:
    """How long a command's options say that a write waits."""
    until = WaitFor(options["wait"]) if options["wait"] else default
    return Wait(until, options["timeout"], options["settle"])


def carry_out(state: AccountState, edit: Edit, write_id: str, wait: Wait) -> Applied:
    """Writes, and tells while it waits. An unknown outcome is one that is pending."""
    began = time.monotonic()
    with _told(state, edit, wait):
        try:
            return state.access.apply([edit], write_id, wait)
        except UnknownOutcomeError as error:
            taken = time.monotonic() - began
            return Applied("", Waited("", taken, write_id, confirmed=False, problem=str(error)))


@contextmanager
def _told(state: AccountState, edit: Edit, wait: Wait) -> Iterator[None]:
    """Says on standard error what is waited for, when it takes longer than a moment."""
    access = state.access
    if isinstance(access, StoreAccess):
        if access.waits_for_all([edit], wait):
            seconds = access.longest_wait_seconds() + (access.settle_seconds if wait.settle else 0.0)
            click.echo(
                f"Waiting about {seconds:.0f} s, until no sidecar can decide without it; "
                "through a sidecar (--admin) it takes a moment.",
                err=True,
            )
        yield
        return
    sentence = "Waiting until no sidecar can decide without it ..."
    timer = threading.Timer(_TELL_AFTER_SECONDS, click.echo, (sentence,), {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def report(
    applied: Applied, fields: dict[str, Any], sentence: str, *, as_json: bool, err: bool = False
) -> None:
    """Prints what was done, and whether it is in force; ends the command with 4 when that is open.

    Args:
        applied: how the write ended.
        fields: what the JSON form has beside state token and barrier.
        sentence: what was done, without a full stop.
        as_json: print one JSON document.
        err: print the sentences to standard error.
    """
    waited = applied.waited
    pending = waited is not None and waited.pending
    if as_json:
        document = {**fields, "state_token": applied.state_token}
        if waited is not None:
            document["barrier"] = _document(waited)
        click.echo(json.dumps(document))
    elif not pending:
        click.echo(f"{sentence}; state {applied.state_token}.", err=err)
        if waited is not None:
            click.echo(described(waited), err=err)
    if waited is not None and waited.pending:
        _tell_pending(waited)
        click.get_current_context().exit(PENDING)


def described(waited: Waited) -> str:
    """A wait that ended well, for people."""
    taken = f"{waited.seconds * 1000:.0f} ms" if waited.seconds < 1 else f"{waited.seconds:.1f} s"
    why = {
        "fast": "every sidecar confirmed",
        "timed": "every older state has run out, whoever was silent",
    }[waited.path]
    return f"In force everywhere after {taken} ({why})."


def _document(waited: Waited) -> dict[str, Any]:
    document: dict[str, Any] = {
        "state": "pending" if waited.pending else "done",
        "path": waited.path or None,
        "waited_ms": round(waited.seconds * 1000),
        "write_id": waited.write_id,
        "stragglers": [*waited.stragglers],
        "confirmed": waited.confirmed,
    }
    return document | ({"repeat": repeat_command(waited.write_id)} if waited.pending else {})


def _tell_pending(waited: Waited) -> None:
    if waited.confirmed:
        names = ", ".join(waited.stragglers)
        open_ = names or "whether the registry has all sidecars"
        taken = f"{waited.seconds:.1f} s"
        first = f"Written, but not known to be in force everywhere after {taken}; open: {open_}."
    else:
        first = f"Not known to be written after {waited.seconds:.1f} s."
    lines = [
        first,
        waited.problem,
        "It may stand and must be treated as in force. To wait on, repeat it with the same id:",
        f"  {repeat_command(waited.write_id)}",
    ]
    for line in filter(None, lines):
        click.echo(line, err=True)


def repeat_command(write_id: str) -> str:
    """The command that runs, with the id to repeat its write; without the password that it may hold."""
    context = click.get_current_context()
    words = context.find_root().obj or []
    asks = any(parameter.name == "yes" for parameter in context.command.params)
    kept: list[str] = []
    skip = False
    for word in words:
        if skip or word.startswith("--write-id="):
            skip = False
            continue
        skip = word == "--write-id"
        if not skip:
            kept.append(without_password(word))
    if asks and not {"--yes", "-y"} & set(kept):
        kept.append("--yes")
    return shlex.join(["pdp", *kept, "--write-id", write_id])


def _plain(value: Any) -> Any:
    """A document with its times as moments, however they are written."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, str) and value.endswith("Z"):
        try:
            return rfc3339(datetime.fromisoformat(value))
        except ValueError:
            return value
    return value
