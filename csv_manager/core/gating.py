"""Whether a version goes through the gate: what its rules found, and how much of the one before it is gone."""

from collections.abc import Iterator
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


def too_bad(gate: Gate, bad_rows: int, rows: int) -> Iterator[Finding]:
    """A finding if more rows have errors than the gate lets through, where it was told how many."""
    if gate.max_bad is not None and gate.max_bad.is_exceeded(bad_rows, rows):
        are = "is" if bad_rows == 1 else "are"
        told = f"{bad_rows:,} of {_rows(rows)} {are} bad, more than {gate.max_bad}"
        yield Finding(code="bad-rows", message=told)


def is_held(gate: Gate, *, at_large: int, bad_rows: int) -> bool:
    """Whether a version waits, that has errors in some of its rows, and some at large, which are of no row."""
    any_bad = bad_rows > 0 and gate.max_bad is None and not gate.quarantines
    return gate.on_bad != "warn" and (at_large > 0 or any_bad)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
