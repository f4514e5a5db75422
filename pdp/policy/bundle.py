"""From a folder of sources or a built .tar.gz to a policy that the core runs.

Sources are checked (`pdp.policy.check`) and compiled with the pinned OPA, once for each content: the built
bundle is kept in a cache under its digest. A built bundle needs no OPA, as long as the check that passed it
is the one of this version; what another check passed is checked and compiled again, from the sources in it.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdp.policy import archive, check
from pdp.policy.archive import WASM, Built
from pdp.policy.check import compile_sources
from pdp.policy.declaration import BundleError, Declaration
from pdp.policy.opa import OPA_VERSION, Opa, OpaError, find_opa
from pdp.policy.sources import Sources, content_digest, read_folder

if TYPE_CHECKING:
    from pdp import _core

__all__ = ["Bundle", "BundleError", "build", "compile_sources", "load_bundle", "open_bundle"]

EVALUATION_LIMIT_MS = 100
EVALUATION_MEMORY_BYTES = 64 * 1024 * 1024
DEFAULT_CACHE = Path("~/.cache/poortwachter").expanduser()


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    `archive` is the built bundle (.tar.gz, loads into a real OPA server too), `data` its merged data (JSON),
    `schemas` path → JSON Schema, `warnings` sentences for the log, `revision` what every decision names.
    """

    policy: "_core.Policy"
    revision: str
    warnings: tuple[str, ...]
    declaration: Declaration
    schemas: Mapping[str, bytes]
    data: bytes
    archive: bytes
    source: Path
    record: Mapping[str, Any]


def load_bundle(
    path: str | Path,
    *,
    opa: str | Path | None = None,
    cache_dir: str | Path | None = None,
    evaluation_limit_ms: int = EVALUATION_LIMIT_MS,
    evaluation_memory_bytes: int = EVALUATION_MEMORY_BYTES,
) -> Bundle:
    """Loads the bundle at `path`: a folder of sources or a built .tar.gz.

    `opa` as in `find_opa`; needed for a folder whose compiled form is not in the cache. `cache_dir`: where
    compiled bundles are kept (default ~/.cache/poortwachter). Raises BundleError or OpaError, one clear
    sentence each.
    """
    from pdp import _core  # noqa: PLC0415 - checking and testing policies works without the compiled core

    built = open_bundle(path, opa=opa, cache_dir=cache_dir)
    try:
        policy = _core.Policy(
            wasm=built.wasm,
            data=built.data,
            declaration=built.sources.declaration.to_json(),
            schemas=built.sources.schemas,
            revision=built.revision,
            routes=built.sources.routes,
            evaluation_limit_ms=evaluation_limit_ms,
            evaluation_memory_bytes=evaluation_memory_bytes,
        )
    except _core.PolicyLoadError as error:
        raise BundleError(f"{path}: {error}") from error
    return Bundle(
        policy=policy,
        revision=built.revision,
        warnings=_warnings(Path(path), built),
        declaration=built.sources.declaration,
        schemas=built.sources.schemas,
        data=built.data,
        archive=built.archive,
        source=Path(path),
        record=built.record,
    )


def open_bundle(
    path: str | Path, *, opa: str | Path | None = None, cache_dir: str | Path | None = None
) -> Built:
    """As `load_bundle`, without handing it to the core."""
    path, cache = Path(path), Path(cache_dir) if cache_dir else DEFAULT_CACHE
    if path.is_dir():
        return _from_sources(read_folder(path), opa, cache)
    try:
        built = archive.unpack(path.read_bytes(), path)
    except OSError as error:
        raise BundleError(f"The policy bundle {path} cannot be read: {error.strerror or error}.") from error
    if built.record.get("check") == check.digest() and built.record.get("opa") == OPA_VERSION:
        return built
    try:
        return _from_sources(_sources_of(built), opa, cache)
    except OpaError as error:
        raise BundleError(
            f"{path} was passed by the check of another version, and cannot be checked again: build it again "
            f"with `pdp policy build`. {error}"
        ) from error


def build(folder: str | Path, *, opa: str | Path | None = None) -> bytes:
    """Checks and compiles the sources in `folder` to a built bundle (.tar.gz).

    Raises BundleError or OpaError.
    """
    return _build(read_folder(Path(folder)), find_opa(opa))


def _from_sources(sources: Sources, setting: str | Path | None, cache: Path) -> Built:
    key = content_digest({**sources.files, ".opa": OPA_VERSION.encode(), ".check": check.digest().encode()})
    kept = cache / "bundles" / f"{key}.tar.gz"
    try:
        return archive.unpack(kept.read_bytes(), kept)
    except (OSError, BundleError):
        content = _build(sources, find_opa(setting))
    _keep(kept, content)
    return archive.unpack(content, sources.origin)


def _sources_of(built: Built) -> Sources:
    """What a built bundle was made of: the data is merged by now, the compiled policy is left out."""
    files = {path: content for path, content in built.sources.files.items() if path != WASM}
    return replace(built.sources, files=files)


def _build(sources: Sources, opa: Opa) -> bytes:
    findings, found = check.check(sources, opa)
    if found is None:
        first, *others = findings
        where = f"{first.place}: " if first.place else ""
        more = f" (and {len(others)} more)" if others else ""
        raise BundleError(
            f"{sources.origin} is refused: {where}[{first.rule}] {first.message.rstrip('.')}{more}. "
            f"`pdp policy check {sources.origin}` shows all."
        )
    wasm, data = found
    return archive.pack(sources, wasm=wasm, data=data, opa=opa.version, check=check.digest())


def _keep(target: Path, content: bytes) -> None:
    """Writes to the cache in one step. A cache that cannot be written costs time, nothing else."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, target)  # noqa: PTH105 - the atomic one
    except OSError:
        return


def _warnings(path: Path, built: Built) -> tuple[str, ...]:
    if path.is_dir() or path.read_bytes() == built.archive:
        return ()
    return (f"{path} was passed by the check of another version, so it was checked and compiled again.",)
