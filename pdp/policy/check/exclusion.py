"""Whether two definitions can hold at once, as far as their conditions show it.

Seen are: different literals as parameters; a condition and its negation; one term equal to different
literals; `<` against `>=` and the like; a term that is null (or another scalar) against a use of something in
it; `every key, _ in x { key != "name" }` against a use of `x.name`. Conditions that are rules are looked
into, and `name := term` is seen through.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from pdp.policy.check.program import Program
from pdp.policy.check.scope import declared
from pdp.policy.check.syntax import (
    COMPREHENSIONS,
    SCALARS,
    Clause,
    Module,
    Node,
    call_name,
    canonical,
    constant,
    variables,
)

_OPPOSITES = {
    frozenset(pair)
    for pair in (
        ("lt", "gte"),
        ("gt", "lte"),
        ("lt", "gt"),
        ("equal", "neq"),
        ("equal", "lt"),
        ("equal", "gt"),
    )
}
_MIRRORED = {"lt": "gt", "lte": "gte", "gt": "lt", "gte": "lte", "equal": "equal", "neq": "neq"}
_DEEPEST = 3
_MOST = 32

Facts = Sequence[Node]
"""What holds together: expressions without local variables, and {"defined": term}."""


def exclude(program: Program, one: Clause, other: Clause) -> bool:
    """Whether at most one of two definitions can hold."""
    for left, right in zip(one.arguments, other.arguments, strict=False):
        if _differ(left, right):
            return True
    sides = [_alternatives(program, clause, _DEEPEST) for clause in (one, other)]
    return all(_contradict(left, right) or _contradict(right, left) for left, right in product(*sides))


def _alternatives(program: Program, clause: Clause, depth: int) -> list[Facts]:
    """The ways in which a definition can hold."""
    known: dict[str, Node | None] = dict.fromkeys(variables(list(clause.arguments)))
    known |= dict.fromkeys(name for expression in clause.body for name in declared(expression))
    known |= {
        str(term["value"]): {"type": "var", "value": f"@{position}"}
        for position, term in enumerate(clause.arguments)
        if term["type"] == "var"
    }
    facts: list[Node] = []
    for expression in clause.body:
        terms = expression["terms"]
        if isinstance(terms, list) and call_name(terms[0]) == "assign" and terms[1]["type"] == "var":
            term = _absolute(program, clause.module, terms[2], known)
            if _is_closed(term):
                known[str(terms[1]["value"])] = term
                facts.append({"defined": term})
    found: list[Facts] = [facts]
    if clause.value is not None:
        value = _absolute(program, clause.module, clause.value, known)
        found = [[*facts, {"defined": value}]] if _is_closed(value) else found
    for expression in clause.body:
        plain = _absolute(program, clause.module, expression, known)
        if expression.get("with") or not _is_closed(plain):
            continue
        inside = _inside(program, plain, depth)
        if len(found) * len(inside) <= _MOST:
            found = [[*facts, plain, *more] for facts in found for more in inside]
        else:
            found = [[*facts, plain] for facts in found]
    return found


def _inside(program: Program, expression: Node, depth: int) -> list[Facts]:
    """What a condition that is a rule stands for; [[]] for any other."""
    terms = expression["terms"]
    if isinstance(terms, list) and call_name(terms[0]) == "equal" and constant(terms[2]) == (True, True):
        terms = terms[1]
    if depth == 0 or expression.get("negated") or isinstance(terms, list) or terms.get("type") != "ref":
        return [[]]
    if any(term["type"] != "string" for term in terms["value"][1:]):
        return [[]]
    clauses = program.clauses.get(tuple(str(term["value"]) for term in terms["value"][1:]), [])
    firm = [clause for clause in clauses if not clause.is_default]
    if not firm or any(clause.kind != "complete" or clause.otherwise for clause in firm):
        return [[]]
    return [facts for clause in firm for facts in _alternatives(program, clause, depth - 1)]


def _absolute(program: Program, module: Module, node: Any, known: Mapping[str, Node | None]) -> Any:
    """The same code with names of rules written out and known variables replaced; None: it is not known."""
    if isinstance(node, list):
        return [_absolute(program, module, item, known) for item in node]
    if not isinstance(node, Mapping):
        return node
    if node.get("type") == "var":
        return _named(program, module, node, known)
    if node.get("type") == "ref":
        head, *rest = node["value"]
        start = _named(program, module, head, known) if head["type"] == "var" else head
        first = start["value"] if start["type"] == "ref" else [start]
        return {"type": "ref", "value": [*first, *_absolute(program, module, rest, known)]}
    return {
        key: item if key in ("location", "symbols") else _absolute(program, module, item, known)
        for key, item in node.items()
    }


def _named(program: Program, module: Module, term: Node, known: Mapping[str, Node | None]) -> Node:
    name = str(term["value"])
    if name in known:
        return known[name] or term
    path = None if name in ("input", "data") else program.named(module, name)
    if path is None:
        return term
    first, *rest = path
    return {"type": "ref", "value": [_term("var", first), *(_term("string", part) for part in rest)]}


def _term(kind: str, value: str) -> Node:
    return {"type": kind, "value": value}


def _is_closed(node: Any) -> bool:
    """Whether code means the same elsewhere: no variables but parameters, no iteration outside `every`."""
    if isinstance(node, Mapping) and "symbols" in (node.get("terms") or {}):
        return False
    names = set(_free(node)) - {"input", "data"}
    return all(name.startswith("@") for name in names) and not _iterates(node)


def _free(node: Any) -> Iterator[str]:
    """The variables of code, without operators and those that an `every` brings itself."""
    if isinstance(node, list):
        for item in node:
            yield from _free(item)
    elif isinstance(node, Mapping):
        if node.get("type") == "var":
            yield str(node["value"])
        elif node.get("type") in ("call", *COMPREHENSIONS):
            yield from _free(node["value"][1:]) if node["type"] == "call" else variables(node)
        elif "domain" in node:
            own = {str((node.get(part) or {}).get("value")) for part in ("key", "value")}
            yield from _free(node["domain"])
            yield from (name for name in _free(node["body"]) if name not in own)
        else:
            for key, item in node.items():
                if key != "location":
                    yield from _free(item[1:] if key == "terms" and isinstance(item, list) else item)


def _iterates(node: Any) -> bool:
    if isinstance(node, list):
        return any(map(_iterates, node))
    if not isinstance(node, Mapping):
        return False
    if node.get("type") == "ref" and any(term["type"] not in SCALARS for term in node["value"][1:]):
        return True
    return any(_iterates(item) for key, item in node.items() if key != "location")


def _contradict(left: Facts, right: Facts) -> bool:
    uses = {canonical(prefix) for fact in right if not fact.get("negated") for prefix in _uses(fact)}
    for fact in left:
        if any(_opposite(fact, other) for other in right):
            return True
        if not fact.get("negated") and any(canonical(term) in uses for term in _ruled_out(fact)):
            return True
    return _scalar_against_use(left, uses)


def _scalar_against_use(facts: Facts, uses: set[str]) -> bool:
    """A term equal to a scalar has nothing in it."""
    for fact in facts:
        comparison = _comparison(fact)
        if comparison is None or comparison[0] != "equal" or not constant(comparison[2])[0]:
            continue
        subject, literal = comparison[1], comparison[2]
        if subject["type"] == "ref" and literal["type"] in SCALARS:
            inside = canonical(subject["value"])[:-1] + ", "
            if any(use.startswith(inside) for use in uses):
                return True
    return False


def _ruled_out(fact: Node) -> Iterator[list[Node]]:
    """The paths that `every key, _ in x { key != "name" }` says are not there."""
    terms = fact.get("terms")
    if not isinstance(terms, Mapping) or not terms.get("key") or terms["domain"]["type"] != "ref":
        return
    for expression in terms["body"]:
        comparison = _comparison(expression)
        if comparison and comparison[0] == "neq" and canonical(comparison[1]) == canonical(terms["key"]):
            yield [*terms["domain"]["value"], comparison[2]]


def _uses(node: Any) -> Iterator[list[Node]]:
    """Every path, and every beginning of one, that must be there. What stands within `every` need not."""
    if isinstance(node, list):
        for item in node:
            yield from _uses(item)
    elif isinstance(node, Mapping):
        if node.get("type") == "ref":
            yield from (node["value"][:length] for length in range(2, len(node["value"]) + 1))
        if "comprehension" in str(node.get("type")):
            return
        for key, item in node.items():
            if key not in ("location", "body"):
                yield from _uses(item)


def _opposite(left: Node, right: Node) -> bool:
    if bool(left.get("negated")) != bool(right.get("negated")):
        terms = [canonical(fact.get("terms", fact.get("defined"))) for fact in (left, right)]
        return terms[0] == terms[1]
    if left.get("negated"):
        return False
    one, other = _comparison(left), _comparison(right)
    if one is None or other is None:
        return False
    for operator, subject, value in (other, (_MIRRORED[other[0]], other[2], other[1])):
        if canonical(one[1]) != canonical(subject):
            continue
        if canonical(one[2]) == canonical(value):
            return frozenset((one[0], operator)) in _OPPOSITES
        return one[0] == operator == "equal" and _differ(one[2], value)
    return False


def _differ(left: Node, right: Node) -> bool:
    """Two literals that are not the same."""
    known = [constant(term) for term in (left, right)]
    return all(is_known for is_known, _ in known) and repr(known[0][1]) != repr(known[1][1])


def _comparison(fact: Node) -> tuple[str, Node, Node] | None:
    terms = fact.get("terms")
    if not isinstance(terms, list) or len(terms) != 3 or fact.get("negated"):
        return None
    name = call_name(terms[0])
    name = "equal" if name == "eq" else name
    if name not in _MIRRORED:
        return None
    left, right = terms[1], terms[2]
    if constant(left)[0] and not constant(right)[0]:
        return _MIRRORED[name], right, left
    return name, left, right
