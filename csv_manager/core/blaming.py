"""Which version last set each row of a content."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from csv_manager.core.model import EXTRA, Cells, ColumnChange, RowChange
from csv_manager.core.reading import Row, Table

_V = TypeVar("_V", bound="_Version")
_Identity = tuple[tuple[str, Any], ...]


class _Version(Protocol):
    """What is asked of a version."""

    @property
    def column_change(self) -> ColumnChange: ...


def blame(
    table: Table,
    history: Iterable[tuple[_V, Iterable[RowChange]]],
    *,
    key: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
) -> Iterator[tuple[Row, _V | None]]:
    """Each row of a content, and the version that last set it; None if no version of the history did.

    `history` are the content's version and those before, newest first, each with its row changes; it is read no
    further than needed. Rows are known by their `key`, or without one by all their cells, where of equal rows it
    cannot be told which is which. With `where`, only rows with these cells are told. Holds what identifies a row for
    each row that is told.
    """
    rows = [row for row in table.rows() if is_match(table.mapping(row.cells), where)]
    names = {name: name for name in table.columns}
    waiting: dict[_Identity, list[int]] = {}
    for place, row in enumerate(rows):
        waiting.setdefault(_identity(table.mapping(row.cells), key), []).append(place)
    found: dict[int, _V] = {}
    gone: dict[_Identity, int] = {}
    for version, changes in history:
        if not waiting:
            break
        for change in changes:
            if change.after is not None:
                _set(_identity(_named(change.after, names), key), version, waiting, gone, found)
            elif not key and change.before is not None:
                # A row that went again since was not the one that is there now.
                identity = _identity(_named(change.before, names), key)
                gone[identity] = gone.get(identity, 0) + 1
        renamed = {now: was for was, now in version.column_change.renamed.items()}
        names = {name: renamed.get(then, then) for name, then in names.items()}
    return ((row, found.get(place)) for place, row in enumerate(rows))


def is_match(cells: Cells | None, where: Mapping[str, str] | None) -> bool:
    """Whether a row has these cells."""
    return cells is not None and all((cells.get(name) or "") == value for name, value in (where or {}).items())


def _set(
    identity: _Identity,
    version: _V,
    waiting: dict[_Identity, list[int]],
    gone: dict[_Identity, int],
    found: dict[int, _V],
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


def _identity(cells: Cells, key: Sequence[str]) -> _Identity:
    """What a row is known by: its key, or all of its cells but those that are empty, as in a column gained since."""
    told = ((name, cells.get(name)) for name in key) if key else cells.items()
    return tuple(sorted((name, str(value)) for name, value in told if value or name in key))
