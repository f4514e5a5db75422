"""What a term is worth: literals, variables, references to input, data and rules, comprehensions.

Rules `dynamic-reference`, `package-as-value`, `unknown-reference`, `unknown-lookup`: the check must see which
rule a reference means, and a package taken as a whole lacks the rules that are undefined.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pdp.policy.check import doubts
from pdp.policy.check.calls import call
from pdp.policy.check.shape import STRING, UNKNOWN, Fields, known
from pdp.policy.check.syntax import COMPREHENSIONS, SCALARS, Module, Node, constant
from pdp.policy.check.value import Value, collection

if TYPE_CHECKING:
    from pdp.policy.check.program import Program
    from pdp.policy.check.walk import Scope, Walk


def value_of(walk: "Walk", term: Node, scope: "Scope") -> Value:
    """What is known of a term's value. Findings go to the walk's report."""
    kind = term["type"]
    if kind in SCALARS:
        return Value(known(term.get("value")))
    if kind == "var":
        found = _variable(walk, term, scope)
    elif kind == "ref":
        found = _reference(walk, term["value"], scope)
    elif kind == "call":
        operator, *arguments = term["value"]
        found = call(walk, term, operator, arguments, scope)
    elif kind in COMPREHENSIONS:
        return walk.comprehension(term, COMPREHENSIONS[kind], scope)
    else:
        found = _built(walk, term, scope)
    return walk.narrow(term, found, scope)


def unbound(program: "Program", term: Node, scope: "Scope") -> bool:
    """Whether a variable has no value yet: the place it stands in gives it one."""
    name = str(term["value"])
    if term["type"] != "var" or name in ("input", "data"):
        return False
    if name in scope.variables:
        return scope.variables[name] is None
    return program.named(scope.module, name) is None


def _built(walk: "Walk", term: Node, scope: "Scope") -> Value:
    kind = term["type"]
    if kind == "object":
        fields = []
        for key, item in term["value"]:
            doubts.require_plain(walk.report, scope.module.place(key), value_of(walk, key, scope), "This key")
            fields.append(
                (str(key["value"]) if key["type"] == "string" else None, value_of(walk, item, scope))
            )
        if any(name is None for name, _ in fields):
            return collection("object", [value for _, value in fields])
        named = tuple((name or "", value) for name, value in fields)
        shape = Fields(tuple((name, value.shape) for name, value in named))
        return Value(shape, fields=named, many=any(value.many for _, value in named))
    if kind in ("array", "set"):
        is_constant, value = constant(term)
        if is_constant and kind == "array":
            return Value(known(value))
        return collection(kind, [value_of(walk, item, scope) for item in term["value"]])
    walk.report.add(
        scope.module.place(term),
        "builtin-can-fail",
        "A template string puts a text in the place of what is undefined.",
        "compare the parts themselves",
    )
    return Value(STRING)


def _variable(walk: "Walk", term: Node, scope: "Scope") -> Value:
    name = str(term["value"])
    if name in scope.variables:
        return scope.variables[name] or Value(many=True)
    if name in ("input", "data") or walk.program.named(scope.module, name) is not None:
        return _reference(walk, [term], scope)
    return Value(many=True)


def _reference(walk: "Walk", terms: Sequence[Node], scope: "Scope") -> Value:
    head, rest = terms[0], terms[1:]
    if head["type"] != "var":
        return _steps(walk, value_of(walk, head, scope), rest, scope)
    name = str(head["value"])
    if name in scope.variables:
        return _steps(walk, scope.variables[name] or Value(many=True), rest, scope)
    start: tuple[str, ...] | None = (name,)
    if name not in ("input", "data"):
        start = walk.program.named(scope.module, name)
        if start is None:
            return _steps(walk, Value(many=True), rest, scope)
    path = [{"type": "string", "value": part, "location": head.get("location")} for part in (start or ())[1:]]
    steps: list[Node] = [*path, *rest]
    if start and start[0] == "input":
        _check_lookup(walk, steps, scope.module)
        return _steps(walk, Value(walk.program.input), steps, scope)
    return _data(walk, head, steps, scope)


def _data(walk: "Walk", head: Node, steps: Sequence[Node], scope: "Scope") -> Value:
    """A reference to data: a rule, or the bundle's own data."""
    static: list[str] = []
    for step in steps:
        if step["type"] != "string":
            break
        static.append(str(step["value"]))
    path = tuple(static)
    place = scope.module.place(head)
    name = "data" + "".join(f".{part}" for part in path)
    rule = walk.program.rule_at(path)
    if rule is not None:
        return _steps(walk, walk.rule(rule), steps[len(rule) :], scope)
    if path in walk.program.documents:
        if len(static) < len(steps):
            walk.report.add(
                place,
                "dynamic-reference",
                f"Which rule of {name} this means is known only at run time, so the check cannot follow it.",
                "name each rule, or index data instead of rules",
            )
        else:
            walk.report.add(
                place,
                "package-as-value",
                f"{name} as a whole lacks every rule that is undefined or failed.",
                "name each rule",
            )
        return Value(many=True)
    found, value = walk.program.base(path)
    if not found:
        walk.report.add(
            place,
            "unknown-reference",
            f"There is no {name}, neither a rule nor data of this bundle, so it is always undefined.",
            "correct the path",
        )
        return Value()
    return _steps(walk, Value(known(value)), steps[len(static) :], scope)


def _steps(walk: "Walk", value: Value, steps: Sequence[Node], scope: "Scope") -> Value:
    """Follows a path into a value; a variable without a value takes every key in turn."""
    for step in steps:
        if step["type"] == "string":
            value = value.child(str(step["value"]), many=False)
        elif step["type"] == "var" and unbound(walk.program, step, scope):
            scope.bind(str(step["value"]), Value(value.shape.keys, many=True))
            value = value.child(None, many=True)
        elif step["type"] in ("array", "object"):
            walk.bind_pattern(step, Value(UNKNOWN, many=True), scope)
            value = value.child(None, many=True)
        else:
            key = value_of(walk, step, scope)
            doubts.require_plain(walk.report, scope.module.place(step), key, "This key")
            value = value.child(None, many=key.many)
    return value


def _check_lookup(walk: "Walk", steps: Sequence[Node], module: Module) -> None:
    if len(steps) < 2 or steps[0].get("value") != "records" or steps[1]["type"] != "string":
        return
    name = str(steps[1]["value"])
    if name not in walk.program.sources.declaration.lookups:
        walk.report.add(
            module.place(steps[1]),
            "unknown-lookup",
            f"bundle.yaml declares no lookup {name!r}, so this is always undefined.",
            "declare it under `lookups`",
        )
