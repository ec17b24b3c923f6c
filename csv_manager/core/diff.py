"""The row changes between two contents: exact as a multiset, at a cost that follows what changed.

Two contents of the same columns and csv format are walked byte by byte, and only the records in which they differ are
parsed; if much differs, rows that both have elsewhere are taken away as bytes before. Contents that are written in
different ways are parsed as a whole.

A row is a mapping from column to text, so a moved column changes no row. Columns gained, lost or renamed are told once,
as a change of columns; a row is changed only if a cell under a name that both contents have differs, or a gained cell
is not empty.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from csv_manager.core.cancelling import cancel
from csv_manager.core.changes import ChangeSet, Counts
from csv_manager.core.keys import check_columns, check_key
from csv_manager.core.model import ColumnChange, RowChange
from csv_manager.core.pairing import Differing, Keyed, Pair, Unkeyed, delete, insert
from csv_manager.core.projection import Projection
from csv_manager.core.ranges import Ranges, Window, paired
from csv_manager.core.reading import Table
from csv_manager.core.renaming import renamed_columns
from csv_manager.core.walking import walk

#: Records are cancelled as bytes where both contents have more than this many bytes in windows, and the windows are of
#: this many bytes or more on average: in those of a record or two, no row is had elsewhere.
_CANCELLED, _WIDE = 1 << 22, 1 << 12
#: So many bytes of both tell whether the same rows are written in other bytes, in which case nothing is cancelled.
_SAMPLE = 1 << 16


class Windows(NamedTuple):
    """Where two contents differ that are written alike: parts of both, from the places where their rows begin."""

    old: Ranges
    new: Ranges
    starts: tuple[int, int]


def find_windows(old: Table, new: Table) -> Windows | None:
    """Where two contents differ; None if they are written in different ways, so that bytes tell nothing.

    Raises `TornReadError` if a file is written to meanwhile.
    """
    if old.columns != new.columns or not old.is_written_as(new):
        return None
    starts = old.start, new.start
    windows = Windows(*walk(old.plain, new.plain, starts, new.records), starts)
    old.plain.check()
    new.plain.check()
    return windows


def whole_windows(old: Table, new: Table, windows: Windows) -> Iterator[Window]:
    """Where the bytes of both differ, what stands before the rows included."""
    before, after = windows.starts
    if old.plain.read(0, before) != new.plain.read(0, after):
        yield Window(0, before, 0, after)
    yield from paired(*windows)


def diff(
    old: Table | None,
    new: Table,
    *,
    key: Sequence[str] = (),
    ignore: Sequence[str] = (),
    windows: Windows | None = None,
) -> ChangeSet:
    """The change set that turns `old` into `new`; `old` None stands for no rows at all.

    With `key` columns, which must be unique in each content, rows are paired by them and updates are told.
    Columns in `ignore` are not compared. `windows` are those of `find_windows`, if it was asked before. Raises
    `UnknownColumnError`, `DuplicateKeyError`, and `TornReadError` if a file is written to meanwhile.
    """
    check_columns(new, key)
    if old is None or not old.columns or not new.columns:
        check_key(new, key)
        for table in (old, new):
            if table is not None:
                _ = table.columns
                table.plain.check()
        return _whole(old, "delete", key) if old is not None and old.columns else _whole(new, "insert", key)
    check_key(old, key)
    windows = windows or find_windows(old, new)
    if windows is None:
        check_key(new, key)
    renamed = renamed_columns(old, new, {*key, *ignore})
    columns = ColumnChange(
        added=tuple(name for name in new.columns if name not in old.columns and name not in renamed.values()),
        removed=tuple(name for name in old.columns if name not in new.columns and name not in renamed),
        renamed=renamed,
    )
    projection = Projection(old, new, renamed, frozenset(ignore))
    pair = Pair(old, new, _differing(old, new, windows), projection)
    comparison = Keyed(pair, key) if key else Unkeyed(pair)
    return ChangeSet(
        comparison.changes,
        columns,
        comparison.counts,
        unnumbered=lambda: comparison.changes(numbered=False),
        # Rows that one window has on one side and the next on the other are in order all the same.
        is_reordered=lambda: (pair.differing.reordered or comparison.is_reordered()) and not comparison.is_in_order(),
    )


def _differing(old: Table, new: Table, windows: Windows | None) -> Differing:
    """What of two contents has to be parsed."""
    if windows is None:
        return Differing(old.whole(), new.whole())
    few = min(windows.old.size, windows.new.size)
    if few <= _CANCELLED or few < _WIDE * max(len(windows.old), len(windows.new)) or _is_rewritten(old, new, windows):
        return Differing(windows.old, windows.new)
    found = Differing(*cancel((old.plain, windows.old), (new.plain, windows.new), new.records))
    new.plain.check()
    return found


def _is_rewritten(old: Table, new: Table, windows: Windows) -> bool:
    """Whether the last windows begin with the same rows in other bytes, so that few records are equal as bytes."""
    (lines, rows), (new_lines, new_rows) = _sample(old, *windows.old.last), _sample(new, *windows.new.last)
    return len(rows & new_rows) > 2 * len(lines & new_lines)


def _sample(table: Table, low: int, high: int) -> tuple[set[bytes], set[tuple[str, ...]]]:
    """The first records of a part, without their line ends, and the rows that they are."""
    data = table.plain.read(low, min(_SAMPLE, high - low))
    records = table.records.split(data)
    if low + len(data) < high:
        records = records[:-1]  # the last one may go on
    rows = table.rows(Ranges((low, low + sum(map(len, records)))), numbered=False)
    return {record.rstrip(b"\r\n") for record in records}, {tuple(row.cells) for row in rows}


def _whole(table: Table, op: str, key: Sequence[str]) -> ChangeSet:
    """Every row of a content as an insert or a delete."""
    tell = insert if op == "insert" else delete

    def changes(*, numbered: bool = True) -> Iterator[RowChange]:
        return (tell(table, row, key) for row in table.rows(numbered=numbered))

    def counts() -> Counts:
        return Counts(inserted=table.count()) if op == "insert" else Counts(deleted=table.count())

    return ChangeSet(changes, ColumnChange(), counts, unnumbered=lambda: changes(numbered=False))
