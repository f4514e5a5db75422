"""A bundle's files, from a folder: which belong to the bundle, and the digest that names this content."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdp.policy.declaration import FILE as DECLARATION
from pdp.policy.declaration import BundleError, Declaration, load_yaml, parse_declaration

MANIFEST = ".manifest"
ROUTES = "routes.yaml"
DATA = ("data.json", "data.yaml", "data.yml")

_MANIFEST_KEYS = ("roots", "revision", "metadata", "rego_version")
"""With these letters: OPA would take any other case of them too."""

_LARGEST_FILE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Sources:
    """The files of a bundle: path (with /, relative to the bundle) → content. Sorted by path.

    `tests` are Rego tests, which are checked but never part of a bundle. `built_as` is the revision of the
    built bundle that these files come from, if they do.
    """

    origin: Path
    files: Mapping[str, bytes]
    tests: Mapping[str, bytes]
    declaration: Declaration
    manifest: Mapping[str, Any]
    built_as: str = ""

    @property
    def policies(self) -> list[str]:
        """Paths of the Rego files, tests left out."""
        return [path for path in self.files if path.endswith(".rego")]

    @property
    def schemas(self) -> dict[str, bytes]:
        """Path → JSON Schema of everything under schemas/."""
        return {path: content for path, content in self.files.items() if path.startswith("schemas/")}

    @property
    def routes(self) -> bytes | None:
        """routes.yaml as JSON; None: there is none. Raises BundleError when it is no YAML."""
        if ROUTES not in self.files:
            return None
        document = load_yaml(self.files[ROUTES], f"{self.origin}/{ROUTES}")
        return json.dumps(document, ensure_ascii=False).encode()

    @property
    def revision(self) -> str:
        """The manifest's revision, "+" and the first 12 digits of the content's digest: "v1+3f2a0c9d1e4b".

        Without one in the manifest: "sha256:" and the digits. So no two contents bear the same.
        """
        if self.built_as:
            return self.built_as
        name, digest = self.manifest.get("revision"), content_digest(self.files)[:12]
        return f"{name}+{digest}" if name else f"sha256:{digest}"

    def write(self, folder: Path, *, tests: bool = False) -> None:
        """Copies the files to an empty folder."""
        for path, content in {**self.files, **(self.tests if tests else {})}.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def content_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) over all paths and contents."""
    digest = hashlib.sha256()
    for path in sorted(files):
        content = files[path]
        digest.update(f"{len(path.encode())}:{path}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def read_folder(folder: Path) -> Sources:
    """The bundle in `folder`, with its declaration validated. Raises BundleError."""
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder with a policy bundle.")
    files: dict[str, bytes] = {}
    tests: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and _belongs(relative):
            (tests if relative.endswith("_test.rego") else files)[relative] = _read(path)
    if DECLARATION not in files:
        raise BundleError(f"{folder} holds no {DECLARATION}, so it is not a policy bundle.")
    return assemble(folder, files, tests)


def assemble(origin: Path, files: Mapping[str, bytes], tests: Mapping[str, bytes]) -> Sources:
    """Sources from files already read. Raises BundleError."""
    declaration = parse_declaration(files[DECLARATION], f"{origin}/{DECLARATION}")
    for path in declaration.schema_paths:
        if path not in files:
            raise BundleError(f"{origin}/{DECLARATION} names {path}, but there is no such file.")
    for path in files:
        if path.startswith("schemas/"):
            _json_object(files[path], f"{origin}/{path}")
    manifest = _json_object(files[MANIFEST], f"{origin}/{MANIFEST}") if MANIFEST in files else {}
    _check_manifest(manifest, f"{origin}/{MANIFEST}")
    if not any(path.endswith(".rego") for path in files):
        raise BundleError(f"{origin} holds no .rego file.")
    return Sources(origin, dict(sorted(files.items())), dict(sorted(tests.items())), declaration, manifest)


def _check_manifest(manifest: Mapping[str, Any], name: str) -> None:
    """Nothing that would make OPA read the bundle differently, such as another version of Rego."""
    unknown = [key for key in manifest if key not in _MANIFEST_KEYS]
    if unknown:
        raise BundleError(f"{name} has an unknown key {unknown[0]!r}; known are {', '.join(_MANIFEST_KEYS)}.")
    if manifest.get("rego_version", 1) != 1:
        raise BundleError(f"{name} asks for another version of Rego than 1.")


def _belongs(path: str) -> bool:
    if path == MANIFEST:
        return True
    parts = path.split("/")
    if any(part.startswith(".") for part in parts):
        return False
    name = parts[-1]
    if parts[0] == "schemas":
        return name.endswith(".json")
    return path in (DECLARATION, ROUTES) or name.endswith(".rego") or name in DATA


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise BundleError(f"{path} is larger than {_LARGEST_FILE >> 20} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from error


def _json_object(content: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{name} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise BundleError(f"{name} must hold a JSON object.")
    return value
