"""Walks everything that `allow` depends on and asks the rules about each piece.

What is walked is positive: every condition must hold, so code that is undefined or fails can only make a rule
not fire. The rules refuse the places where that would make something pass after all, and so does the walk
with every form that it does not know (`unknown-form`).
"""

from collections.abc import Sequence
from dataclasses import replace

from pdp.policy.check import conflicts, doubts, fallbacks, kinds, patterns
from pdp.policy.check.builtin_functions import MEMBERSHIP, TYPE_TESTS
from pdp.policy.check.calls import call
from pdp.policy.check.program import Program
from pdp.policy.check.report import Report
from pdp.policy.check.scope import Scope, Unbound
from pdp.policy.check.shape import BOOLEAN, MapOf
from pdp.policy.check.syntax import Clause, Node, Path, Place, call_name
from pdp.policy.check.terms import exact, value_of
from pdp.policy.check.value import Doubt, Value, join

_EXPRESSION = {"index", "location", "terms", "negated", "with", "generated"}
_PAIRS = "make it a set of pairs: `contains [key, value]`, asked with `some [key, value] in …`"


class Walk:
    """One walk. `visited` holds the paths of the rules that were reached."""

    def __init__(self, program: Program, report: Report) -> None:
        self.program = program
        self.report = report
        self.visited: set[Path] = set()
        self._values: dict[object, Value] = {}

    def rule(self, path: Path, place: Place) -> Value:
        """What a rule gives, looked at once. `place`: where it is asked."""
        overlapping = path in self.program.documents or self.program.base(path)[0]
        if overlapping or any(path[:length] in self.program.clauses for length in range(1, len(path))):
            what = f"which rules or data {'.'.join(('data', *path))} means: several overlap"
            self.report.unknown(place, what, "give rules, packages and data names of their own")
        if path not in self._values:
            self._values[path] = self._rule(path)
        return self._values[path]

    def function(self, path: Path, arguments: Sequence[Value]) -> Value:
        """What a function gives for such arguments, looked at once for each kind of arguments."""
        key: object = (path, tuple(arguments))
        if key not in self._values:
            self._values[key] = self._clauses(path, [replace(value, many=False) for value in arguments])
        return self._values[key]

    def body(self, body: Sequence[Node], scope: Scope, *heads: Node) -> None:
        """Looks at a body's expressions and gives its variables, and those of its head, their values."""
        scope.open(self.program, body, heads)
        waiting = list(body)
        while waiting:
            later: list[tuple[Node, str]] = []
            for expression in waiting:
                try:
                    self._expression(expression, scope)
                except Unbound as unbound:
                    if not scope.owns(unbound.name):
                        raise
                    later.append((expression, unbound.name))
            if len(later) == len(waiting):
                for expression, name in later:
                    self._valueless(scope.module.place(expression), name)
                return
            waiting = [expression for expression, _ in later]

    def head(self, term: Node, scope: Scope) -> Value:
        """The term that a body gives."""
        try:
            return value_of(self, term, scope)
        except Unbound as unbound:
            if not scope.owns(unbound.name):
                raise
            self._valueless(scope.module.place(term), unbound.name)
            return Value()

    def comprehension(self, term: Node, kind: str, scope: Scope) -> Value:
        """A comprehension: a collection that lacks what failed."""
        place = scope.module.place(term)
        if kind == "object":
            self._two_values(place, "An object comprehension")
            return Value()
        inner = Scope(scope.module, scope)
        head = term["value"]["term"]
        self.body(term["value"]["body"], inner, head)
        found = self.head(head, inner)
        doubts.require_exact(self.report, scope.module.place(head), found, "This element")
        lossy = Doubt("lossy", place, f"{'an' if kind == 'array' else 'a'} {kind} comprehension")
        return Value(MapOf(kind, found.shape), frozenset({lossy}))

    def _rule(self, path: Path) -> Value:
        self.visited.add(path)
        clauses = self.program.clauses[path]
        first = clauses[0]
        place = first.module.place(first.head)
        forms = {clause.kind for clause in clauses}
        if forms == {"complete"}:
            return self._clauses(path, ())
        if forms == {"set"}:
            elements = [self._clause(clause, ()) for clause in clauses]
            for clause, element in zip(clauses, elements, strict=True):
                doubts.require_exact(self.report, clause.module.place(clause.head), element, "This element")
            lossy = Doubt("lossy", place, f"the partial set {path[-1]}")
            return Value(MapOf("set", join(elements).shape), frozenset({lossy}))
        if forms == {"object"}:
            self._two_values(place, "A partial object")
        elif forms == {"function"}:
            self.report.unknown(place, f"what {path[-1]} is without a call", "call it")
        else:
            self.report.unknown(place, f"a rule such as {path[-1]}", "a rule with one value, or `contains`")
        return Value()

    def _clauses(self, path: Path, arguments: Sequence[Value]) -> Value:
        self.visited.add(path)
        clauses = self.program.clauses[path]
        values: list[Value] = []
        fallback: set[Doubt] = set()
        for clause in clauses:
            doubt = fallbacks.default_of(self.report, clause) if clause.is_default else None
            if not clause.is_default:
                value, doubt = self._chain(clause, arguments)
                values.append(value)
            fallback |= {doubt} if doubt else set()
        conflicts.check_conflicts(self.program, self.report, clauses, values)
        found = join([*values, *([Value(BOOLEAN, frozenset(fallback))] if fallback else [])])
        return replace(found, many=False)

    def _chain(self, clause: Clause, arguments: Sequence[Value]) -> tuple[Value, Doubt | None]:
        """A clause and its `else` clauses."""
        values = [self._clause(clause, arguments)]
        fallback: Doubt | None = None
        following = clause.otherwise
        while following is not None:
            doubt = fallbacks.else_of(self.report, following)
            fallback = fallback or doubt
            if doubt is None:
                values.append(self._clause(following, arguments))
            following = following.otherwise
        return join(values), fallback

    def _clause(self, clause: Clause, arguments: Sequence[Value]) -> Value:
        scope = Scope(clause.module)
        patterns.parameters(self, clause, arguments, scope)
        head = clause.value if clause.value is not None else clause.head["key"]
        self.body(clause.body, scope, head)
        return self.head(head, scope)

    def _expression(self, expression: Node, scope: Scope) -> None:
        place = scope.module.place(expression)
        terms = expression["terms"]
        if set(expression) - _EXPRESSION:
            self.report.unknown(place, "this condition", "say it with comparisons")
        for changed in expression.get("with") or ():
            fallbacks.modifier(self.report, scope.module.place(changed["target"]))
        if expression.get("negated"):
            fallbacks.negation(self.report, place)
        elif isinstance(terms, list):
            self._operation(expression, terms, scope)
        elif "symbols" in terms:
            self._some(terms["symbols"], scope)
        elif "domain" in terms:
            self._every(terms, scope)
        else:
            doubts.check_truth(self.report, place, value_of(self, terms, scope))

    def _operation(self, expression: Node, terms: Sequence[Node], scope: Scope) -> None:
        name = call_name(terms[0])
        if name == "assign" and len(terms) == 3:
            patterns.bind(self, terms[1], value_of(self, terms[2], scope), scope)
        elif name != "eq" or not patterns.unify(self, terms[1], terms[2], scope):
            found = call(self, expression, terms[0], terms[1:], scope)
            doubts.check_truth(self.report, scope.module.place(expression), found)
            if name in TYPE_TESTS and len(terms) == 2 and not self.program.function(scope.module, terms[0]):
                scope.note(name, terms[1])

    def _some(self, symbols: Sequence[Node], scope: Scope) -> None:
        for symbol in symbols:
            if symbol["type"] == "call" and call_name(symbol["value"][0]) in MEMBERSHIP:
                patterns.some(self, symbol, scope)
            elif symbol["type"] != "var":
                self.report.unknown(scope.module.place(symbol), "this some", "`some x in …`")

    def _every(self, terms: Node, scope: Scope) -> None:
        domain = exact(self, terms["domain"], scope, "This every")
        kinds.check_domain(self.report, scope.module.place(terms["domain"]), domain)
        inner = Scope(scope.module, scope)
        key = terms.get("key")
        pairs = [(terms["value"], domain.child(None, many=False))]
        pairs += [(key, Value(domain.shape.keys))] if key else []
        for term, value in pairs:
            if term["type"] != "var":
                self.report.unknown(scope.module.place(term), "this every", "`every x in …`")
            inner.declare(str(term["value"]))
            inner.bind(str(term["value"]), replace(value, many=False))
        self.body(terms["body"], inner)

    def _valueless(self, place: Place, name: str) -> None:
        what = f"how {name} gets its value"
        self.report.unknown(place, what, "give it one with `:=` or `some … in`, in the same body")

    def _two_values(self, place: Place, what: str) -> None:
        message = f"{what} could have two values under one key: when one of them fails, the other one counts."
        self.report.add(place, "can-conflict", message, _PAIRS)
