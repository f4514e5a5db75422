"""Rules `permissive-default`, `permissive-else`, `negation`, `with`: a failure lets nothing pass."""

from pdp.policy.check.report import Report
from pdp.policy.check.syntax import Clause, Node, Place, is_literal
from pdp.policy.check.value import Doubt

_DEFAULT = "derive the value in every case; only `default … := false` says no by default"


def default_of(report: Report, clause: Clause) -> Doubt | None:
    """A `default`: only false is no permission. Gives the doubt about its false."""
    place = clause.module.place(clause.node)
    name = clause.path[-1]
    if is_literal(clause.value, False):
        return Doubt("false", place, f"`default {name} := false`")
    message = f"The default of {name} stands in whenever its rules are undefined or fail."
    report.add(place, "permissive-default", message, _DEFAULT)
    return None


def else_of(report: Report, clause: Clause) -> Doubt | None:
    """An `else`: as a default. Gives the doubt about its false."""
    place = (
        clause.module.place(clause.node) if clause.node.get("location") else clause.module.place(clause.head)
    )
    name = clause.path[-1]
    if is_literal(clause.value, False):
        return Doubt("false", place, f"`else := false` of {name}")
    message = f"This else of {name} stands in whenever what stands before it is undefined or fails."
    report.add(
        place, "permissive-else", message, "write separate rules whose conditions are each said positively"
    )
    return None


def negation(report: Report, place: Place) -> None:
    """`not`: passes when what it negates is undefined or fails."""
    report.add(
        place,
        "negation",
        "not passes when what it negates is undefined or fails.",
        "say positively what must hold: a comparison, membership, or `every key, _ in x { key != … }`",
    )


def modifier(report: Report, place: Place) -> None:
    """`with`: decides on something else than what the host has checked."""
    report.add(
        place,
        "with",
        "with replaces checked input, data or functions.",
        "write a function and hand it the value",
    )


def object_get(report: Report, place: Place, default: Node) -> frozenset[Doubt]:
    """object.get: its default stands in for what is missing. Gives the doubt about its false."""
    if is_literal(default, False):
        return frozenset({Doubt("false", place, "object.get(…, false)")})
    report.add(
        place,
        "permissive-default",
        "The default of object.get stands in for what is missing, e.g. a record that was not found.",
        'read the field itself; for a field that may be absent: `every key, _ in x { key != "…" }`',
    )
    return frozenset()
