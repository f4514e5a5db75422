"""`pdp demo-data`: a made-up portal of any size, or requests to it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import click

from pdp.cli.account_state import MOMENT, progress_bar, progress_option
from pdp.demo.portal import MAX_EMPLOYERS, Portal
from pdp.demo.requests import iter_requests
from pdp.errors import PdpError
from pdp.records.importer import Progress

_LINES = 500


@click.command("demo-data")
@click.option(
    "--employers", type=click.IntRange(1, MAX_EMPLOYERS), default=1_000, show_default=True, metavar="N"
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another portal.")
@click.option("--at", type=MOMENT, metavar="TIME", help="The portal's present; default: this day, 00:00 UTC.")
@click.option("--requests", type=click.IntRange(1), metavar="COUNT", help="Requests instead of records.")
@click.option("--output", "-o", metavar="FILE", help="Write to this file instead of standard output.")
@progress_option
def demo_data(
    employers: int,
    seed: int,
    at: datetime | None,
    requests: int | None,
    output: str | None,
    progress: bool | None,
) -> None:
    """Make up a realistic portal and write its records as JSON Lines.

    N employers with two to three accounts each; intermediaries with many clients; delegations, grants and
    activations in all their states; some blocks, ended access and incidents; four versions of the terms.
    Every number is made up. The same options give the same portal: its times count from --at.

    With --requests it writes requests to that portal instead, one AuthZEN request a line, of which about
    seven of eight are allowed.

    \b
    Examples:
      pdp demo-data --employers 5000 -o portal.jsonl
      pdp demo-data | pdp records import -
      pdp demo-data --requests 100 | pdp check --records portal.jsonl -
    """  # noqa: D301 - click's mark for "keep these lines"
    moment = None if at is None else int(at.timestamp())
    with _target(output) as target, progress_bar(progress) as report:
        if requests is None:
            write_records(Portal(employers, seed, moment), target, report)
        else:
            _write(_encoded(iter_requests(seed, employers, requests, moment)), target, report, requests)


def write_records(portal: Portal, target: IO[bytes], report: Progress) -> int:
    """Writes a portal as JSON Lines, telling how many employers are done; gives the number of records."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    number = 0
    lines: list[str] = []
    for kind, key, value in portal.shared():
        lines.append(encode({"kind": kind, "key": key, "value": value}))
    for position in range(portal.size):
        for kind, key, value in portal.employer(position).records():
            lines.append(encode({"kind": kind, "key": key, "value": value}))
        if len(lines) >= _LINES:
            target.write(("\n".join(lines) + "\n").encode())
            number += len(lines)
            lines.clear()
            report("Employers", position + 1, portal.size)
    target.write(("\n".join(lines) + "\n").encode() if lines else b"")
    report("Employers", portal.size, portal.size)
    return number + len(lines)


def _encoded(documents: Iterator[dict[str, Any]]) -> Iterator[str]:
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return map(encode, documents)


def _write(lines: Iterator[str], target: IO[bytes], report: Progress, total: int) -> None:
    for number, line in enumerate(lines, start=1):
        target.write(line.encode() + b"\n")
        if number % _LINES == 0 or number == total:
            report("Requests", number, total)


@contextmanager
def _target(output: str | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file."""
    if output is None:
        stream = sys.stdout.buffer
        yield stream
        stream.flush()
        return
    try:
        file = Path(output).open("wb")  # noqa: SIM115 - only a failure to open is caught here
    except OSError as error:
        raise PdpError(f"Cannot write {output}: {error.strerror}.") from error
    with file:
        yield file
