"""Which version last set each row of a content."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from csv_manager.core.model import EXTRA, Cells, ColumnChange, RowChange
from csv_manager.core.reading import Row, Table

_V = TypeVar("_V")
_Identity = tuple[tuple[str, Any], ...]


def blame(
    table: Table,
    history: Iterable[tuple[_V | None, Iterable[RowChange], ColumnChange]],
    *,
    key: Sequence[str] = (),
    ignore: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
) -> Iterator[tuple[Row, _V | None]]:
    """Each row of a content, and the version that last set it; None if that is not known any more.

    `history` are the content's version and those before, newest first, each with its row changes and change of columns;
    None stands for versions that were forgotten. It is read no further than needed. Rows are known by their `key`, or
    without one by all their cells but those to `ignore`, where of equal rows it cannot be told which is which. With
    `where`, only rows with these cells are told. Holds what identifies a row for each row that is told.
    """
    rows = [row for row in table.rows() if is_match(table.mapping(row.cells), where)]
    names = {name: name for name in table.columns}
    waiting: dict[_Identity, list[int]] = {}
    for place, row in enumerate(rows):
        waiting.setdefault(_identity(table.mapping(row.cells), key, ignore), []).append(place)
    found: dict[int, _V | None] = {}
    gone: dict[_Identity, int] = {}
    for version, changes, columns in history:
        if not waiting:
            break
        for change in changes:
            if change.after is not None:
                _set(_identity(_named(change.after, names), key, ignore), version, waiting, gone, found)
            elif not key and change.before is not None:
                # A row that went again since was not the one that is there now.
                identity = _identity(_named(change.before, names), key, ignore)
                gone[identity] = gone.get(identity, 0) + 1
        renamed = {now: was for was, now in columns.renamed.items()}
        names = {name: renamed.get(then, then) for name, then in names.items()}
    return ((row, found.get(place)) for place, row in enumerate(rows))


def is_match(cells: Cells | None, where: Mapping[str, str] | None) -> bool:
    """Whether a row has these cells."""
    return cells is not None and all((cells.get(name) or "") == value for name, value in (where or {}).items())


def _set(
    identity: _Identity,
    version: _V | None,
    waiting: dict[_Identity, list[int]],
    gone: dict[_Identity, int],
    found: dict[int, _V | None],
) -> None:
    """Note that a version set a row."""
    if gone.get(identity):
        gone[identity] -= 1
        return
    places = waiting.get(identity)
    if places:
        found[places.pop()] = version
        if not places:
            del waiting[identity]


def _named(cells: Cells, names: Mapping[str, str]) -> Cells:
    """A row of an older version under the names that its columns have now."""
    return {now: cells.get(then) for now, then in names.items()} | {EXTRA: cells.get(EXTRA)}


def _identity(cells: Cells, key: Sequence[str], ignore: Sequence[str]) -> _Identity:
    """What a row is known by: its key, or all of its cells but those that are empty, as in a column gained since."""
    told = ((name, cells.get(name)) for name in key) if key else cells.items()
    return tuple(sorted((name, str(value)) for name, value in told if (value and name not in ignore) or name in key))


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
