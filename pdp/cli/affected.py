"""Whom a measure affects: the accounts that are counted for its confirmation."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from pdp.cli.account_state import AccountState, progress_bar
from pdp.errors import PdpError

Account = dict[str, Any]


def everyone(state: AccountState) -> str:
    """All accounts, without reading them."""
    return _sentence(state.access.kinds().get("account", 0))


def with_grant_for(state: AccountState, services: Sequence[str]) -> str:
    """Accounts that have a grant for one of the services, in force or not."""
    wanted = set(services)
    return _count(
        state,
        services,
        lambda account: any(grant["service"] in wanted for grant in account.get("grants", ())),
    )


def of_employers(state: AccountState, employers: Sequence[str]) -> str:
    """Accounts of users that act for one of the employers, those of its intermediaries included."""
    wanted = set(employers)
    return _count(state, employers, lambda account: account.get("employer") in wanted)


def of(state: AccountState, subject: str, name: str) -> str:
    """Accounts of "account", "organisation" or "employer" `name`."""
    if subject == "account":
        return _sentence(int(state.access.get("account", name) is not None))
    return _count(state, [name], lambda account: account.get(subject) == name)


def note_unknown(state: AccountState, subject: str, name: str) -> None:
    """Says on standard error when there is no record of an account or employer, which may be a mistake.

    No more than that: a measure may come before what it is about, and what must hold at once is not to depend
    on whether the records are complete. An organisation has no record of its own; whether users belong to it
    is what the count of the confirmation says.
    """
    if subject != "organisation" and state.access.get(subject, name) is None:
        click.echo(f"Note: there is no record of {subject} {name}.", err=True)


def _count(state: AccountState, words: Sequence[str], matches: Callable[[Account], bool]) -> str:
    # Most accounts need no parsing: none of the words is in them. Words that JSON may escape are no hint.
    plain = all(word.isascii() and word.isprintable() and not set(word) & set('"\\/') for word in words)
    hints = [word.encode() for word in words] if plain else [b""]
    total = state.access.kinds().get("account", 0)
    number = 0
    with progress_bar() as report:
        for read, record in enumerate(state.access.records("account"), 1):
            if any(hint in record.value for hint in hints) and matches(json.loads(record.value)):
                number += 1
            if read % 1_000 == 0:
                report("Counting accounts", read, total)
    return _sentence(number)


def _sentence(number: int) -> str:
    return f"Affects {number:,} account{'' if number == 1 else 's'}."


def require_services(state: AccountState, services: Sequence[str]) -> None:
    """Refuses a service that the catalogue lacks: a mistake in an id would leave the right one open."""
    for service in services:
        if state.access.get("service", service) is None:
            raise PdpError(f"There is no service {service!r} in the catalogue; nothing was done.")
