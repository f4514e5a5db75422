"""Rules `filtered-collection`, `emptiness`, `set-difference`, `fallback-compared`: no profit from what is
missing.

A comprehension, a partial set or object silently lacks the elements whose code was undefined or failed.
Asking whether something is in it is safe: what is missing cannot be found. Everything that gets easier as the
collection gets smaller (`every` over it, its emptiness, a low count, equality, subtracting it) would pass
because of a failure, so those uses are refused, wherever the collection comes from. In the same way `default
r := false` may only be asked whether it is true.
"""

from pdp.policy.check.report import Report
from pdp.policy.check.syntax import Node, Place, call_name, constant, is_literal
from pdp.policy.check.value import Value

_EASIER_WHEN_FEW = {"equal", "eq", "lt", "lte"}
_MIRRORED = {"lt": "gt", "lte": "gte", "gt": "lt", "gte": "lte"}
_EVERY = "say what each element must be: `every x in input.… { … }` over the collection as the host gives it"


def require_plain(report: Report, place: Place, value: Value, use: str) -> None:
    """Refuses a doubtful value in a use that is neither membership nor plain truth."""
    doubt = value.doubt
    if doubt is None:
        return
    where = f"{doubt.what} ({doubt.place.file}:{doubt.place.row})"
    if value.fallback is not None:
        message = f"{use} treats a false that stands for a failure as a fact: it comes from {where}."
        report.add(place, "fallback-compared", message, "only ask whether it is true")
    else:
        message = f"{use} uses {where}, which silently lacks every element that was undefined or failed."
        report.add(place, "filtered-collection", message, _EVERY)


def check_domain(report: Report, place: Place, value: Value) -> None:
    """The domain of an `every`: raw. Over what is no collection `every` is undefined, which is safe."""
    if value.lossy is not None:
        where = f"{value.lossy.what} ({value.lossy.place.file}:{value.lossy.place.row})"
        message = f"every runs over {where}, which silently lacks every element that was undefined or failed."
        report.add(place, "filtered-collection", message, _EVERY)


def check_emptiness(report: Report, place: Place, operator: str, left: Node, right: Node) -> bool:
    """Refuses `count(…) == 0` in all its forms and comparison with an empty collection; True when refused."""
    if operator in ("equal", "eq") and (_is_empty(left) or _is_empty(right)):
        report.add(
            place, "emptiness", "Being empty may be the result of a failure, so it proves nothing.", _EVERY
        )
        return True
    if _is_count(right):
        operator, left, right = _MIRRORED.get(operator, operator), right, left
    if not _is_count(left):
        return False
    known, number = constant(right)
    if not known or not isinstance(number, int | float):
        return False
    if (operator in ("equal", "eq", "lte") and number <= 0) or (operator == "lt" and number <= 1):
        message = "A count of zero may be the result of a failure, so it proves nothing."
        report.add(place, "emptiness", message, _EVERY)
        return True
    return False


def check_compared(
    report: Report, place: Place, operator: str, left: tuple[Node, Value], right: tuple[Node, Value]
) -> None:
    """Both sides of a comparison: doubtful values only where a failure makes it harder to pass."""
    if operator in _MIRRORED and right[1].low is not None:
        operator, left, right = _MIRRORED[operator], right, left
    (_, value), (other_term, other) = left, right
    if value.low is not None and other.doubt is None:
        if operator in ("gt", "gte") or (operator == "neq" and is_literal(other_term, 0)):
            return
        message = f"A count of {value.low.what} gets lower when something fails, which passes here."
        report.add(place, "emptiness", message, "ask for `> n` or `>= n`, or use `every`")
        return
    for (_, one), (term, _) in ((left, right), (right, left)):
        if one.fallback is not None and operator in ("equal", "eq") and is_literal(term, True):
            continue
        require_plain(report, place, one, "This comparison")


def check_difference(report: Report, place: Place, right: Value) -> None:
    """`a - b`: an element missing from `b` stays in the result."""
    if right.doubt is not None:
        message = f"What is subtracted here is {right.doubt.what}, which lacks every element that failed."
        report.add(place, "set-difference", message, "use `every x in a { not-in-b said positively }`")


def _is_empty(term: Node) -> bool:
    return term["type"] in ("array", "set", "object") and not term["value"]


def _is_count(term: Node) -> bool:
    return term["type"] == "call" and call_name(term["value"][0]) == "count"
