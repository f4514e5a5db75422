"""Calls: of the bundle's own functions, which are walked, and of built-in functions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pdp.policy.check import doubts, fallbacks, kinds
from pdp.policy.check.builtin_functions import COMPARISONS, MEMBERSHIP, RESULTS, TOTAL_ON
from pdp.policy.check.shape import BOOLEAN, NUMBER, UNKNOWN, Of, Shape, either
from pdp.policy.check.syntax import Node, Place, call_name, is_literal
from pdp.policy.check.value import Value, collection

if TYPE_CHECKING:
    from pdp.policy.check.walk import Scope, Walk


def call(walk: "Walk", node: Node, operator: Node, arguments: Sequence[Node], scope: "Scope") -> Value:
    """What a call gives. `node` is the call or the expression, for its place."""
    from pdp.policy.check.terms import value_of  # noqa: PLC0415 - terms hold calls and calls hold terms

    place = scope.module.place(node)
    values = [value_of(walk, argument, scope) for argument in arguments]
    function = walk.program.function(scope.module, operator)
    if function is not None:
        return _own(walk, function, arguments, values, scope)
    name = call_name(operator)
    if name in COMPARISONS:
        return _comparison(walk, place, name, arguments, values)
    if name in MEMBERSHIP:
        return _membership(walk, place, arguments, values)
    many = any(value.many for value in values)
    arity = len(TOTAL_ON[name]) if name in TOTAL_ON else len(values)
    if len(values) == arity + 1:
        walk.bind_pattern(arguments[-1], Value(many=many), scope)
    if name == "object.get" and len(values) > 2:
        return _object_get(walk, place, arguments, values)
    kinds.check_builtin(walk.report, place, name, arguments, values)
    found = _collections(walk, place, name, values)
    if found is not None:
        return found
    for value in values:
        doubts.require_plain(walk.report, place, value, f"This call of {name}")
    return Value(Of(frozenset({RESULTS[name]})) if name in RESULTS else UNKNOWN, many=many)


def _own(
    walk: "Walk",
    function: tuple[str, ...],
    arguments: Sequence[Node],
    values: Sequence[Value],
    scope: "Scope",
) -> Value:
    arity = len(walk.program.clauses[function][0].arguments)
    found = walk.function(function, values[:arity])
    many = found.many or any(value.many for value in values[:arity])
    found = Value(found.shape, found.lossy, found.low, found.fallback, many, found.element, found.fields)
    if len(arguments) == arity + 1:
        walk.bind_pattern(arguments[-1], found, scope)
    return found


def _comparison(
    walk: "Walk", place: Place, name: str, arguments: Sequence[Node], values: Sequence[Value]
) -> Value:
    left, right = (arguments[0], values[0]), (arguments[1], values[1])
    if not doubts.check_emptiness(walk.report, place, name, arguments[0], arguments[1]):
        doubts.check_compared(walk.report, place, name, left, right)
    if name not in ("equal", "eq"):
        kinds.check_order(walk.report, place, name, *values)
    return Value(BOOLEAN, many=any(value.many for value in values))


def _membership(walk: "Walk", place: Place, arguments: Sequence[Node], values: Sequence[Value]) -> Value:
    *parts, domain = values
    for value in parts:
        doubts.require_plain(walk.report, place, value, "This membership test")
    inside = domain.child(None, many=False)
    if inside.doubt is not None and not is_literal(arguments[-2], True):
        doubts.require_plain(walk.report, place, inside, "This membership test")
    return Value(BOOLEAN, many=any(value.many for value in values))


def _object_get(walk: "Walk", place: Place, arguments: Sequence[Node], values: Sequence[Value]) -> Value:
    kinds.check_builtin(walk.report, place, "object.get", arguments, values)
    doubts.require_plain(walk.report, place, values[1], "This key")
    fallback = fallbacks.object_get(walk.report, place, arguments[2])
    key = str(arguments[1]["value"]) if arguments[1]["type"] == "string" else None
    path = arguments[1]["type"] == "array"
    shape: Shape = UNKNOWN if path else either([values[0].shape.child(key), values[2].shape])
    return Value(shape, fallback=fallback, many=any(value.many for value in values))


def _collections(walk: "Walk", place: Place, name: str, values: Sequence[Value]) -> Value | None:
    """Built-ins that make a collection or a count of collections, and pass on what these lack."""
    many = any(value.many for value in values)
    if name == "count":
        low = values[0].lossy
        return Value(NUMBER, low=low, many=many)
    if name in ("and", "or", "array.concat", "array.reverse"):
        lossy = next((value.lossy for value in values if value.lossy), None)
        kind = "set" if name in ("and", "or") else "array"
        found = collection(kind, [value.child(None, many=False) for value in values], lossy)
        return Value(found.shape, lossy=lossy, many=many, element=found.element)
    if name == "minus" and all(value.shape.kinds == frozenset({"set"}) for value in values):
        doubts.check_difference(walk.report, place, values[1])
        found = collection("set", [values[0].child(None, many=False)], values[0].lossy)
        return Value(found.shape, lossy=values[0].lossy, many=many, element=found.element)
    if name in ("minus", "div", "rem"):
        for value in values:
            doubts.require_plain(walk.report, place, value, f"This call of {name}")
        return Value(NUMBER, many=many)
    return None
