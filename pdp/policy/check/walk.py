"""Walks everything that `allow` depends on and asks the rules about each piece.

What is walked is positive: every condition must hold, so code that is undefined or fails can only make a rule
not fire. The rules refuse the places where that would make something pass after all. A body's expressions are
looked at several times, silently until all its variables are known, because their order means nothing in
Rego.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pdp.policy.check import conflicts, doubts, fallbacks
from pdp.policy.check.calls import call
from pdp.policy.check.program import Program
from pdp.policy.check.report import Report
from pdp.policy.check.shape import BOOLEAN, Of, both
from pdp.policy.check.syntax import Clause, Module, Node, Path, call_name, canonical
from pdp.policy.check.terms import unbound, value_of
from pdp.policy.check.value import Origin, Value, collection, join

_SILENT_PASSES = 2
_NARROWING = {
    f"is_{kind}": kind for kind in ("array", "boolean", "null", "number", "object", "set", "string")
}


class Scope:
    """Variables of a body, and what its `is_…` conditions tell of terms.

    A variable is None until it is bound.
    """

    def __init__(self, module: Module, outer: "Scope | None" = None) -> None:
        self.module = module
        self.variables: dict[str, Value | None] = dict(outer.variables) if outer else {}
        self.narrowed: dict[str, str] = dict(outer.narrowed) if outer else {}

    def bind(self, name: str, value: Value) -> None:
        """Gives a variable its value; a wildcard has none."""
        if not name.startswith("$"):
            self.variables[name] = value


class Walk:
    """One walk. `visited` holds the paths of the rules that were reached."""

    def __init__(self, program: Program, report: Report) -> None:
        self.program = program
        self.report = report
        self.visited: set[Path] = set()
        self._values: dict[object, Value] = {}

    def rule(self, path: Path) -> Value:
        """What a rule gives, looked at once."""
        key: object = path
        if key not in self._values:
            self._values[key] = Value()
            with self._silent(is_silent=False):
                self._values[key] = self._rule(path)
        return self._values[key]

    def function(self, path: Path, arguments: Sequence[Value]) -> Value:
        """What a function gives for such arguments, looked at once for each kind of arguments."""
        key: object = (path, tuple(arguments), self.report.silent)
        if key not in self._values:
            self._values[key] = Value()
            self._values[key] = self._clauses(path, [replace(value, many=False) for value in arguments])
        return self._values[key]

    def body(self, body: Sequence[Node], scope: Scope) -> None:
        """Looks at a body's expressions and binds its variables in the scope."""
        for expression in body:
            self._declare(expression, scope)
        with self._silent(is_silent=True):
            for _ in range(_SILENT_PASSES):
                for expression in body:
                    self._expression(expression, scope)
        for expression in body:
            self._expression(expression, scope)

    def comprehension(self, term: Node, kind: str, scope: Scope) -> Value:
        """A comprehension: a collection that lacks what failed."""
        inner = Scope(scope.module, scope)
        self.body(term["value"]["body"], inner)
        head = term["value"].get("value") or term["value"].get("term")
        element = value_of(self, head, inner)
        if "key" in term["value"]:
            doubts.require_plain(
                self.report, scope.module.place(term), value_of(self, term["value"]["key"], inner), "This key"
            )
        return collection(
            kind, [element], Origin(scope.module.place(term), f"{_article(kind)} comprehension")
        )

    def _rule(self, path: Path) -> Value:
        self.visited.add(path)
        clauses = self.program.clauses[path]
        if all(clause.kind in ("complete", "function") for clause in clauses):
            return self._clauses(path, ())
        elements = [self._clause(clause, ()) for clause in clauses if not clause.is_default]
        first = clauses[0]
        kind = "set" if first.kind == "set" else "object"
        origin = Origin(first.module.place(first.head), f"the partial {kind} {first.path[-1]}")
        return collection(kind, [replace(element, many=False) for element in elements], origin)

    def _clauses(self, path: Path, arguments: Sequence[Value]) -> Value:
        self.visited.add(path)
        clauses = self.program.clauses[path]
        values: list[Value] = []
        fallback: Origin | None = None
        for clause in clauses:
            if clause.is_default:
                fallback = fallbacks.default_of(self.report, clause) or fallback
                continue
            value, origin = self._chain(clause, arguments)
            values.append(value)
            fallback = fallback or origin
        conflicts.check_conflicts(self.program, self.report, clauses, values)
        found = replace(join(values), many=False)
        if fallback is not None:
            found = replace(found, shape=both([found.shape]) if values else BOOLEAN, fallback=fallback)
        return found

    def _chain(self, clause: Clause, arguments: Sequence[Value]) -> tuple[Value, Origin | None]:
        """A clause and its `else` clauses."""
        values = [self._clause(clause, arguments)]
        fallback: Origin | None = None
        following = clause.otherwise
        while following is not None:
            origin = fallbacks.else_of(self.report, following)
            fallback = fallback or origin
            if origin is None:
                values.append(self._clause(following, arguments))
            following = following.otherwise
        return join(values), fallback

    def _clause(self, clause: Clause, arguments: Sequence[Value]) -> Value:
        scope = Scope(clause.module)
        for term, value in zip(clause.arguments, arguments, strict=False):
            self.bind_pattern(term, value, scope)
        self.body(clause.body, scope)
        head = clause.value if clause.value is not None else clause.head["key"]
        return value_of(self, head, scope)

    def _declare(self, expression: Node, scope: Scope) -> None:
        terms = expression["terms"]
        if isinstance(terms, Mapping) and "symbols" in terms:
            for symbol in terms["symbols"]:
                declared = symbol["value"][1:-1] if symbol["type"] == "call" else [symbol]
                for term in declared:
                    self._hide(term, scope)
        elif isinstance(terms, list) and call_name(terms[0]) == "assign":
            self._hide(terms[1], scope)
        elif isinstance(terms, list) and len(terms) == 2 and call_name(terms[0]) in _NARROWING:
            scope.narrowed[canonical(terms[1])] = _NARROWING[call_name(terms[0])]

    def _hide(self, term: Node, scope: Scope) -> None:
        """Declares the variables in a pattern: outer ones of the same name are others."""
        if term["type"] == "var":
            scope.variables[str(term["value"])] = None
        elif term["type"] == "array":
            for item in term["value"]:
                self._hide(item, scope)
        elif term["type"] == "object":
            for _, item in term["value"]:
                self._hide(item, scope)

    def _expression(self, expression: Node, scope: Scope) -> None:
        place = scope.module.place(expression)
        for changed in expression.get("with") or ():
            fallbacks.modifier(self.report, scope.module.place(changed["target"]))
        if expression.get("negated"):
            fallbacks.negation(self.report, place)
            return
        terms = expression["terms"]
        if isinstance(terms, list):
            self._operation(expression, terms, scope)
        elif "symbols" in terms:
            for symbol in terms["symbols"]:
                self._some(symbol, scope)
        elif "domain" in terms:
            self._every(terms, scope)
        else:
            value_of(self, terms, scope)

    def _operation(self, expression: Node, terms: Sequence[Node], scope: Scope) -> None:
        name = call_name(terms[0])
        if name in ("assign", "eq"):
            for pattern, source in ((terms[1], terms[2]), (terms[2], terms[1])):
                if self._is_pattern(pattern, scope, assigned=name == "assign" and pattern is terms[1]):
                    self.bind_pattern(pattern, value_of(self, source, scope), scope)
                    return
        call(self, expression, terms[0], terms[1:], scope)

    def _is_pattern(self, term: Node, scope: Scope, *, assigned: bool) -> bool:
        if term["type"] == "var":
            return assigned or unbound(self.program, term, scope)
        if term["type"] in ("array", "object"):
            items = term["value"] if term["type"] == "array" else [item for _, item in term["value"]]
            return any(self._is_pattern(item, scope, assigned=assigned) for item in items)
        return False

    def bind_pattern(self, term: Node, value: Value, scope: Scope) -> None:
        """Binds the variables of a pattern to (parts of) a value."""
        if term["type"] == "var":
            scope.bind(str(term["value"]), value)
        elif term["type"] == "array":
            for position, item in enumerate(term["value"]):
                self.bind_pattern(item, value.child(str(position), many=False), scope)
        elif term["type"] == "object":
            for key, item in term["value"]:
                name = str(key["value"]) if key["type"] == "string" else None
                self.bind_pattern(item, value.child(name, many=name is None), scope)

    def _some(self, symbol: Node, scope: Scope) -> None:
        if symbol["type"] != "call":
            return
        *patterns, domain_term = symbol["value"][1:]
        domain = value_of(self, domain_term, scope)
        self.bind_pattern(patterns[-1], domain.child(None, many=True), scope)
        if len(patterns) == 2:
            self.bind_pattern(patterns[0], Value(domain.shape.keys, many=True), scope)

    def _every(self, terms: Node, scope: Scope) -> None:
        domain = value_of(self, terms["domain"], scope)
        doubts.check_domain(self.report, scope.module.place(terms["domain"]), domain)
        inner = Scope(scope.module, scope)
        if terms.get("key"):
            self.bind_pattern(terms["key"], Value(domain.shape.keys), inner)
        self.bind_pattern(terms["value"], replace(domain.child(None, many=False), many=False), inner)
        self.body(terms["body"], inner)

    def narrow(self, term: Node, value: Value, scope: Scope) -> Value:
        """Adds what an `is_…` condition of the same body says of a term."""
        kind = scope.narrowed.get(canonical(term)) if scope.narrowed else None
        return replace(value, shape=both([value.shape, Of(frozenset({kind}))])) if kind else value

    @contextmanager
    def _silent(self, *, is_silent: bool) -> Iterator[None]:
        before = self.report.silent
        self.report.silent = is_silent
        try:
            yield
        finally:
            self.report.silent = before


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
