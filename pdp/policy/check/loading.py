"""Rule `loading`: what the host would refuse when it loads the bundle. It is loaded, here already."""

import tempfile
from pathlib import Path

from pdp.policy.archive import compiled
from pdp.policy.declaration import BundleError
from pdp.policy.opa import Opa, OpaError
from pdp.policy.sources import ROUTES, Sources


def compile_sources(sources: Sources, opa: Opa) -> tuple[bytes, bytes]:
    """(policy.wasm, merged data.json) of sources, unchecked. Raises BundleError."""
    with tempfile.TemporaryDirectory(prefix="pdp-build-") as temporary:
        staged = Path(temporary, "bundle")
        staged.mkdir()
        sources.write(staged)
        output = Path(temporary, "bundle.tar.gz")
        try:
            opa.build(staged, entrypoint=sources.declaration.entrypoint, output=output)
        except OpaError as error:
            raise BundleError(f"{sources.origin} {error}") from error
        return compiled(output.read_bytes())


def loading_problem(sources: Sources, wasm: bytes, data: bytes) -> tuple[str, str] | None:
    """Hands the compiled bundle to the core. (file, why) when that refuses it; file "": the policy itself."""
    from pdp import _core  # noqa: PLC0415 - only the whole check needs the compiled core

    try:
        routes = sources.routes
    except BundleError as error:
        return ROUTES, str(error)
    try:
        _core.Policy(
            wasm=wasm,
            data=data,
            declaration=sources.declaration.to_json(),
            schemas=sources.schemas,
            revision=sources.revision,
            routes=routes,
        )
    except _core.PolicyLoadError as error:
        file, _, message = str(error).partition(": ")
        found = (file, message) if file in sources.files else ("", str(error))
        return found[0], f"{found[1].rstrip('.')}."
    return None
