"""SQLite: rows are bound, and STRICT columns make values of texts."""

import itertools
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from csv_manager.sync.loading.interface import (
    NOTHING,
    Counts,
    Loader,
    TargetError,
    as_bytes,
    run,
    typed,
    values,
)
from csv_manager.sync.rows import Cells, Rows
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import sql_dialect_named
from csv_manager.sync.types import CANONICAL

#: How many values a statement binds, if its rows have fewer: of ten columns, 25 rows.
_VALUES = 256


class _RepeatedError(Exception):
    """Two rows have the same key."""


class _Keys(Rows):
    """The keys of rows."""

    def __init__(self, rows: Rows, table: Table) -> None:
        self._rows = rows
        self.name, self.columns = rows.name, table.key
        self._places = [rows.columns.index(name) for name in table.key]

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """Those of the rows."""
        for chunk in self._rows.chunks():
            yield [[cells[place] for place in self._places] for cells in chunk]


class _Batches:
    """Rows on their way into statements that take several at a time, which is quicker; `count` is how many they were.

    `statement` is one for as many rows as it is called with.
    """

    def __init__(self, rows: Iterable[Sequence[Any]], width: int, statement: Callable[[int], str]) -> None:
        self._rows, self._size, self._statement = iter(rows), max(_VALUES // width, 1), statement
        self._last: list[Sequence[Any]] = []
        self.count = 0

    def execute(self, driver: Any) -> int:
        """Execute them; how many rows were written, without what triggers did."""
        written = driver.executemany(self._statement(self._size), self._full()).rowcount
        if self._last:
            self.count += len(self._last)
            written = max(written, 0) + driver.execute(self._statement(len(self._last)), _flat(self._last)).rowcount
        return max(int(written), 0)

    def _full(self) -> Iterator[list[Any]]:
        """The values of as many rows as a statement takes; what is left then are fewer."""
        while len(rows := list(itertools.islice(self._rows, self._size))) == self._size:
            self._last = rows
            self.count += len(rows)
            yield _flat(rows)
        self._last = rows

    def refused(self, driver: Any) -> int | None:
        """The number of the row that the database has just refused, by executing those of its statement one by one."""
        begin = self.count - len(self._last)
        for number, row in enumerate(self._last if driver.in_transaction else (), begin):
            try:
                driver.execute(self._statement(1), row)
            except sqlite3.Error:
                return number
        return None


def _flat(rows: Iterable[Sequence[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(rows))


class SqliteLoader(Loader):
    """Loads by executemany of the standard library."""

    sql_dialect = sql_dialect_named("sqlite")
    stage = "temp.csv_manager_stage"

    def _load(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        driver: Any = connection.connection.driver_connection
        batches = self._batches(table, rows, f"INSERT INTO {target} ({self.listed(rows.columns)}) ")
        try:
            return batches.execute(driver)
        except sqlite3.Error as error:
            number = batches.refused(driver)
            place = rows.name if number is None else rows.place(number)
            raise TargetError(f"{place}: {error}, says the table {table.name}; nothing was written.") from error

    @staticmethod
    def _batches(table: Table, rows: Rows, before: str, behind: str = "") -> _Batches:
        """Rows for statements that have their values between two texts."""
        values = f"({', '.join(map(_value, typed(table, rows)))})"
        return _Batches(
            _bound(table, rows),
            len(rows.columns),
            lambda count: f"{before}VALUES {', '.join(itertools.repeat(values, count))}{behind}",
        )

    def merge(
        self,
        connection: Connection,
        table: Table,
        rows: Rows,
        *,
        mirror: bool,
        within: Mapping[str, str] = NOTHING,
        stamps: Collection[str] = (),
        is_unique: bool = False,
    ) -> Counts:
        """Without a table between where keys are not repeated: as texts they are not, and other texts are others."""
        kinds = {column.type.kind for column in table.columns if column.name in table.key}
        if not (is_unique and kinds <= CANONICAL):
            return super().merge(connection, table, rows, mirror=mirror, within=within, stamps=stamps)
        try:
            with connection.begin_nested():
                return self._merge_at_once(connection, table, rows, stamps, within if mirror else None)
        except (_RepeatedError, sqlite3.Error):  # which is told better, and repaired, by way of a table between
            return super().merge(connection, table, rows, mirror=mirror, within=within, stamps=stamps)

    def _merge_at_once(
        self,
        connection: Connection,
        table: Table,
        rows: Rows,
        stamps: Collection[str],
        mirrored: Mapping[str, str] | None,
    ) -> Counts:
        """By one INSERT … ON CONFLICT; of a mirror, with the values that its rows have."""
        where = "true" + self.and_within(mirrored or {}, "t")
        before = self.count(connection, table, where)
        batches = self._batches(table, rows, *self._upserting(table, rows, stamps))
        written = batches.execute(connection.connection.driver_connection)
        after = self.count(connection, table, where)
        deleted = 0
        if mirrored is not None and after != batches.count:
            with self._staged(connection, table, _Keys(rows, table)):
                deleted = self._delete_others(connection, table, mirrored)
            if after - deleted != batches.count:
                raise _RepeatedError
        inserted = after - before
        return Counts(inserted=inserted, updated=written - inserted, deleted=deleted)

    def _upserting(self, table: Table, rows: Rows, stamps: Collection[str]) -> tuple[str, str]:
        """What stands before and behind rows to merge them, and leaves those alone that are as they should be."""
        columns = self.listed(rows.columns)
        changed, conflict = values(table, rows), "DO NOTHING"
        compared = [name for name in changed if name not in stamps]
        if compared:
            sets = ", ".join(f"{self.quoted(name)} = excluded.{self.quoted(name)}" for name in changed)
            differ = (f"NOT ({self.same(self.column(table, name), 't', 'excluded')})" for name in compared)
            conflict = f"DO UPDATE SET {sets} WHERE {' OR '.join(differ)}"
        key = self.listed(table.key)
        return f"INSERT INTO {self.table_name(table)} AS t ({columns}) ", f" ON CONFLICT ({key}) {conflict}"

    def _make_stage(self, connection: Connection, table: Table, rows: Rows) -> None:
        columns = [
            f"{self.quoted(column.name)} {self.sql_dialect.column_type(column, table).compile(connection.dialect)}"
            for column in typed(table, rows)
        ]
        key = f"PRIMARY KEY ({self.listed(table.key)})"
        run(connection, f"CREATE TABLE {self.stage} ({', '.join([*columns, key])}) STRICT")

    def _merge(
        self, connection: Connection, table: Table, rows: Rows, staged: int, stamps: Collection[str]
    ) -> tuple[int, int]:
        """By INSERT … ON CONFLICT."""
        there = f"SELECT 1 FROM {self.table_name(table)} AS t WHERE {self.matched(table, 's', 't')}"
        new = staged - run(connection, f"SELECT count(*) FROM {self.stage} AS s WHERE EXISTS ({there})").scalar_one()
        before, behind = self._upserting(table, rows, stamps)
        told = f"{before}SELECT {self.listed(rows.columns)} FROM {self.stage} WHERE true{behind}"
        return new, run(connection, told).rowcount - new

    def _delete(self, connection: Connection, table: Table) -> int:
        return self._delete_where(connection, table, "EXISTS")

    def _delete_others(self, connection: Connection, table: Table, within: Mapping[str, str]) -> int:
        return self._delete_where(connection, table, "NOT EXISTS", self.and_within(within, "t"))

    def _delete_where(self, connection: Connection, table: Table, exists: str, further: str = "") -> int:
        known = f"SELECT 1 FROM {self.stage} AS s WHERE {self.matched(table, 's', 't')}"
        told = f"DELETE FROM {self.table_name(table)} AS t WHERE {exists} ({known}){further}"
        return int(run(connection, told).rowcount)

    def same(self, column: Column, one: str, other: str) -> str:
        """By IS; texts by their bytes, whatever the table says of them."""
        name = self.quoted(column.name)
        return f"{one}.{name} COLLATE BINARY IS {other}.{name}"

    def lock(self, connection: Connection, name: str) -> None:
        """Whoever writes to an SQLite file is alone with it."""


def _bound(table: Table, rows: Rows) -> Iterable[Sequence[Any]]:
    """Rows as they are bound, with bytes for columns of bytes."""
    places = {number for number, column in enumerate(typed(table, rows)) if column.type.kind == "bytes"}
    if not places:
        return rows
    return ([as_bytes(cell) if at in places and cell else cell for at, cell in enumerate(cells)] for cells in rows)


def _value(column: Column) -> str:
    """How a cell that is bound becomes a value; what is no value of a STRICT column is refused."""
    if column.type.kind == "text":
        return "?"
    if column.type.kind != "bool":
        return "nullif(?, '')"
    told = "CASE lower(cell) WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE cell END"
    return f"(SELECT {told} FROM (SELECT nullif(?, '') AS cell))"
