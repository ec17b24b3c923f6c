"""Which version last set each row of a content."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from csv_manager.core.digests import digest
from csv_manager.core.model import EXTRA, Cells, ColumnChange, RowChange
from csv_manager.core.reading import Row, Table

_V = TypeVar("_V")


def blame(
    table: Table,
    history: Iterable[tuple[_V | None, Iterable[RowChange] | None, ColumnChange]],
    *,
    key: Sequence[str] = (),
    ignore: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
) -> Iterator[tuple[Row, _V | None]]:
    """Each row of a content, and the version that last set it; None if that is not known any more.

    `history` are the content's version and those before, newest first, each with its row changes and change of columns.
    A None stands for versions that were forgotten, or for the changes of one that set all rows. It is read no further
    than needed. Rows are known by their `key`, or without one by all their cells but those to `ignore`, where of equal
    rows it cannot be told which is which. With `where`, only rows with these cells are told. Holds about 200 bytes for
    each of them.
    """
    waiting = _Waiting(_identity(table.mapping(row.cells), key, ignore) for row in _rows(table, where))
    found: list[_V | None] = [None] * waiting.count
    names = {name: name for name in table.columns}
    for version, changes, columns in history:
        if changes is None:
            for left in waiting.rest():
                found[left] = version
            break
        if waiting.is_over:
            break
        for change in changes:
            if change.after is not None:
                place = waiting.take(_identity(_named(change.after, names), key, ignore))
                if place is not None:
                    found[place] = version
            elif not key and change.before is not None:
                waiting.skip(_identity(_named(change.before, names), key, ignore))
        renamed = {now: was for was, now in columns.renamed.items()}
        names = {name: renamed.get(then, then) for name, then in names.items()}
    return zip(_rows(table, where), found, strict=True)


class _Waiting:
    """The places of rows that wait for who set them, by what the rows are known by."""

    def __init__(self, identities: Iterable[bytes]) -> None:
        self._places: dict[bytes, list[int] | int] = {}
        self._gone: Counter[bytes] = Counter()
        self.count = 0
        for self.count, identity in enumerate(identities, 1):
            was = self._places.get(identity)
            if was is None:
                self._places[identity] = self.count - 1
            elif isinstance(was, list):
                was.append(self.count - 1)
            else:
                self._places[identity] = [was, self.count - 1]

    @property
    def is_over(self) -> bool:
        """Whether none waits any more."""
        return not self._places

    def skip(self, identity: bytes) -> None:
        """Take in that such a row went: the next one that came was not the one that is there now."""
        self._gone[identity] += 1

    def take(self, identity: bytes) -> int | None:
        """The place of such a row, which waits no more; None without one."""
        if self._gone[identity]:
            self._gone[identity] -= 1
            return None
        was = self._places.get(identity)
        if isinstance(was, list) and len(was) > 1:
            return was.pop()
        if was is not None:
            del self._places[identity]
        return was[0] if isinstance(was, list) else was

    def rest(self) -> Iterator[int]:
        """The places that wait still."""
        for places in self._places.values():
            yield from places if isinstance(places, list) else (places,)


def _rows(table: Table, where: Mapping[str, str] | None) -> Iterator[Row]:
    return (row for row in table.rows() if not where or is_match(table.mapping(row.cells), where))


def is_match(cells: Cells | None, where: Mapping[str, str] | None) -> bool:
    """Whether a row has these cells."""
    return cells is not None and all((cells.get(name) or "") == value for name, value in (where or {}).items())


def _named(cells: Cells, names: Mapping[str, str]) -> Cells:
    """A row of an older version under the names that its columns have now."""
    return {now: cells.get(then) for now, then in names.items()} | {EXTRA: cells.get(EXTRA)}


def _identity(cells: Cells, key: Sequence[str], ignore: Sequence[str]) -> bytes:
    """A digest of what a row is known by: its key, or its cells that are not empty, as they are in a gained column."""
    if key:
        told = repr([cells.get(name) for name in key])
    else:
        told = repr(sorted((name, str(value)) for name, value in cells.items() if value and name not in ignore))
    return digest(told.encode("utf-8", "surrogatepass"), 0)


def without(changes: Iterable[RowChange], others: Iterable[RowChange]) -> Iterator[RowChange]:
    """Row changes but for those that others are too, each as often."""
    taken = Counter(map(_told, others))
    for change in changes:
        told = _told(change)
        if taken[told]:
            taken[told] -= 1
        else:
            yield change


def _told(change: RowChange) -> tuple[str, str, str]:
    return change.op, repr(change.before), repr(change.after)
