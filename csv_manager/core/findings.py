"""What is wrong with a version."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: What is told of a finding in a quarantined row.
_REASON = ("rule", "code", "column", "message")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with a version, and where; codes are Frictionless ones where it has one.

    `row` is the number of the data row, counted from 1, and `line` the physical line that it begins on; `value` is the
    cell. `rule` is the name of the rule that found it, None where the content itself is unreadable; `level` is that
    rule's: of an `error` a version may be held, of a `warning` it is not.
    """

    code: str
    message: str
    line: int | None = None
    column: str | None = None
    row: int | None = None
    value: str | None = None
    level: str = "error"
    rule: str | None = None

    @property
    def told(self) -> str:
        """The finding for people: where it is, and what it says."""
        line = None if self.line is None else f"line {self.line}"
        column = None if self.column is None or self.line is None else f"column {self.column!r}"
        return ": ".join(filter(None, (line, column, self.message)))

    def to_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class QuarantinedRow:
    """A row that its version was recorded without: the physical line that it begins on in the file, and what was found.

    `cells` are as in a row change; None where the rows are too large.
    """

    line: int
    cells: Mapping[str, "str | list[str] | None"] | None
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        reasons = [{name: getattr(finding, name) for name in _REASON} for finding in self.findings]
        return {"line": self.line, "row": self.cells, "reasons": reasons}
