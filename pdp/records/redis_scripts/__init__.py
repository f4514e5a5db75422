"""The Lua scripts, one file for each operation, with its contract at its head."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_INCLUDE = re.compile(r"^-- include (\w+\.lua)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A script as Redis gets it.

    Attributes:
        name: of its file, without ".lua".
        text: with what it includes.
        sha: how EVALSHA names it.
    """

    name: str
    text: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """The script of an operation."""
    text = _INCLUDE.sub(lambda match: _read(match[1]), _read(f"{name}.lua")).encode()
    return Script(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


def _read(file: str) -> str:
    return (files(__name__) / file).read_text(encoding="utf-8")
