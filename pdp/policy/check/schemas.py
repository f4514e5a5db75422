"""Rule `schema`: the bundle's JSON Schemas say what the check believes they say, and only that.

What a schema asserts of a field's kind is what makes a comparison of it safe. So no keyword is accepted that
is not known (a typo asserts nothing), no reference that could mean something else, and `format: date-time`
only where the host finds it and turns the text into a number.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pdp.policy.check.report import Report
from pdp.policy.check.shape import DATE_TIME, resolve
from pdp.policy.check.syntax import Place
from pdp.policy.sources import Sources

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KINDS = ("null", "boolean", "number", "integer", "string", "array", "object")
_PLAIN = """
$schema $id $comment title description default examples deprecated readOnly writeOnly type const enum format
pattern minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum multipleOf required
minProperties maxProperties minItems maxItems uniqueItems minContains maxContains dependentRequired $ref
"""
_ONE = ("additionalProperties", "items", "not", "if", "then", "else", "contains", "propertyNames",
        "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
_LIST = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "$defs", "patternProperties", "dependentSchemas")
_WITH_TIMES = ("properties", "additionalProperties", "items")
"""Where the host looks for times. Elsewhere it would leave the text, or turn one that is not meant."""
_DEEPEST = 8
"""So many references one after the other does the host follow for times."""

Found = tuple[str, str, str]
"""Pointer, message, hint."""


def check_schemas(sources: Sources, report: Report) -> None:
    """The request's schema and those of all kinds of records."""
    declaration = sources.declaration
    of_records = set(declaration.kinds.values())
    for path in declaration.schema_paths:
        document = json.loads(sources.files[path])
        found = list(_schema(document, document, ""))
        if path in of_records and not found:
            found += _times(document, document, "", (), is_plain=True)
        for pointer, message, hint in found:
            report.add(Place(path, 0, 0), "schema", f"#{pointer}: {message}", hint)


def _children(node: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(keyword, pointer, schema) of all schemas directly within a schema."""
    for word in _ONE:
        if word in node:
            yield word, f"/{word}", node[word]
    for word in _LIST:
        if isinstance(node.get(word), list):
            yield from ((word, f"/{word}/{number}", item) for number, item in enumerate(node[word]))
    for word in _NAMED:
        if isinstance(node.get(word), dict):
            yield from ((word, f"/{word}/{name}", item) for name, item in node[word].items())


def _schema(node: Any, root: Any, pointer: str) -> Iterator[Found]:
    if isinstance(node, bool):
        return
    if not isinstance(node, dict):
        yield pointer, "This is no schema.", "an object, true or false"
        return
    known = {*_PLAIN.split(), *_ONE, *_LIST, *_NAMED}
    for word in node:
        if word not in known and not word.startswith("x-"):
            yield pointer, f"The keyword {word!r} is not known here.", "correct it, or begin it with x-"
    yield from _words(node, root, pointer)
    for _, step, child in _children(node):
        yield from _schema(child, root, pointer + step)


def _words(node: Mapping[str, Any], root: Any, pointer: str) -> Iterator[Found]:
    """The keywords whose meaning could be another one than the check believes."""
    kinds = node.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else [kinds]:
        if kind not in _KINDS:
            yield pointer, f"There is no type {kind!r}.", "one of " + ", ".join(_KINDS)
    if node.get("$schema", DIALECT) != DIALECT:
        yield pointer, "Schemas are read as JSON Schema 2020-12 and no other.", f"`$schema` {DIALECT}"
    if "$id" in node and pointer:
        yield (
            pointer,
            "With an $id of its own a part of a schema resolves its references differently.",
            "leave it out",
        )
    if "$ref" in node and (not isinstance(node["$ref"], str) or resolve(root, node["$ref"]) is True):
        yield (
            pointer,
            f"What $ref {node['$ref']!r} means cannot be seen here.",
            "a pointer such as #/$defs/name",
        )


def _times(
    node: Any, root: Any, pointer: str, references: Sequence[str], *, is_plain: bool
) -> Iterator[Found]:
    """Times where the host does not convert them. `is_plain`: here it does."""
    if not isinstance(node, dict):
        return
    if node.get("format") == DATE_TIME:
        if not is_plain:
            message = f"The host does not look for `format: {DATE_TIME}` here."
            yield pointer, message, "put it under properties, additionalProperties or items"
        is_text = node.get("type") in ("string", ["string", "null"], ["null", "string"])
        if not is_text or {"const", "enum"} & node.keys():
            message = f"With `format: {DATE_TIME}` it must be plain what stays as it is."
            yield pointer, message, "`type` string, or string and null, without const and enum"
    for word, others in (
        ("additionalProperties", ("properties", "patternProperties")),
        ("items", ("prefixItems",)),
    ):
        if any(other in node for other in others) and _has_times(node.get(word), root, references):
            message = f"The host would look for times of {word} in {' and '.join(others)} too."
            yield pointer, message, "name each field that is a time"
    target = node.get("$ref")
    if target is not None and not _is_followed(target, references) and _has_times(root, root, ()):
        message = "A schema with times may not refer to itself: the host follows references only so far."
        yield pointer, message, "write out how deep it goes"
    elif target is not None and _is_followed(target, references):
        found, start = resolve(root, target), target.removeprefix("#")
        yield from _times(found, root, start, (*references, target), is_plain=is_plain)
    for word, step, child in _children(node):
        if word != "$defs":
            inner = is_plain and word in _WITH_TIMES
            yield from _times(child, root, pointer + step, references, is_plain=inner)


def _is_followed(target: str, references: Sequence[str]) -> bool:
    return target not in references and len(references) < _DEEPEST


def _has_times(node: Any, root: Any, references: Sequence[str]) -> bool:
    if not isinstance(node, dict):
        return False
    if node.get("format") == DATE_TIME or any(
        _has_times(child, root, references) for _, _, child in _children(node)
    ):
        return True
    target = node.get("$ref")
    if target is None or not _is_followed(target, references):
        return False
    return _has_times(resolve(root, target), root, (*references, target))
