"""A built bundle: an OPA bundle (.tar.gz) that also holds bundle.yaml, the schemas and the check's record.

`opa build` drops what it does not know and cuts the compiled rules out of the .rego files, so the archive is
packed here, from the sources as they are, plus policy.wasm and the merged data.json. The manifest names no
`wasm` entry: a real OPA server, of any build, then evaluates the very same Rego. Packing is deterministic:
the same sources give the same bytes.

The manifest's metadata records, under `poortwachter`, by which check and which OPA the sources were passed
and the digest of the files. A host without OPA relies on this record: it protects against damage and against
bundles that were never checked, not against someone who forges it. Whoever may write the bundle file is
trusted.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pdp.policy.declaration import FILE as DECLARATION
from pdp.policy.declaration import BundleError
from pdp.policy.sources import DATA, MANIFEST, Sources, assemble, content_digest

WASM = "policy.wasm"
MERGED = "data.json"
FORMAT = 1

_LARGEST = 256 * 1024 * 1024
_MOST_FILES = 10_000


@dataclass(frozen=True)
class Built:
    """A built bundle, unpacked. `archive` is the .tar.gz itself, `record` the check's record."""

    sources: Sources
    revision: str
    wasm: bytes
    data: bytes
    archive: bytes
    record: Mapping[str, Any]


def pack(sources: Sources, *, wasm: bytes, data: bytes, opa: str, check: str) -> bytes:
    """The .tar.gz of compiled sources that passed the check.

    `opa`: its version; `check`: the check's digest.
    """
    files = {
        path: content
        for path, content in sources.files.items()
        if path != MANIFEST and path.rsplit("/", 1)[-1] not in DATA
    }
    files[WASM] = wasm
    files[MERGED] = data
    record = {"format": FORMAT, "opa": opa, "check": check, "content": content_digest(files)}
    manifest = {key: value for key, value in sources.manifest.items() if key != "wasm"}
    metadata = manifest.get("metadata")
    manifest.setdefault("roots", [""])
    manifest["revision"] = sources.revision
    manifest["rego_version"] = 1
    manifest["metadata"] = {**(metadata if isinstance(metadata, dict) else {}), "poortwachter": record}
    files[MANIFEST] = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    return _tar(files)


def unpack(archive: bytes, origin: Path) -> Built:
    """Opens a built bundle and compares it with its record. Raises BundleError."""
    files = _untar(archive, origin)
    for path in (MANIFEST, DECLARATION, WASM, MERGED):
        if path not in files:
            raise BundleError(f"{origin} holds no {path}: it was not made by `pdp policy build`.")
    sources = assemble(origin, files, {})
    metadata = sources.manifest.get("metadata")
    record = metadata.get("poortwachter") if isinstance(metadata, dict) else None
    if not isinstance(record, dict) or not record.get("check"):
        raise BundleError(f"{origin} bears no record of a passed check: make it with `pdp policy build`.")
    if record.get("format") != FORMAT:
        raise BundleError(f"{origin} was built by another version of pdp: build it again.")
    rest = {path: content for path, content in files.items() if path != MANIFEST}
    if content_digest(rest) != record.get("content"):
        raise BundleError(f"{origin} is damaged or was changed after it was built: its digest differs.")
    sources = replace(sources, built_as=str(sources.manifest.get("revision") or ""))
    return Built(sources, sources.revision, files[WASM], files[MERGED], archive, record)


def compiled(archive: bytes) -> tuple[bytes, bytes]:
    """(policy.wasm, data.json) from what `opa build -t wasm` wrote."""
    files = _untar(archive, Path("the compiled bundle"))
    return files[WASM], files.get(MERGED, b"{}")


def wasm_digest(built: Built) -> str:
    """SHA-256 (hex) of policy.wasm."""
    return hashlib.sha256(built.wasm).hexdigest()


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(files, key=lambda path: (path != MANIFEST, path)):
            entry = tarfile.TarInfo(path)
            entry.size = len(files[path])
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(files[path]))
    return gzip.compress(buffer.getvalue(), compresslevel=9, mtime=0)


def _untar(archive: bytes, origin: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = _LARGEST
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for entry in tar:
                if entry.isdir():
                    continue
                path = entry.name.removeprefix("./").lstrip("/")
                left -= entry.size
                if not entry.isfile() or ".." in path.split("/") or path in files:
                    raise BundleError(f"{origin} holds {entry.name!r}, which has no place in a bundle.")
                if left < 0 or len(files) >= _MOST_FILES:
                    raise BundleError(f"{origin} is larger than a bundle may be.")
                content = tar.extractfile(entry)
                files[path] = content.read() if content else b""
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise BundleError(f"{origin} is not a whole .tar.gz: {error}.") from error
    return files
