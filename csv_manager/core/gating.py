"""Whether a version goes through the gate: what its rules found, and how much of the one before it is gone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from csv_manager.core.changes import Counts
from csv_manager.core.findings import Finding
from csv_manager.core.rules import Gate, Limit

#: The share of rows that may go from a file that a table follows, unless something else is told.
_DEFAULT = Limit(number=50, is_share=True)
_ALL = 100


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What is gone since the head: its rows, those of the version, and the row changes between them."""

    before: int
    rows: int
    counts: Counts
    has_key: bool

    @property
    def deleted(self) -> int:
        """Rows that are gone; without a key, an update is one that went and one that came."""
        return self.counts.deleted if self.has_key else max(self.counts.deleted - self.counts.inserted, 0)


def lost_rows(lost: Lost, gate: Gate, *, has_target: bool) -> Iterator[Finding]:
    """A finding if more rows are gone than the gate lets through, or all of them."""
    limit = gate.max_deleted or (_DEFAULT if has_target else None)
    if gate.max_deleted is not None and gate.max_deleted.is_share and gate.max_deleted.number >= _ALL:
        return
    if lost.before and not lost.rows:
        yield Finding(code="empty-file", message=f"it has no rows, and {_rows(lost.before)} before")
    elif limit is not None and limit.is_exceeded(lost.deleted, lost.before):
        told = f"{lost.deleted:,} of {_rows(lost.before)} are gone, more than {limit}"
        yield Finding(code="deleted-rows", message=told)


def is_held(findings: Iterable[Finding], bad_rows: int, rows: int, gate: Gate) -> bool:
    """Whether a version waits, with these findings, of errors alone; `bad_rows` are those that one of them is of."""
    if gate.on_bad == "warn":
        return False
    errors = [finding for finding in findings if finding.level == "error"]
    if any(finding.row is None for finding in errors):
        return True
    if gate.max_bad is not None:
        return gate.max_bad.is_exceeded(bad_rows, rows)
    return bool(errors) and gate.on_bad == "hold"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
