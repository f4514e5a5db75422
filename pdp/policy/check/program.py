"""A bundle as the rules see it: definitions by path, data, and what the host asserts of the input."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pdp.policy.check.shape import NULL, NUMBER, STRING, UNKNOWN, Fields, MapOf, Schema, Shape, both, either
from pdp.policy.check.syntax import Clause, Module, Node, Path
from pdp.policy.sources import Sources

_MISSING = object()


class Program:
    """The modules of a bundle, indexed. `data`: its own data, as OPA reads and merges it."""

    def __init__(self, sources: Sources, modules: Sequence[Module]) -> None:
        self.sources = sources
        self.modules = modules
        self.files = {module.file: module for module in modules}
        self.clauses: dict[Path, list[Clause]] = defaultdict(list)
        self.documents: set[Path] = set()
        self._names: set[Path] = set()
        for module in modules:
            for clause in module.clauses:
                self.clauses[clause.path].append(clause)
                self._names.add((*module.package, str(clause.head["ref"][0]["value"])))
                self.documents.update(clause.path[:length] for length in range(len(clause.path)))
        self.data: Mapping[str, Any] = {}
        self.input = input_shape(sources)

    def rule_at(self, path: Path) -> Path | None:
        """The rule that a path leads to or into: its own path; None when no rule is on the way."""
        lengths = range(len(path), 0, -1)
        return next((path[:length] for length in lengths if path[:length] in self.clauses), None)

    def touched(self, path: Path) -> Iterator[Path]:
        """The paths of all rules that a path leads to, into, or that lie beneath it."""
        for rule in self.clauses:
            if rule == path[: len(rule)] or path == rule[: len(path)]:
                yield rule

    def named(self, module: Module, name: str) -> Path | None:
        """What a bare name in a module stands for: a rule of its package, an import, or (None) neither."""
        if (*module.package, name) in self._names:
            return ("data", *module.package, name)
        return module.imports.get(name)

    def base(self, path: Path) -> tuple[bool, Any]:
        """(True, value) of the bundle's data at a path."""
        found: Any = self.data
        for part in path:
            found = found.get(part, _MISSING) if isinstance(found, Mapping) else _MISSING
        return found is not _MISSING, None if found is _MISSING else found

    def function(self, module: Module, operator: Node) -> Path | None:
        """The path of the function that an operator names; None when it is a built-in."""
        parts = tuple(str(term["value"]) for term in operator["value"])
        start = parts if parts[0] == "data" else (*(self.named(module, parts[0]) or ()), *parts[1:])
        if len(start) < 2 or start[0] != "data":
            return None
        return start[1:] if start[1:] in self.clauses else None


def input_shape(sources: Sources) -> Shape:
    """The input document: the request as its schema asserts, the records as theirs do, and the time."""
    declaration = sources.declaration
    request = _schema(sources, declaration.request_schema, times=False)
    entity = Fields((("type", STRING), ("id", STRING), ("properties", UNKNOWN)))
    action = Fields((("name", STRING), ("properties", UNKNOWN)))
    records: list[tuple[str, Shape]] = []
    for name, lookup in declaration.lookups.items():
        record = _schema(sources, declaration.kinds[lookup.kind], times=True)
        records.append((name, MapOf("object", record) if lookup.all else either([NULL, record])))
    return Fields(
        (
            ("subject", both([entity, request.child("subject")])),
            ("action", both([action, request.child("action")])),
            ("resource", both([entity, request.child("resource")])),
            ("context", both([MapOf("object", UNKNOWN), request.child("context")])),
            ("records", Fields(tuple(records))),
            ("time", NUMBER),
        )
    )


def flattened(clauses: Iterable[Clause]) -> Iterable[Clause]:
    """Clauses with their `else` clauses."""
    for clause in clauses:
        yield clause
        if clause.otherwise is not None:
            yield from flattened([clause.otherwise])


def _schema(sources: Sources, path: str, *, times: bool) -> Shape:
    document = json.loads(sources.files[path])
    return Schema(document, document, times=times)
