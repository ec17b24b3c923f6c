"""The row changes between two contents: exact as a multiset, at a cost that follows what changed.

Two contents of the same columns and csv format are walked byte by byte, and only the records in which they differ are
parsed; if much differs, rows that both have elsewhere are taken away as bytes before. Contents that are written in
different ways are parsed as a whole.

A row is a mapping from column to text, so a moved column changes no row. Columns gained, lost or renamed are told once,
as a change of columns; a row is changed only if a cell under a name that both contents have differs, or a gained cell
is not empty.
"""

import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from csv_manager.core.cancelling import cancel
from csv_manager.core.changes import ChangeSet, Counts
from csv_manager.core.keys import check_changed_key, check_columns, check_key, key_reader
from csv_manager.core.matching import Matcher, picked
from csv_manager.core.model import Cells, ColumnChange, RowChange
from csv_manager.core.ranges import Ranges, Window, paired
from csv_manager.core.reading import Row, Table
from csv_manager.core.renaming import renamed_columns
from csv_manager.core.walking import walk

if TYPE_CHECKING:
    from array import array

#: What two rows are compared by: joined text, or a tuple where a separator in a cell, a missing cell or a surplus one
#: would make the text ambiguous. A text never equals a tuple, so the comparison is exact.
_Content = str | tuple[object, ...]
_SEPARATOR = "\x1f"
#: Records are cancelled as bytes where both contents have more than this many bytes in windows, and the windows are of
#: this many bytes or more on average: in those of a record or two, no row is had elsewhere.
_CANCELLED, _WIDE = 1 << 22, 1 << 12
_BATCH = 1024
#: Rows of up to so many bytes on both sides are parsed once and held, which takes about ten times as much memory.
_FEW = 1 << 21


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
    projection = _Projection(old, new, renamed, frozenset(ignore))
    pair = _Pair(old, new, _differing(old, new, windows), projection)
    comparison = _Keyed(pair, key) if key else _Unkeyed(pair)
    return ChangeSet(
        comparison.changes,
        columns,
        comparison.counts,
        unnumbered=lambda: comparison.changes(numbered=False),
        is_reordered=lambda: pair.differing.reordered or comparison.is_reordered(),
    )


class _Differing(NamedTuple):
    """The parts of two contents that may hold different rows, and whether the rows left out stand in another order."""

    old: Ranges
    new: Ranges
    reordered: bool = False


def _differing(old: Table, new: Table, windows: Windows | None) -> _Differing:
    """What of two contents has to be parsed."""
    if windows is None:
        return _Differing(old.whole(), new.whole())
    few = min(windows.old.size, windows.new.size)
    if few <= _CANCELLED or few < _WIDE * max(len(windows.old), len(windows.new)):
        return _Differing(windows.old, windows.new)
    found = _Differing(*cancel((old.plain, windows.old), (new.plain, windows.new), new.records))
    new.plain.check()
    return found


class _Projection:
    """How rows of two contents are made comparable: the shared columns, then the gained ones."""

    def __init__(self, old: Table, new: Table, renamed: dict[str, str], ignore: frozenset[str]) -> None:
        old_places = {renamed.get(name, name): place for place, name in enumerate(old.columns)}
        places = {name: place for place, name in enumerate(new.columns) if name not in ignore}
        shared = [name for name in places if name in old_places]
        gained = [place for name, place in places.items() if name not in old_places]
        self.old_content = _content_reader([old_places[name] for name in shared], len(old.columns), [], len(gained))
        self.new_content = _content_reader([places[name] for name in shared], len(new.columns), gained, 0)


def _content_reader(shared: list[int], width: int, gained: list[int], padding: int) -> Callable[[list[str]], _Content]:
    """A function from a row's fields to what the row is compared by."""
    places = shared + gained
    pick: Callable[[list[str]], Sequence[str]] = (
        operator.itemgetter(*places) if len(places) > 1 else lambda cells: [cells[place] for place in places]
    )
    if places == list(range(width)):
        pick = list
    pad = [""] * padding
    separators = len(places) + padding - 1

    def content(cells: list[str]) -> _Content:
        values: Sequence[str]
        if len(cells) == width:
            values = pick(cells)
        else:
            surplus = tuple(cells[width:])
            present: list[str | None] = [cells[place] if place < len(cells) else None for place in shared]
            rest = [(cells[place] if place < len(cells) else "") for place in gained]
            if surplus or None in present:
                return (*present, *rest, *pad, surplus)
            values = [cells[place] for place in shared] + rest
        if pad:
            values = [*values, *pad]
        text = _SEPARATOR.join(values)
        return text if text.count(_SEPARATOR) == separators or separators < 0 else (*values, ())

    return content


def _whole(table: Table, op: str, key: Sequence[str]) -> ChangeSet:
    """Every row of a content as an insert or a delete."""
    tell = _insert if op == "insert" else _delete

    def changes(*, numbered: bool = True) -> Iterator[RowChange]:
        return (tell(table, row, key) for row in table.rows(numbered=numbered))

    def counts() -> Counts:
        return Counts(inserted=table.count()) if op == "insert" else Counts(deleted=table.count())

    return ChangeSet(changes, ColumnChange(), counts, unnumbered=lambda: changes(numbered=False))


class _Pair:
    """Two contents, of which only what may differ is parsed."""

    def __init__(self, old: Table, new: Table, differing: _Differing, projection: _Projection) -> None:
        self.old, self.new = old, new
        self.differing = differing
        self.old_content, self.new_content = projection.old_content, projection.new_content

    def old_rows(self, *, numbered: bool = False) -> Iterator[Row]:
        """The rows of the old content that may have gone or changed."""
        few = self._few
        return iter(few[0]) if few else self.old.rows(self.differing.old, numbered=numbered)

    def new_rows(self, *, numbered: bool = False) -> Iterator[Row]:
        """The rows of the new content that may have come or changed."""
        few = self._few
        return iter(few[1]) if few else self.new.rows(self.differing.new, numbered=numbered)

    @functools.cached_property
    def _few(self) -> tuple[list[Row], list[Row]] | None:
        """All rows that may differ, if they are few: they are asked for more than once."""
        old, new = self.differing.old, self.differing.new
        if old.size + new.size > _FEW:
            return None
        return list(self.old.rows(old)), list(self.new.rows(new))

    def batches(self) -> Iterator[tuple[list[Row], list[Row]]]:
        """The rows of both side by side, some at a time, so that only what has not met its equal yet is held."""
        old, new = self.old_rows(), self.new_rows()
        while True:
            batches = list(itertools.islice(old, _BATCH)), list(itertools.islice(new, _BATCH))
            if not any(batches):
                return
            yield batches


class _Left(NamedTuple):
    """Which of the rows of the old content have gone, which of the new one have come, and how many both have."""

    gone: "array[int]"
    come: "array[int]"
    kept: int


class _Unkeyed:
    """Rows without a key: what is left when equal ones are taken away from both contents."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair

    @functools.cached_property
    def _left(self) -> "_Left":
        matcher = Matcher()
        for olds, news in self._pair.batches():
            matcher.add(
                [self._pair.old_content(row.cells) for row in olds],
                [self._pair.new_content(row.cells) for row in news],
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
                yield _delete(pair.old, row)
        for row, has_come in picked(pair.new_rows(numbered=numbered), come) if come else ():
            if has_come:
                yield _insert(pair.new, row)

    def is_reordered(self) -> bool:
        """Whether the rows that both contents have stand in another order."""
        pair, (gone, come, kept) = self._pair, self._left
        old = (
            (row.window, pair.old_content(row.cells)) for row, is_left in picked(pair.old_rows(), gone) if not is_left
        )
        new = (
            (row.window, pair.new_content(row.cells)) for row, is_left in picked(pair.new_rows(), come) if not is_left
        )
        return kept > 0 and any(map(operator.ne, old, new))


class _KeyChanges(NamedTuple):
    """The keys of the rows that have gone, that have come and that changed, and how many rows are as they were.

    `is_repeated` if of the rows that have come two share their key.
    """

    gone: dict[object, _Content]
    come: dict[object, _Content]
    updated: set[object]
    kept: int
    is_repeated: bool


class _Keyed:
    """Rows paired by their key."""

    def __init__(self, pair: _Pair, key: Sequence[str]) -> None:
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
        gone: dict[object, _Content] = {}
        come: dict[object, _Content] = {}
        updated: set[object] = set()
        old_rows = new_rows = 0
        for olds, news in pair.batches():
            old_rows += len(olds)
            new_rows += len(news)
            for row in olds:
                key, content = self._old_key(row.cells), pair.old_content(row.cells)
                other = come.pop(key, None)
                if other is None:
                    gone[key] = content
                elif other != content:
                    updated.add(key)
            for row in news:
                key, content = self._new_key(row.cells), pair.new_content(row.cells)
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
                yield _delete(pair.old, row, self._key)
        olds = pair.old_rows() if updated else iter(())
        passed: dict[object, list[str]] = {}
        for row in pair.new_rows(numbered=numbered) if come or updated else ():
            key = self._new_key(row.cells)
            if key in come:
                yield _insert(pair.new, row, self._key)
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
        """Whether the rows that are as they were stand in another order."""
        gone, come, updated, kept, _ = self._changes
        old = ((row.window, self._old_key(row.cells)) for row in self._pair.old_rows())
        new = ((row.window, self._new_key(row.cells)) for row in self._pair.new_rows())
        return kept > 0 and any(
            map(
                operator.ne,
                (told for told in old if told[1] not in gone and told[1] not in updated),
                (told for told in new if told[1] not in come and told[1] not in updated),
            )
        )


def _insert(table: Table, row: Row, key: Sequence[str] = ()) -> RowChange:
    cells = table.mapping(row.cells)
    return RowChange(op="insert", key=_key_of(cells, key), before=None, after=cells, line=row.line)


def _delete(table: Table, row: Row, key: Sequence[str] = ()) -> RowChange:
    cells = table.mapping(row.cells)
    return RowChange(op="delete", key=_key_of(cells, key), before=cells, after=None, line=row.line)


def _key_of(cells: Cells, key: Sequence[str]) -> Cells | None:
    return {column: cells.get(column) for column in key} if key else None
