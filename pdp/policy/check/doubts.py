"""Rules `filtered-collection`, `emptiness`, `set-difference`, `fallback-compared`: no profit from what is
missing.

A comprehension or a partial set silently lacks the elements whose code was undefined or failed. Asking
whether something is in it is safe: what is missing cannot be found. Everything that gets easier as the
collection gets smaller (`every` over it, its emptiness, a low count, equality, a position in it, subtracting
it) would pass because of a failure. In the same way a false that may stand for a failure may only be asked
whether it is true. So a doubtful value is refused everywhere but in the few uses that are named here.
"""

from pdp.policy.check.report import Report
from pdp.policy.check.syntax import Node, Place, is_literal
from pdp.policy.check.value import Doubt, Value

_MIRRORED = {"lt": "gt", "lte": "gte", "gt": "lt", "gte": "lte"}
_EVERY = "say what each element must be: `every x in input.… { … }` over the collection as the host gives it"
_TRUE = "only ask whether it is true"


def require_exact(report: Report, place: Place, value: Value, use: str) -> Value:
    """Refuses a doubtful value in a use that is not known to be safe. Gives the value without its doubts."""
    for doubt in value.flawed("false"):
        message = (
            f"{use} treats a false that may stand for a failure as a fact: it comes from {doubt.origin}."
        )
        report.add(place, "fallback-compared", message, _TRUE)
    for doubt in value.flawed("lossy"):
        message = (
            f"{use} uses {doubt.origin}, which silently lacks every element that was undefined or failed."
        )
        report.add(place, "filtered-collection", message, _EVERY)
    for doubt in value.flawed("low"):
        message = f"{use} uses {doubt.origin}, which gets lower when something fails."
        report.add(place, "emptiness", message, "compare the count itself, with `> n` or `>= n`")
    return value.exact


def require_collection(report: Report, place: Place, value: Value, use: str) -> None:
    """Refuses anything doubtful but a collection that may lack elements: where elements are only found."""
    other = Value(value.shape, frozenset(value.flawed("low", "false")))
    require_exact(report, place, other, use)


def check_truth(report: Report, place: Place, value: Value) -> None:
    """A condition by itself: whether it is true may always be asked, but a collection or a count is."""
    for doubt in value.flawed("lossy", "low"):
        message = f"As a condition {doubt.what} is always true, even when it is empty or zero."
        report.add(place, "emptiness", message, "ask for an element: `some _ in …`")


def check_position(report: Report, place: Place, collection: Value) -> None:
    """A position in an array that may lack elements: what failed moves the others up."""
    if collection.shape.kinds != frozenset({"set"}):
        require_exact(report, place, collection, "This position")


def check_difference(report: Report, place: Place, right: Value) -> None:
    """`a - b`: an element missing from `b` stays in the result."""
    hint = "use `every x in a { not-in-b said positively }`"
    for doubt in right.flawed("lossy", "low", "false"):
        message = f"What is subtracted here is {doubt.what}, which lacks every element that failed."
        report.add(place, "set-difference", message, hint)


def check_compared(
    report: Report, place: Place, operator: str, left: tuple[Node, Value], right: tuple[Node, Value]
) -> frozenset[Doubt]:
    """Both sides of a comparison: doubtful only where a failure makes it harder to pass.

    Gives the doubts of the result: its false may then stand for that failure.
    """
    if any(right[1].flawed("low")):
        operator, left, right = _MIRRORED.get(operator, operator), right, left
    (_, value), (other_term, other) = left, right
    count = next(value.flawed("low"), None)
    if count is not None and not other.doubts:
        if operator not in ("gt", "gte") and not (operator == "neq" and is_literal(other_term, 0)):
            message = f"{count.origin} gets lower when something fails, which passes here."
            report.add(place, "emptiness", message[0].upper() + message[1:], "ask for `> n` or use `every`")
        return frozenset({Doubt("false", place, f"a comparison of {count.what}")})
    for (_, one), (term, _) in ((left, right), (right, left)):
        if (
            operator in ("equal", "eq")
            and is_literal(term, True)
            and set(one.doubts) == set(one.flawed("false"))
        ):
            return one.doubts
    require_exact(report, place, left[1], "This comparison")
    require_exact(report, place, right[1], "This comparison")
    return frozenset()
