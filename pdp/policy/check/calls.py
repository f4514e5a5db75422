"""Calls: of the bundle's own functions, which are walked, and of built-in functions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pdp.policy.check import doubts, fallbacks, kinds
from pdp.policy.check.builtin_functions import COMPARISONS, MEMBERSHIP, RESULTS, TOTAL_ON, TYPE_TESTS
from pdp.policy.check.shape import BOOLEAN, NUMBER, STRING, UNKNOWN, MapOf, Of, Shape, either
from pdp.policy.check.syntax import Node, Path, Place, call_name
from pdp.policy.check.value import Doubt, Value

if TYPE_CHECKING:
    from pdp.policy.check.scope import Scope
    from pdp.policy.check.walk import Walk

_COLLECTION_OPERATORS = frozenset({"and", "or", "minus"})


def call(walk: "Walk", node: Node, operator: Node, arguments: Sequence[Node], scope: "Scope") -> Value:
    """What a call gives. `node` is the call or the expression, for its place."""
    from pdp.policy.check.terms import value_of  # noqa: PLC0415 - terms hold calls and calls hold terms

    place = scope.module.place(node)
    function = walk.program.function(scope.module, operator)
    name = call_name(operator)
    if not _has_arity(walk, function, name, len(arguments)):
        walk.report.unknown(place, "a call with an argument for the result", "write `x := f(…)`")
        return Value()
    values = [value_of(walk, argument, scope) for argument in arguments]
    many = any(value.many for value in values)
    if function is not None:
        found = walk.function(function, values)
        return Value(found.shape, found.doubts, found.many or many)
    if name in COMPARISONS or name in MEMBERSHIP:
        test = _comparison if name in COMPARISONS else _membership
        return Value(BOOLEAN, test(walk, place, name, arguments, values), many)
    if name in TYPE_TESTS:
        return Value(BOOLEAN, _type_test(walk, place, name, values[0]), many)
    return _builtin(walk, place, name, arguments, values)


def _has_arity(walk: "Walk", function: Path | None, name: str, given: int) -> bool:
    """Whether a call has the arguments that belong to it: one more would take the result."""
    if function is not None:
        return all(len(clause.arguments) == given for clause in walk.program.clauses[function])
    if name in COMPARISONS:
        return given == 2
    if name in MEMBERSHIP:
        return given == int(name[-1])
    if name in TYPE_TESTS:
        return given == 1
    return name not in TOTAL_ON or given in {len(form) for form in TOTAL_ON[name]}


def _comparison(
    walk: "Walk", place: Place, name: str, arguments: Sequence[Node], values: Sequence[Value]
) -> frozenset[Doubt]:
    left, right = (arguments[0], values[0]), (arguments[1], values[1])
    found = doubts.check_compared(walk.report, place, name, left, right)
    if name not in ("equal", "eq"):
        kinds.check_order(walk.report, place, name, *values)
    elif all(value.shape.kinds is None for value in values):
        kinds.check_equal(walk.report, place)
    elif not all(map(kinds.is_checked, values)):
        found |= {Doubt("false", place, "a comparison of values whose kind the host has not checked")}
    return found


def _membership(
    walk: "Walk", place: Place, _: str, __: Sequence[Node], values: Sequence[Value]
) -> frozenset[Doubt]:
    *parts, domain = values
    for part in parts:
        doubts.require_exact(walk.report, place, part, "This membership test")
    doubts.require_collection(walk.report, place, domain, "This membership test")
    lossy = next(domain.flawed("lossy"), None)
    if lossy is not None:
        return frozenset({Doubt("false", place, f"membership of {lossy.what}")})
    if kinds.has_checked_elements(domain) and all(map(kinds.is_checked, parts)):
        return frozenset()
    return frozenset({Doubt("false", place, "membership among values whose kind the host has not checked")})


def _type_test(walk: "Walk", place: Place, name: str, value: Value) -> frozenset[Doubt]:
    doubts.require_exact(walk.report, place, value, f"This call of {name}")
    if value.shape.kinds:
        return frozenset()
    return frozenset({Doubt("false", place, f"{name} of a value whose kind the host has not checked")})


def _builtin(
    walk: "Walk", place: Place, name: str, arguments: Sequence[Node], values: Sequence[Value]
) -> Value:
    many = any(value.many for value in values)
    kinds.check_builtin(walk.report, place, name, arguments, values)
    if name == "count":
        doubts.require_collection(walk.report, place, values[0], "This count")
        kinds.check_counted(walk.report, place, values[0])
        low = {Doubt("low", doubt.place, f"a count of {doubt.what}") for doubt in values[0].flawed("lossy")}
        return Value(NUMBER, frozenset(low), many)
    if name in _COLLECTION_OPERATORS:
        return _combined(walk, place, name, values)
    for value in values:
        doubts.require_exact(walk.report, place, value, f"This call of {name}")
    if name == "object.get":
        key = str(arguments[1]["value"]) if arguments[1]["type"] == "string" else None
        shape = UNKNOWN if key is None else either([values[0].shape.child(key), values[2].shape])
        return Value(shape, fallbacks.object_get(walk.report, place, arguments[2]), many)
    return Value(_result(name, values), many=many)


def _result(name: str, values: Sequence[Value]) -> Shape:
    """The shape of what a built-in function gives."""
    if name == "object.keys":
        return MapOf("set", values[0].shape.keys)
    if name == "split":
        return MapOf("array", STRING)
    if name in ("array.concat", "array.reverse"):
        return MapOf("array", either(value.shape.child(None) for value in values))
    return Of(frozenset({RESULTS[name]})) if name in RESULTS else UNKNOWN


def _combined(walk: "Walk", place: Place, name: str, values: Sequence[Value]) -> Value:
    """Sets: `a | b`, `a & b` and `a - b` lack what their parts lack. Or numbers: `a - b`."""
    left, right = values
    many = left.many or right.many
    if name == "minus" and left.shape.kinds == frozenset({"number"}):
        for value in values:
            doubts.require_exact(walk.report, place, value, "This call of minus")
        return Value(NUMBER, many=many)
    doubts.require_collection(walk.report, place, left, f"This call of {name}")
    if name != "minus":
        doubts.require_collection(walk.report, place, right, f"This call of {name}")
        found = left.doubts | right.doubts
        if name == "and" and not all(map(kinds.has_checked_elements, values)):
            what = "an intersection with values whose kind the host has not checked"
            found |= {Doubt("lossy", place, what)}
        return Value(MapOf("set", either(value.shape.child(None) for value in values)), found, many)
    doubts.check_difference(walk.report, place, right)
    if not right.doubts and not kinds.has_checked_elements(right):
        message = "A value of another kind is not subtracted, and the host has not checked the kind of these."
        walk.report.add(place, "set-difference", message, "give them their `type` in the schema")
    return Value(MapOf("set", left.shape.child(None)), left.doubts, many)
