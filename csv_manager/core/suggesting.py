"""Which key would turn deletes and inserts into updates."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from csv_manager.core.changes import ChangeSet
from csv_manager.core.errors import DuplicateKeyError, NotCsvError
from csv_manager.core.keys import check_key
from csv_manager.core.model import Cells
from csv_manager.core.reading import Table

#: So many deletes and inserts are looked at, and so many columns are tried in pairs.
_SAMPLE, _COLUMNS = 5_000, 8
#: Beyond this many deletes, those in the way to the inserts cost too much to be looked at.
_DELETES = 100_000
#: Contents up to so many bytes are read to prove a key; of larger ones, so many rows.
_PROVABLE, _PROVEN_ROWS = 1 << 24, 1_000


class Suggestion(NamedTuple):
    """The columns that would be a key, how many updates they would make, and whether they are unique in all rows.

    The number is None where not all changes were looked at; of large contents, the first rows alone are.
    """

    key: tuple[str, ...]
    updates: int | None
    is_proven: bool


def suggest_key(old: Table, new: Table, change_set: ChangeSet) -> Suggestion | None:
    """One column, or a pair, that would be a key and make updates of most deletes and inserts; None without.

    `change_set` was made without a key.
    """
    counts = change_set.counts
    if not counts.inserted or not counts.deleted or counts.deleted > _DELETES:
        return None
    shared = [column for column in new.columns if column in old.columns]
    sides = (
        _cells(change.before for change in change_set.unnumbered()),
        _cells(change.after for change in change_set.unnumbered()),
    )
    for key in _candidates(shared):
        updates = _updates(*sides, key)
        if 2 * updates > max(map(len, sides)) and all(_is_key(table, key) for table in (new, old)):
            is_proven = max(old.plain.size, new.plain.size) <= _PROVABLE
            return Suggestion(key, updates if max(counts) <= _SAMPLE else None, is_proven)
    return None


def _cells(rows: Iterable[Cells | None]) -> list[Cells]:
    """The first rows that are there."""
    return list(itertools.islice((row for row in rows if row is not None), _SAMPLE))


def _candidates(columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each column by itself, then pairs of the first ones."""
    yield from ((column,) for column in columns)
    yield from itertools.combinations(columns[:_COLUMNS], 2)


def _updates(deleted: Iterable[Cells], inserted: Iterable[Cells], key: Sequence[str]) -> int:
    """How many rows would be paired; none if two rows share their key, or a cell of it is empty."""
    sides = []
    for rows in (deleted, inserted):
        values = [tuple(str(row[column] or "") for column in key) for row in rows]
        if len(set(values)) < len(values) or not all(map(all, values)):
            return 0
        sides.append(set(values))
    return len(sides[0] & sides[1])


def _is_key(table: Table, key: tuple[str, ...]) -> bool:
    """Whether the columns tell every row apart, or the first ones of a large content."""
    if table.plain.size <= _PROVABLE:
        try:
            check_key(table, key)
        except (DuplicateKeyError, NotCsvError):  # a row that the comparison had no need to read may be unreadable
            return False
        return True
    places = [table.columns.index(column) for column in key]
    rows = itertools.islice(table.rows(numbered=False), _PROVEN_ROWS)
    values = [tuple(row.cells[place] for place in places if place < len(row.cells)) for row in rows]
    return len(set(values)) == len(values)
