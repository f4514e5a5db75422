"""The pinned `opa` program: finding it and running it, with its failures as clear sentences.

OPA is needed to compile, check and test sources, never to decide: a built bundle runs without it.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdp.errors import PdpError

OPA_VERSION = "1.22.2"
"""The one version that sources are compiled with: another one could give another WebAssembly."""

TESTS = "*_test.rego"
"""Files that stay out of a bundle."""

_CHECKOUT = Path(__file__).parents[2] / ".tools" / "bin" / "opa"


class OpaError(PdpError):
    """OPA is missing, of another version, too slow, or refuses the sources. One sentence."""


@dataclass(frozen=True)
class Opa:
    """An `opa` program of the pinned version.

    All methods raise OpaError. Time-outs are seconds.
    """

    program: Path
    version: str

    def run(
        self, arguments: Sequence[str], *, folder: Path, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs `opa ARGUMENTS` with `folder` as its working directory, whatever its exit status."""
        return _run(self.program, arguments, folder=folder, timeout=timeout)

    def build(self, folder: Path, *, entrypoint: str, output: Path, timeout: float = 120) -> None:
        """Compiles the bundle in `folder` to WebAssembly: an OPA bundle with policy.wasm and data.json."""
        arguments = ["build", "-t", "wasm", "-e", entrypoint, "-b", ".", "--ignore", TESTS]
        done = self.run([*arguments, "-o", str(output.absolute())], folder=folder, timeout=timeout)
        if done.returncode != 0:
            raise OpaError(f"does not compile: {_first_error(done)}")

    def parse(self, folder: Path, file: str) -> dict[str, Any]:
        """OPA's JSON syntax tree of `file` (relative to `folder`), with locations and comments."""
        arguments = ["parse", "--format", "json", "--json-include", "locations,comments", file]
        done = self.run(arguments, folder=folder)
        if done.returncode != 0:
            raise OpaError(_first_error(done))
        tree: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
        return tree

    def problems(self, folder: Path, *, timeout: float = 60) -> list["OpaProblem"]:
        """What `opa check --strict` finds in the bundle in `folder`, tests included; [] when clean."""
        arguments = ["check", "--strict", "--format", "json", "--max-errors", "0", "--bundle", "."]
        done = self.run(arguments, folder=folder, timeout=timeout)
        if done.returncode == 0:
            return []
        try:
            errors = json.loads(done.stdout or done.stderr)["errors"]
        except (ValueError, KeyError, TypeError):
            return [OpaProblem("", 0, 0, "opa_check", _first_error(done))]
        return [OpaProblem.of(error) for error in errors]


@dataclass(frozen=True)
class OpaProblem:
    """One error that OPA reports.

    `file` is relative to the folder ("" when OPA names none); row, col from 1.
    """

    file: str
    row: int
    col: int
    code: str
    message: str

    @classmethod
    def of(cls, error: dict[str, Any]) -> "OpaProblem":
        """From an element of `errors` in OPA's JSON output."""
        location = error.get("location") or {}
        return cls(
            file=str(location.get("file", "")),
            row=int(location.get("row", 0)),
            col=int(location.get("col", 0)),
            code=str(error.get("code", "opa_check")),
            message=" ".join(str(error.get("message", "")).split()),
        )


def find_opa(setting: str | Path | None = None) -> Opa:
    """The `opa` to use: `setting` (a path or a name on the PATH) or else `opa` on the PATH.

    In a source checkout the one that `make setup` installed is found without being on the PATH. Raises
    OpaError when there is none, or when it is not version OPA_VERSION.
    """
    program = _locate(setting)
    version = _version(program)
    if version != OPA_VERSION:
        raise OpaError(
            f"{program} is OPA {version}, but policies are compiled with {OPA_VERSION}: run `make setup`, or "
            "name the right one with the setting `opa`."
        )
    return Opa(program, version)


def _locate(setting: str | Path | None) -> Path:
    if setting:
        found = shutil.which(str(setting))
        if found is None:
            raise OpaError(f"The setting `opa` names {setting}, but there is no such program.")
        return Path(found).absolute()
    found = shutil.which("opa")
    if found is not None:
        return Path(found).absolute()
    if _CHECKOUT.is_file():
        return _CHECKOUT
    raise OpaError(
        f"`opa` {OPA_VERSION} is needed to compile policy sources and is not on the PATH: run `make setup`, "
        "name it with the setting `opa`, or use a bundle made by `pdp policy build`, which needs none."
    )


def _version(program: Path) -> str:
    done = _run(program, ["version"], folder=Path.cwd(), timeout=20)
    for line in done.stdout.splitlines():
        name, _, value = line.partition(":")
        if name == "Version":
            return value.strip()
    raise OpaError(f"{program} does not say its version: is it OPA?")


def _run(
    program: Path, arguments: Sequence[str], *, folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(program), *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise OpaError(f"`opa {arguments[0]}` did not end within {timeout:.0f} seconds.") from error
    except OSError as error:
        raise OpaError(f"{program} cannot be run: {error.strerror or error}.") from error


def _first_error(done: subprocess.CompletedProcess[str]) -> str:
    """The first error of OPA's text output as one sentence with file:line, and how many more there are."""
    text = done.stderr.strip() or done.stdout.strip()
    try:
        errors = json.loads(text)["errors"]
        first = OpaProblem.of(errors[0])
        lines = [f"{first.file}:{first.row}: {first.message}", *[""] * (len(errors) - 1)]
    except (ValueError, KeyError, TypeError, IndexError):
        lines = [line.removeprefix("error: ").strip() for line in text.splitlines() if line.strip()]
        if lines and lines[0].endswith("occurred:") and len(lines) > 1:
            lines = lines[1:]
        elif lines and "occurred: " in lines[0]:
            lines[0] = lines[0].split("occurred: ", 1)[1]
    if not lines:
        return f"opa ended with status {done.returncode} and said nothing."
    more = len(lines) - 1
    return lines[0].rstrip(".") + (f" (and {more} more)." if more else ".")
