"""What the commands on account state share: where it stands, times, confirmation, progress."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from pdp.cli.config import setting_options, settings_of
from pdp.config import Settings, without_password
from pdp.errors import PdpError
from pdp.records.access import RecordAccess
from pdp.records.importer import Progress as Report
from pdp.records.importer import no_progress

# An immediate measure begins a little before it is written: a request whose own `context.time` lies behind
# within the allowed skew, or a sidecar whose clock is behind this machine's, must not slip through.
AT_ONCE = timedelta(seconds=60)

_OFFLINE = ("policy", "policy_cache", "opa", "gateway_timeout_ms")


@dataclass(frozen=True, slots=True)
class AccountState:
    """Where a command works: the access, and its name for the user."""

    access: RecordAccess
    name: str


def state_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command `--records`, `--admin` and what they need; see `account_state`."""
    command = click.option(
        "--admin",
        metavar="HOST:PORT",
        help="Work through the running sidecar with this administrative address.",
    )(command)
    return setting_options("records", *_OFFLINE)(command)


@contextmanager
def account_state(options: dict[str, Any], *, create: bool = False) -> Iterator[AccountState]:
    """The account state that a command's options name, closed afterwards.

    `--admin` is a running sidecar, `--records` a store; with neither it is the store of the settings, which a
    sidecar that runs on it follows within a moment. `create`: a store that does not exist is made.
    """
    _refuse_broken_text()
    admin = options.get("admin")
    if admin is not None:
        given = [name for name in ("records", *_OFFLINE) if options.get(name) is not None]
        if given:
            raise click.UsageError(
                f"--{given[0].replace('_', '-')} does not go with --admin: it is the sidecar's."
            )
        from pdp.records.admin import AdminAccess  # noqa: PLC0415 - grpc is slow to import

        state = AccountState(AdminAccess(admin), f"the sidecar at {admin}")
    else:
        state = _stored(settings_of(options), create=create)
    try:
        yield state
    finally:
        state.access.close()


def _refuse_broken_text() -> None:
    """An argument that is not UTF-8 comes as lone surrogates, which no record can hold."""
    for name, value in click.get_current_context().params.items():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
                raise click.UsageError(f"{name.replace('_', '-').upper()} is not UTF-8.")


def _stored(settings: Settings, *, create: bool) -> AccountState:
    from pdp.configured import configured_bundle  # noqa: PLC0415 - not needed with --admin
    from pdp.records.access import StoreAccess  # noqa: PLC0415
    from pdp.records.store import StoreError, open_store  # noqa: PLC0415

    try:
        store = open_store(settings.records, create=create)
    except StoreError as error:
        if create or settings.origins["records"] == "--records":
            raise
        raise PdpError(f"{error} Name another with --records URL, or a sidecar with --admin.") from error
    # Loaded when it is needed first, as not every command does.
    policy = functools.cache(lambda: configured_bundle(settings.policy, settings).policy)
    access = StoreAccess(store, policy, settle_seconds=settings.gateway_timeout_ms / 1000)
    return AccountState(access, without_password(settings.records))


class Moment(click.ParamType[datetime]):
    """An RFC 3339 time with its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment in UTC."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not an RFC 3339 time such as 2026-03-02T09:00:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no zone; write 2026-03-02T09:00:00Z or …+01:00", param, ctx)
        return moment.astimezone(UTC)


MOMENT = Moment()


def rfc3339(moment: datetime) -> str:
    """A moment as the records hold it, to the millisecond."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return text.removesuffix(".000") + "Z"


def read_time(text: str) -> datetime:
    """The moment that a record's time says."""
    return datetime.fromisoformat(text)


def confirmed(question: str, state: AccountState, *, yes: bool, affected: Callable[[], str]) -> None:
    """Says what is about to happen and asks whether to go on; raises when not.

    `question`: says what will happen; `affected`: says whom it affects, not asked with `yes`, so
    that an emergency need not wait for a count.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise PdpError("Without a terminal nobody can confirm this; add --yes to go on without being asked.")
    for line in (question, affected(), f"Where: {state.name}."):
        click.echo(line, err=True)
    click.confirm("Go on?", abort=True, err=True)


yes_option = click.option(
    "--yes", "-y", is_flag=True, help="Go on without being asked (and without the count)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
progress_option = click.option(
    "--progress/--no-progress", default=None, help="Show progress; default: on a terminal only."
)


@contextmanager
def progress_bar(shown: bool | None = None) -> Iterator[Report]:
    """A function to report progress to, shown on standard error; `shown` None: if that is a terminal."""
    if not (sys.stderr.isatty() if shown is None else shown):
        yield no_progress
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, force_terminal=shown)) as bar:
        tasks = {}

        def report(step: str, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=total)

        yield report
