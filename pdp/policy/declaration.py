"""bundle.yaml: what a bundle declares about itself, strictly validated.

The format stands in docs/policies.md. Everything of a portal comes through here; the core knows none of it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from pdp.errors import PdpError

FILE = "bundle.yaml"

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*$")
_FIELD = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_ENTRYPOINT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)+$")
_HOLE = re.compile(r"\{([^{}]*)\}")
_ROOTS = ("subject", "action", "resource", "context")


class BundleError(PdpError):
    """A bundle that cannot be used. One sentence that says why and where."""


@dataclass(frozen=True)
class Lookup:
    """One declared lookup: the record under the first key whose parts are all present, or all of a kind."""

    kind: str
    keys: tuple[str, ...]
    all: bool


@dataclass(frozen=True)
class Declaration:
    """A validated bundle.yaml.

    `kinds` maps a record kind to the path of its schema; `document` is the whole file as JSON data.
    """

    name: str
    entrypoint: str
    request_schema: str
    kinds: Mapping[str, str]
    lookups: Mapping[str, Lookup]
    document: Mapping[str, Any]

    @property
    def schema_paths(self) -> list[str]:
        """Every schema that the declaration names, sorted."""
        return sorted({self.request_schema, *self.kinds.values()})

    def to_json(self) -> bytes:
        """The declaration as the core reads it."""
        return json.dumps(self.document, sort_keys=True, separators=(",", ":")).encode()


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key may stand once only (a second would silently replace it) and a time is text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As the base class, refusing repeated keys."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str | bytes, name: str) -> Any:
    """Parses YAML. `name` is the file's name for messages. Raises BundleError."""
    try:
        return yaml.load(text, Loader=StrictLoader)  # noqa: S506 - derives from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise BundleError(f"{name}{line}: {error.problem or 'not YAML'}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise BundleError(f"{name}: not YAML: {' '.join(str(error).split())}.") from error


def parse_declaration(text: str | bytes, name: str = FILE) -> Declaration:
    """Reads and validates bundle.yaml. `name` is the file's name for messages. Raises BundleError."""
    document = load_yaml(text, name)
    try:
        return _Reader().declaration(document)
    except BundleError as error:
        raise BundleError(f"{name}: {error}") from None


class _Reader:
    """Validation; every message says where in the document."""

    def declaration(self, document: Any) -> Declaration:
        top = self._mapping(document, "the file")
        required = ("name", "entrypoint", "request_schema", "kinds", "lookups")
        optional = ("output_times", "labels", "search")
        self._keys(top, "the file", required=required, optional=optional)
        entrypoint = self._string(top["entrypoint"], "entrypoint")
        if not _ENTRYPOINT.match(entrypoint):
            raise BundleError(f"entrypoint {entrypoint!r} must be a rule's path such as portal/decision.")
        kinds = {str(name): self._kind(str(name), value) for name, value in self._named(top, "kinds")}
        lookups = {
            str(name): self._lookup(str(name), value, kinds) for name, value in self._named(top, "lookups")
        }
        self._output_times(top.get("output_times", []))
        if "labels" in top:
            for name, value in self._named(top, "labels"):
                self._label(f"labels.{name}", value, lookups)
        if "search" in top:
            self._search(top["search"], kinds)
        return Declaration(
            name=self._string(top["name"], "name"),
            entrypoint=entrypoint,
            request_schema=self._schema_path(top["request_schema"], "request_schema"),
            kinds=kinds,
            lookups=lookups,
            document=top,
        )

    def _kind(self, name: str, value: Any) -> str:
        where = f"kinds.{name}"
        kind = self._mapping(value, where)
        self._keys(kind, where, required=("schema",), optional=("key", "key_pattern", "replicated", "wait"))
        if not isinstance(kind.get("replicated", False), bool):
            raise BundleError(f"{where}.replicated must be true or false.")
        if kind.get("wait", "all") != "all":
            raise BundleError(f"{where}.wait can only be all.")
        if ("key" in kind) == ("key_pattern" in kind):
            raise BundleError(f"{where} needs either key (a template over the document) or key_pattern.")
        if "key" in kind:
            template = self._string(kind["key"], f"{where}.key")
            for field in self._holes(template, f"{where}.key"):
                if not all(_FIELD.match(part) for part in field.split(".")):
                    raise BundleError(f"{where}.key: {{{field}}} is not a field of the document.")
        else:
            pattern = self._string(kind["key_pattern"], f"{where}.key_pattern")
            try:
                re.compile(pattern)
            except re.error as error:
                raise BundleError(f"{where}.key_pattern is no regular expression: {error}.") from error
        return self._schema_path(kind["schema"], f"{where}.schema")

    def _lookup(self, name: str, value: Any, kinds: Mapping[str, str]) -> Lookup:
        where = f"lookups.{name}"
        lookup = self._mapping(value, where)
        self._keys(lookup, where, required=("kind",), optional=("key", "all"))
        kind = self._string(lookup["kind"], f"{where}.kind")
        if kind not in kinds:
            raise BundleError(f"{where}: there is no kind {kind!r}; declared are {_listed(kinds)}.")
        if ("key" in lookup) == ("all" in lookup):
            raise BundleError(f"{where} needs either key (paths into the request) or `all: true`.")
        if "all" in lookup:
            if lookup["all"] is not True:
                raise BundleError(f"{where}.all can only be true.")
            return Lookup(kind, (), all=True)
        keys = lookup["key"]
        if not isinstance(keys, list) or not keys:
            raise BundleError(
                f"{where}.key must be a list of alternatives, the first that is present counts."
            )
        for position, key in enumerate(keys):
            self._key_alternative(self._string(key, f"{where}.key[{position}]"), f"{where}.key[{position}]")
        return Lookup(kind, tuple(keys), all=False)

    def _key_alternative(self, key: str, where: str) -> None:
        paths = self._holes(key, where) if "{" in key or "}" in key else [key]
        for path in paths:
            self._request_path(path, where)

    def _holes(self, template: str, where: str) -> list[str]:
        holes = [str(hole) for hole in _HOLE.findall(template)]
        rest = _HOLE.sub("", template)
        if not holes or "{" in rest or "}" in rest:
            raise BundleError(f"{where}: {template!r} is not a template such as account:{{subject.id}}.")
        return holes

    def _request_path(self, path: str, where: str) -> None:
        parts = path.split(".")
        if parts[0] not in _ROOTS or len(parts) < 2 or not all(parts):
            raise BundleError(
                f"{where}: {path!r} is not a path into the request; it starts with one of {_listed(_ROOTS)}, "
                "such as subject.id."
            )

    def _output_times(self, value: Any) -> None:
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
            raise BundleError("output_times must be a list of field names.")

    def _label(self, where: str, value: Any, lookups: Mapping[str, Lookup]) -> None:
        label = self._mapping(value, where)
        self._keys(label, where, required=("path",), optional=("known_by", "values"))
        self._request_path(self._string(label["path"], f"{where}.path"), f"{where}.path")
        if ("known_by" in label) == ("values" in label):
            raise BundleError(
                f"{where} needs either known_by (a lookup) or values (a list), to stay bounded."
            )
        if "known_by" in label and label["known_by"] not in lookups:
            raise BundleError(f"{where}.known_by: there is no lookup {label['known_by']!r}.")
        values = label.get("values", ["-"])
        if not isinstance(values, list) or not values or not all(isinstance(item, str) for item in values):
            raise BundleError(f"{where}.values must be a list of texts.")

    def _search(self, value: Any, kinds: Mapping[str, str]) -> None:
        search = self._mapping(value, "search")
        self._keys(search, "search", required=(), optional=("subject", "resource", "action"))
        for sought, types in search.items():
            for of, candidates in self._mapping(types, f"search.{sought}").items():
                where = f"search.{sought}.{of}"
                self._string(of, f"search.{sought}: a type")
                declared = self._mapping(candidates, where)
                if sought == "action" and "names" in declared:
                    self._keys(declared, where, required=("names",), optional=())
                    names = declared["names"]
                    if not isinstance(names, list) or not names:
                        raise BundleError(f"{where}.names must be a list of names of actions.")
                    for position, name in enumerate(names):
                        self._string(name, f"{where}.names[{position}]")
                    continue
                required = ("kind", "path") if sought == "action" else ("kind",)
                self._keys(declared, where, required=required, optional=())
                for key in required:
                    self._string(declared[key], f"{where}.{key}")
                if declared["kind"] not in kinds:
                    raise BundleError(
                        f"{where}: there is no kind {declared['kind']!r}; declared are {_listed(kinds)}."
                    )

    def _schema_path(self, value: Any, where: str) -> str:
        path = self._string(value, where)
        parts = path.split("/")
        if parts[0] != "schemas" or len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
            raise BundleError(
                f"{where}: {path!r} must be a file under schemas/, such as schemas/x.schema.json."
            )
        return path

    def _named(self, top: Mapping[str, Any], key: str) -> list[tuple[Any, Any]]:
        entries: Mapping[Any, Any] = self._mapping(top[key], key)
        for name in entries:
            if not isinstance(name, str) or not _NAME.match(name):
                raise BundleError(f"{key}: {name!r} is not a usable name (letters, digits, _ and -).")
        return list(entries.items())

    def _mapping(self, value: Any, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise BundleError(f"{where} must be a mapping of names to values.")
        return value

    def _string(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not value:
            raise BundleError(f"{where} must be a text.")
        return value

    def _keys(
        self, value: Mapping[str, Any], where: str, *, required: tuple[str, ...], optional: tuple[str, ...]
    ) -> None:
        known = (*required, *optional)
        unknown = [str(key) for key in value if key not in known]
        if unknown:
            raise BundleError(f"{where} has an unknown key {unknown[0]!r}; known are {_listed(known)}.")
        missing = [key for key in required if key not in value]
        if missing:
            raise BundleError(f"{where} lacks {missing[0]!r}.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
