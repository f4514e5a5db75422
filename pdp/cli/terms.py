"""`pdp terms`: versions of the terms of use, articles 6.1 to 6.3."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pdp.cli import affected
from pdp.cli.account_state import (
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


@click.group()
def terms() -> None:
    """Publish versions of the terms of use, and list them (articles 6.1 to 6.3).

    \b
    Examples:
      pdp terms publish --version 4.3 --url https://example.nl/voorwaarden-4.3.pdf \\
          --content voorwaarden-4.3.pdf --effective-at 2026-05-01T00:00:00Z
      pdp terms list
    """  # noqa: D301 - click's mark for "keep these lines"


@terms.command()
@click.option("--version", metavar="V", required=True, help='The version, e.g. "4.3".')
@click.option("--url", metavar="URL", required=True, help="Where users read it.")
@click.option("--effective-at", type=MOMENT, metavar="TIME", required=True, help="When it comes into force.")
@click.option("--published-at", type=MOMENT, metavar="TIME", help="When it was published; default: now.")
@click.option("--content", metavar="FILE", help="The text itself, for its SHA-256.")
@click.option("--content-sha256", metavar="HEX", help="The SHA-256 of the text, where the file is elsewhere.")
@yes_option
@json_option
@measure_options
@state_options
def publish(version: str, url: str, effective_at: datetime, **options: Any) -> None:
    """Publish a version of the terms.

    Whoever accepted an earlier version is bound by it once it is in force, and may reject it within six weeks
    of its publication. A version that stands is never replaced.

    \b
    Example:
      pdp terms publish --version 4.3 --url https://example.nl/voorwaarden-4.3.pdf \\
          --content voorwaarden-4.3.pdf --effective-at 2026-05-01T00:00:00Z
    """  # noqa: D301
    measure = measure_of(options)
    published_at = options["published_at"] or measure.at
    document = {
        "version": version,
        "url": url,
        "published_at": rfc3339(published_at),
        "effective_at": rfc3339(effective_at),
    }
    if digest := _sha256(options["content"], options["content_sha256"]):
        document["content_sha256"] = digest
    with account_state(options) as state:
        standing = state.access.get("terms", version)
        if standing and not measure.stands_as(standing.value, document):
            raise PdpError(
                f"Version {version} of the terms is published already; give the new text a new version."
            )
        question = (
            f"Publish version {version} of the terms ({url}), as of {document['published_at']}, "
            f"in force from {document['effective_at']}."
        )
        confirmed(question, state, yes=options["yes"], affected=lambda: affected.everyone(state))
        edit = Edit("terms", version, json.dumps(document).encode(), 0)
        applied = carry_out(state, edit, measure.write_id, measure.wait)
    sentence = f"Published version {version} of the terms"
    report(applied, {"version": version}, sentence, as_json=options["as_json"])


@terms.command("list")
@json_option
@state_options
def list_(as_json: bool, **options: Any) -> None:
    """List the versions, by the time they come into force; with --json one a line."""
    with account_state(options) as state:
        found = [json.loads(record.value) for record in state.access.records("terms")]
    found.sort(key=lambda document: read_time(document["effective_at"]))
    now = datetime.now(UTC)
    effective = [document["version"] for document in found if read_time(document["effective_at"]) <= now]
    for document in found:
        in_force = document["version"] in effective[-1:]
        if as_json:
            click.echo(json.dumps({**document, "in_force": in_force}, ensure_ascii=False))
            continue
        mark = "  (in force now)" if in_force else ""
        click.echo(
            f"{document['version']}  in force from {document['effective_at']}, "
            f"published {document['published_at']}{mark}"
        )
        click.echo(f"    {document['url']}")
    if not found and not as_json:
        click.echo("No terms are published.", err=True)


def _sha256(content: str | None, digest: str | None) -> str | None:
    """The digest of the text, 64 lower hex digits; None when neither is given."""
    if content is not None and digest is not None:
        raise click.UsageError("Give the text with --content, or its digest with --content-sha256, not both.")
    if content is not None:
        try:
            return hashlib.sha256(Path(content).read_bytes()).hexdigest()
        except OSError as error:
            raise PdpError(f"Cannot read {content}: {error.strerror}.") from error
    if digest is None:
        return None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise click.UsageError("--content-sha256 is 64 hexadecimal digits.")
    return digest.lower()
