"""MySQL and MariaDB: LOAD DATA into the table, or into a temporary one of the same types that is merged by joins.

LOAD DATA LOCAL takes what does not fit a column as something else, and only warns of it: a warning is an error here.
"""

import contextlib
import datetime as dt
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from csv_manager.core.reading import Table as CsvTable
from csv_manager.sync.loading.interface import Loader, TargetError, keeps_empty, run, telling, typed, values
from csv_manager.sync.raw import NotPlainError, line_end, plain_blocks, with_line_ends
from csv_manager.sync.rows import Rows, tab_separated
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import sql_dialect_named

#: CLIENT_LOCAL_FILES of the protocol.
_LOCAL_FILES = 1 << 7
_BOOLS = {"true": 1, "false": 0}
_ROW = re.compile(r"at row (\d+)")
_COLUMN = re.compile(r"column (?:`[^`]*`\.){0,2}[`'](.+?)[`'] at row")


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How the server reads a file; an empty field has no value, in columns of other types than text, if `nulls`."""

    fields: str
    lines: str
    nulls: bool

    def __str__(self) -> str:
        return f"CHARACTER SET utf8mb4 FIELDS {self.fields} LINES TERMINATED BY '{self.lines}'"


_TABS = _Layout(fields=r"TERMINATED BY '\t' ESCAPED BY '\\'", lines=r"\n", nulls=False)


class MysqlLoader(Loader):
    """Loads by LOAD DATA LOCAL where both sides allow it, else by INSERT of many rows, in a session that is strict."""

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
        wanted = f"{source} WHERE {is_new} OR {differs}"
        new, written = run(connection, f"SELECT coalesce(sum({is_new}), 0), count(*) {wanted}").one()
        if written:
            names, found = self.listed(rows.columns), self.listed(rows.columns, "s")
            run(connection, f"INSERT INTO {target} ({names}) SELECT {found} {wanted}{update}")
        return int(new), written - int(new)

    def _delete(self, connection: Connection, table: Table) -> int:
        joined = f"{self.table_name(table)} AS t JOIN {self.stage} AS s ON {self.matched(table, 's', 't')}"
        return int(run(connection, f"DELETE t FROM {joined}").rowcount)

    def _delete_others(self, connection: Connection, table: Table) -> int:
        joined = f"{self.table_name(table)} AS t LEFT JOIN {self.stage} AS s ON {self.matched(table, 's', 't')}"
        return int(run(connection, f"DELETE t FROM {joined} WHERE s.{self.quoted(table.key[0])} IS NULL").rowcount)

    def _load(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        driver: Any = connection.connection.driver_connection
        if not driver.client_flag & _LOCAL_FILES or not run(connection, "SELECT @@local_infile").scalar_one():
            return self._insert(connection, target, table, rows)
        plain = rows.plain()
        if plain is not None:
            # What the server warns of, or takes otherwise, is written anew, which tells what it is. Without escapes,
            # a word NULL has no value; and a line that ends otherwise than it is told, it takes for none or for more.
            with contextlib.suppress(NotPlainError, TargetError), connection.begin_nested():
                end = line_end(plain)
                told = with_line_ends(plain_blocks(plain, b"NULL"), end)
                return self._send(connection, target, table, rows, told, _layout(plain, end))
        blocks = tab_separated(rows, keeps_empty(typed(table, rows)))
        return self._send(connection, target, table, rows, blocks, _TABS)

    def _send(
        self, connection: Connection, target: str, table: Table, rows: Rows, blocks: Iterator[bytes], layout: _Layout
    ) -> int:
        """Have the server read a file of these blocks."""
        fields, sets = [], []
        for number, column in enumerate(typed(table, rows)):
            field = f"@f{number}"
            cell = f"nullif({field}, '')" if layout.nulls and column.type.kind != "text" else field
            value = _value(column, cell)
            fields.append(self.quoted(column.name) if value == field else field)
            sets += [] if value == field else [f"{self.quoted(column.name)} = {value}"]
        with tempfile.NamedTemporaryFile(prefix="csv_manager-") as file:
            file.writelines(blocks)
            file.flush()
            told = f"LOAD DATA LOCAL INFILE {_literal(file.name)} INTO TABLE {target} {layout} ({', '.join(fields)})"
            with telling(table, rows), _sending(connection):
                loaded = int(run(connection, told + (f" SET {', '.join(sets)}" if sets else "")).rowcount)
        warning = run(connection, "SHOW WARNINGS LIMIT 1").first()
        if warning is not None:
            raise self._failure(warning[2], table, rows)
        return loaded

    def _insert(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        columns = typed(table, rows)
        made = [_maker(column) for column in columns]
        head = f"INSERT INTO {target} ({self.listed(rows.columns)}) VALUES ".replace("%", "%%")
        statement = f"{head}({', '.join(['%s'] * len(columns))})"
        driver: Any = connection.connection.driver_connection
        count = 0
        with driver.cursor() as cursor:
            for chunk in rows.chunks():
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
def _sending(connection: Connection) -> Iterator[None]:
    """Let the server have the file that it asks for, for as long as one is sent to it, and no longer."""
    driver: Any = connection.connection.driver_connection
    driver._local_infile = True  # noqa: SLF001 - PyMySQL has no other switch
    try:
        yield
    finally:
        driver._local_infile = False  # noqa: SLF001


def _layout(content: CsvTable, end: bytes) -> _Layout:
    """How the server reads the bytes of a content."""
    form = content.csv_format
    marks = f"TERMINATED BY {_literal(form.delimiter)} OPTIONALLY ENCLOSED BY {_literal(form.quotechar)}"
    lines = r"\r\n" if end == b"\r\n" else r"\n"
    return _Layout(fields=f"{marks} ESCAPED BY ''", lines=lines, nulls=True)


def _value(column: Column, cell: str) -> str:
    """How a text in a variable becomes a value of a column; a time with a zone is told in UTC."""
    if column.type.kind == "bool":
        return f"CASE lower({cell}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE {cell} END"
    if not column.type.timezone:
        return cell
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
