"""Rule `can-conflict`: a rule or function that could have two values at once, which ends the evaluation.

Safe are one value in all definitions, and definitions of which at most one can hold as far as `exclusion`
sees.
"""

from collections.abc import Sequence
from itertools import combinations

from pdp.policy.check.exclusion import exclude
from pdp.policy.check.program import Program
from pdp.policy.check.report import Report
from pdp.policy.check.syntax import Clause, constant
from pdp.policy.check.value import Value

_HINT = "make the conditions exclude each other visibly, e.g. compare one value with different literals"


def check_conflicts(
    program: Program, report: Report, clauses: Sequence[Clause], values: Sequence[Value]
) -> None:
    """The definitions of one rule or function, with what each gives."""
    definitions = [clause for clause in clauses if not clause.is_default]
    for clause, value in zip(definitions, values, strict=True):
        if value.many:
            message = f"{clause.path[-1]} has a value for each turn of an iteration, and two may differ."
            report.add(clause.module.place(clause.head), "can-conflict", message, "pick one: a lookup by key")
    for one, other in combinations(definitions, 2):
        if not _same(one, other) and not exclude(program, one, other):
            first = one.module.place(one.head)
            message = f"{other.path[-1]} may have another value at the same time at {first.file}:{first.row}."
            report.add(other.module.place(other.head), "can-conflict", message, _HINT)


def _same(one: Clause, other: Clause) -> bool:
    values = [constant(clause.value) for clause in (one, other)]
    chains = one.otherwise is not None or other.otherwise is not None
    return not chains and all(known for known, _ in values) and repr(values[0][1]) == repr(values[1][1])
