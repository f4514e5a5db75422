"""`pdp records`: the account state as it is, in a store or through a running sidecar."""

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import click

from pdp.cli.account_state import (
    AccountState,
    account_state,
    json_option,
    progress_bar,
    progress_option,
    state_options,
)
from pdp.cli.measure import carry_out, measure_options, report, wait_of
from pdp.cli.records_init import init
from pdp.errors import RecordsError
from pdp.records.access import Edit, Record, RecordAccess
from pdp.records.documents import RefusedError, json_line
from pdp.records.importer import Progress
from pdp.records.waiting import Applied

version_option = click.option(
    "--expected-version",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only when the record stands at this version (0: only when there is none).",
)


@click.group()
def records() -> None:
    """Import, export, read and change the account state.

    A record is a kind, a key and a JSON document; the bundle declares the kinds and their schemas, and every
    change is checked against these. Each command works on a store (--records URL, default the configured one)
    or through a running sidecar (--admin HOST:PORT).

    \b
    Examples:
      pdp records init --records redis://redis.example:6379
      pdp records import portal.jsonl
      pdp records import --admin 127.0.0.1:7082 changes.jsonl
      pdp records kinds
      pdp records get employer 12345678
      pdp records export --kind employer -o employers.jsonl
    """  # noqa: D301 - click's mark for "keep these lines"


@records.command("import")
@click.argument("file", metavar="FILE|-")
@progress_option
@json_option
@state_options
def import_(file: str, progress: bool | None, as_json: bool, **options: Any) -> None:
    """Import JSON Lines, the whole file or nothing of it.

    A line is {"kind": ..., "key": ..., "value": {...}}; with "value": null it deletes the record. Records
    that the file does not name stay as they are. A SQLite store that does not exist is made. It returns when
    the records are durable (and decided on by the sidecar of --admin); it never waits for all sidecars. A
    store that was initialised with several shards gets them shard by shard, each of them whole.

    \b
    Examples:
      pdp records import portal.jsonl
      zcat portal.jsonl.gz | pdp records import -
    """  # noqa: D301
    with (
        _source(file) as source,
        account_state(options, create=True) as state,
        progress_bar(progress) as report,
    ):
        try:
            imported = state.access.import_lines(source, report)
        except RefusedError as error:
            raise RecordsError(f"{file}: {error}. Nothing was imported.") from error
    if as_json:
        click.echo(json.dumps({"records": imported.records, "state_token": imported.state_token}))
    else:
        click.echo(f"Imported {imported.records:,} records into {state.name}; state {imported.state_token}.")


@records.command()
@click.option("--output", "-o", metavar="FILE", help="Write to this file instead of standard output.")
@click.option("--kind", "kinds", metavar="KIND", multiple=True, help="Only this kind; may be repeated.")
@progress_option
@state_options
def export(output: str | None, kinds: tuple[str, ...], progress: bool | None, **options: Any) -> None:
    """Export records as JSON Lines, sorted by kind and key.

    What is exported can be imported again. A file is replaced in one step, once it is complete.

    \b
    Examples:
      pdp records export -o portal.jsonl
      pdp records export --kind block --kind incident
    """  # noqa: D301
    with account_state(options) as state, _target(output) as target, progress_bar(progress) as report:
        number = _export(state.access, kinds, target, report)
    if output:
        click.echo(f"Exported {number:,} records to {output}.", err=True)


def _export(access: RecordAccess, kinds: tuple[str, ...], target: IO[bytes], report: Progress) -> int:
    counts = access.kinds()
    chosen = sorted(set(kinds)) or list(counts)
    total = sum(counts.get(kind, 0) for kind in chosen)
    number = 0
    for kind in chosen:
        for record in access.records(kind):
            target.write(json_line(record.kind, record.key, record.value))
            number += 1
            if number % 1_000 == 0:
                report("Exporting", number, total)
    report("Exporting", number, total)
    return number


@records.command()
@click.argument("kind")
@click.argument("key")
@json_option
@state_options
def get(kind: str, key: str, as_json: bool, **options: Any) -> None:
    """Print a record's document; with --json one line with kind, key, value and version.

    \b
    Examples:
      pdp records get employer 12345678
      pdp records get service ziekmelden --json | jq .version
    """  # noqa: D301
    with account_state(options) as state:
        record = _existing(state.access, kind, key)
    value = json.loads(record.value)
    if as_json:
        document = {"kind": kind, "key": key, "value": value, "version": record.version}
        click.echo(json.dumps(document, ensure_ascii=False, separators=(",", ":")))
    else:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2))


@records.command()
@click.argument("kind")
@click.argument("key")
@click.argument("file", metavar="FILE|-")
@version_option
@json_option
@measure_options
@state_options
def put(kind: str, key: str, file: str, expected_version: int | None, as_json: bool, **options: Any) -> None:
    """Write one record, a JSON document from a file or standard input.

    Of a kind that the bundle declares so (`wait: all`), it returns when no sidecar can decide without it.

    \b
    Examples:
      pdp records put employer 12345678 employer.json
      echo '{"kvk": "12345678"}' | pdp records put employer 12345678 -
    """  # noqa: D301
    with _source(file) as source:
        try:
            value = source.read()
        except OSError as error:
            raise RecordsError(f"Cannot read {file}: {error.strerror}.") from error
    with account_state(options, create=True) as state:
        applied = _written(state, Edit(kind, key, value, expected_version), options)
    report(applied, {}, "Done", as_json=as_json)


@records.command()
@click.argument("kind")
@click.argument("key")
@version_option
@json_option
@measure_options
@state_options
def delete(kind: str, key: str, expected_version: int | None, as_json: bool, **options: Any) -> None:
    """Delete one record.

    \b
    Example:
      pdp records delete activation_code 123456782
    """  # noqa: D301
    with account_state(options) as state:
        # A repeat may find it gone.
        repeated = options["write_id"] is not None
        version = expected_version if repeated else _existing(state.access, kind, key).version
        applied = _written(state, Edit(kind, key, None, expected_version or version), options)
    report(applied, {}, "Done", as_json=as_json)


@records.command()
@json_option
@state_options
def kinds(as_json: bool, **options: Any) -> None:
    """List the kinds of records that the bundle declares, and how many there are of each."""
    with account_state(options) as state:
        counts = state.access.kinds()
    if as_json:
        click.echo(json.dumps(counts))
        return
    width = max(map(len, counts), default=0)
    for kind, number in counts.items():
        click.echo(f"{kind:<{width}}  {number:>12,}")


records.add_command(init)


def _existing(access: RecordAccess, kind: str, key: str) -> Record:
    record = access.get(kind, key)
    if record is None:
        raise RecordsError(f"There is no {kind} {key!r}.")
    return record


def _written(state: AccountState, edit: Edit, options: dict[str, Any]) -> Applied:
    return carry_out(state, edit, options["write_id"] or secrets.token_hex(16), wait_of(options))


@contextmanager
def _source(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = Path(file).open("rb")  # noqa: SIM115 - only a failure to open is caught here
    except OSError as error:
        raise RecordsError(f"Cannot read {file}: {error.strerror}.") from error
    with opened:
        yield opened


@contextmanager
def _target(output: str | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that replaces an older one only when it is complete."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.absolute().parent, prefix=f".{path.name}.", delete=False
        ) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise RecordsError(f"Cannot write {output}: {error.strerror}.") from error
