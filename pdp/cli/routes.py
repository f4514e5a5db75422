"""`pdp routes`: which request at a gateway is which question, by a bundle's routes.yaml."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pdp.cli.config import setting_options, settings_of
from pdp.policy.bundle import Bundle, load_bundle, open_bundle
from pdp.policy.declaration import BundleError
from pdp.policy.routes import TABLE, RouteCase, difference, found, load_route_table, route_of

REFUSED = 1
"""Exit code when a case fails, or coverage is too low."""


@click.group()
def routes() -> None:
    """List, ask and test the routes of a bundle: which URL is which service, action and purpose."""


@routes.command(name="list")
@setting_options("policy", "opa", "policy_cache")
def list_routes(**options: Any) -> None:
    """Print every route in the order of the file: name, methods, path, and what it asks."""
    bundle = _loaded(options)
    sources = open_bundle(bundle.source, **_compiled_by(options)).sources
    declared = json.loads(sources.routes)["routes"] if sources.routes is not None else ()
    table = Table("route", "methods", "path", "question", box=None, header_style="dim")
    for route in declared:
        cells = (route["name"], " ".join(route["methods"]), route["path"], _asked(route))
        table.add_row(*map(Text, cells))
    console = Console(highlight=False)
    # A list that is piped on is not cut off at some width.
    console.width = console.width if console.is_terminal else 1_000
    console.print(table)


@routes.command()
@click.argument("method")
@click.argument("target")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; repeatable."
)
@setting_options("policy", "opa", "policy_cache")
def find(method: str, target: str, headers: Sequence[str], **options: Any) -> None:
    """Print what a request is: a question, a public route, unknown, or why it is refused.

    TARGET is path and query as a browser sends them, e.g. "/webdiensten/bezwaar?vestiging=000012345678".
    """
    pairs = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise click.UsageError(f"{header!r} is no header: write 'NAME: VALUE'.")
        pairs.append((name.strip(), value.strip()))
    answer = found(_loaded(options).policy, method, target, pairs)
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


@routes.command()
@click.argument(
    "tables", nargs=-1, metavar="[TABLE]...", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 100),
    default=100.0,
    show_default=True,
    help="Least share of routes that a case reaches, in percent.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all results.")
@setting_options("policy", "opa", "policy_cache")
def test(tables: Sequence[Path], *, threshold: float, as_json: bool, **options: Any) -> None:
    """Run tables of requests and what they must be; without TABLE the bundle's own, routes_test.yaml.

    Exit 0: all cases pass and reach enough routes, 1: not.
    """
    bundle = _loaded(options)
    names = bundle.policy.routes
    if names is None:
        raise BundleError(f"{bundle.source} has no routes.yaml.")
    cases = [case for table in _tables(bundle, tables) for case in load_route_table(table)]
    reached, failures = set[str](), list[tuple[RouteCase, str]]()
    for case in cases:
        answer = found(bundle.policy, case.method, case.target, case.headers)
        reached.add(route_of(answer))
        if wrong := difference(case, answer):
            failures.append((case, wrong))
    missed = [name for name in names if name not in reached]
    covered = 100 * (len(names) - len(missed)) / len(names) if names else 100.0
    if as_json:
        click.echo(json.dumps(_document(cases, failures, missed, covered), ensure_ascii=False))
    else:
        _print(cases, failures, missed, covered)
    if failures or covered < threshold:
        sys.exit(REFUSED)


def _loaded(options: dict[str, Any]) -> Bundle:
    return load_bundle(settings_of(options).policy, **_compiled_by(options))


def _compiled_by(options: dict[str, Any]) -> dict[str, Any]:
    settings = settings_of(options)
    return {"opa": settings.opa, "cache_dir": Path(settings.policy_cache).expanduser()}


def _asked(route: Any) -> str:
    if route.get("public"):
        return "public"
    return f"{route['action']['name']} {route['resource']['type']} {route['resource']['id']}"


def _tables(bundle: Bundle, named: Sequence[Path]) -> Sequence[Path]:
    own = bundle.source / TABLE
    if not named and not own.is_file():
        raise BundleError(f"There is no {own}; name a table.")
    return named or [own]


def _print(
    cases: Sequence[RouteCase],
    failures: Sequence[tuple[RouteCase, str]],
    missed: Sequence[str],
    covered: float,
) -> None:
    for case, wrong in failures:
        click.echo(f"{case.file}: {case.description}\n  {case.method} {case.target}\n{wrong}\n")
    click.echo(f"Cases: {len(cases) - len(failures)} of {len(cases)} passed.")
    click.echo(f"Coverage: {covered:.1f} % of the routes.")
    for name in missed:
        click.echo(f"  no case reaches {name}")


def _document(
    cases: Sequence[RouteCase],
    failures: Sequence[tuple[RouteCase, str]],
    missed: Sequence[str],
    covered: float,
) -> dict[str, Any]:
    failed = [
        {"file": str(case.file), "description": case.description, "difference": wrong}
        for case, wrong in failures
    ]
    return {"cases": len(cases), "failed": failed, "coverage": {"percent": covered, "missed": list(missed)}}
