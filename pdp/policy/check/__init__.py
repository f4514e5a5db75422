"""The check: refuses policies that can fail open. What it demands stands in docs/policies.md.

`check_sources` looks at OPA's own syntax tree. From the entrypoint it follows all that `allow` depends on
(`allow`, `walk`, `terms`, `calls`), and the rules, a file each or a few that belong together, refuse what
would let a failure pass: `fallbacks`, `doubts`, `kinds`, `conflicts`. `hosts` looks at all that the
entrypoint reaches.
"""

import hashlib
import tempfile
from functools import cache
from pathlib import Path

from pdp.policy.check.allow import check_allow
from pdp.policy.check.finding import Finding
from pdp.policy.check.hosts import check_host_builtins, reachable_rules
from pdp.policy.check.program import Program
from pdp.policy.check.report import Report
from pdp.policy.check.syntax import Place, parse
from pdp.policy.opa import Opa
from pdp.policy.sources import Sources

__all__ = ["Finding", "check_sources", "digest"]


@cache
def digest() -> str:
    """Which check this is: a digest of its own code (16 hex digits). Other rules, other digest."""
    found = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def check_sources(sources: Sources, opa: Opa) -> list[Finding]:
    """All findings, in the order of the files; [] when the bundle may be used. Raises OpaError.

    What `opa check --strict` finds comes first and alone: the rest presumes a policy that compiles.
    """
    with tempfile.TemporaryDirectory(prefix="pdp-check-") as temporary:
        folder = Path(temporary)
        sources.write(folder, tests=True)
        texts = {**sources.files, **sources.tests}
        report = Report({file: text.decode(errors="replace").splitlines() for file, text in texts.items()})
        for problem in opa.problems(folder):
            report.add(
                Place(problem.file, problem.row, problem.col),
                f"opa-{problem.code.removeprefix('rego_').replace('_', '-')}",
                problem.message,
            )
        if report.findings:
            return report.findings
        program = Program(sources, parse(sources, opa, folder))
    check_allow(program, report)
    entrypoint = tuple(sources.declaration.entrypoint.split("/"))
    check_host_builtins(program, report, reachable_rules(program, entrypoint))
    return report.findings
