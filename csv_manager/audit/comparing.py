"""Rows as they are, and as the log tells that they are: what somebody did to them that no trigger saw."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from csv_manager.audit.entries import AuditedTable, Cells
from csv_manager.audit.log import AuditLog
from csv_manager.audit.nets import row_in_words
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.values import Exact, exact


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A row that is not as its last entry left it: `told` is what that says, and `present` what is there."""

    table: AuditedTable
    told: Cells | None
    present: Cells | None

    @property
    def row(self) -> str:
        """The row in words: its key."""
        return row_in_words(self.table, self.told if self.told is not None else self.present or ())


def compare(connection: Connection, log: AuditLog) -> Iterator[Difference]:
    """The rows that differ of the tables that are audited; those that no entry tells of are not known.

    A row of a table without a key is looked for by all of its cells.
    """
    dialect = sql_dialect_of(connection)
    dialect.settle(connection)
    for table in log.tables():
        yield from (_keyed if table.key else _bag)(connection, log, table)


def _keyed(connection: Connection, log: AuditLog, table: AuditedTable) -> Iterator[Difference]:
    last: dict[Exact, Cells | None] = {}
    for entry in log.entries(tables=[table]):
        if entry.old is not None:
            last[exact(table.key_of(entry.old))] = None
        if entry.new is not None:
            last[exact(table.key_of(entry.new))] = entry.new
    for row in sql_dialect_of(connection).rows(connection, table):
        key = exact(table.key_of(row))
        if key not in last:
            continue
        told = last.pop(key)
        if told is None or _cells(table, told) != _cells(table, row):
            yield Difference(table=table, told=told, present=row)
    yield from (Difference(table=table, told=told, present=None) for told in last.values() if told is not None)


def _bag(connection: Connection, log: AuditLog, table: AuditedTable) -> Iterator[Difference]:
    rows: dict[Exact, Cells] = {}
    counts: Counter[Exact] = Counter()
    for entry in log.entries(tables=[table]):
        for cells, count in ((entry.old, -1), (entry.new, 1)):
            if cells is not None:
                told = _cells(table, cells)
                rows[told] = cells
                counts[told] += count
    for row in sql_dialect_of(connection).rows(connection, table):
        counts[_cells(table, row)] -= 1
    for told, cells in rows.items():
        if counts[told] > 0:
            yield Difference(table=table, told=cells, present=None)


def _cells(table: AuditedTable, cells: Cells) -> Exact:
    return exact(tuple(cells[place] for place in table.told_places))
