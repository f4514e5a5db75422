"""Hypothesis strategies: a document with one value spoiled: emptied, malformed, or of another type.

Malformed depends on what the value is: a time that is none, a number with a broken check digit, a URN in the
wrong case. Nothing here makes another value that is right: with another employer or service in it, a block or
an incident would say something else and could rightly let somebody in.
"""

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.policy.portals import NOW_MS

Path = tuple[str | int, ...]

OTHER_TYPES: tuple[Any, ...] = (
    None,
    0,
    -1,
    1.5,
    True,
    False,
    "x",
    "*",
    [],
    {},
    [None],
    ["x"],
    {"x": "y"},
    [[]],
)
BAD_TIMES = (
    "yesterday",
    "2026-03-02",
    "2026-03-02T09:00:00",
    "2026-13-02T09:00:00Z",
    "2026-02-30T09:00:00Z",
    "2026-03-02T24:00:01Z",
    "2026-03-02T09:00:00+99:00",
    "2026-03-02 09:00:00",
    "02-03-2026 09:00",
    "0000-00-00T00:00:00Z",
    "-2026-03-02T09:00:00Z",
    "99999-03-02T09:00:00Z",
    "\uff12\uff10\uff12\uff16-03-02T09:00:00Z",
    "1772442000000",
    "2026-03-02T09:00:00Z/2027-03-02T09:00:00Z",
)
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT")
_NINE = re.compile(r"^(\d{9})(L\d\d)?$")
_DIGITS = re.compile(r"^\d+$")
_WIDE = {ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}
"""To digits of full width, which are digits to Unicode."""
_SPACES = (" {}", "{} ", "\t{}", "{}\n", "{}\0", "\u00a0{}", "{}\u200b")


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a document, its members and items at any depth."""
    inner: Any = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in inner:
        yield (*path, name)
        yield from places(item, (*path, name))


def at(document: Any, path: Path) -> Any:
    """The value at a place."""
    for name in path:
        document = document[name]
    return document


def replaced(document: Any, path: Path, value: Any) -> Any:
    """A copy with another value at the place."""
    copy = deepcopy(document)
    at(copy, path[:-1])[path[-1]] = value
    return copy


def without(document: Any, path: Path) -> Any:
    """A copy without the member at the place."""
    copy = deepcopy(document)
    del at(copy, path[:-1])[path[-1]]
    return copy


def malformed(text: str) -> list[Any]:
    """Texts that are not what this one is, though they look like it."""
    found = [spaces.format(text) for spaces in _SPACES] + [text * 3, text + "x" * 3000, "x" * 3000]
    if _TIME.match(text):
        return [*found, *BAD_TIMES]
    if nine := _NINE.match(text):
        return [*found, *_digits(text), *_broken_elfproef(nine[1], nine[2] or "")]
    if _DIGITS.match(text):
        return [*found, *_digits(text)]
    found += [text.swapcase(), text.title(), f"{text[:1].swapcase()}{text[1:]}"]
    if ":" in text or "-" in text:
        found += [text[:-1] or "-", text[1:] or "-", f"{text}:", f":{text}", f"{text}#"]
        found += [text.replace(":", "::"), text.replace("-", "")]
    return found


def _broken_elfproef(nine: str, suffix: str) -> Iterator[str]:
    """One digit changed: the eleven-test always notices that."""
    for place, digit in enumerate(nine):
        yield nine[:place] + str((int(digit) + place + 1) % 10) + nine[place + 1 :] + suffix


def _digits(text: str) -> list[str]:
    """Not digits only, or not as many."""
    middle = len(text) // 2
    return [
        text[1:],
        text + "0",
        "0" + text,
        f"{text[:middle]} {text[middle:]}",
        f"{text[:middle]}.{text[middle:]}",
        text.translate(_WIDE),
        text[:-1] + "\u0663",
        text[:-1] + "O",
        f"+{text}",
        f"NL{text}",
        hex(int(re.sub(r"\D", "", text))),
    ]


def spoilings(value: Any) -> list[Any]:
    """What may stand in the place of a value: nothing of its kind."""
    others = [other for other in OTHER_TYPES if type(other) is not type(value)]
    if isinstance(value, str):
        return ["", None, *malformed(value), *others, [value], {"value": value}, {value: value}]
    if isinstance(value, bool):
        return [*others, str(value).lower(), int(value)]
    if isinstance(value, int | float):
        return [*others, str(value), [value], value + 0.5, -1e300]
    if isinstance(value, list):
        return [*others, [], [[]], [None], [value], {str(n): item for n, item in enumerate(value)}]
    return [*others, {}, [value], str(value)]


def _one(draw: st.DrawFn, choices: Sequence[Any]) -> Any:
    """As `sampled_from`, without making a strategy for each document."""
    return choices[draw(st.integers(0, len(choices) - 1))]


@st.composite
def spoiled(draw: st.DrawFn, document: Any) -> tuple[Path, Any]:
    """A place in a document, and the document with the value there spoiled."""
    path = _one(draw, list(places(document)))
    return path, replaced(document, path, _one(draw, spoilings(at(document, path))))


INPUT_VALUES = (
    *OTHER_TYPES,
    *("", "27381054", str(NOW_MS)),
    *(NOW_MS, NOW_MS - 1, NOW_MS + 1, -NOW_MS, 2**53, -(2**53), 1e300, -1e-7),
)
"""For what a policy sees past the host's checks: anything, also what is right elsewhere."""


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A document with one or two places emptied, changed, moved or lost; nothing is said of what it means."""
    for _ in range(draw(st.integers(1, 2))):
        everywhere = list(places(document))
        if not everywhere:
            break
        path, how = _one(draw, everywhere), draw(st.integers(0, 3))
        if how == 0 and isinstance(path[-1], str):
            document = without(document, path)
        elif how == 1:
            document = replaced(document, path, _one(draw, INPUT_VALUES))
        elif how == 2:
            document = replaced(document, path, deepcopy(at(document, _one(draw, everywhere))))
        else:
            document = replaced(document, path, _one(draw, spoilings(at(document, path))))
    return document
