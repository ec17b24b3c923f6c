"""The row changes between two contents: exact as a multiset, linear in their size, told one by one.

A row is a mapping from column to text, so a moved column changes no row. Columns gained, lost or renamed are told once,
as a change of columns; a row is changed only if a cell under a name that both contents have differs, or a gained cell
is not empty. Reads both contents as a whole; a tier that reads only what moved belongs behind `diff`, nowhere else.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, overload

from csv_manager.core.errors import DuplicateKeyError, UnknownColumnError
from csv_manager.core.model import Cells, ColumnChange, RowChange
from csv_manager.core.reading import Row, Table, row_mapping

#: What two rows are compared by: joined text, or a tuple where a separator in a cell, a missing cell or a surplus one
#: would make the text ambiguous. A text never equals a tuple, so the comparison is exact.
_Content = str | tuple[object, ...]
_SEPARATOR = "\x1f"
_OFFENDERS = 3


class Counts(NamedTuple):
    """How many rows a change set inserts, updates and deletes."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class ChangeSet:
    """The row changes between two contents, made anew at each iteration and never held as a whole.

    Deletes come in the order of the old content, then inserts and updates in the order of the new one.
    """

    def __init__(
        self,
        iterate: Callable[[], Iterator[RowChange]],
        columns: ColumnChange,
        counts: Counts | None = None,
    ) -> None:
        self._iterate = iterate
        self._counts = counts
        self.columns = columns

    def __iter__(self) -> Iterator[RowChange]:
        if self._counts is not None:
            yield from self._iterate()
            return
        ops: Counter[str] = Counter()
        for change in self._iterate():
            ops[change.op] += 1
            yield change
        self._counts = Counts(ops["insert"], ops["update"], ops["delete"])

    @property
    def counts(self) -> Counts:
        """The numbers of row changes; computed by one pass if none was made yet."""
        while self._counts is None:
            for _ in self:
                continue
        return self._counts

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


def diff(old: Table | None, new: Table, *, key: Sequence[str] = (), ignore: Sequence[str] = ()) -> ChangeSet:
    """The change set that turns `old` into `new`; `old` None stands for no rows at all.

    With `key` columns, which must be unique in each content, rows are paired by them and updates are told.
    Columns in `ignore` are not compared. Raises `UnknownColumnError` and `DuplicateKeyError`.
    """
    if old is None or not old.columns:
        check_key(new, key)
        return ChangeSet(lambda: _all(new, "insert", key), ColumnChange())
    if not new.columns:
        return ChangeSet(lambda: _all(old, "delete", key), ColumnChange())
    renamed = _renamed(old, new, {*key, *ignore})
    projection = _Projection(old, new, renamed, frozenset(ignore))
    columns = ColumnChange(
        added=tuple(name for name in new.columns if name not in old.columns and name not in renamed.values()),
        removed=tuple(name for name in old.columns if name not in new.columns and name not in renamed),
        renamed=renamed,
    )
    if not key:
        return ChangeSet(lambda: _unkeyed(projection), columns)
    check_key(new, key)
    check_key(old, key)
    return ChangeSet(lambda: _keyed(projection, key), columns)


def check_key(table: Table, key: Sequence[str]) -> None:
    """Raise unless `key` are columns of the table and no two rows share their values."""
    if not key or not table.columns or tuple(key) in table.unique:
        return
    for column in key:
        if column not in table.columns:
            raise UnknownColumnError(
                f"{table.csv_file}: key column {column!r} is not in the header: {', '.join(table.columns)}."
            )
    read = _key_reader(table.columns, key)
    lines: dict[object, int] = {}
    offenders = []
    for row in table.rows():
        value = read(row.cells)
        first = lines.setdefault(value, row.line)
        if first != row.line:
            values = value if isinstance(value, tuple) else (value,)
            named = ", ".join(f"{column}={cell!r}" for column, cell in zip(key, values, strict=True))
            offenders.append(f"{named} in lines {first} and {row.line}")
    if offenders:
        more = len(offenders) - _OFFENDERS
        rest = f" and {more} more" if more > 0 else ""
        raise DuplicateKeyError(
            f"{table.csv_file}: the key is not unique: {'; '.join(offenders[:_OFFENDERS])}{rest}; "
            "name more --key columns, or none."
        )
    table.unique.add(tuple(key))


class _Projection:
    """How rows of two contents are made comparable: the shared columns, then the gained ones."""

    def __init__(self, old: Table, new: Table, renamed: dict[str, str], ignore: frozenset[str]) -> None:
        self.old, self.new = old, new
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
        itemgetter(*places) if len(places) > 1 else lambda cells: [cells[place] for place in places]
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


def _key_reader(columns: Sequence[str], key: Sequence[str]) -> Callable[[list[str]], object]:
    """A function from a row's fields to its key: one text, or a tuple of them; None for a missing cell."""
    places = [columns.index(column) for column in key]
    furthest = max(places)
    pick = itemgetter(*places)

    def read(cells: list[str]) -> object:
        if len(cells) > furthest:
            return pick(cells)
        values = tuple(cells[place] if place < len(cells) else None for place in places)
        return values if len(places) > 1 else values[0]

    return read


def _all(table: Table, op: str, key: Sequence[str]) -> Iterator[RowChange]:
    """Every row of a content as an insert or a delete."""
    columns = table.columns
    for row in table.rows():
        cells = row_mapping(columns, row.cells)
        if op == "insert":
            yield RowChange(op="insert", key=_key_of(cells, key), before=None, after=cells, line=row.line)
        else:
            yield RowChange(op="delete", key=_key_of(cells, key), before=cells, after=None, line=row.line)


def _unkeyed(projection: _Projection) -> Iterator[RowChange]:
    """Deletes and inserts: what is left when equal rows are cancelled. Of equal rows, the last ones are left."""
    old, new = projection.old, projection.new
    read = projection.new_content
    left = Counter(read(row.cells) for row in new.rows())
    repeated = {content: count for content, count in left.items() if count > 1}
    read = projection.old_content
    for row in old.rows():
        content = read(row.cells)
        count = left.get(content, 0)
        if count:
            left[content] = count - 1
        else:
            yield RowChange(op="delete", key=None, before=old.mapping(row.cells), after=None, line=row.line)
    left = +left
    if not left:
        return
    kept = {content: count - left[content] for content, count in repeated.items() if left[content]}
    read = projection.new_content
    for row in new.rows():
        content = read(row.cells)
        if not left[content]:
            continue
        if kept.get(content):
            kept[content] -= 1
            continue
        yield RowChange(op="insert", key=None, before=None, after=new.mapping(row.cells), line=row.line)


def _keyed(projection: _Projection, key: Sequence[str]) -> Iterator[RowChange]:
    """Deletes, then inserts and updates, paired by key."""
    old, new = projection.old, projection.new
    new_key = _key_reader(new.columns, key)
    old_key = _key_reader(old.columns, key)
    contents = {new_key(row.cells): projection.new_content(row.cells) for row in new.rows()}
    before: dict[object, Row] = {}
    for row in old.rows():
        value = old_key(row.cells)
        content = contents.pop(value, None)
        if content is None:
            cells = old.mapping(row.cells)
            yield RowChange(op="delete", key=_key_of(cells, key), before=cells, after=None, line=row.line)
        elif content != projection.old_content(row.cells):
            before[value] = row
    if not contents and not before:
        return
    for row in new.rows():
        value = new_key(row.cells)
        was = before.get(value)
        if was is None and value not in contents:
            continue
        cells = new.mapping(row.cells)
        yield RowChange(
            op="insert" if was is None else "update",
            key=_key_of(cells, key),
            before=None if was is None else old.mapping(was.cells),
            after=cells,
            line=row.line,
        )


def _key_of(cells: Cells, key: Sequence[str]) -> Cells | None:
    return {column: cells.get(column) for column in key} if key else None


def _renamed(old: Table, new: Table, fixed: set[str]) -> dict[str, str]:
    """Columns that have another name at the same place and at least half of their values as before."""
    candidates = [
        (place, was, name)
        for place, (was, name) in enumerate(zip(old.columns, new.columns, strict=False))
        if was not in new.columns and name not in old.columns and not {was, name} & fixed
    ]
    if not candidates:
        return {}
    places = [place for place, _, _ in candidates]
    before, after = _values(old, places), _values(new, places)
    renamed = {}
    for (_, was, name), values, others in zip(candidates, before, after, strict=True):
        if 2 * (values & others).total() >= max(values.total(), others.total()):
            renamed[was] = name
    return renamed


def _values(table: Table, places: list[int]) -> list[Counter[str]]:
    """How often each value stands in each of the columns."""
    counters: list[Counter[str]] = [Counter() for _ in places]
    for row in table.rows():
        for counter, place in zip(counters, places, strict=True):
            if place < len(row.cells):
                counter[row.cells[place]] += 1
    return counters
