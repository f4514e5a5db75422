"""Collects findings, each once."""

from collections.abc import Mapping, Sequence

from pdp.policy.check.finding import Finding
from pdp.policy.check.syntax import Place


class Report:
    """The findings so far. `lines`: the sources, to show the line of a finding."""

    def __init__(self, lines: Mapping[str, Sequence[str]]) -> None:
        self._lines = lines
        self._found: set[Finding] = set()

    def add(self, place: Place, rule: str, message: str, hint: str = "") -> None:
        """Reports something at a place."""
        lines = self._lines.get(place.file, ())
        source = lines[place.row - 1] if 0 < place.row <= len(lines) else ""
        self._found.add(Finding(place.file, place.row, place.col, rule, message, hint, source))

    def unknown(self, place: Place, what: str, hint: str) -> None:
        """Rule `unknown-form`: what the check does not know to be safe is refused."""
        message = f"The check does not know {what}, so it cannot tell that a failure lets nothing pass here."
        self.add(place, "unknown-form", message, hint)

    @property
    def findings(self) -> list[Finding]:
        """All findings in the order of files and lines."""
        return sorted(self._found)
