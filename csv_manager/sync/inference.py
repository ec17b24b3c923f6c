"""The types of a file's columns, inferred over the whole file, with the cells that decided.

The cells of a column are looked at some hundred at a time: joined, they are matched by one pattern, that of the type
that all before them fit. Only where it ends before they do is a cell looked at by itself, and a wider type is tried.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from csv_manager.core.reading import Table
from csv_manager.core.showing import shown
from csv_manager.sync.fits import DOUBLE, TEXT, Fit, describe, fit_of
from csv_manager.sync.rows import surplus
from csv_manager.sync.types import SqlType


@dataclass(frozen=True, kw_only=True)
class InferredColumn:
    """A column of a file: the narrowest type that each of its cells fits, and why it is no narrower one.

    `has_empty` is whether a cell is empty, or missing in a short row. `line` and `cell` are the first that the type is
    for; `reason` is one sentence for people.
    """

    name: str
    type: SqlType
    has_empty: bool
    line: int | None
    cell: str | None
    reason: str


def infer(table: Table) -> tuple[InferredColumn, ...]:
    """Infer the type of each column of a content in one pass.

    A column without any value is text. Raises `NotCsvError` for a row of more fields than there are columns.
    """
    columns = table.columns
    found = [_Column() for _ in columns]
    count = 0
    for rows in table.chunks():
        for column, cells in zip(found, _transposed(rows, len(columns)), strict=True):
            column.look(cells, count)
        count += len(rows)
        if max(map(len, rows)) > len(columns):
            raise surplus(table)
    lines = _lines(table, {column.at for column in found if column.at is not None})
    return tuple(column.told(name, lines) for name, column in zip(columns, found, strict=True))


class _Column:
    """What is known of one column so far. `at` is the row, counted from 0, of the cell that its type is for."""

    def __init__(self) -> None:
        self.fit: Fit | None = None
        self.before: Fit | None = None
        self.cell: str | None = None
        self.at: int | None = None
        self.has_empty = False

    def look(self, cells: Sequence[str], start: int) -> None:
        """Look at the cells of the rows from `start` on."""
        self.has_empty = self.has_empty or "" in cells
        begin = 0
        while self.fit is not TEXT:
            some = cells[begin:]
            if self.fit is None:
                number = next((number for number, cell in enumerate(some) if cell), None)
            else:
                number = self.fit.misfit(some)
                if self.fit.may_be_long:
                    self.fit = replace(self.fit, is_short=DOUBLE.misfit(some[:number]) is None)
            if number is None:
                return
            begin += number
            self._widen(cells[begin], start + begin)

    def told(self, name: str, lines: dict[int, int]) -> InferredColumn:
        """The column as it was found."""
        fit = self.fit or TEXT
        line = None if self.at is None else lines[self.at]
        return InferredColumn(
            name=name,
            type=fit.type,
            has_empty=self.has_empty,
            line=line,
            cell=self.cell,
            reason="no cell has a value" if self.cell is None else f"line {line}: {self._reason()}",
        )

    def _widen(self, cell: str, at: int) -> None:
        found = TEXT if "\n" in cell else fit_of(cell)
        joined = found if self.fit is None else self.fit.join(found)
        if self.fit is None or joined.kind != self.fit.kind or joined.scale != self.fit.scale:
            self.before, self.cell, self.at = self.fit, cell, at
        self.fit = TEXT if joined.kind == "text" else joined

    def _reason(self) -> str:
        """Why the type is no narrower, by the cell that was the first for it."""
        cell = str(self.cell)
        before = "" if self.before is None else f", and cells before it are {self.before.type}"
        return f"{shown(cell)} {describe(cell)}{before}"


def _transposed(rows: list[list[str]], width: int) -> Iterator[tuple[str, ...]]:
    """The cells of each column; a cell that a short row lacks is empty, and those beyond the columns are left out."""
    empty = itertools.repeat(("",) * len(rows))
    return itertools.islice(itertools.chain(itertools.zip_longest(*rows, fillvalue=""), empty), width)


def _lines(table: Table, rows: set[int]) -> dict[int, int]:
    """The physical lines of some rows, which are read up to the last of them."""
    numbered = enumerate(itertools.islice(table.rows(), max(rows, default=-1) + 1))
    return {number: row.line or 0 for number, row in numbered if number in rows}
