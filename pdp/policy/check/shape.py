"""What is known of a value's type: from the bundle's schemas, which the host asserts, and from its data.

Only what the host has checked counts: the request against the request schema, records when they are written.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Kinds = frozenset[str] | None
"""JSON kinds (and "set") that a value can have; None: unknown. Empty: never defined."""

DATE_TIME = "date-time"

_DEEPEST = 24


class Shape(ABC):
    """Knowledge of a value's type."""

    @property
    def kinds(self) -> Kinds:
        """The kinds that the value can have."""
        return self._kinds()

    def child(self, key: str | None) -> "Shape":
        """What stands under `key`, where that is defined; None: under any key."""
        return self._child(key)

    def item(self, position: int) -> "Shape":  # noqa: ARG002 - where positions say more, they are told apart
        """What stands at a position of an array."""
        return self._child(None)

    @abstractmethod
    def _kinds(self) -> Kinds: ...

    @abstractmethod
    def _child(self, key: str | None, /) -> "Shape": ...

    @property
    def keys(self) -> "Shape":
        """What the keys are."""
        kinds = self.kinds
        if kinds is None or "set" in kinds:
            return UNKNOWN
        return Of(
            frozenset({"string"} if "object" in kinds else ())
            | frozenset({"number"} if "array" in kinds else ())
        )


@dataclass(frozen=True)
class Unknown(Shape):
    """Nothing is known."""

    def _kinds(self) -> Kinds:
        return None

    def _child(self, _: str | None, /) -> Shape:
        return self


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Of(Shape):
    """One of these kinds, and nothing known of what is inside."""

    of: frozenset[str]

    def _kinds(self) -> Kinds:
        return self.of

    def _child(self, _: str | None, /) -> Shape:
        return UNKNOWN if self.of & {"array", "object", "set"} else NEVER


NEVER = Of(frozenset())
NULL, BOOLEAN, NUMBER, STRING = (Of(frozenset({kind})) for kind in ("null", "boolean", "number", "string"))


@dataclass(frozen=True)
class Constant(Shape):
    """A known value, as JSON text."""

    text: str

    @cached_property
    def value(self) -> Any:
        """The value itself."""
        return json.loads(self.text)

    def _kinds(self) -> Kinds:
        return frozenset({_kind(self.value)})

    def _child(self, key: str | None, /) -> Shape:
        value = self.value
        if isinstance(value, dict):
            if key is not None:
                return known(value[key]) if key in value else NEVER
            return either(known(item) for item in value.values())
        return either(known(item) for item in value) if isinstance(value, list) else NEVER


@dataclass(frozen=True)
class Either(Shape):
    """One of several."""

    shapes: tuple[Shape, ...]

    def _kinds(self) -> Kinds:
        found: frozenset[str] = frozenset()
        for shape in self.shapes:
            kinds = shape.kinds
            if kinds is None:
                return None
            found |= kinds
        return found

    def _child(self, key: str | None, /) -> Shape:
        return either(shape.child(key) for shape in self.shapes)

    def item(self, position: int) -> Shape:
        """As of one of them."""
        return either(shape.item(position) for shape in self.shapes)


@dataclass(frozen=True)
class Both(Shape):
    """All of several at once."""

    shapes: tuple[Shape, ...]

    def _kinds(self) -> Kinds:
        found: Kinds = None
        for shape in self.shapes:
            kinds = shape.kinds
            if kinds is not None:
                found = kinds if found is None else found & kinds
        return found

    def _child(self, key: str | None, /) -> Shape:
        if self.kinds is not None and not self.kinds & {"array", "object", "set"}:
            return NEVER
        return both(shape.child(key) for shape in self.shapes)

    def item(self, position: int) -> Shape:
        """As of all of them."""
        return both(shape.item(position) for shape in self.shapes)


class Schema(Shape):
    """What a JSON Schema asserts. `times`: fields of format date-time have become integers."""

    def __init__(self, node: Any, root: Any, *, times: bool, depth: int = 0) -> None:
        self._node = node
        self._root = root
        self._times = times
        self._depth = depth

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self._node is other._node and self._times == other._times

    def __hash__(self) -> int:
        return hash((id(self._node), self._times))

    @cached_property
    def _parts(self) -> list[Shape]:
        """What else must hold: references and combinations."""
        node = self._node
        if not isinstance(node, Mapping) or self._depth > _DEEPEST:
            return []
        parts: list[Shape] = []
        if "$ref" in node:
            parts.append(self._at(resolve(self._root, str(node["$ref"]))))
        parts += [self._at(item) for item in node.get("allOf") or ()]
        parts += [either(map(self._at, node[word])) for word in ("anyOf", "oneOf") if node.get(word)]
        return parts

    def _kinds(self) -> Kinds:
        return Both((*self._parts, _Own(self._own_kinds()))).kinds

    def _child(self, key: str | None, /) -> Shape:
        kinds = self.kinds
        if kinds is not None and not kinds & {"array", "object"}:
            return NEVER
        return both([self._own_child(key), *(part.child(key) for part in self._parts)])

    def _own_kinds(self) -> Kinds:
        node = self._node
        if not isinstance(node, Mapping):
            return None if node is True else frozenset()
        words = node.get("type")
        kinds: Kinds = None
        if "const" in node:
            kinds = frozenset({_kind(node["const"])})
        elif "enum" in node:
            kinds = frozenset(_kind(value) for value in node["enum"])
        elif words is not None:
            named = {"integer": "number"}
            kinds = frozenset(
                named.get(word, word) for word in ([words] if isinstance(words, str) else words)
            )
        if kinds is not None and self._times and node.get("format") == DATE_TIME:
            # The host turns the text into a number, and leaves anything else that the type lets in.
            kinds = frozenset("number" if kind == "string" else kind for kind in kinds)
        return kinds

    def _own_child(self, key: str | None) -> Shape:
        node = self._node
        if not isinstance(node, Mapping):
            return UNKNOWN
        if "const" in node:
            return known(node["const"]).child(key)
        properties = node.get("properties") or {}
        if key is not None and key in properties:
            return self._at(properties[key])
        found: list[Shape] = []
        kinds = self._own_kinds()
        if kinds is None or "object" in kinds:
            rest = node.get("additionalProperties", True)
            found += [self._at(rest)] if rest is not False else []
            found += [self._at(item) for item in (node.get("patternProperties") or {}).values()]
            found += [self._at(item) for item in properties.values()] if key is None else []
        if kinds is None or "array" in kinds:
            found.append(self._at(node.get("items", True)))
            found += [self._at(item) for item in node.get("prefixItems") or ()]
        return either(found)

    def _at(self, node: Any) -> Shape:
        if node is True or node == {}:
            return UNKNOWN
        return Schema(node, self._root, times=self._times, depth=self._depth + 1)


@dataclass(frozen=True)
class _Own(Shape):
    """Kinds only, as an element of Both."""

    own: Kinds

    def _kinds(self) -> Kinds:
        return self.own

    def _child(self, _: str | None, /) -> Shape:
        return UNKNOWN


@dataclass(frozen=True)
class Fields(Shape):
    """An object with exactly these fields."""

    fields: tuple[tuple[str, Shape], ...]

    def _kinds(self) -> Kinds:
        return frozenset({"object"})

    def _child(self, key: str | None, /) -> Shape:
        if key is None:
            return either(shape for _, shape in self.fields)
        return dict(self.fields).get(key, NEVER)


@dataclass(frozen=True)
class Items(Shape):
    """An array of exactly these items."""

    items: tuple[Shape, ...]

    def _kinds(self) -> Kinds:
        return frozenset({"array"})

    def _child(self, _: str | None, /) -> Shape:
        return either(self.items)

    def item(self, position: int) -> Shape:
        """The item there."""
        return self.items[position] if position < len(self.items) else NEVER


@dataclass(frozen=True)
class MapOf(Shape):
    """A collection of this kind whose elements all have one shape."""

    kind: str
    element: Shape

    def _kinds(self) -> Kinds:
        return frozenset({self.kind})

    def _child(self, _: str | None, /) -> Shape:
        return self.element


def known(value: Any) -> Shape:
    """The shape of a known JSON value."""
    return Constant(json.dumps(value, sort_keys=True))


def either(shapes: Iterable[Shape]) -> Shape:
    """One of several, simplified."""
    found = tuple(dict.fromkeys(shapes))
    if any(isinstance(shape, Unknown) for shape in found):
        return UNKNOWN
    return found[0] if len(found) == 1 else Either(found)


def both(shapes: Iterable[Shape]) -> Shape:
    """All of several, simplified."""
    found = tuple(shape for shape in dict.fromkeys(shapes) if not isinstance(shape, Unknown))
    if not found:
        return UNKNOWN
    return found[0] if len(found) == 1 else Both(found)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def resolve(root: Any, pointer: str) -> Any:
    """What a `$ref` within a schema points to; True (anything) when it is not there to be seen."""
    node = root
    start, *parts = pointer.split("/")
    if start != "#" or "%" in pointer:
        return True
    for part in parts:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or name not in node:
            return True
        node = node[name]
    return node
