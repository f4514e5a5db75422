"""Collects findings, each once."""

from collections.abc import Mapping, Sequence

from pdp.policy.check.finding import Finding
from pdp.policy.check.syntax import Place


class Report:
    """The findings so far. While `silent` is set nothing is added: the same code is being looked at again."""

    def __init__(self, lines: Mapping[str, Sequence[str]]) -> None:
        self._lines = lines
        self._found: set[Finding] = set()
        self.silent = False

    def add(self, place: Place, rule: str, message: str, hint: str = "") -> None:
        """Reports something at a place."""
        if self.silent:
            return
        lines = self._lines.get(place.file, ())
        source = lines[place.row - 1] if 0 < place.row <= len(lines) else ""
        self._found.add(Finding(place.file, place.row, place.col, rule, message, hint, source))

    @property
    def findings(self) -> list[Finding]:
        """All findings in the order of files and lines."""
        return sorted(self._found)
