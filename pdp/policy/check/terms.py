"""What a term is worth: literals, variables, references to input, data and rules, comprehensions.

Rules `dynamic-reference`, `package-as-value`, `unknown-reference`, `unknown-lookup`: the check must see which
rule a reference means, and a package taken as a whole lacks the rules that are undefined. A term of a form
that is not named here is refused.

Rule `duplicate-key`: of two values under one key in an object only the last one counts.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pdp.policy.check import doubts
from pdp.policy.check.calls import call
from pdp.policy.check.shape import STRING, Fields, Items, MapOf, Shape, either, known
from pdp.policy.check.syntax import COMPREHENSIONS, SCALARS, Module, Node, is_wildcard
from pdp.policy.check.value import Value

if TYPE_CHECKING:
    from pdp.policy.check.scope import Scope
    from pdp.policy.check.walk import Walk


def value_of(walk: "Walk", term: Node, scope: "Scope") -> Value:
    """What is known of a term's value. Findings go to the walk's report. Raises Unbound."""
    kind = term["type"]
    if kind in SCALARS:
        return Value(known(term.get("value")))
    if kind in ("var", "ref"):
        found = _reference(walk, term["value"] if kind == "ref" else [term], scope)
    elif kind == "call":
        operator, *arguments = term["value"]
        found = call(walk, term, operator, arguments, scope)
    elif kind in COMPREHENSIONS:
        return walk.comprehension(term, COMPREHENSIONS[kind], scope)
    else:
        return _built(walk, term, scope)
    return Value(scope.narrowed(term, found.shape), found.doubts, found.many)


def exact(walk: "Walk", term: Node, scope: "Scope", use: str) -> Value:
    """As `value_of`, where the value must be exact. This is how a term is taken unless a use is known."""
    return doubts.require_exact(walk.report, scope.module.place(term), value_of(walk, term, scope), use)


def is_string(term: Node) -> bool:
    """Whether a term is a literal text."""
    return bool(term["type"] == "string")


def string_keys(walk: "Walk", term: Node, module: Module) -> bool:
    """Whether all keys of an object are literal texts, each there once. Reports it when not."""
    seen: set[str] = set()
    for key, _ in term["value"]:
        if not is_string(key):
            walk.report.unknown(
                module.place(key), "an object with a key that is computed", "write the key as a text"
            )
            return False
        if key["value"] in seen:
            message = f"The key {key['value']!r} stands here twice, and only the last one counts."
            walk.report.add(module.place(key), "duplicate-key", message, "leave one of them out")
            return False
        seen.add(str(key["value"]))
    return True


def _built(walk: "Walk", term: Node, scope: "Scope") -> Value:
    kind, place = term["type"], scope.module.place(term)
    if kind == "object":
        pairs = [
            (str(key.get("value")), exact(walk, item, scope, "This object")) for key, item in term["value"]
        ]
        if not string_keys(walk, term, scope.module):
            return Value()
        fields: Shape = Fields(tuple((name, value.shape) for name, value in pairs))
        return Value(fields, many=any(value.many for _, value in pairs))
    if kind in ("array", "set"):
        values = [exact(walk, item, scope, f"This {kind}") for item in term["value"]]
        shapes = tuple(value.shape for value in values)
        shape: Shape = Items(shapes) if kind == "array" else MapOf("set", either(shapes))
        return Value(shape, many=any(value.many for value in values))
    if kind == "templatestring":
        message = "A template string puts a text in the place of what is undefined."
        walk.report.add(place, "builtin-can-fail", message, "compare the parts themselves")
        return Value(STRING)
    walk.report.unknown(place, f"a term of the form {kind}", "say it with comparisons, `some … in`, `every`")
    return Value()


def _reference(walk: "Walk", terms: Sequence[Node], scope: "Scope") -> Value:
    head, *rest = terms
    if head["type"] != "var":
        return _steps(walk, value_of(walk, head, scope), rest, scope)
    name = str(head["value"])
    if name in scope.seen:
        return _steps(walk, scope.value(name), rest, scope)
    start: tuple[str, ...] | None = (name,)
    if name not in ("input", "data"):
        start = walk.program.named(scope.module, name)
    if start is None:
        what = f"where {'_' if is_wildcard(head) else name} gets its value"
        walk.report.unknown(scope.module.place(head), what, "give it one with `:=`")
        return Value()
    steps: list[Node] = [
        *({"type": "string", "value": part, "location": head.get("location")} for part in start[1:]),
        *rest,
    ]
    if start[0] == "input":
        _check_lookup(walk, steps, scope.module)
        return _steps(walk, Value(walk.program.input), steps, scope)
    return _data(walk, head, steps, scope)


def _data(walk: "Walk", head: Node, steps: Sequence[Node], scope: "Scope") -> Value:
    """A reference to data: a rule, or the bundle's own data."""
    static: list[str] = []
    for step in steps:
        if not is_string(step):
            break
        static.append(str(step["value"]))
    path = tuple(static)
    place = scope.module.place(head)
    name = ".".join(("data", *path))
    rule = walk.program.rule_at(path)
    if rule is not None:
        return _steps(walk, walk.rule(rule, place), steps[len(rule) :], scope)
    if path in walk.program.documents:
        rule_id, message, hint = (
            (
                "dynamic-reference",
                f"Which rule of {name} this means is known only at run time, so the check cannot follow it.",
                "name each rule, or index data instead of rules",
            )
            if len(static) < len(steps)
            else (
                "package-as-value",
                f"{name} as a whole lacks every rule that is undefined or failed.",
                "name each rule",
            )
        )
        walk.report.add(place, rule_id, message, hint)
        return Value()
    found, value = walk.program.base(path)
    if not found:
        message = f"There is no {name}, neither a rule nor data of this bundle, so it is always undefined."
        walk.report.add(place, "unknown-reference", message, "correct the path")
        return Value()
    return _steps(walk, Value(known(value)), steps[len(static) :], scope)


def _steps(walk: "Walk", value: Value, steps: Sequence[Node], scope: "Scope") -> Value:
    """Follows a path into a value; a variable without a value takes every key in turn."""
    for step in steps:
        place = scope.module.place(step)
        doubts.require_collection(walk.report, place, value, "This reference")
        if is_wildcard(step):
            value = value.child(None, many=True)
            continue
        doubts.check_position(walk.report, place, value)
        if is_string(step):
            value = value.child(str(step["value"]), many=False)
        elif step["type"] == "var" and scope.is_free(str(step["value"])):
            scope.bind(str(step["value"]), Value(value.shape.keys, many=True))
            value = value.child(None, many=True)
        elif step["type"] in (*SCALARS, "var", "ref", "call"):
            key = exact(walk, step, scope, "This key")
            value = value.child(None, many=key.many)
        else:
            walk.report.unknown(place, "a collection as a key", "take an element with `some [x, y] in …`")
            value = Value(many=True)
    return value


def _check_lookup(walk: "Walk", steps: Sequence[Node], module: Module) -> None:
    if len(steps) < 2 or steps[0].get("value") != "records" or not is_string(steps[1]):
        return
    name = str(steps[1]["value"])
    if name not in walk.program.sources.declaration.lookups:
        walk.report.add(
            module.place(steps[1]),
            "unknown-lookup",
            f"bundle.yaml declares no lookup {name!r}, so this is always undefined.",
            "declare it under `lookups`",
        )
