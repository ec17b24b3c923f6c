"""Rows as checks get them: those of a whole version, or of it only those that came or changed."""

import abc
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar, cast

from csv_manager.core.finding_records import find_records
from csv_manager.core.model import EXTRA, RowChange
from csv_manager.core.reading import Table, row_mapping

#: Rows that are checked together: of more, Python's collector would look for cycles among them again and again.
_CHUNK = 512

#: The cells of a row in the order of the columns: None for one that is missing, more than there are columns if it has
#: more.
RowCells = Sequence[str | None]


class Closable(Protocol):
    """What checks may share."""

    def close(self) -> None:
        """Let go of what it holds."""


Shared = TypeVar("Shared", bound=Closable)


class CheckedRow(dict[str, "str | list[str] | None"]):
    """A row as a mapping from column to text, as everywhere; `line` is the physical line that it begins on."""

    line: int | None = None
    #: Its number among the rows that are checked, counted from 1.
    row: int = 0


class CheckRows(abc.ABC):
    """The rows that a check is to look at; they can be read any number of times.

    `columns` are the names of the file's columns. `is_partial` if rows that did not change since the version before are
    left out. `table` is the whole version, and `previous` the version before it, the head; None for the first. A check
    that takes long ends once `stopping()` says so.
    """

    columns: tuple[str, ...]
    is_partial = False

    def __init__(
        self, table: Table, previous: Table | None = None, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.table = table
        self.previous = previous
        self.columns = table.columns
        self.stopping = stopping
        self._shared: dict[Callable[..., Any], Any] = {}

    def shared(self, make: Callable[["CheckRows"], Shared]) -> Shared:
        """What `make(rows)` gives, made once for all checks of these rows, and closed behind the last one."""
        if make not in self._shared:
            self._shared[make] = make(self)
        found: Shared = self._shared[make]
        return found

    def close(self) -> None:
        """Close what checks share."""
        while self._shared:
            self._shared.popitem()[1].close()

    def nothing(self) -> "CheckRows":
        """No rows, of the same columns."""
        return _NoRows(self.table)

    @property
    def csv_file(self) -> str:
        """The absolute path of the file."""
        return self.table.csv_file

    @abc.abstractmethod
    def chunks(self) -> Iterator[Sequence[RowCells]]:
        """The cells of the rows, some thousand rows at a time; a row may have fewer cells, or more."""

    @abc.abstractmethod
    def __iter__(self) -> Iterator[CheckedRow]: ...

    @abc.abstractmethod
    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """The physical lines of rows, by their numbers counted from 1."""

    def numbers(self, lines: Iterable[int]) -> dict[int, int]:
        """The numbers of the rows that begin on these lines, by the lines."""
        wanted = set(lines)
        return {row.line: row.row for row in self if row.line in wanted}

    @abc.abstractmethod
    def count(self) -> int:
        """How many rows there are."""


class WholeRows(CheckRows):
    """The rows of a whole version; `known` is how many they are, if somebody has counted them."""

    def __init__(
        self,
        table: Table,
        previous: Table | None = None,
        stopping: Callable[[], bool] = lambda: False,
        known: int | None = None,
    ) -> None:
        super().__init__(table, previous, stopping)
        self._known = known

    def chunks(self) -> Iterator[Sequence[RowCells]]:
        """Those of the content."""
        yield from self.table.chunks()

    def __iter__(self) -> Iterator[CheckedRow]:
        for number, row in enumerate(self.table.rows(), 1):
            told = CheckedRow(row_mapping(self.columns, row.cells))
            told.line, told.row = row.line, number
            yield told

    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """By one pass, as far as the last of them."""
        return {found.row: found.line for found in find_records(self.table, rows=set(rows))}

    def count(self) -> int:
        """As the comparison counted them, or the content does."""
        return self.table.count() if self._known is None else self._known


class ChangedRows(CheckRows):
    """The rows of a version that came, or changed: `changes` can be iterated any number of times."""

    is_partial = True

    def __init__(
        self,
        table: Table,
        previous: Table | None,
        changes: Iterable[RowChange],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(table, previous, stopping)
        self._changes = changes

    def chunks(self) -> Iterator[Sequence[RowCells]]:
        """Those that the change set has after it."""
        columns = self.columns
        rows = (
            [*map(after.get, columns), *after.get(EXTRA, ())]
            for change in self._changes
            if (after := cast("dict[str, Any]", change.after)) is not None
        )
        while chunk := list(itertools.islice(rows, _CHUNK)):
            yield chunk

    def __iter__(self) -> Iterator[CheckedRow]:
        come = (change for change in self._changes if change.after is not None)
        for number, change in enumerate(come, 1):
            told = CheckedRow(change.after or {})
            told.line, told.row = change.line, number
            yield told

    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """As the change set tells them."""
        wanted = set(rows)
        found: dict[int, int] = {}
        if wanted:
            for row in itertools.islice(self, max(wanted)):
                if row.row in wanted and row.line is not None:
                    found[row.row] = row.line
        return found

    def count(self) -> int:
        """Those that came and those that changed."""
        return sum(change.after is not None for change in self._changes)


class _NoRows(CheckRows):
    """No rows: those of the version before the first."""

    def chunks(self) -> Iterator[Sequence[RowCells]]:
        """None."""
        return iter(())

    def __iter__(self) -> Iterator[CheckedRow]:
        return iter(())

    def lines(self, rows: Iterable[int]) -> dict[int, int]:
        """None."""
        del rows
        return {}

    def count(self) -> int:
        """None."""
        return 0
