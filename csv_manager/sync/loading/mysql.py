"""MySQL and MariaDB: LOAD DATA into the table, or into a temporary one of the same types that is merged by joins.

LOAD DATA LOCAL takes what does not fit a column as something else, and only warns of it: a warning is an error here.
"""

import contextlib
import datetime as dt
import re
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection

from csv_manager.sync.loading.interface import Loader, TargetError, keeps_empty, run, typed, values
from csv_manager.sync.rows import Rows, chunks, tab_separated
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import sql_dialect_named

_LAYOUT = r"CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'"
#: CLIENT_LOCAL_FILES of the protocol.
_LOCAL_FILES = 1 << 7
_BOOLS = {"true": 1, "false": 0}
_ROW = re.compile(r"at row (\d+)")
_COLUMN = re.compile(r"column (?:`[^`]*`\.){0,2}[`'](.+?)[`'] at row")


class MysqlLoader(Loader):
    """Loads by LOAD DATA LOCAL where both sides allow it, else by INSERT of many rows."""

    sql_dialect = sql_dialect_named("mysql")

    stage = "csv_manager_stage"

    def _make_stage(self, connection: Connection, table: Table, rows: Rows) -> None:
        """A temporary table is made without a commit."""
        like = f"SELECT {self.listed(rows.columns)} FROM {self.table_name(table)} LIMIT 0"
        run(connection, f"CREATE TEMPORARY TABLE {self.stage} (PRIMARY KEY ({self.listed(table.key)})) {like}")

    def _merge(self, connection: Connection, table: Table, rows: Rows, staged: int) -> tuple[int, int]:
        """By INSERT … ON DUPLICATE KEY UPDATE of the rows that differ, which a join finds."""
        del staged
        target, changed = self.table_name(table), values(table, rows)
        source = f"FROM {self.stage} AS s LEFT JOIN {target} AS o ON {self.matched(table, 'o', 's')}"
        is_new = f"o.{self.quoted(table.key[0])} IS NULL"
        differs, update = "false", ""
        if changed:
            same = " AND ".join(f"o.{self.quoted(name)} <=> s.{self.quoted(name)}" for name in changed)
            differs = f"NOT ({same})"
            sets = ", ".join(f"{target}.{self.quoted(name)} = s.{self.quoted(name)}" for name in changed)
            update = f" ON DUPLICATE KEY UPDATE {sets}"
        new, written = run(
            connection, f"SELECT coalesce(sum({is_new}), 0), count(*) {source} WHERE {is_new} OR {differs}"
        ).one()
        if written:
            run(
                connection,
                f"INSERT INTO {target} ({self.listed(rows.columns)}) SELECT {self.listed(rows.columns, 's')} {source} "
                f"WHERE {is_new} OR {differs}{update}",
            )
        return int(new), written - int(new)

    def _delete(self, connection: Connection, table: Table) -> int:
        joined = f"{self.table_name(table)} AS t JOIN {self.stage} AS s ON {self.matched(table, 's', 't')}"
        return int(run(connection, f"DELETE t FROM {joined}").rowcount)

    def _delete_others(self, connection: Connection, table: Table) -> int:
        joined = f"{self.table_name(table)} AS t LEFT JOIN {self.stage} AS s ON {self.matched(table, 's', 't')}"
        return int(run(connection, f"DELETE t FROM {joined} WHERE s.{self.quoted(table.key[0])} IS NULL").rowcount)

    def _load(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        columns = typed(table, rows)
        driver: Any = connection.connection.driver_connection
        if not driver.client_flag & _LOCAL_FILES or not run(connection, "SELECT @@local_infile").scalar_one():
            return self._insert(connection, target, table, rows)
        fields = ", ".join(
            f"@f{number}" if _converted(column) else self.quoted(column.name) for number, column in enumerate(columns)
        )
        sets = ", ".join(
            f"{self.quoted(column.name)} = {_value(column, f'@f{number}')}"
            for number, column in enumerate(columns)
            if _converted(column)
        )
        with tempfile.NamedTemporaryFile(prefix="csv_manager-") as file, _sending(driver):
            for block in tab_separated(rows, keeps_empty(columns)):
                file.write(block)
            file.flush()
            told = f"LOAD DATA LOCAL INFILE {_literal(file.name)} INTO TABLE {target} {_LAYOUT} ({fields})"
            loaded = int(run(connection, told + (f" SET {sets}" if sets else "")).rowcount)
        warning = run(connection, "SHOW WARNINGS LIMIT 1").first()
        if warning is not None:
            raise self._failure(warning[2], table, rows)
        return loaded

    def _insert(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        columns = typed(table, rows)
        made = [_maker(column) for column in columns]
        names = self.listed(rows.columns)
        head = f"INSERT INTO {target} ({names}) VALUES ".replace("%", "%%")
        statement = f"{head}({', '.join(['%s'] * len(columns))})"
        driver: Any = connection.connection.driver_connection
        count = 0
        with driver.cursor() as cursor:
            for chunk in chunks(rows):
                told = [[make(cell) for make, cell in zip(made, cells, strict=True)] for cells in chunk]
                try:
                    cursor.executemany(statement, told)
                except driver.Error as error:
                    raise self._failure(str(error.args[-1]), table, rows, count) from error
                count += len(chunk)
        return count

    def _failure(self, said: str, table: Table, rows: Rows, before: int = 0) -> TargetError:
        row, column = _ROW.search(said), _COLUMN.search(said)
        place = rows.place(before + int(row[1]) - 1) if row and int(row[1]) else rows.name
        where = f": column {column[1]!r}" if column else ""
        return TargetError(f"{place}{where}: {said}, says the table {table.name}; nothing was written.")


@contextlib.contextmanager
def _sending(driver: Any) -> Iterator[None]:
    """Let a server have the file that it asks for, for as long as one is sent to it, and no longer."""
    driver._local_infile = True  # noqa: SLF001 - PyMySQL has no other switch
    try:
        yield
    finally:
        driver._local_infile = False  # noqa: SLF001


def _converted(column: Column) -> bool:
    return column.type.kind == "bool" or column.type.timezone


def _value(column: Column, cell: str) -> str:
    """How a text in a variable becomes a value of a column; a time with a zone is told in UTC."""
    if column.type.kind == "bool":
        return f"CASE lower({cell}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE {cell} END"
    is_utc = f"right({cell}, 1) = 'Z'"
    local = f"CAST(left({cell}, char_length({cell}) - if({is_utc}, 1, 6)) AS DATETIME(6))"
    return f"{local} - INTERVAL if({is_utc}, '00:00', replace(right({cell}, 6), '+', '')) HOUR_MINUTE"


def _maker(column: Column) -> Callable[[str | None], object]:
    """How a cell becomes a value that is bound."""
    if column.type.kind == "text":
        return lambda cell: cell
    if column.type.kind == "bool":
        return lambda cell: _BOOLS.get(cell.lower(), cell) if cell else None
    if column.type.timezone:
        return lambda cell: dt.datetime.fromisoformat(cell).astimezone(dt.UTC).replace(tzinfo=None) if cell else None
    return lambda cell: cell or None


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
