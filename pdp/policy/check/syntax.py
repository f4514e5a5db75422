"""OPA's JSON syntax tree, with the few questions that the rules ask of it.

A `Node` is a piece of that tree as `opa parse --format json` gives it: a term has `type` and `value`, an
expression has `terms`, and perhaps `negated` and `with`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pdp.policy.opa import Opa
from pdp.policy.sources import Sources

Node = Mapping[str, Any]
Path = tuple[str, ...]
Kind = Literal["complete", "function", "set", "object", "other"]
"""`object` is `r[key] := value`; `other` are heads such as `r[key] contains value`."""

COMPREHENSIONS = {"setcomprehension": "set", "arraycomprehension": "array", "objectcomprehension": "object"}
SCALARS = ("null", "boolean", "number", "string")


@dataclass(frozen=True)
class Place:
    """Where a node stands."""

    file: str
    row: int
    col: int


@dataclass(frozen=True, eq=False)
class Clause:
    """One definition of a rule: `r := value if { body }`, or the `else` of one.

    `path` is the static part of its name, package included: ("portal", "article_2_2", "holds").
    """

    module: "Module"
    path: Path
    kind: Kind
    head: Node
    body: Sequence[Node]
    is_default: bool
    otherwise: "Clause | None"
    node: Node

    @property
    def value(self) -> Node | None:
        """The term that the rule gives; None for an element of a partial set."""
        found: Node | None = self.head.get("value")
        return found

    @property
    def arguments(self) -> Sequence[Node]:
        """A function's parameters (terms)."""
        found: Sequence[Node] = self.head.get("args") or ()
        return found

    @property
    def name(self) -> str:
        """The rule as a reader names it."""
        return "data." + ".".join(self.path)


@dataclass(eq=False)
class Module:
    """One .rego file. `imports`: alias → path, whose first part is `data` or `input`."""

    file: str
    package: Path
    imports: Mapping[str, Path]
    import_nodes: Mapping[str, Node]
    lines: Sequence[str]
    annotations: Sequence[Node]
    clauses: list[Clause] = field(default_factory=list)

    def place(self, node: Node) -> Place:
        """Where a node of this file stands; 0 when OPA does not say."""
        location = node.get("location") or {}
        return Place(self.file, int(location.get("row", 0)), int(location.get("col", 0)))

    def line(self, row: int) -> str:
        """The source of a line."""
        return self.lines[row - 1] if 0 < row <= len(self.lines) else ""


def parse(sources: Sources, opa: Opa, folder: Any) -> list[Module]:
    """The syntax trees of a bundle's policies, which `folder` holds; tests are left out. Raises OpaError."""
    return [_module(file, opa.parse(folder, file), sources.files[file].decode()) for file in sources.policies]


def _module(file: str, tree: Node, text: str) -> Module:
    package = tuple(str(term["value"]) for term in tree["package"]["path"][1:])
    imports: dict[str, Path] = {}
    nodes: dict[str, Node] = {}
    for node in tree.get("imports") or ():
        path = tuple(str(term["value"]) for term in node["path"]["value"])
        if path[0] in ("data", "input"):
            imports[str(node.get("alias") or path[-1])] = path
            nodes[str(node.get("alias") or path[-1])] = node
    module = Module(file, package, imports, nodes, text.splitlines(), tree.get("annotations") or ())
    module.clauses = [clause(module, rule) for rule in tree.get("rules") or ()]
    return module


def clause(module: Module, rule: Node) -> Clause:
    """A definition from its node, `else` and all."""
    head = rule["head"]
    ref = head["ref"]
    static = [str(ref[0]["value"])]
    for term in ref[1:]:
        if term["type"] != "string":
            break
        static.append(str(term["value"]))
    body = [expression for expression in rule.get("body") or () if not _is_filler(expression)]
    return Clause(
        module=module,
        path=(*module.package, *static),
        kind=_kind(head, is_static=len(static) == len(ref)),
        head=head,
        body=body,
        is_default=bool(rule.get("default")),
        otherwise=clause(module, rule["else"]) if "else" in rule else None,
        node=rule,
    )


def _kind(head: Node, *, is_static: bool) -> Kind:
    if "args" in head:
        return "function" if is_static else "other"
    if "value" not in head:
        return "set" if is_static else "other"
    return "complete" if is_static else "object"


def _is_filler(expression: Node) -> bool:
    """The `true` that OPA puts in a rule without a body."""
    return bool(expression.get("generated")) and is_literal(expression["terms"], True)


def constant(term: Node | None) -> tuple[bool, Any]:
    """(True, value) when a term is built of literals only; (False, None) otherwise."""
    if not isinstance(term, Mapping) or "type" not in term:
        return False, None
    kind, value = term["type"], term.get("value")
    if kind in SCALARS:
        return True, int(value) if isinstance(value, float) and value.is_integer() else value
    if kind in ("array", "set"):
        parts = [constant(item) for item in value or ()]
        found = [item for _, item in parts]
        return all(known for known, _ in parts), ("set", *sorted(found, key=repr)) if kind == "set" else found
    if kind == "object":
        pairs = [(constant(key), constant(item)) for key, item in value or ()]
        known = all(key[0] and item[0] for key, item in pairs)
        return known, {json.dumps(key[1]): item[1] for key, item in pairs} if known else None
    return False, None


def is_literal(term: Node | None, value: Any) -> bool:
    """Whether a term is just this literal."""
    known, found = constant(term)
    return known and type(found) is type(value) and bool(found == value)


def is_wildcard(term: Node) -> bool:
    """Whether a term is a `_`. OPA numbers them: each is another variable."""
    return term["type"] == "var" and str(term["value"]).startswith("$")


def call_name(operator: Node) -> str:
    """The name in a call: "count", "internal.member_2", "data.portal.f"."""
    return ".".join(str(term["value"]) for term in operator["value"])


def canonical(node: Any) -> str:
    """The same text for the same code, wherever it stands."""

    def bare(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: bare(item) for key, item in value.items() if key not in ("location", "index")}
        return [bare(item) for item in value] if isinstance(value, list) else value

    return json.dumps(bare(node), sort_keys=True)


def variables(node: Any) -> Iterator[str]:
    """The names of all variables in a piece of the tree, operators included."""
    if isinstance(node, Mapping):
        if node.get("type") == "var":
            yield str(node["value"])
        for key, item in node.items():
            if key != "location":
                yield from variables(item)
    elif isinstance(node, list):
        for item in node:
            yield from variables(item)


def calls(node: Any) -> Iterator[tuple[str, Node]]:
    """(name, node that says where) of every call in a piece of the tree."""
    if isinstance(node, Mapping):
        if node.get("type") == "call":
            yield call_name(node["value"][0]), node
        elif isinstance(node.get("terms"), list):
            yield call_name(node["terms"][0]), node
        for key, item in node.items():
            if key != "location":
                yield from calls(item)
    elif isinstance(node, list):
        for item in node:
            yield from calls(item)
