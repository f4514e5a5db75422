"""Rules `unchecked-comparison`, `every-domain`, `builtin-can-fail`: only values of checked kinds.

OPA orders any two values, a text after every number, so `until > input.time` passes when `until` is a text. A
built-in function on the wrong kind of value is an error, which OPA treats as undefined. And that two values
differ says something only when both are of a kind that somebody has checked.
"""

from collections.abc import Callable, Mapping, Sequence

from pdp.policy.check.builtin_functions import ANY, INSTEAD, TOTAL_ON
from pdp.policy.check.report import Report
from pdp.policy.check.shape import Kinds
from pdp.policy.check.syntax import Node, Place, constant
from pdp.policy.check.value import Value

_COLLECTIONS = frozenset({"array", "object", "set"})
_NULL = frozenset({"null"})
_SCHEMA = (
    "give the field its `type` in the schema, or ask for it in the same body, before this: `is_number(…)`"
)


def is_checked(value: Value) -> bool:
    """Whether the host has checked the kind of a value, and it is a plain one: no collection.

    A collection may hide, deeper inside, what nobody has checked.
    """
    kinds = value.shape.kinds
    return kinds is not None and bool(kinds) and not kinds & _COLLECTIONS


def has_checked_elements(value: Value) -> bool:
    """Whether a value is a collection, of plain values of checked kinds."""
    kinds = value.shape.kinds
    if kinds is None or not kinds or kinds - _COLLECTIONS:
        return False
    return is_checked(value.child(None, many=False))


def check_order(report: Report, place: Place, operator: str, left: Value, right: Value) -> None:
    """`<`, `<=`, `>`, `>=`: two numbers or two texts; `!=`: two values of known kinds, or not null."""
    kinds = (left.shape.kinds, right.shape.kinds)
    if operator == "neq":
        if _NULL not in kinds and not (is_checked(left) and is_checked(right)):
            message = (
                "!= passes for any other kind of value, and the host has not checked the kind of this one."
            )
            report.add(place, "unchecked-comparison", message, _SCHEMA)
        return
    if not any(all(kinds_ == frozenset({kind}) for kinds_ in kinds) for kind in ("number", "string")):
        message = f"An order between {_named(kinds[0])} and {_named(kinds[1])} may pass by kind, not by size."
        report.add(place, "unchecked-comparison", message, _SCHEMA)


def check_equal(report: Report, place: Place) -> None:
    """`==` of two values of unknown kinds: both may be null, or both empty."""
    message = "Two values may be equal because both are null or empty, and the host has checked neither."
    report.add(place, "unchecked-comparison", message, _SCHEMA)


def check_domain(report: Report, place: Place, value: Value) -> None:
    """`every`: over a value of a known kind. Over what is no collection it is undefined, which is safe."""
    if not value.shape.kinds:
        message = (
            "every passes over any empty collection, and the host has not checked the kind of this value."
        )
        report.add(place, "every-domain", message, _SCHEMA)


def check_counted(report: Report, place: Place, value: Value) -> None:
    """`count` of a set: it tells which elements differ, as `!=` does."""
    kinds = value.shape.kinds
    if kinds is not None and "set" in kinds and not is_checked(value.child(None, many=False)):
        message = "Values of any other kind count apart, and the host has not checked the kind of these."
        report.add(place, "unchecked-comparison", message, "ask for one element with `some _ in …`")


def check_builtin(
    report: Report, place: Place, name: str, arguments: Sequence[Node], values: Sequence[Value]
) -> None:
    """A call of a built-in function: one of those that cannot fail on values of these kinds."""
    forms = TOTAL_ON.get(name, ())
    if not forms:
        message = f"{name} can fail, or gives a value for what is missing."
        report.add(place, "builtin-can-fail", message, INSTEAD.get(name, "have the host check or compute it"))
        return
    complaints = [_mismatch(name, form, values) for form in forms]
    if all(complaints):
        report.add(place, "builtin-can-fail", str(complaints[0]), _SCHEMA)
    if name in _PARTICULAR and not _PARTICULAR[name](arguments):
        message = f"{name} fails on some values of this argument: only a literal shows that it does not."
        report.add(place, "builtin-can-fail", message, _LITERALS[name])


def _mismatch(name: str, form: Sequence[frozenset[str]], values: Sequence[Value]) -> str | None:
    for position, (allowed, value) in enumerate(zip(form, values, strict=True), start=1):
        kinds = value.shape.kinds
        if allowed != ANY and (not kinds or kinds - allowed):
            which = _named(kinds - allowed if kinds else kinds)
            return f"{name} fails on {which} as argument {position}."
    return None


def _has_divisor(arguments: Sequence[Node]) -> bool:
    known, divisor = constant(arguments[1])
    return known and divisor != 0


def _has_offset(arguments: Sequence[Node]) -> bool:
    known, offset = constant(arguments[1])
    return known and isinstance(offset, int) and offset >= 0 and constant(arguments[2])[0]


def _has_needle(arguments: Sequence[Node]) -> bool:
    known, needle = constant(arguments[1])
    return known and bool(needle)


_PARTICULAR: Mapping[str, Callable[[Sequence[Node]], bool]] = {
    "div": _has_divisor,
    "substring": _has_offset,
    "indexof": _has_needle,
}
_LITERALS = {
    "div": "divide by a literal other than 0",
    "substring": "write offset and length as literals, the offset not below 0",
    "indexof": "search for a literal text that is not empty",
}


def _named(kinds: Kinds) -> str:
    if kinds is not None and not kinds:
        return "what the schema says is never there"
    return "an unchecked value" if kinds is None else " or ".join(sorted(kinds))
