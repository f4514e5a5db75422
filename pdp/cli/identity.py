"""`pdp identity`: whose word about a login counts, and what comes of one."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import click

from pdp.identity.declaration import Declared, load_identity
from pdp.identity.keys import KeysError
from pdp.identity.refresh import read_all

REFUSED = 1
"""Exit code when keys cannot be read, or nobody is logged in."""

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def identity() -> None:
    """Check a declaration of logins (identity.yaml), and see whom a token or headers stand for."""


@identity.command()
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Check a declaration and read the keys of every issuer in it once.

    Exit 0: valid, and all keys can be read; 1: some cannot; 3: the declaration is refused.
    """
    declared = load_identity(file)
    click.echo(f"{file} is valid.")
    if not _report_keys(declared, quiet=False):
        sys.exit(REFUSED)


@identity.command()
@click.argument("file", type=_FILE)
@click.option(
    "--token-file", type=click.File("r"), help="A file with a token; - reads it from standard input."
)
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; repeatable."
)
@click.option("--trusted", is_flag=True, help="As if a gateway sent it that is trusted.")
@click.option("--peer", metavar="NAME", help="The name in that gateway's certificate.")
def show(
    file: Path, *, token_file: IO[str] | None, headers: Sequence[str], trusted: bool, peer: str | None
) -> None:
    """Print the subject that a token or headers stand for, and the problem with them if there is one.

    A token is no argument, as those stay in the shell's history. Exit 0: somebody is logged in, 1: nobody.
    """
    pairs = [_header(text) for text in headers]
    declared = load_identity(file)
    if token_file is not None:
        _report_keys(declared, quiet=True)
        pairs.append(("authorization", b"Bearer " + token_file.read().strip().encode()))
    try:
        shown = json.loads(declared.identity.identify(pairs, trusted=trusted, name=peer))
    except ValueError as error:
        raise click.UsageError(f"That is no header: {error}.") from error
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    if shown["problem"] is not None:
        sys.exit(REFUSED)


def _header(text: str) -> tuple[str, bytes]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.UsageError(f"{text!r} is no header: write 'NAME: VALUE'.")
    return name.strip(), value.strip().encode()


def _report_keys(declared: Declared, *, quiet: bool) -> bool:
    """Reads the keys; says what came of it, or only what went wrong. True when all could be read."""
    fine = True
    for issuer, place, result in read_all(declared):
        if isinstance(result, KeysError):
            fine = False
            click.echo(f"{issuer}: {result}", err=True)
        elif not quiet:
            click.echo(f"{issuer}: {result} usable keys from {place}.")
    return fine
