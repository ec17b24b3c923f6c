"""The nouns of the audit log: a table that is audited, and an entry for a row that was changed in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

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
        return tuple(cells[place] for place in self.key_places)

    def to_json(self, place: int, value: Value) -> Any:
        """A value of a column as JSON has it."""
        is_typed = self.types and value is not None and self.columns[place] not in self.redacted
        return to_json(value, self.types[place] if is_typed else "")

    @property
    def told_places(self) -> tuple[int, ...]:
        """Where the columns are among all whose values are in the log."""
        return tuple(place for place, name in enumerate(self.columns) if name not in self.redacted)

    @property
    def key_places(self) -> tuple[int, ...]:
        """Where the columns are among all by which a row is found."""
        return tuple(map(self.columns.index, self.key)) if self.key else self.told_places


@dataclass(frozen=True, kw_only=True)
class Entry:
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
        number, letter, token, at, *cells = row
        width = len(table.columns)
        old = None if letter == "i" else tuple(cells[:width])
        new = None if letter == "d" else tuple(cells[width:])
        return cls(table=table, number=number, type=TYPES[letter], token=token, at=at, old=old, new=new)

    @property
    def primary_key(self) -> dict[str, Any]:
        """The row's key after the change, or before it was deleted, as JSON has it; all of a row without a key."""
        cells = self.new if self.new is not None else self.old or ()
        return {self.table.columns[place]: self.table.to_json(place, cells[place]) for place in self.table.key_places}

    def diff(self) -> dict[str, dict[str, Any]]:
        """What changed, by column: `{"old": …, "new": …}`; of the key only if it did."""
        told = {}
        for place, name in enumerate(self.table.columns):
            old = None if self.old is None else self.old[place]
            new = None if self.new is None else self.new[place]
            is_key = name in self.table.key
            if not are_same(old, new) and not (is_key and None in (self.old, self.new)):
                told[name] = {"old": self.table.to_json(place, old), "new": self.table.to_json(place, new)}
        return told
