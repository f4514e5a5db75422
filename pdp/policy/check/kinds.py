"""Rules `unchecked-comparison` and `builtin-can-fail`: only on values whose kind the host has checked.

OPA orders any two values, a text after every number, so `until > input.time` passes when `until` is a text. A
built-in function on the wrong kind of value is an error, which OPA treats as undefined.
"""

from collections.abc import Sequence

from pdp.policy.check.builtin_functions import INSTEAD, TOTAL, TOTAL_ON
from pdp.policy.check.report import Report
from pdp.policy.check.shape import Kinds
from pdp.policy.check.syntax import Node, Place, constant
from pdp.policy.check.value import Value

_NUMBER = frozenset({"number"})
_STRING = frozenset({"string"})
_SCHEMA = "give the field its `type` in the schema, so that the host checks it"


def check_order(report: Report, place: Place, operator: str, left: Value, right: Value) -> None:
    """`<`, `<=`, `>`, `>=`: two numbers or two texts; `!=`: two values of known kinds."""
    kinds = (left.shape.kinds, right.shape.kinds)
    if operator == "neq":
        if None in kinds:
            message = (
                "!= passes for any other kind of value, and the host has not checked the kind of this one."
            )
            report.add(place, "unchecked-comparison", message, _SCHEMA)
        return
    if any(kinds_ is not None and not kinds_ for kinds_ in kinds):
        return
    if not any(all(kinds_ == frozenset({kind}) for kinds_ in kinds) for kind in ("number", "string")):
        message = f"An order between {_named(kinds[0])} and {_named(kinds[1])} may pass by kind, not by size."
        report.add(place, "unchecked-comparison", message, _SCHEMA)


def check_builtin(
    report: Report, place: Place, name: str, arguments: Sequence[Node], values: Sequence[Value]
) -> None:
    """A call of a built-in function that must not fail."""
    if name in TOTAL:
        return
    if name in ("div", "rem"):
        known, divisor = constant(arguments[1])
        if known and divisor != 0 and all(value.shape.kinds == _NUMBER for value in values):
            return
    if name == "substring" and len(arguments) > 1:
        known, offset = constant(arguments[1])
        if known and isinstance(offset, int) and offset >= 0 and values[0].shape.kinds == _STRING:
            return
    if name == "minus":
        if any(all(value.shape.kinds == frozenset({kind}) for value in values) for kind in ("number", "set")):
            return
        message = "minus fails unless it gets two numbers or two sets, and the host has not checked that."
        report.add(place, "builtin-can-fail", message, _SCHEMA)
        return
    if name not in TOTAL_ON:
        message = f"{name} can fail, and what fails is undefined instead of wrong."
        report.add(place, "builtin-can-fail", message, INSTEAD.get(name, "have the host check or compute it"))
        return
    for position, (wanted, value) in enumerate(zip(TOTAL_ON[name], values, strict=False), start=1):
        kinds = value.shape.kinds
        if kinds is None or kinds - wanted:
            message = (
                f"{name} fails on {_named(None if kinds is None else kinds - wanted)} as argument {position}."
            )
            report.add(place, "builtin-can-fail", message, _SCHEMA)


def _named(kinds: Kinds) -> str:
    return "an unchecked value" if kinds is None else " or ".join(sorted(kinds)) or "nothing"
