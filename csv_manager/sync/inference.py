"""The types of a file's columns, inferred over the whole file, with the cells that decided.

The cells of a column are looked at some thousand at a time: joined, they are matched by one pattern, that of the type
that all before them fit. Only where it ends before they do is a cell looked at by itself, and a wider type is tried.
"""

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from csv_manager.core.errors import NotCsvError
from csv_manager.core.reading import Table
from csv_manager.sync.fits import DOUBLE, TEXT, Fit, fit_of, why_not_number
from csv_manager.sync.types import SqlType

#: Rows that are looked at together.
_CHUNK = 4096
#: The most characters of a cell that are shown.
_SHOWN = 40


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
    for rows in _batched((row.cells for row in table.rows(numbered=False)), _CHUNK):
        for column, cells in zip(found, _transposed(rows, len(columns)), strict=True):
            column.look(cells, count)
        count += len(rows)
        if any(len(row) > len(columns) for row in rows):
            raise _surplus(table)
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
        if self.fit is TEXT or not cells:
            return
        joined = "\n".join(cells) + "\n"
        if joined.count("\n") != len(cells):
            number = next(number for number, cell in enumerate(cells) if "\n" in cell)
            self.look(cells[:number], start)
            self._widen(cells[number], start + number)
            return
        end = 0
        while True:
            begin, end = end, _end(joined, end, "" if self.fit is None else self.fit.pattern)
            if self.fit is not None and self.fit.may_be_long:
                is_short = _end(joined[begin:end], 0, DOUBLE.pattern) == end - begin
                self.fit = replace(self.fit, is_short=is_short)
            if end == len(joined):
                return
            number = joined.count("\n", 0, end)
            self._widen(cells[number], start + number)
            if self.fit is TEXT:
                return

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
        shown = repr(cell if len(cell) <= _SHOWN else f"{cell[: _SHOWN - 1]}…")
        own = fit_of(cell) if "\n" not in cell else TEXT
        said = (why_not_number(cell) if own is TEXT else None) or f"is {own.type}"
        return f"{shown} {said}" + ("" if self.before is None else f", and cells before it are {self.before.type}")


def _end(text: str, start: int, pattern: str) -> int:
    """The end of the lines from `start` on that are empty or match."""
    found = _lines_of(pattern).match(text, start)
    return found.end() if found else start


@functools.lru_cache
def _lines_of(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{pattern})?\n)*+", re.ASCII | re.MULTILINE)


def _batched(rows: Iterable[list[str]], size: int) -> Iterator[list[list[str]]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _transposed(rows: list[list[str]], width: int) -> Iterator[tuple[str, ...]]:
    """The cells of each column; a cell that a short row lacks is empty, and those beyond the columns are left out."""
    empty = itertools.repeat(("",) * len(rows))
    return itertools.islice(itertools.chain(itertools.zip_longest(*rows, fillvalue=""), empty), width)


def _lines(table: Table, rows: set[int]) -> dict[int, int]:
    """The physical lines of some rows, which are read up to the last of them."""
    numbered = enumerate(itertools.islice(table.rows(), max(rows, default=-1) + 1))
    return {number: row.line or 0 for number, row in numbered if number in rows}


def _surplus(table: Table) -> NotCsvError:
    width = len(table.columns)
    row = next(row for row in table.rows() if len(row.cells) > width)
    return NotCsvError(
        f"{table.csv_file}: line {row.line} has {len(row.cells)} fields, and there are {width} columns; a table has no "
        "room for the others. Quote the cells that contain the delimiter."
    )
