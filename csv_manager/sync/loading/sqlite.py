"""SQLite: rows are bound, and STRICT columns make values of texts."""

from typing import Any

from sqlalchemy import Connection

from csv_manager.sync.loading.interface import Loader, TargetError, run, typed, values
from csv_manager.sync.rows import Rows
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import sql_dialect_named


class SqliteLoader(Loader):
    """Loads by executemany of the standard library."""

    sql_dialect = sql_dialect_named("sqlite")
    stage = "temp.csv_manager_stage"

    def _load(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        import sqlite3

        bound = ", ".join(map(_value, typed(table, rows)))
        driver: Any = connection.connection.driver_connection
        before = driver.total_changes
        try:
            cursor = driver.executemany(f"INSERT INTO {target} ({self.listed(rows.columns)}) VALUES ({bound})", rows)
        except sqlite3.Error as error:
            place = rows.place(driver.total_changes - before)
            raise TargetError(f"{place}: {error}, says the table {table.name}; nothing was written.") from error
        return max(int(cursor.rowcount), 0)  # without what triggers did

    def _make_stage(self, connection: Connection, table: Table, rows: Rows) -> None:
        columns = [
            f"{self.quoted(column.name)} {self.sql_dialect.column_type(column, table).compile(connection.dialect)}"
            for column in typed(table, rows)
        ]
        key = f"PRIMARY KEY ({self.listed(table.key)})"
        run(connection, f"CREATE TABLE {self.stage} ({', '.join([*columns, key])}) STRICT")

    def _merge(self, connection: Connection, table: Table, rows: Rows, staged: int) -> tuple[int, int]:
        """By INSERT … ON CONFLICT, which leaves rows alone that are as they should be."""
        target, columns = self.table_name(table), self.listed(rows.columns)
        changed, conflict = values(table, rows), "DO NOTHING"
        if changed:
            sets = ", ".join(f"{self.quoted(name)} = excluded.{self.quoted(name)}" for name in changed)
            differ = (f"t.{self.quoted(name)} IS NOT excluded.{self.quoted(name)}" for name in changed)
            conflict = f"DO UPDATE SET {sets} WHERE {' OR '.join(differ)}"
        there = f"SELECT 1 FROM {target} AS t WHERE {self.matched(table, 's', 't')}"
        new = staged - run(connection, f"SELECT count(*) FROM {self.stage} AS s WHERE EXISTS ({there})").scalar_one()
        source = f"SELECT {columns} FROM {self.stage} WHERE true"
        told = f"INSERT INTO {target} AS t ({columns}) {source} ON CONFLICT ({self.listed(table.key)}) {conflict}"
        return new, run(connection, told).rowcount - new

    def _delete(self, connection: Connection, table: Table) -> int:
        return self._delete_where(connection, table, "EXISTS")

    def _delete_others(self, connection: Connection, table: Table) -> int:
        return self._delete_where(connection, table, "NOT EXISTS")

    def _delete_where(self, connection: Connection, table: Table, exists: str) -> int:
        known = f"SELECT 1 FROM {self.stage} AS s WHERE {self.matched(table, 's', 't')}"
        return int(run(connection, f"DELETE FROM {self.table_name(table)} AS t WHERE {exists} ({known})").rowcount)


def _value(column: Column) -> str:
    """How a cell that is bound becomes a value; what is no value of a STRICT column is refused."""
    if column.type.kind == "text":
        return "?"
    if column.type.kind != "bool":
        return "nullif(?, '')"
    told = "CASE lower(cell) WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE cell END"
    return f"(SELECT {told} FROM (SELECT nullif(?, '') AS cell))"
