"""The variables of a body, and what its `is_…` conditions tell of terms.

As in OPA an expression that needs a variable which has no value yet waits for the one that gives it one
(`Unbound`); otherwise they are taken in the order in which they stand.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence

from pdp.policy.check.program import Program
from pdp.policy.check.shape import Of, Shape, both
from pdp.policy.check.syntax import COMPREHENSIONS, Module, Node, call_name, canonical, variables
from pdp.policy.check.value import Value


class Unbound(Exception):
    """A variable that is needed and has no value yet: the expression has to wait."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Scope:
    """The variables of one body. A comprehension and an `every` see those around them.

    A variable is None until it has a value.
    """

    def __init__(self, module: Module, outer: "Scope | None" = None) -> None:
        self.module = module
        self._outer = outer
        self._own: dict[str, Value | None] = {}
        self.seen: ChainMap[str, Value | None] = ChainMap(self._own, *(outer.seen.maps if outer else ()))
        self._narrowed: dict[str, list[str]] = {}

    def owns(self, name: str) -> bool:
        """Whether the variable is one of this body's own."""
        return name in self._own

    def declare(self, name: str) -> None:
        """A variable of this body: one of the same name around it is another."""
        self._own[name] = None

    def bind(self, name: str, value: Value) -> None:
        """Gives one of this body's own variables its value."""
        self._own[name] = value

    def is_free(self, name: str) -> bool:
        """Whether the place in which the variable stands gives it its value.

        Raises Unbound for a variable of a body around this one that has none yet.
        """
        if name not in self.seen or self.seen[name] is not None:
            return False
        if name not in self._own:
            raise Unbound(name)
        return True

    def value(self, name: str) -> Value:
        """A variable's value. Raises Unbound."""
        found = self.seen[name]
        if found is None:
            raise Unbound(name)
        return found

    def open(self, program: Program, body: Sequence[Node], heads: Sequence[Node]) -> None:
        """Declares all variables of a body and its head."""
        for expression in body:
            for name in declared(expression):
                self.declare(name)
        for name in _mentioned([*body, *heads]):
            is_known = name in ("input", "data") or name in self.seen or program.named(self.module, name)
            if not is_known and not name.startswith("$"):
                self.declare(name)

    def note(self, name: str, term: Node) -> None:
        """Notes a condition `is_…(term)`: what comes after it in this body is evaluated where it holds."""
        if term["type"] in ("var", "ref") and not any(name[0] == "$" for name in variables(term)):
            self._narrowed.setdefault(canonical(term), []).append(name.removeprefix("is_"))

    def narrowed(self, term: Node, shape: Shape) -> Shape:
        """A term's shape with what the `is_…` conditions of this body and those around it say."""
        found = both([shape, *(Of(frozenset({kind})) for kind in self._narrowed.get(canonical(term), ()))])
        # What is said further out may be said of another variable of the same name.
        if self._outer is None or not self._own.keys().isdisjoint(variables(term)):
            return found
        return self._outer.narrowed(term, found)


def declared(expression: Node) -> Iterator[str]:
    """Variables that an expression declares: `some x in …`, `some x`, `x := …`."""
    terms = expression["terms"]
    if isinstance(terms, Mapping) and "symbols" in terms:
        for symbol in terms["symbols"]:
            declared = symbol["value"][1:-1] if symbol["type"] == "call" else [symbol]
            yield from variables(declared)
    elif isinstance(terms, list) and call_name(terms[0]) == "assign":
        yield from variables(terms[1])


def _mentioned(node: object) -> Iterator[str]:
    """Variables of this level: those within a comprehension or an `every` may be its own."""
    if isinstance(node, list | tuple):
        for item in node:
            yield from _mentioned(item)
    if not isinstance(node, Mapping):
        return
    if node.get("type") == "var":
        yield str(node["value"])
    elif node.get("type") in COMPREHENSIONS:
        return
    elif "domain" in node:
        yield from _mentioned(node["domain"])
    elif node.get("type") == "call":
        yield from _mentioned(node["value"][1:])
    else:
        for key, item in node.items():
            if key != "location":
                yield from _mentioned(item[1:] if key == "terms" and isinstance(item, list) else item)
