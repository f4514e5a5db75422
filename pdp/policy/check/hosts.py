"""Rule `host-builtin`: a policy calls only what OPA compiles into the WebAssembly itself.

And what OPA means by an operator stays what it is: OPA lets a policy define `equal` or `internal.member_2`,
and then `==` and `in` are that.
"""

from collections.abc import Iterator
from itertools import takewhile

from pdp.policy.check.builtin_functions import ERASED, INSTEAD, NATIVE
from pdp.policy.check.program import Program
from pdp.policy.check.report import Report
from pdp.policy.check.syntax import Clause, Module, Node, Path, calls

_RENAME = "give it another name"


def check_names(program: Program, report: Report) -> None:
    """Refuses rules and imports with the name of an operator or a built-in function, in all files."""
    roots = {name.split(".")[0] for name in NATIVE}
    for module in program.modules:
        for clause in module.clauses:
            if ".".join(clause.path[len(module.package) :]) in NATIVE:
                place = module.place(clause.head)
                report.unknown(place, "a rule with the name of an operator or a built-in function", _RENAME)
        for alias, node in module.import_nodes.items():
            if alias in roots:
                report.unknown(module.place(node), "an import with the name of a built-in function", _RENAME)


def check_host_builtins(program: Program, report: Report, reachable: set[Path]) -> None:
    """Names every call, in what the entrypoint reaches, of a built-in that the core would have to provide."""
    for module in program.modules:
        for clause in module.clauses:
            if clause.path not in reachable:
                continue
            for name, node in calls(clause.node):
                if program.function(module, {"value": _operator(node)}) or name in NATIVE | ERASED:
                    continue
                if name.split(".")[0] in ("data", *module.imports):
                    continue
                report.add(
                    module.place(node),
                    "host-builtin",
                    f"{name} is no part of the compiled policy, and the core provides no functions.",
                    INSTEAD.get(name, "put what it would compute in the records or the bundle's data"),
                )


def reachable_rules(program: Program, entrypoint: Path) -> set[Path]:
    """Paths of all rules that evaluating the entrypoint may reach (rather too many than too few)."""
    found: set[Path] = set()
    waiting = list(program.touched(entrypoint))
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for clause in program.clauses[path]:
            waiting.extend(_mentioned(program, clause))
    return found


def _mentioned(program: Program, clause: Clause) -> Iterator[Path]:
    for start in _references(program, clause.module, clause.node):
        yield from program.touched(start)


def _references(program: Program, module: Module, node: object) -> Iterator[Path]:
    """The static part of every reference to data, without `data`."""
    if isinstance(node, dict):
        if node.get("type") in ("ref", "var"):
            start = _start(program, module, node)
            if start and start[0] == "data":
                yield start[1:]
        for key, item in node.items():
            if key != "location":
                yield from _references(program, module, item)
    elif isinstance(node, list):
        for item in node:
            yield from _references(program, module, item)


def _start(program: Program, module: Module, node: Node) -> Path | None:
    """The static part of a reference, from `data` or `input` on; None for a local variable."""
    head, *rest = node["value"] if node["type"] == "ref" else [node]
    if head["type"] != "var":
        return None
    name = str(head["value"])
    start = (name,) if name in ("data", "input") else program.named(module, name)
    static = takewhile(lambda term: term["type"] == "string", rest)
    return (*start, *(str(term["value"]) for term in static)) if start else None


def _operator(node: Node) -> list[Node]:
    operator: Node = node["value"][0] if node.get("type") == "call" else node["terms"][0]
    value: list[Node] = operator["value"]
    return value
