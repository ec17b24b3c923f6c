"""The rows of two contents side by side: which have gone, come and changed, with a key or without."""

import functools
import itertools
import operator
from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from csv_manager.core.changes import Counts
from csv_manager.core.keys import check_changed_key, check_key, key_reader
from csv_manager.core.matching import Matcher, picked
from csv_manager.core.model import Cells, RowChange
from csv_manager.core.projection import Content, Projection
from csv_manager.core.ranges import Ranges
from csv_manager.core.reading import Row, Table

#: Rows of up to so many bytes on both sides are parsed once and held, which takes about ten times as much memory.
_FEW = 1 << 21


class Differing(NamedTuple):
    """The parts of two contents that may hold different rows, and whether the rows left out stand in another order."""

    old: Ranges
    new: Ranges
    reordered: bool = False


class Pair:
    """Two contents, of which only what may differ is parsed."""

    def __init__(self, old: Table, new: Table, differing: Differing, projection: Projection) -> None:
        self.old, self.new = old, new
        self.differing = differing
        self._sides = (old, differing.old), (new, differing.new)
        self.old_content, self.new_content = projection.old_content, projection.new_content

    def old_rows(self, *, numbered: bool = False) -> Iterator[Row]:
        """The rows of the old content that may have gone or changed; if not `numbered`, maybe without their window."""
        return self._rows(0, numbered=numbered)

    def new_rows(self, *, numbered: bool = False) -> Iterator[Row]:
        """The rows of the new content that may have come or changed; if not `numbered`, maybe without their window."""
        return self._rows(1, numbered=numbered)

    def windowed(self) -> tuple[Iterator[Row], Iterator[Row]]:
        """The rows of both with their windows."""
        if self._few is not None:
            return self.old_rows(), self.new_rows()
        return self.old.rows(self.differing.old, numbered=False), self.new.rows(self.differing.new, numbered=False)

    def _rows(self, side: int, *, numbered: bool) -> Iterator[Row]:
        table, ranges = self._sides[side]
        if self._few is not None:
            table.plain.check()
            return iter(self._few[side])
        if numbered:
            return table.rows(ranges)
        return (Row(None, cells) for chunk in table.chunks(ranges) for cells in chunk)

    @functools.cached_property
    def _few(self) -> tuple[list[Row], list[Row]] | None:
        """All rows that may differ, if they are few: they are asked for more than once."""
        old, new = self.differing.old, self.differing.new
        if old.size + new.size > _FEW:
            return None
        return list(self.old.rows(old)), list(self.new.rows(new))

    def batches(self) -> Iterator[tuple[list[list[str]], list[list[str]]]]:
        """The cells of both side by side, some rows at a time, so that only what has not met its equal yet is held."""
        return itertools.zip_longest(self._chunks(0), self._chunks(1), fillvalue=[])

    def _chunks(self, side: int) -> Iterator[list[list[str]]]:
        if self._few is not None:
            return iter([[row.cells for row in self._rows(side, numbered=False)]])
        table, ranges = self._sides[side]
        return table.chunks(ranges)


class _Left(NamedTuple):
    """Which of the rows of the old content have gone, which of the new one have come, and how many both have."""

    gone: "array[int]"
    come: "array[int]"
    kept: int


class Unkeyed:
    """Rows without a key: what is left when equal ones are taken away from both contents."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    @functools.cached_property
    def _left(self) -> "_Left":
        pair = self._pair
        if not (pair.differing.old.size and pair.differing.new.size):  # rows have no equal on the other side
            gone, come = (array("q", range(sum(1 for _ in rows()))) for rows in (pair.old_rows, pair.new_rows))
            return _Left(gone, come, 0)
        matcher = Matcher()
        for olds, news in pair.batches():
            matcher.add(
                [pair.old_content(cells) for cells in olds],
                [pair.new_content(cells) for cells in news],
            )
        return _Left(*matcher.left(), matcher.matched)

    def counts(self) -> Counts:
        """The numbers of row changes."""
        gone, come, _ = self._left
        return Counts(inserted=len(come), deleted=len(gone))

    def changes(self, *, numbered: bool = True) -> Iterator[RowChange]:
        """Deletes, then inserts."""
        pair, (gone, come, _) = self._pair, self._left
        for row, has_gone in picked(pair.old_rows(numbered=numbered), gone) if gone else ():
            if has_gone:
                yield delete(pair.old, row)
        for row, has_come in picked(pair.new_rows(numbered=numbered), come) if come else ():
            if has_come:
                yield insert(pair.new, row)

    def is_reordered(self) -> bool:
        """Whether the rows that both contents have stand in another order, or may, as far as windows tell."""
        pair, (gone, come, kept) = self._pair, self._left
        olds, news = pair.windowed()
        old = ((row.window, pair.old_content(row.cells)) for row, is_left in picked(olds, gone) if not is_left)
        new = ((row.window, pair.new_content(row.cells)) for row, is_left in picked(news, come) if not is_left)
        return kept > 0 and any(map(operator.ne, old, new))

    def is_in_order(self) -> bool:
        """Whether the rows that both contents have do stand in the same order; all are parsed, while they do."""
        pair, (gone, come, _) = self._pair, self._left
        gone_lines, come_lines = (
            [row.line for row, is_left in picked(rows(numbered=True), places) if is_left]
            for rows, places in ((pair.old_rows, gone), (pair.new_rows, come))
        )
        old = (pair.old_content(row.cells) for row in _others(pair.old.rows(), gone_lines))
        new = (pair.new_content(row.cells) for row in _others(pair.new.rows(), come_lines))
        return not any(map(operator.ne, old, new))


def _others(rows: Iterable[Row], lines: Iterable[int | None]) -> Iterator[Row]:
    """The rows that are not on these lines, which are in their order."""
    left = iter(lines)
    nearest = next(left, None)
    for row in rows:
        if row.line == nearest:
            nearest = next(left, None)
        else:
            yield row


class _KeyChanges(NamedTuple):
    """The keys of the rows that have gone, that have come and that changed, and how many rows are as they were.

    `is_repeated` if of the rows that have come two share their key.
    """

    gone: dict[object, Content]
    come: dict[object, Content]
    updated: set[object]
    kept: int
    is_repeated: bool


class Keyed:
    """Rows paired by their key."""

    def __init__(self, pair: Pair, key: Sequence[str]) -> None:
        self._pair, self._key = pair, key
        self._old_key, self._new_key = key_reader(pair.old.columns, key), key_reader(pair.new.columns, key)
        if tuple(key) not in pair.new.unique:
            self._check_key()

    def _check_key(self) -> None:
        """Raise if the key is not unique in the new content, by what differs from the old one, in which it is."""
        if self._changes.is_repeated:
            check_key(self._pair.new, self._key)
        check_changed_key(self._pair.old, self._pair.new, self._key, self._changes.gone, self._changes.come)

    @functools.cached_property
    def _changes(self) -> _KeyChanges:
        pair = self._pair
        gone: dict[object, Content] = {}
        come: dict[object, Content] = {}
        updated: set[object] = set()
        old_rows = new_rows = 0
        for olds, news in pair.batches():
            old_rows += len(olds)
            new_rows += len(news)
            for cells in olds:
                key, content = self._old_key(cells), pair.old_content(cells)
                other = come.pop(key, None)
                if other is None:
                    gone[key] = content
                elif other != content:
                    updated.add(key)
            for cells in news:
                key, content = self._new_key(cells), pair.new_content(cells)
                other = gone.pop(key, None)
                if other is None:
                    come[key] = content
                elif other != content:
                    updated.add(key)
        paired = old_rows - len(gone)
        return _KeyChanges(gone, come, updated, paired - len(updated), paired + len(come) < new_rows)

    def counts(self) -> Counts:
        """The numbers of row changes."""
        gone, come, updated, *_ = self._changes
        return Counts(inserted=len(come), updated=len(updated), deleted=len(gone))

    def changes(self, *, numbered: bool = True) -> Iterator[RowChange]:
        """Deletes, then inserts and updates."""
        pair, (gone, come, updated, *_) = self._pair, self._changes
        for row in pair.old_rows(numbered=numbered) if gone else ():
            if self._old_key(row.cells) in gone:
                yield delete(pair.old, row, self._key)
        olds = pair.old_rows() if updated else iter(())
        passed: dict[object, list[str]] = {}
        for row in pair.new_rows(numbered=numbered) if come or updated else ():
            key = self._new_key(row.cells)
            if key in come:
                yield insert(pair.new, row, self._key)
            elif key in updated:
                # Mostly the rows of both stand in the same order, and only one of the old ones is held.
                while key not in passed:
                    old = next(olds)
                    was = self._old_key(old.cells)
                    if was in updated:
                        passed[was] = old.cells
                before, after = pair.old.mapping(passed.pop(key)), pair.new.mapping(row.cells)
                told = _key_of(after, self._key)
                yield RowChange(op="update", key=told, before=before, after=after, line=row.line)

    def is_reordered(self) -> bool:
        """Whether the rows that are as they were stand in another order, or may, as far as windows tell."""
        olds, news = self._pair.windowed()
        old = ((row.window, key) for row, key in self._kept(olds, self._old_key, self._changes.gone))
        new = ((row.window, key) for row, key in self._kept(news, self._new_key, self._changes.come))
        return self._changes.kept > 0 and any(map(operator.ne, old, new))

    def is_in_order(self) -> bool:
        """Whether the rows that are as they were do stand in the same order; all are parsed, while they do."""
        old = (key for _, key in self._kept(self._pair.old.rows(), self._old_key, self._changes.gone))
        new = (key for _, key in self._kept(self._pair.new.rows(), self._new_key, self._changes.come))
        return not any(map(operator.ne, old, new))

    def _kept(
        self, rows: Iterable[Row], key_of: Callable[[list[str]], object], others: Container[object]
    ) -> Iterator[tuple[Row, object]]:
        """The rows that are as they were, and their keys."""
        updated = self._changes.updated
        return ((row, key) for row in rows if (key := key_of(row.cells)) not in others and key not in updated)


def insert(table: Table, row: Row, key: Sequence[str] = ()) -> RowChange:
    """The insert of a row."""
    cells = table.mapping(row.cells)
    return RowChange(op="insert", key=_key_of(cells, key), before=None, after=cells, line=row.line)


def delete(table: Table, row: Row, key: Sequence[str] = ()) -> RowChange:
    """The delete of a row."""
    cells = table.mapping(row.cells)
    return RowChange(op="delete", key=_key_of(cells, key), before=cells, after=None, line=row.line)


def _key_of(cells: Cells, key: Sequence[str]) -> Cells | None:
    return {column: cells.get(column) for column in key} if key else None
