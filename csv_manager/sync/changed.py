"""Rows of a change set: those that go, by their keys, and those that come or change."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from csv_manager.core.changes import ChangeSet
from csv_manager.core.errors import NotCsvError
from csv_manager.core.model import EXTRA, RowChange
from csv_manager.core.model import Cells as Mapped
from csv_manager.sync.rows import Cells, Rows, batched

#: A function from a row change to the row that is meant, or None.
Side = Callable[[RowChange], Mapped | None]


def before(change: RowChange) -> Mapped | None:
    """The row that is there no more: of a delete, or of an update."""
    return change.before


def after(change: RowChange) -> Mapped | None:
    """The row that is there now: of an insert, or of an update."""
    return change.after


def inserted(change: RowChange) -> Mapped | None:
    """The row of an insert."""
    return change.after if change.op == "insert" else None


def deleted(change: RowChange) -> Mapped | None:
    """The row of a delete."""
    return change.before if change.op == "delete" else None


class ChangedRows(Rows):
    """One side of row changes, of some columns."""

    def __init__(self, name: str, columns: Sequence[str], changes: ChangeSet, side: Side) -> None:
        self.name, self.columns = name, tuple(columns)
        self._changes, self._side = changes, side

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """Some hundred at a time. Raises `NotCsvError` for a row of more fields than there are columns."""
        return batched(self._cells())

    def place(self, number: int) -> str:
        """The physical line of a row."""
        meant = (change for change in self._changes if self._side(change) is not None)
        change = next(itertools.islice(meant, number, None), None)
        return f"{self.name}: line {change.line}" if change and change.line else self.name

    def _cells(self) -> Iterator[Cells]:
        pick = _picker(self.columns)
        for change in self._changes.unnumbered():
            row = self._side(change)
            if row is not None:
                if EXTRA in row:
                    raise NotCsvError(f"{self.name}: a row has more fields than there are columns.")
                yield pick(row)


def _picker(columns: Sequence[str]) -> Callable[[Mapped], Cells]:
    """A function from a row to the cells of some columns."""
    if len(columns) == 1:
        return lambda row: (row[columns[0]],)  # type: ignore[return-value] # a list is under `_extra` alone
    return itemgetter(*columns)


class ConstantRows(Rows):
    """Rows with further columns, which have the same texts in each."""

    def __init__(self, rows: Rows, told: Sequence[tuple[str, str]]) -> None:
        self._rows = rows
        self.name = rows.name
        self.columns = (*rows.columns, *(name for name, _ in told))
        self._cells = tuple(text for _, text in told)

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """Those of the rows, with the further cells."""
        more = self._cells
        for chunk in self._rows.chunks():
            yield [(*cells, *more) for cells in chunk]

    def place(self, number: int) -> str:
        """Where the row is."""
        return self._rows.place(number)


def with_constants(rows: Rows, told: Sequence[tuple[str, str]]) -> Rows:
    """Rows with further columns, if there are any."""
    return ConstantRows(rows, told) if told else rows
