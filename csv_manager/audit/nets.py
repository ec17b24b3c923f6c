"""What many entries come to: of each row that they touched, how it was before the first one and is after the last."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from csv_manager.audit.entries import CHANGED, AuditedTable, Cells, Entry
from csv_manager.audit.values import Exact, exact


@dataclass(frozen=True, kw_only=True)
class NetChange:
    """One row of a table, before and after: None where it is not there. `after` is what is there now, or to be."""

    table: AuditedTable
    before: Cells | None
    after: Cells | None

    @property
    def row(self) -> str:
        """The row in words."""
        return row_in_words(self.table, self.before if self.before is not None else self.after or ())

    def diff(self) -> dict[str, dict[str, Any]]:
        """What changes, by column, as that of an entry."""
        return self.table.diff(self.before, self.after)

    @property
    def reverse(self) -> "NetChange":
        """The way back."""
        return NetChange(table=self.table, before=self.after, after=self.before)


def row_in_words(table: AuditedTable, cells: Cells) -> str:
    """A row in words: its key, or all of it."""
    told = zip(table.key_places, table.key_of(cells), strict=True)
    return ", ".join(f"{table.columns[place]}={table.to_json(place, cell)!r}" for place, cell in told)


def nets(entries: Iterable[Entry]) -> list[NetChange]:
    """The net changes of entries, which are given in their order; rows that are as they were are none of them.

    A row whose key changed is one that went and one that came.
    """
    tables: dict[int, _Net] = {}
    for entry in entries:
        if entry.table.number not in tables:
            tables[entry.table.number] = _Keyed(entry.table) if entry.table.key else _Bag(entry.table)
        tables[entry.table.number].add(entry.old, entry.new)
    return list(itertools.chain.from_iterable(net.changes() for net in tables.values()))


class _Keyed:
    """The rows of a table with a key."""

    def __init__(self, table: AuditedTable) -> None:
        self._table = table
        self._before: dict[Exact, Cells | None] = {}
        self._after: dict[Exact, Cells | None] = {}

    def add(self, old: Cells | None, new: Cells | None) -> None:
        """Take in that a row was some cells, and then others."""
        if new is not None and self._table.redacted:
            new = self._with_changed(old, new)
        if old is not None:
            key = self._key(old)
            self._before.setdefault(key, old)
            self._after[key] = None
        if new is not None:
            key = self._key(new)
            self._before.setdefault(key, None)
            self._after[key] = new

    def _with_changed(self, old: Cells | None, new: Cells) -> Cells:
        """A row whose redacted columns tell whether they changed since it was first seen."""
        is_new_here = old is None or self._key(old) != self._key(new)
        known = self._after.get(self._key(new if old is None else old))
        has_changed = {
            self._table.columns.index(name)
            for name in self._table.redacted
            if is_new_here or (known is not None and known[self._table.columns.index(name)] == CHANGED)
        }
        return tuple(CHANGED if place in has_changed else cell for place, cell in enumerate(new))

    def changes(self) -> Iterator[NetChange]:
        """The rows that differ."""
        for key, before in self._before.items():
            after = self._after[key]
            if (before and exact(before)) != (after and exact(after)):
                yield NetChange(table=self._table, before=before, after=after)

    def _key(self, cells: Cells) -> Exact:
        return exact(self._table.key_of(cells))


class _Bag:
    """The rows of a table without a key, of which some may be equal."""

    def __init__(self, table: AuditedTable) -> None:
        self._table = table
        self._rows: dict[Exact, Cells] = {}
        self._counts: Counter[Exact] = Counter()

    def add(self, old: Cells | None, new: Cells | None) -> None:
        """Take in that a row was some cells, and then others."""
        for cells, count in ((old, -1), (new, 1)):
            if cells is not None:
                self._rows[exact(cells)] = cells
                self._counts[exact(cells)] += count

    def changes(self) -> Iterator[NetChange]:
        """Each row as often as it went, or came."""
        for key, count in self._counts.items():
            cells = self._rows[key]
            before, after = (cells, None) if count < 0 else (None, cells)
            yield from itertools.repeat(NetChange(table=self._table, before=before, after=after), abs(count))


_Net = _Keyed | _Bag
