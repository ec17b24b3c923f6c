"""The nouns of the audit log: a table that is audited, and an entry for a row that was changed in it."""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from csv_manager.audit.values import Value, are_same, to_json

INSERT, UPDATE, DELETE = "insert", "update", "delete"
#: What an entry has for the value of a column that is redacted: in one that is another now, and else.
CHANGED, REDACTED = "[redacted: changed]", "[redacted]"
#: The types of entries, by the letters that the log has for them.
TYPES: Mapping[str, str] = {"i": INSERT, "u": UPDATE, "d": DELETE}

#: The cells of a row in the order of its table's columns.
Cells = tuple[Value, ...]
#: An entry as it is read: its number, the letter of its type, its token, its time, the cells before, and those after.
Row = tuple[Any, ...]


def picked(places: Sequence[int]) -> Callable[[Cells], Cells]:
    """What gives the cells at some places."""
    if len(places) > 1:
        return operator.itemgetter(*places)
    begin, end = (places[0], places[0] + 1) if places else (0, 0)
    return lambda cells: cells[begin:end]


@dataclass(frozen=True, kw_only=True)
class AuditedTable:
    """A table that is audited, as it was when its triggers were made: `columns` are those that are no others' values.

    `key` are the columns of its primary key, none if it has none. `types` are those of the columns, as far as the
    database has to be told them, and `redacted` the columns whose values are not to be in the log. `number` is what the
    log knows it by.
    """

    number: int
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    schema: str | None = None
    types: tuple[str, ...] = ()
    redacted: tuple[str, ...] = ()

    @property
    def entries(self) -> str:
        """The name of the table that has its entries."""
        return f"csv_audit_entries_{self.number}"

    def key_of(self, cells: Cells) -> Cells:
        """The cells of a row by which it is found: those of its key, or all."""
        return self._key_of(cells)

    @functools.cached_property
    def _key_of(self) -> Callable[[Cells], Cells]:
        return picked(self.key_places)

    def to_json(self, place: int, value: Value) -> Any:
        """A value of a column as JSON has it."""
        return to_json(value, self._kinds[place])

    @functools.cached_property
    def _kinds(self) -> tuple[str, ...]:
        """The types of the columns as far as JSON has to know them; of one that is redacted, none."""
        kinds = self.types or [""] * len(self.columns)
        return tuple("" if name in self.redacted else kind for name, kind in zip(self.columns, kinds, strict=True))

    def named(self, cells: Cells) -> dict[str, Any]:
        """The cells of a row by their columns, as JSON has them."""
        return {name: self.to_json(place, cells[place]) for place, name in enumerate(self.columns)}

    def differing(self, one: Cells, other: Cells) -> list[str]:
        """The columns in which two rows differ, as far as they are in the log."""
        return [self.columns[place] for place in self.told_places if not are_same(one[place], other[place])]

    def diff(self, old: Cells | None, new: Cells | None) -> dict[str, dict[str, Any]]:
        """What differs, by column: `{"old": …, "new": …}`; of the key only if the row was there before and after."""
        is_one_sided = old is None or new is None
        nothing = (None,) * len(self.columns)
        sides = zip(
            self.columns, self._kinds, nothing if old is None else old, nothing if new is None else new, strict=True
        )
        return {
            name: {"old": to_json(before, kind), "new": to_json(after, kind)}
            for name, kind, before, after in sides
            if not are_same(before, after) and not (is_one_sided and name in self.key)
        }

    @functools.cached_property
    def told_places(self) -> tuple[int, ...]:
        """Where the columns are among all whose values are in the log."""
        return tuple(place for place, name in enumerate(self.columns) if name not in self.redacted)

    @functools.cached_property
    def key_places(self) -> tuple[int, ...]:
        """Where the columns are among all by which a row is found."""
        return tuple(map(self.columns.index, self.key)) if self.key else self.told_places


class Entry(NamedTuple):
    """One row that was inserted, updated or deleted: its cells before and after.

    `number` counts the entries of all tables. `token` is that of the transaction; of what another program changes, that
    of its statement where the database tells no more. `at` is the time in UTC as ISO-8601 has it.
    """

    table: AuditedTable
    number: int
    type: str
    token: str | None
    at: str
    old: Cells | None
    new: Cells | None

    @classmethod
    def of(cls, table: AuditedTable, row: Row) -> Self:
        """The entry of a row of its table's entries."""
        number, letter, token, at = row[:4]
        middle = 4 + len(table.columns)
        old = None if letter == "i" else tuple(row[4:middle])
        new = None if letter == "d" else tuple(row[middle:])
        return cls(table, number, TYPES[letter], token, at, old, new)

    @property
    def primary_key(self) -> dict[str, Any]:
        """The row's key after the change, or before it was deleted, as JSON has it; all of a row without a key."""
        cells = self.new if self.new is not None else self.old or ()
        return {self.table.columns[place]: self.table.to_json(place, cells[place]) for place in self.table.key_places}

    def diff(self) -> dict[str, dict[str, Any]]:
        """What changed, by column: `{"old": …, "new": …}`; of the key only if it did."""
        return self.table.diff(self.old, self.new)
