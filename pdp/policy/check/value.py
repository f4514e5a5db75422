"""What the check knows of a value beneath `allow`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pdp.policy.check.shape import UNKNOWN, MapOf, Shape, either
from pdp.policy.check.syntax import Place


@dataclass(frozen=True)
class Origin:
    """What made a value doubtful, and where."""

    place: Place
    what: str


@dataclass(frozen=True)
class Value:
    """A value, abstractly.

    `lossy`: a collection that lacks the elements whose code was undefined or failed, so it may be too small.
    `low`: a number that may therefore be too low. `fallback`: its `false` may stand for something undefined.
    `many`: may have several values at once, because it comes from an iteration. `element` and `fields` tell
    what stands in a collection that the policy itself built.
    """

    shape: Shape = UNKNOWN
    lossy: Origin | None = None
    low: Origin | None = None
    fallback: Origin | None = None
    many: bool = False
    element: "Value | None" = None
    fields: "tuple[tuple[str, Value], ...] | None" = None

    @property
    def doubt(self) -> Origin | None:
        """What makes the value doubtful, itself or anything inside."""
        inside = [value for _, value in self.fields or ()] + ([self.element] if self.element else [])
        return self.lossy or self.low or self.fallback or next((v.doubt for v in inside if v.doubt), None)

    def child(self, key: str | None, *, many: bool) -> "Value":
        """What stands under a key (None: some key that is not known here)."""
        found: Value
        if self.fields is not None:
            fields = dict(self.fields)
            found = join(fields.values()) if key is None else fields.get(key, Value(self.shape.child(key)))
        elif self.element is not None:
            found = self.element
        else:
            found = Value(self.shape.child(key))
        return replace(found, many=self.many or many or found.many)


def join(values: Iterable[Value]) -> Value:
    """One of several values."""
    found = list(values)
    if not found:
        return Value()
    if len(found) == 1:
        return found[0]
    inside = [value.child(None, many=False) for value in found if value.fields is not None or value.element]
    return Value(
        shape=either(value.shape for value in found),
        lossy=next((value.lossy for value in found if value.lossy), None),
        low=next((value.low for value in found if value.low), None),
        fallback=next((value.fallback for value in found if value.fallback), None),
        many=any(value.many for value in found),
        element=join(inside) if inside else None,
    )


def collection(kind: str, elements: Iterable[Value], lossy: Origin | None = None) -> Value:
    """A collection that the policy builds from these elements."""
    element = join(elements)
    return Value(
        shape=MapOf(kind, element.shape), lossy=lossy, element=element, many=element.many and lossy is None
    )
