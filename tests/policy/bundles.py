"""Bundles for tests: the portal's, and ones compiled past the check."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdp import _core
from pdp.policy.archive import pack
from pdp.policy.bundle import compile_sources
from pdp.policy.deciders import CoreDecider, OpaServer, encode
from pdp.policy.opa import Opa
from pdp.policy.sources import read_folder
from pdp.policy.tables import Invalid

ROOT = Path(__file__).resolve().parents[2]
PORTAL = ROOT / "policies" / "portal"
EXAMPLE = ROOT / "policies" / "examples" / "authzen-certification"
TABLES = ROOT / "tests" / "decisions"
PATIENT_MS = 10_000
"""For evaluations whose outcome counts, not their time."""


@dataclass(frozen=True)
class Compiled:
    """A bundle that OPA compiled and nobody checked."""

    policy: _core.Policy
    archive: bytes


def compile_unchecked(folder: Path, opa: Opa) -> Compiled:
    """Compiles a bundle past the check, as someone would who did not use it."""
    sources = read_folder(folder)
    wasm, data = compile_sources(sources, opa)
    policy = _core.Policy(
        wasm=wasm,
        data=data,
        declaration=sources.declaration.to_json(),
        schemas=sources.schemas,
        revision=sources.revision,
        evaluation_limit_ms=PATIENT_MS,
    )
    return Compiled(policy, pack(sources, wasm=wasm, data=data, opa=opa.version, check="none"))


def comparable(answer: bytes | Mapping[str, Any]) -> bytes:
    """A decision as canonical JSON, without what is another one in each answer."""
    document = dict(json.loads(answer) if isinstance(answer, bytes) else answer)
    document.pop("decision_id", None)
    return encode(document)


def by_opa(
    decider: CoreDecider,
    server: OpaServer,
    request: Any,
    at_ms: int,
    *,
    strict: bool = False,
    entrypoint: str = "portal/decision",
) -> dict[str, Any] | Invalid:
    """The decision on the same input by a real OPA server, finished by the same rules."""
    text = encode(request)
    try:
        policy_input = decider.core.policy_input(text, at_ms)
    except _core.RequestError as error:
        return Invalid(error.field, error.message)
    result = server.evaluate(entrypoint, policy_input, strict=strict)
    decision: dict[str, Any] = json.loads(decider.core.finish(text, result, at_ms))
    return decision


def write_bundle(folder: Path, files: Mapping[str, str]) -> Path:
    """A small bundle named `door`: its declaration and schemas, and `files` added or replacing them."""
    for path, text in {**_DOOR, **files}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder


_DOOR = {
    "bundle.yaml": """
name: door
entrypoint: door/decision
request_schema: schemas/request.schema.json
kinds:
  person: {schema: schemas/person.schema.json, key: "{id}"}
  notice: {schema: schemas/notice.schema.json, key_pattern: "^.+$"}
lookups:
  person: {kind: person, key: ["subject.id"]}
  notices: {kind: notice, all: true}
""",
    ".manifest": '{"roots": ["door"]}',
    "schemas/request.schema.json": '{"type": "object"}',
    "schemas/person.schema.json": json.dumps(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["id", "level"],
            "properties": {
                "id": {"type": "string"},
                "level": {"type": "integer"},
                "since": {"type": "string", "format": "date-time"},
                "groups": {"type": "array", "items": {"type": "string"}},
                "passes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["until"],
                        "properties": {
                            "kind": {"type": "string"},
                            "until": {"type": "string", "format": "date-time"},
                        },
                    },
                },
                "extra": True,
            },
        }
    ),
    "schemas/notice.schema.json": json.dumps(
        {
            "type": "object",
            "required": ["from"],
            "properties": {
                "from": {"type": "string", "format": "date-time"},
                "until": {"type": "string", "format": "date-time"},
                "level": True,
            },
        }
    ),
}
