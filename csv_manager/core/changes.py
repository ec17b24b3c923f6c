"""Change sets: the row changes between two contents, told one by one and never held as a whole."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, overload

from csv_manager.core.model import Cells, ColumnChange, RowChange


class Counts(NamedTuple):
    """How many rows a change set inserts, updates and deletes."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class ChangeSet:
    """The row changes between two contents, made anew at each iteration and never held as a whole.

    Deletes come in the order of the old content, then inserts and updates in the order of the new one. `columns` tells
    what happened to the columns.
    """

    def __init__(
        self,
        iterate: Callable[[], Iterator[RowChange]],
        columns: ColumnChange,
        counts: "Counts | Callable[[], Counts]",
        *,
        is_reordered: Callable[[], bool] = lambda: False,
        unnumbered: Callable[[], Iterator[RowChange]] | None = None,
    ) -> None:
        self._iterate = iterate
        self._unnumbered = unnumbered or iterate
        self._counts = counts
        self._is_reordered: bool | Callable[[], bool] = is_reordered
        self.columns = columns

    def __iter__(self) -> Iterator[RowChange]:
        return self._iterate()

    def unnumbered(self) -> Iterator[RowChange]:
        """The row changes, perhaps with None for their lines, which spares counting those in what did not change."""
        return self._unnumbered()

    @property
    def counts(self) -> Counts:
        """The numbers of row changes; found by one pass over what differs."""
        if callable(self._counts):
            self._counts = self._counts()
        return self._counts

    @property
    def reordered(self) -> bool:
        """Whether rows that did not change stand in another order, also to blank lines; read from what differs."""
        if callable(self._is_reordered):
            self._is_reordered = self._is_reordered()
        return self._is_reordered

    def __bool__(self) -> bool:
        return bool(self.columns) or any(self.counts)

    @property
    def inserted(self) -> Iterator[RowChange]:
        """The inserts alone."""
        return (change for change in self if change.op == "insert")

    @property
    def updated(self) -> Iterator[RowChange]:
        """The updates alone."""
        return (change for change in self if change.op == "update")

    @property
    def deleted(self) -> Iterator[RowChange]:
        """The deletes alone."""
        return (change for change in self if change.op == "delete")

    @property
    def new_rows(self) -> "LazyRows":
        """Rows that the new content has: inserts, and updates as they are after."""
        return LazyRows(self, "after")

    @property
    def missing_rows(self) -> "LazyRows":
        """Rows that the old content had: deletes, and updates as they were before."""
        return LazyRows(self, "before")


class LazyRows(Sequence[Cells]):
    """One side of a change set as a sequence of mappings; its length costs nothing."""

    def __init__(self, change_set: ChangeSet, side: str) -> None:
        self._change_set = change_set
        self._side = side

    def __len__(self) -> int:
        counts = self._change_set.counts
        return counts.updated + (counts.inserted if self._side == "after" else counts.deleted)

    def __iter__(self) -> Iterator[Cells]:
        for change in self._change_set:
            row: Cells | None = getattr(change, self._side)
            if row is not None:
                yield row

    @overload
    def __getitem__(self, index: int) -> Cells: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cells]: ...
    def __getitem__(self, index: int | slice) -> Cells | list[Cells]:
        if isinstance(index, slice):
            return list(self)[index]
        wanted = index + len(self) if index < 0 else index
        for position, row in enumerate(self):
            if position == wanted:
                return row
        raise IndexError(f"row {index} of {len(self)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iterable) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"
