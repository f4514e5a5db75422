"""The check: refuses policies that can fail open. What it demands stands in docs/policies.md.

`check_sources` looks at OPA's own syntax tree. From the entrypoint it follows all that `allow` depends on
(`allow`, `walk`, `patterns`, `terms`, `calls`), and the rules, a file each or a few that belong together,
refuse what would let a failure pass: `fallbacks`, `doubts`, `kinds`, `conflicts`. What it does not know is
refused too (`unknown-form`). `hosts` looks at all that the entrypoint reaches, `schemas` at what the host
asserts of the input, and `loading` does what the host does with the bundle.
"""

import hashlib
import json
import tempfile
from functools import cache
from pathlib import Path

from pdp.policy import archive, declaration, opa, sources
from pdp.policy.check.allow import check_allow, check_entrypoint, entrypoint
from pdp.policy.check.finding import Finding
from pdp.policy.check.hosts import check_host_builtins, check_names, reachable_rules
from pdp.policy.check.loading import compile_sources, loading_problem
from pdp.policy.check.program import Program
from pdp.policy.check.report import Report
from pdp.policy.check.schemas import check_schemas
from pdp.policy.check.syntax import Place, parse
from pdp.policy.declaration import FILE, BundleError
from pdp.policy.opa import Opa
from pdp.policy.sources import Sources

__all__ = ["Checked", "Finding", "check", "check_sources", "compile_sources", "digest"]

Compiled = tuple[bytes, bytes]
Checked = tuple[list[Finding], Compiled | None]
"""All findings in the order of the files, and (policy.wasm, data.json) when there are none."""


@cache
def digest() -> str:
    """Which check this is: a digest of its own code (16 hex digits). Other rules, other digest."""
    modules = [Path(str(module.__file__)) for module in (archive, declaration, opa, sources)]
    found = hashlib.sha256()
    for file in sorted([*Path(__file__).parent.glob("*.py"), *modules]):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def check_sources(given: Sources, program: Opa) -> list[Finding]:
    """All findings, in the order of the files; [] when the bundle may be used. Raises OpaError."""
    return check(given, program)[0]


def check(given: Sources, program: Opa) -> Checked:
    """As `check_sources`, with what was compiled on the way. Raises OpaError."""
    texts = {**given.files, **given.tests}
    report = Report({file: text.decode(errors="replace").splitlines() for file, text in texts.items()})
    try:
        found = _check(given, program, report)
    except RecursionError:
        report.unknown(Place(FILE, 0, 0), "code that is nested so deeply", "give its parts names")
        found = None
    return report.findings, None if report.findings else found


def _check(given: Sources, program: Opa, report: Report) -> Compiled | None:
    """What `opa check --strict` finds comes first and alone, then what the schemas and loading say: the rest
    presumes a bundle that could be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="pdp-check-") as temporary:
        folder = Path(temporary)
        given.write(folder, tests=True)
        for problem in program.problems(folder):
            rule = f"opa-{problem.code.removeprefix('rego_').removeprefix('opa_').replace('_', '-')}"
            report.add(Place(problem.file, problem.row, problem.col), rule, problem.message)
        if report.findings:
            return None
        bundle = Program(given, parse(given, program, folder))
    check_names(bundle, report)
    check_schemas(given, report)
    if report.findings or not check_entrypoint(bundle, report):
        return None
    try:
        wasm, data = compile_sources(given, program)
    except BundleError as error:
        report.add(Place(FILE, 0, 0), "loading", str(error))
        return None
    bundle.data = json.loads(data)
    refused = loading_problem(given, wasm, data)
    if refused is None or not refused[0]:
        check_allow(bundle, report)
        check_host_builtins(bundle, report, reachable_rules(bundle, entrypoint(bundle)))
    if refused is not None and not report.findings:
        report.add(Place(refused[0] or FILE, 0, 0), "loading", refused[1], "correct it")
    return wasm, data
