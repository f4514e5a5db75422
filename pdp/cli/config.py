"""`pdp config`: what the settings are, what they are now, and where each value came from."""

import json
from collections.abc import Callable
from typing import Any

import click

from pdp.config import CONFIG_VARIABLE, SETTINGS, Settings, load_settings, shown

SERVE_SETTINGS = tuple(SETTINGS)


def setting_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command `--config` and an option for each named setting; see `settings_of`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for name in reversed(names):
            setting = SETTINGS[name]
            default = "empty" if setting.default == "" else setting.default
            command = click.option(
                setting.flag,
                name,
                metavar=setting.kind.metavar,
                help=f"{setting.meaning}  [{setting.environment}; default {default}]",
            )(command)
        return click.option(
            "--config", metavar="FILE", help=f"A TOML file with settings.  [{CONFIG_VARIABLE}]"
        )(command)

    return decorate


def settings_of(options: dict[str, Any]) -> Settings:
    """The settings that stand for a command's options, as `setting_options` collects them."""
    return load_settings({name: options.get(name) for name in SETTINGS}, config=options.get("config"))


@click.group()
def config() -> None:
    """Explain the settings.

    A value comes from, each stronger than the one before: its default, a TOML file (--config or PDP_CONFIG),
    the environment (PDP_...), the command line.
    """


@config.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a setting, in an array.")
@setting_options(*SERVE_SETTINGS)
def show(as_json: bool, **options: Any) -> None:
    """Show every setting, its value, where the value came from and what it means.

    \b
    Examples:
      pdp config show
      PDP_THREADS=4 pdp config show --config pdp.toml
      pdp config show --json | jq '.[] | select(.origin != "default")'
    """  # noqa: D301 - click's mark for "keep these lines"
    settings = settings_of(options)
    if as_json:
        click.echo(
            json.dumps([_described(settings, name) for name in SETTINGS], indent=2, ensure_ascii=False)
        )
        return
    width = max(len(name) for name in SETTINGS)
    for name, setting in SETTINGS.items():
        click.echo(f"{name:{width}}  {shown(settings, name)}  ({settings.origins[name]})")
        click.echo(f"{'':{width}}  {setting.meaning}")
        click.echo(f"{'':{width}}  {setting.environment}, {setting.flag}; {setting.kind.means}")


def _described(settings: Settings, name: str) -> dict[str, str | int | float]:
    setting = SETTINGS[name]
    return {
        "name": name,
        "value": shown(settings, name),
        "origin": settings.origins[name],
        "default": setting.default,
        "type": setting.kind.means,
        "environment": setting.environment,
        "flag": setting.flag,
        "meaning": setting.meaning,
    }
