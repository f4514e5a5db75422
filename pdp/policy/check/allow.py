"""Rule `entrypoint`: where the decision's `allow` comes from, and the walk that starts there.

Understood are, for the entrypoint `portal/decision`, in any mix: - `decision := {"allow": TERM, …}`, with or
without `if { … }`, and `else := {"allow": false, …}`; - `decision := d if { d := {"allow": TERM, …}; … }`; -
`decision.allow := TERM`, `decision["allow"] if { … }`; - `default decision := {"allow": false, …}`. A
definition whose `allow` is the literal false permits nothing and is left alone. Of every other the conditions
and TERM are walked, and nothing else of the object: reasons and notices may do as they please.
"""

from collections.abc import Iterator, Sequence

from pdp.policy.check import conflicts
from pdp.policy.check.program import Program, flattened
from pdp.policy.check.report import Report
from pdp.policy.check.scope import Scope, declared
from pdp.policy.check.syntax import Clause, Node, Path, Place, call_name, is_literal, variables
from pdp.policy.check.terms import string_keys
from pdp.policy.check.value import Value
from pdp.policy.check.walk import Walk

_FORMS = 'write it as `decision := {"allow": …, …}`'


def check_allow(program: Program, report: Report) -> None:
    """Walks what `allow` depends on."""
    _decision(Walk(program, report), entrypoint(program))


def check_entrypoint(program: Program, report: Report) -> bool:
    """Whether there is a rule that gives the decision."""
    path = entrypoint(program)
    if path in program.clauses or (*path, "allow") in program.clauses:
        return True
    what = f"There is no rule {'.'.join(('data', *path))}, which should give the decision."
    if any(rule[: len(path)] == path for rule in program.clauses):
        what = f"The decision {'.'.join(('data', *path))} has no `allow`."
    report.add(_first(program, path), "entrypoint", what, _FORMS)
    return False


def entrypoint(program: Program) -> Path:
    """The path of the rule that gives the decision."""
    return tuple(program.sources.declaration.entrypoint.split("/"))


def _decision(walk: Walk, path: Path) -> bool:
    """All definitions of a rule whose value is a decision. Gives whether it may allow."""
    if path in walk.visited:
        return True
    walk.visited.add(path)
    program, report = walk.program, walk.report
    clauses = program.clauses.get(path, [])
    named = program.clauses.get((*path, "allow"), [])
    if named:
        walk.rule((*path, "allow"), _first(program, path))
    definitions = [clause for clause in clauses if not clause.is_default]
    permits = [_definition(walk, clause, is_first=clause in definitions) for clause in flattened(clauses)]
    conflicts.check_conflicts(program, report, definitions, [Value() for _ in definitions])
    return bool(named) or any(permits)


def _definition(walk: Walk, clause: Clause, *, is_first: bool) -> bool:
    """One definition. Gives whether it may allow."""
    place = clause.module.place(clause.head)
    if clause.kind != "complete" or clause.value is None:
        _refuse(walk.report, place, "is not a plain rule whose value is an object")
        return True
    scope = Scope(clause.module)
    rule = _rule(walk.program, clause)
    if rule is not None and is_first:
        permits = _decision(walk, rule)
        if permits:
            walk.body(clause.body, scope)
        return permits
    decision, held = _object(clause)
    allow = None
    if decision is not None and string_keys(walk, decision, clause.module):
        allow = next((item for key, item in decision["value"] if key["value"] == "allow"), None)
    if allow is None:
        _refuse(walk.report, place, "has no `allow` that can be seen here")
        return True
    if is_literal(allow, False):
        return False
    if is_first:
        needed = [expression for expression in _relevant(clause, allow) if expression is not held]
        walk.body(needed, scope, allow)
        walk.head(allow, scope)
    else:
        word = "default" if clause.is_default else "else"
        message = f"This {word} of the decision may allow, and stands in when what stands before it fails."
        walk.report.add(place, f"permissive-{word}", message, "its `allow` can only be the literal false")
    return True


def _rule(program: Program, clause: Clause) -> Path | None:
    """The rule that a definition hands on, as `decision := permission` does."""
    value = clause.value
    if value is None or value["type"] not in ("var", "ref"):
        return None
    terms = value["value"] if value["type"] == "ref" else [value]
    if any(term["type"] != "string" for term in terms[1:]) or terms[0]["type"] != "var":
        return None
    name = str(terms[0]["value"])
    if name in {found for expression in clause.body for found in declared(expression)}:
        return None
    start = ("data",) if name == "data" else program.named(clause.module, name)
    if not start or start[0] != "data":
        return None
    path = (*start[1:], *(str(term["value"]) for term in terms[1:]))
    return path if path in program.clauses else None


def _object(clause: Clause) -> tuple[Node | None, Node | None]:
    """The object literal that a definition gives, and the expression that names it, if it has a name."""
    value = clause.value
    if value is None or value["type"] != "var":
        return (value if value is not None and value["type"] == "object" else None), None
    for expression in clause.body:
        name, term = _assigned(expression)
        if name == value["value"] and term is not None and term["type"] == "object":
            return term, expression
    return None, None


def _assigned(expression: Node) -> tuple[str, Node | None]:
    """(name, term) of a plain `name := term`; ("", None) of anything else."""
    terms = expression["terms"]
    if expression.get("negated") or expression.get("with") or not isinstance(terms, list):
        return "", None
    if call_name(terms[0]) != "assign" or terms[1]["type"] != "var":
        return "", None
    return str(terms[1]["value"]), terms[2]


def _relevant(clause: Clause, allow: Node) -> Iterator[Node]:
    """The conditions of a definition, without assignments that only other parts of the object use.

    Such an assignment can only make the whole decision undefined, which is a denial.
    """
    needed = set(variables(allow))
    assigned: list[tuple[str, Node]] = []
    others: list[Node] = []
    for expression in clause.body:
        name, term = _assigned(expression)
        if term is not None:
            assigned.append((name, expression))
        else:
            others.append(expression)
            needed |= set(variables(expression["terms"]))
    kept = _closure(assigned, needed)
    yield from (expression for expression in clause.body if expression in others or expression in kept)


def _closure(assigned: Sequence[tuple[str, Node]], needed: set[str]) -> list[Node]:
    kept: list[Node] = []
    grown = True
    while grown:
        grown = False
        for name, expression in assigned:
            if name in needed and expression not in kept:
                kept.append(expression)
                needed |= set(variables(expression["terms"][2]))
                grown = True
    return kept


def _first(program: Program, entrypoint: Path) -> Place:
    """Where to point when the entrypoint is not as it should be."""
    for path, clauses in program.clauses.items():
        if path[: len(entrypoint)] == entrypoint:
            return clauses[0].module.place(clauses[0].head)
    return Place("bundle.yaml", 0, 0)


def _refuse(report: Report, place: Place, what: str) -> None:
    report.add(
        place, "entrypoint", f"The decision {what}, so the check cannot tell what `allow` depends on.", _FORMS
    )
