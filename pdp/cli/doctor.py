"""`pdp doctor`: is everything that a sidecar needs as it should be, and if not, what to do."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from pdp.cli.account_state import json_option
from pdp.cli.config import SERVE_SETTINGS, setting_options
from pdp.cli.doctor_checks import Finding, examine

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@json_option
@setting_options(*SERVE_SETTINGS)
def doctor(as_json: bool, **options: Any) -> None:
    """Check settings, policy, store, clock and leases, and say what to do.

    It changes nothing. It reads all records, to name those that the policy's schemas refuse, and takes a few
    seconds to watch the clock and the sidecars' signs of life. Run it with the settings of a sidecar, where
    that runs. Each line is ok, warn or fail; with --json one
    object a line.

    \b
    Examples:
      pdp doctor --config pdp.toml
      pdp doctor --records redis://redis.example:6379 --json | jq 'select(.level != "ok")'

    Exit codes: 0 no failure (warnings are none), 1 a failure.
    """  # noqa: D301 - click's mark for "keep these lines"
    failed = False
    for finding in _shown(examine(options), as_json=as_json):
        failed = failed or finding.level == "fail"
    click.get_current_context().exit(1 if failed else 0)


def _shown(findings: Iterator[Finding], *, as_json: bool) -> Iterator[Finding]:
    for finding in findings:
        if as_json:
            click.echo(json.dumps(asdict(finding), ensure_ascii=False))
        else:
            level = click.style(f"{finding.level:4}", fg=_COLOURS[finding.level])
            click.echo(f"{level}  {finding.check:8}  {finding.text}")
            if finding.advice:
                click.echo(f"{'':16}{finding.advice}")
        yield finding
