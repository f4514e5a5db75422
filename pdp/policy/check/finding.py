"""What the check reports."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is refused.

    `file` is relative to the bundle ("": the bundle itself), `row` and `col` count from 1 (0: the whole
    file), `rule` is the stable id of the rule that refuses it, `source` the line as written, `hint` what to
    do instead.
    """

    file: str
    row: int
    col: int
    rule: str
    message: str
    hint: str = ""
    source: str = ""

    @property
    def place(self) -> str:
        """file:row:col, as editors understand it."""
        return f"{self.file}:{self.row}:{self.col}" if self.row else self.file

    def render(self, folder: str = "") -> str:
        """The finding as a compiler would print it: place, line, caret, hint.

        `folder` goes before the file.
        """
        place = f"{folder}{self.place}".rstrip("/")
        lines = [f"{place}: [{self.rule}] {self.message}" if place else f"[{self.rule}] {self.message}"]
        if self.source.strip():
            before = "".join("\t" if sign == "\t" else " " for sign in self.source[: max(self.col - 1, 0)])
            lines += [f"    {self.source.rstrip()}", f"    {before}^"]
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """For `pdp policy check --json`."""
        return asdict(self)
