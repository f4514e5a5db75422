"""The command `pdp`: finds the command, runs it, and reports every expected failure as one clear sentence."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

FAILED = 3
"""Exit code when pdp could not do what was asked; 1 and 2 are answers of `pdp check` and `pdp policy`, 4 is
that a measure may stand but is not known to be in force everywhere (`pdp.cli.measure`)."""

# name → (where it stands, what the list of commands says); a module is imported when its command is called.
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("pdp.cli.serve:serve", "Run the sidecar: answer gateways, keep the account state."),
    "check": ("pdp.cli.check:check", "Decide requests, offline or by a running sidecar."),
    "config": ("pdp.cli.config:config", "Explain the settings, their values and where those came from."),
    "records": ("pdp.cli.records:records", "Import, export, read and change the account state."),
    "ingest": ("pdp.cli.ingest:ingest", "Apply what a system of record puts into a Redis stream."),
    "incident": ("pdp.cli.incident:incident", "Interrupt access for an incident or threat, and lift it."),
    "block": ("pdp.cli.block:block", "Block an account, organisation or employer."),
    "unblock": ("pdp.cli.block:unblock", "Lift a block."),
    "terminate": ("pdp.cli.terminate:terminate", "End access, wholly or for some services."),
    "sidecars": ("pdp.cli.sidecars:sidecars", "List the sidecars that decide on the account state."),
    "doctor": (
        "pdp.cli.doctor:doctor",
        "Check settings, policy, store, clock and leases.",
    ),
    "terms": ("pdp.cli.terms:terms", "Publish a version of the terms of use."),
    "policy": ("pdp.cli.policy:policy", "Check and test a bundle of policies."),
    "routes": ("pdp.cli.routes:routes", "List, ask and test which request is which question."),
    "identity": ("pdp.cli.identity:identity", "Check whose logins count, and see whom a token stands for."),
    "demo-data": ("pdp.cli.demo_data:demo_data", "Generate a realistic portal."),
    "demo": ("pdp.cli.demo:demo", "See it all work, on embedded defaults; ends by itself."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are called, so that `pdp` starts quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands' names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports the command; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, meaning) for name, (_, meaning) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="poortwachter", prog_name="pdp")
def cli() -> None:
    """Poortwachter answers a gateway's question "allow?" from terms of use, article by article, with reasons.

    \b
    Start here:
      pdp demo                                          see it all work
      pdp serve --policy policies/portal                run the sidecar
      pdp check --records portal.jsonl request.json     decide one request offline
      pdp incident declare --portal --nature "..."      close the portal at once
      pdp config show                                   every setting, explained

    Exit codes: 0 done, 3 not done (one sentence on standard error says why), 4 an incident, block or
    termination that may stand but is not known to be in force everywhere; `pdp check`, `pdp policy` and
    `pdp doctor` give their answer as 0, 1 or 2.
    """  # noqa: D301 - click's mark for "keep these lines"


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and ends the process with its exit code."""
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code. An expected failure is one sentence on standard error."""
    try:
        words = [*(sys.argv[1:] if args is None else args)]
        result: Any = cli.main(args=words, prog_name="pdp", standalone_mode=False, obj=words)
    except click.Abort:
        return _failed("Stopped; nothing more was done.")
    except click.UsageError as error:
        error.show()
        return FAILED
    except click.ClickException as error:
        return _failed(error.format_message())
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        return _failed(sentence)
    return result if isinstance(result, int) else 0


def sentence_of(error: Exception) -> str | None:
    """The one sentence that tells a user about an expected failure; None for a defect of ours."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    # An error class of our own (BundleError, StoreError, …) is raised for what a user can cause or mend.
    if type(error).__module__.split(".")[0] in ("pdp", "_core"):
        return str(error)
    grpc = sys.modules.get("grpc")
    if grpc is not None and isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        return f"The sidecar answered {error.code().name}: {error.details()}"
    return None


def _failed(sentence: str) -> int:
    click.echo(f"Error: {sentence}", err=True)
    return FAILED
