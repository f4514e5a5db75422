"""Decision tables: cases in YAML with records, a request, a moment and what must come out.

The format stands in docs/policies.md. This module reads and merges them and compares answers with what is
wanted; `pdp.policy.deciders` runs them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdp.policy.declaration import BundleError, load_yaml
from pdp.policy.moments import parse_moment

_FILE_KEYS = ("description", "records", "base", "request", "at", "cases")
_CASE_KEYS = ("description", "records", "request", "at", "want")
_WANT_KEYS = (
    "allow",
    "codes",
    "reasons",
    "obligations",
    "notices",
    "accountable",
    "valid_until",
    "invalid",
)


class TableError(BundleError):
    """A table that cannot be read. One sentence with file and case."""


@dataclass(frozen=True)
class Case:
    """One case, merged with the base of its file.

    `records`: (kind, key) → document as a user writes it. `at_ms`: epoch milliseconds. `want`: as written.
    """

    file: Path
    table: str
    description: str
    records: Mapping[tuple[str, str], Any]
    request: Mapping[str, Any]
    at_ms: int
    want: Mapping[str, Any]

    @property
    def name(self) -> str:
        """File and description, for messages and test ids."""
        return f"{self.file.name}: {self.description}"


@dataclass(frozen=True)
class Invalid:
    """The answer to a request that is no valid question: the field's path and the message."""

    field: str
    message: str = ""


Answer = Mapping[str, Any] | Invalid
"""A decision as JSON data (snake_case, times RFC 3339), or what is wrong with the request."""


def find_tables(bundle: Path, named: Sequence[Path] = ()) -> list[Path]:
    """The table files: those in `named` (files or folders), or else BUNDLE/decisions.yaml and
    BUNDLE/decisions/.

    Files called *.records.yaml hold records that tables share; they are no tables themselves.
    """
    places = list(named) or [
        place for place in (bundle / "decisions.yaml", bundle / "decisions") if place.exists()
    ]
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += [
                file for file in sorted(place.rglob("*.yaml")) if not file.name.endswith(".records.yaml")
            ]
        elif place.is_file():
            files.append(place)
        else:
            raise TableError(f"There are no decision tables at {place}.")
    return files


def load_table(file: Path) -> list[Case]:
    """The cases of a table file. Raises TableError."""
    try:
        document = load_yaml(file.read_bytes(), str(file))
    except OSError as error:
        raise TableError(f"{file} cannot be read: {error.strerror or error}.") from error
    top = _mapping(document, f"{file}", _FILE_KEYS)
    if "cases" not in top or not isinstance(top["cases"], list):
        raise TableError(f"{file}: `cases` must be a list.")
    records: dict[tuple[str, str], Any] = {}
    if "base" in top:
        records = _merge_records(records, _base(file, top["base"]), f"{file}: base")
    records = _merge_records(records, top.get("records", []), f"{file}: records")
    return [_case(file, top, records, position, case) for position, case in enumerate(top["cases"], start=1)]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: `patch` applied to `target`, which stays as it is."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def differences(case: Case, answer: Answer) -> list[str]:
    """How an answer differs from what the case wants, a line or two each; [] when it is as wanted."""
    want = case.want
    if isinstance(answer, Invalid):
        if want.get("invalid") == answer.field:
            return []
        wanted = f"invalid {want['invalid']!r}" if "invalid" in want else "a decision"
        return [f"wanted {wanted}, got an invalid request: {answer.field}: {answer.message}"]
    if "invalid" in want:
        return [f"wanted an invalid request ({want['invalid']}), got {_shown(answer)}"]
    found: list[str] = []
    for key, wanted in want.items():
        if key == "codes":
            got: Any = sorted(str(reason.get("code")) for reason in answer.get("reasons", []))
            same = sorted(wanted) == got
        elif key in ("reasons", "obligations", "notices"):
            got = answer.get(key, [])
            same = _same_list(wanted, got)
        else:
            got = answer.get(key)
            same = _same_value(wanted, got)
        if not same:
            found.append(f"{key}: wanted {_shown(wanted)}\n{' ' * len(key)}     got {_shown(got)}")
    return found


def _case(
    file: Path, top: Mapping[str, Any], base: Mapping[tuple[str, str], Any], position: int, raw: Any
) -> Case:
    where = f"{file}: case {position}"
    case = _mapping(raw, where, _CASE_KEYS)
    where = f"{file}: case {position} ({case.get('description', 'no description')})"
    want = _mapping(case.get("want"), f"{where}: want", _WANT_KEYS)
    if not want:
        raise TableError(f"{where} wants nothing.")
    at = case.get("at", top.get("at"))
    at_ms = parse_moment(at) if isinstance(at, str) else None
    if at_ms is None:
        raise TableError(f"{where}: `at` must be an RFC 3339 time such as 2026-03-02T09:00:00Z, not {at!r}.")
    request = top.get("request", {})
    if "request" in case:
        request = merge_patch(request, case["request"])
    return Case(
        file=file,
        table=str(top.get("description", file.stem)),
        description=str(case.get("description", f"case {position}")),
        records=_merge_records(base, case.get("records", []), f"{where}: records"),
        request=request,
        at_ms=at_ms,
        want=want,
    )


def _base(file: Path, name: Any) -> Any:
    base = file.parent / str(name)
    try:
        document = load_yaml(base.read_bytes(), str(base))
    except OSError as error:
        raise TableError(f"{file}: base {name} cannot be read: {error.strerror or error}.") from error
    return document.get("records", []) if isinstance(document, dict) else document


def _merge_records(base: Mapping[tuple[str, str], Any], added: Any, where: str) -> dict[tuple[str, str], Any]:
    merged = dict(base)
    if not isinstance(added, list):
        raise TableError(f"{where} must be a list of records.")
    for record in added:
        entry = _mapping(record, where, ("kind", "key", "value"))
        kind, key = entry.get("kind"), entry.get("key")
        if not isinstance(kind, str) or not isinstance(key, str) or "value" not in entry:
            raise TableError(f"{where}: {record!r} needs kind and key (texts, so quote numbers) and value.")
        if entry["value"] is None:
            merged.pop((kind, key), None)
        else:
            merged[(kind, key)] = entry["value"]
    return merged


def _mapping(value: Any, where: str, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TableError(f"{where} must be a mapping.")
    unknown = [str(key) for key in value if key not in known]
    if unknown:
        raise TableError(f"{where} has an unknown key {unknown[0]!r}; known are {', '.join(known)}.")
    return value


def _same_value(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, str) and isinstance(got, str) and wanted != got:
        moment = parse_moment(wanted)
        return moment is not None and moment == parse_moment(got)
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(_same_value(wanted[key], got[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(got, list):
        return len(wanted) == len(got) and all(map(_same_value, wanted, got))
    return type(wanted) is type(got) and bool(wanted == got)


def _same_list(wanted: Any, got: Any) -> bool:
    """Every wanted element meets another one that is got, compared on the keys given; none is left over."""
    if not isinstance(wanted, list) or not isinstance(got, list) or len(wanted) != len(got):
        return False
    return _matched(wanted, list(got))


def _matched(wanted: Sequence[Any], left: list[Any]) -> bool:
    if not wanted:
        return True
    for position, element in enumerate(left):
        if _covers(wanted[0], element) and _matched(wanted[1:], left[:position] + left[position + 1 :]):
            return True
    return False


def _covers(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(got, dict):
        return all(key in got and _covers(value, got[key]) for key, value in wanted.items())
    return _same_value(wanted, got)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def load_tables(files: Iterable[Path]) -> list[Case]:
    """All cases of several files, in order. Raises TableError."""
    return [case for file in files for case in load_table(file)]
