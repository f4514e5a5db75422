"""Patterns: what stands left of `:=`, between `some` and `in`, on either side of `=`, and as a parameter.

A variable without a value gets one. Everything else in a pattern is a comparison, and so is taking a
collection apart: only what is exact may be compared. A plain variable may take whatever it gets.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pdp.policy.check import doubts
from pdp.policy.check.scope import Scope
from pdp.policy.check.syntax import SCALARS, Clause, Node, is_wildcard, variables
from pdp.policy.check.terms import exact, is_string, string_keys, value_of
from pdp.policy.check.value import Value

if TYPE_CHECKING:
    from pdp.policy.check.walk import Walk


def bind(walk: "Walk", term: Node, value: Value, scope: Scope) -> None:
    """Binds the free variables of a pattern to (parts of) a value, and compares the rest."""
    if is_wildcard(term):
        return
    if _is_free(term, scope):
        scope.bind(str(term["value"]), value)
        return
    place = scope.module.place(term)
    value = doubts.require_exact(walk.report, place, value, "This pattern")
    if term["type"] == "array":
        for position, item in enumerate(term["value"]):
            bind(walk, item, value.item(position), scope)
    elif term["type"] == "object" and string_keys(walk, term, scope.module):
        for key, item in term["value"]:
            bind(walk, item, value.child(str(key["value"]), many=False), scope)
    elif term["type"] != "object":
        exact(walk, term, scope, "This pattern")


def unify(walk: "Walk", left: Node, right: Node, scope: Scope) -> bool:
    """`left = right` that gives variables a value. False: it gives none, and is a comparison."""
    for pattern, source in ((left, right), (right, left)):
        if _is_free(pattern, scope):
            bind(walk, pattern, value_of(walk, source, scope), scope)
            return True
    for pattern, source in ((left, right), (right, left)):
        if _has_free(pattern, scope):
            bind(walk, pattern, exact(walk, source, scope, "This comparison"), scope)
            return True
    return False


def parameters(walk: "Walk", clause: Clause, arguments: Sequence[Value], scope: Scope) -> None:
    """Binds a function's parameters: variables, literals, and arrays or objects of these."""
    known = [_is_plain(term) for term in clause.arguments]
    for term, is_known in zip(clause.arguments, known, strict=True):
        if is_known:
            for name in variables(term):
                scope.declare(name)
        else:
            walk.report.unknown(scope.module.place(term), "this parameter", "compare it in the body")
    for term, value, is_known in zip(clause.arguments, arguments, known, strict=True):
        if is_known:
            bind(walk, term, value, scope)


def some(walk: "Walk", symbol: Node, scope: Scope) -> None:
    """`some key, value in domain`."""
    *patterns, domain_term = symbol["value"][1:]
    domain = value_of(walk, domain_term, scope)
    place = scope.module.place(symbol)
    doubts.require_collection(walk.report, place, domain, "This some")
    if len(patterns) == 2 and not is_wildcard(patterns[0]):
        doubts.check_position(walk.report, place, domain)
        bind(walk, patterns[0], Value(domain.shape.keys, many=True), scope)
    bind(walk, patterns[-1], domain.child(None, many=True), scope)


def _is_free(term: Node, scope: Scope) -> bool:
    return term["type"] == "var" and (is_wildcard(term) or scope.is_free(str(term["value"])))


def _has_free(term: Node, scope: Scope) -> bool:
    if term["type"] in ("array", "object"):
        items = term["value"] if term["type"] == "array" else [item for _, item in term["value"]]
        return any(_has_free(item, scope) for item in items)
    return _is_free(term, scope)


def _is_plain(term: Node) -> bool:
    if term["type"] == "array":
        return all(map(_is_plain, term["value"]))
    if term["type"] == "object":
        return all(is_string(key) and _is_plain(item) for key, item in term["value"])
    return term["type"] in (*SCALARS, "var")
