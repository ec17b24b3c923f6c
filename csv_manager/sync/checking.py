"""Whether rows fit the types of a table, told before anything is written: databases round, and only some complain."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from csv_manager.core.reading import Table as CsvTable
from csv_manager.core.showing import shown
from csv_manager.sync.fits import Fit, describe
from csv_manager.sync.loading.interface import MisfitError, typed
from csv_manager.sync.rows import Cells, Rows
from csv_manager.sync.schema import Column, Table


class Misfit(NamedTuple):
    """A cell that does not fit its column; `is_gap` if it has no value, and the column needs one."""

    row: int
    column: Column
    cell: str | None
    is_gap: bool

    def error(self, table: Table, rows: Rows) -> "MisfitError":
        """What to say of it: the file, the line and the column."""
        place = f"{rows.place(self.row)}: column {self.column.name!r}"
        return MisfitError(f"{place}: {self.said()}; {table.name} is as it was.{self._advice(table)}")

    def _advice(self, table: Table) -> str:
        """What to do about a text of a key, which databases give less room than others."""
        column = self.column
        if self.is_gap or column.type.kind != "text" or column.name not in table.key:
            return ""
        return f" A table that is made with --type '{column.name}=text({len(str(self.cell))})' has room for it."

    def said(self) -> str:
        """What is wrong with it."""
        if self.is_gap:
            return "there is no value, and the table needs one"
        cell, told = str(self.cell), self.column.type
        if told.kind == "text":
            return f"{shown(cell)} has {len(cell):,} character{'' if len(cell) == 1 else 's'}, and the column is {told}"
        return f"{shown(cell)} {describe(cell)}, and the column is {told}"


def check(table: Table, rows: Rows) -> None:
    """Raise `MisfitError` for the first cell that does not fit its column, or for a key without a value."""
    misfit = find_misfit(table, rows)
    if misfit is not None:
        raise misfit.error(table, rows)


def find_misfit(table: Table, rows: Rows) -> Misfit | None:
    """The first cell that does not fit its column, or that has no value where one is needed."""
    checker = _Checker(table, rows)
    for chunk in rows.chunks():
        misfit = checker.look(chunk)
        if misfit is not None:
            return misfit
    return None


class CheckedRows(Rows):
    """Rows that are checked while they are read, also where their bytes are handed on as they are.

    Reading them raises `MisfitError` for the first cell that does not fit its column, or has no value where one is
    needed. A server works on what it was sent while the next rows are checked.
    """

    def __init__(self, rows: Rows, table: Table) -> None:
        self._rows, self._table = rows, table
        self.name, self.columns = rows.name, rows.columns

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """Those of the rows."""
        checker = _Checker(self._table, self._rows)
        for chunk in self._rows.chunks():
            misfit = checker.look(chunk)
            if misfit is not None:
                raise misfit.error(self._table, self._rows)
            yield chunk

    def plain(self) -> CsvTable | None:
        """The content of the rows."""
        return self._rows.plain()

    def beside(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks, and behind each the check of about as many rows."""
        chunks, sent, checked = self.chunks(), 0, 0
        for block in blocks:
            yield block
            sent += len(block)
            while checked < sent and (chunk := next(chunks, None)) is not None:
                checked += _size(chunk)
        for _ in chunks:
            continue

    def place(self, number: int) -> str:
        """Where the row is."""
        return self._rows.place(number)


@dataclass(kw_only=True)
class Sifting:
    """What is left out of rows that a table has no place for: rows, or the values alone.

    `refused` are further columns of the rows, for which the table has none. `count` is how many rows or values were
    left out when the rows were last read, and `first` the first of them, in the row `at`.
    """

    by_row: bool
    refused: tuple[str, ...] = ()
    count: int = 0
    first: str | None = None
    at: int = 0

    def start(self) -> None:
        """Nothing is left out yet."""
        self.count, self.first = 0, None

    def note(self, row: int, say: Callable[[], str]) -> None:
        """Note one that is left out; what is said of the first one may need a look at the whole content."""
        self.count += 1
        if self.first is None or row < self.at:
            self.at, self.first = row, say()

    @property
    def told(self) -> str | None:
        """What was left out, if anything, for people."""
        what = f"{'row' if self.by_row else 'value'}{'' if self.count == 1 else 's'}"
        return f"{self.count:,} {what} left out, the first at {self.first}" if self.count else None


class SiftedRows(Rows):
    """Rows without those, or without the values, that do not fit a table; a key without a value goes with its row."""

    def __init__(self, rows: Rows, table: Table, sifting: Sifting) -> None:
        self._rows, self._table, self._sifting = rows, table, sifting
        self.name = rows.name
        self.columns = tuple(name for name in rows.columns if name not in sifting.refused)

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """Those of the rows, sifted."""
        sifting, checker, before = self._sifting, _Checker(self._table, self), 0
        sifting.start()
        for chunk in self._rows.chunks():
            kept = [(before + number, list(cells)) for number, cells in enumerate(chunk)]
            before += len(chunk)
            if sifting.refused:
                kept = [row for row in kept if self._has_place(*row)]
            while kept and (found := min(checker.misfits([cells for _, cells in kept]), default=None)) is not None:
                self._sift(kept, checker, *found)
            if kept:
                yield [cells for _, cells in kept]

    def place(self, number: int) -> str:
        """Of what was left out nothing is counted, so that no place is known."""
        del number
        return self.name

    def _has_place(self, number: int, cells: list[str | None]) -> bool:
        """Whether a row stays that may have values for columns that the table has not; they are taken away."""
        sifting, width = self._sifting, len(self.columns)
        beyond = [(name, cell) for name, cell in zip(sifting.refused, cells[width:], strict=True) if cell]
        del cells[width:]
        for name, cell in beyond[:1] if sifting.by_row else beyond:
            sifting.note(
                number,
                lambda name=name, cell=cell: (  # type: ignore[misc]
                    f"{self._rows.place(number)}: there is no column {name!r} for {shown(cell)}"
                ),
            )
        return not (beyond and sifting.by_row)

    def _sift(
        self, kept: list[tuple[int, list[str | None]]], checker: "_Checker", row: int, column: int, is_gap: bool
    ) -> None:
        number, cells = kept[row]
        misfit = Misfit(number, checker.columns[column], cells[column], is_gap)
        self._sifting.note(
            number, lambda: f"{self._rows.place(number)}: column {misfit.column.name!r}: {misfit.said()}"
        )
        if self._sifting.by_row or is_gap or column in checker.required:
            del kept[row]
        else:
            cells[column] = None


def _size(chunk: Sequence[Cells]) -> int:
    """About how many bytes some rows were."""
    first = chunk[0]
    return len(chunk) * (sum(len(cell or "") for cell in first) + len(first))


class _Checker:
    def __init__(self, table: Table, rows: Rows) -> None:
        self.columns = typed(table, rows)
        fits = [Fit.of(column.type) for column in self.columns]
        self._fits = [(number, fit) for number, fit in enumerate(fits) if fit.kind != "text"]
        self._bounds = [
            (number, column.type.length)
            for number, column in enumerate(self.columns)
            if column.type.kind == "text" and column.type.length is not None
        ]
        self.required = [
            number for number, column in enumerate(self.columns) if column.name in table.key or not column.nullable
        ]
        self._before = 0

    def look(self, chunk: Sequence[Cells]) -> Misfit | None:
        """The first misfit of the next rows."""
        found = min(self.misfits(chunk), default=None)
        if found is not None:
            row, number, is_gap = found
            return Misfit(self._before + row, self.columns[number], chunk[row][number], is_gap)
        self._before += len(chunk)
        return None

    def misfits(self, chunk: Sequence[Cells]) -> Iterator[tuple[int, int, bool]]:
        """The first misfit of each column in some rows, and the first gap: the row, the column, and which it is."""
        transposed = list(zip(*chunk, strict=True))
        for number, fit in self._fits:
            cells = transposed[number]
            row = fit.misfit([cell or "" for cell in cells] if None in cells else cells)
            if row is not None:
                yield row, number, False
        for number, most in self._bounds:
            row = next((row for row, cell in enumerate(transposed[number]) if len(cell or "") > most), None)
            if row is not None:
                yield row, number, False
        for number in self.required:
            cells = transposed[number]
            is_text = self.columns[number].type.kind == "text"
            for gap in (None,) if is_text else (None, ""):
                if gap in cells:
                    yield cells.index(gap), number, True
