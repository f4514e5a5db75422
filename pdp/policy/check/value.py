"""What the check knows of a value beneath `allow`.

A value is exact: when it is defined it is what it should be. Or something is doubtful about it, and then only
the few uses are accepted in which a failure makes it harder to pass. A doubt never hides inside another
value: what is doubtful may not be put into a collection.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pdp.policy.check.shape import UNKNOWN, Shape, either
from pdp.policy.check.syntax import Place

Flaw = Literal["lossy", "low", "false"]
"""`lossy`: a collection that lacks the elements whose code was undefined or failed. `low`: a number that may
therefore be too low. `false`: its false may stand for a failure; its true may be trusted."""


@dataclass(frozen=True)
class Doubt:
    """What is doubtful about a value, what made it so, and where."""

    flaw: Flaw
    place: Place
    what: str

    @property
    def origin(self) -> str:
        """What made it so, with its place."""
        return f"{self.what} ({self.place.file}:{self.place.row})"


@dataclass(frozen=True)
class Value:
    """A value, abstractly. `many`: it may have several values at once, because it comes from an iteration."""

    shape: Shape = UNKNOWN
    doubts: frozenset[Doubt] = frozenset()
    many: bool = False

    def flawed(self, *flaws: Flaw) -> Iterator[Doubt]:
        """The doubts of these kinds, in a stable order."""
        for doubt in sorted(self.doubts, key=lambda doubt: (doubt.flaw, doubt.origin)):
            if doubt.flaw in flaws:
                yield doubt

    @property
    def exact(self) -> "Value":
        """The value without its doubts, once they were refused or cannot matter."""
        return replace(self, doubts=frozenset()) if self.doubts else self

    def child(self, key: str | None, *, many: bool) -> "Value":
        """What stands under a key (None: some key that is not known here). Elements are always exact."""
        return Value(self.shape.child(key), many=self.many or many)

    def item(self, position: int) -> "Value":
        """What stands at a position of an array."""
        return Value(self.shape.item(position), many=self.many)


def join(values: Iterable[Value]) -> Value:
    """One of several values."""
    found = list(values)
    return Value(
        shape=either(value.shape for value in found) if found else UNKNOWN,
        doubts=frozenset(doubt for value in found for doubt in value.doubts),
        many=any(value.many for value in found),
    )
