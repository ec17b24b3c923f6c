"""MySQL and MariaDB: LOAD DATA into the table, or into a temporary one of the same types that is merged by joins.

LOAD DATA LOCAL takes what does not fit a column as something else, and only warns of it: a warning is an error here.
"""

import contextlib
import datetime as dt
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from csv_manager.core.raw import NotPlainError, by_gaps, line_end, plain_blocks, with_line_ends
from csv_manager.core.reading import Table as CsvTable
from csv_manager.sync.loading.interface import (
    Loader,
    MisfitError,
    TargetError,
    as_bytes,
    busy,
    keeps_empty,
    lock_number,
    run,
    telling,
    typed,
    values,
)
from csv_manager.sync.rows import Rows, tab_separated
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import sql_dialect_named

#: CLIENT_LOCAL_FILES of the protocol.
_LOCAL_FILES = 1 << 7
#: The most bytes that are sent at once.
_PACKET = 1 << 16
_BOOLS = {"true": 1, "false": 0}
_ROW = re.compile(r"at row (\d+)")
_COLUMN = re.compile(r"column (?:`[^`]*`\.){0,2}[`'](.+?)[`'] at row")


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How the server reads a file."""

    fields: str
    lines: str
    #: Whether it may have empty fields, which have no value in columns that are no text.
    has_gaps: bool = False

    def __str__(self) -> str:
        return f"CHARACTER SET utf8mb4 FIELDS {self.fields} LINES TERMINATED BY '{self.lines}'"


_TABS = _Layout(fields=r"TERMINATED BY '\t' ESCAPED BY '\\'", lines=r"\n")


class MysqlLoader(Loader):
    """Loads by LOAD DATA LOCAL where both sides allow it, else by INSERT of many rows, in a session that is strict."""

    sql_dialect = sql_dialect_named("mysql")
    stage = "csv_manager_stage"
    drop = "DROP TEMPORARY TABLE"

    def _make_stage(self, connection: Connection, table: Table, rows: Rows) -> None:
        """A temporary table is made without a commit."""
        like = f"SELECT {self.listed(rows.columns)} FROM {self.table_name(table)} LIMIT 0"
        run(connection, f"CREATE TEMPORARY TABLE {self.stage} (PRIMARY KEY ({self.listed(table.key)})) {like}")

    def _merge(
        self, connection: Connection, table: Table, rows: Rows, staged: int, stamps: Collection[str]
    ) -> tuple[int, int]:
        """By an UPDATE of the rows that differ and an INSERT of the others: another unique key is none."""
        del staged
        target, changed = self.table_name(table), values(table, rows)
        compared = [name for name in changed if name not in stamps]
        matched, updated = self.matched(table, "o", "s"), 0
        if compared:
            same = " AND ".join(self.same(self.column(table, name), "o", "s") for name in compared)
            sets = ", ".join(f"o.{self.quoted(name)} = s.{self.quoted(name)}" for name in changed)
            joined = f"UPDATE {target} AS o JOIN {self.stage} AS s ON {matched} SET {sets} WHERE NOT ({same})"
            updated = int(run(connection, joined).rowcount)
        source = f"FROM {self.stage} AS s LEFT JOIN {target} AS o ON {matched}"
        new = f"SELECT {self.listed(rows.columns, 's')} {source} WHERE o.{self.quoted(table.key[0])} IS NULL"
        inserted = run(connection, f"INSERT INTO {target} ({self.listed(rows.columns)}) {new}").rowcount
        return int(inserted), updated

    def _delete(self, connection: Connection, table: Table) -> int:
        joined = f"{self.table_name(table)} AS t JOIN {self.stage} AS s ON {self.matched(table, 's', 't')}"
        return int(run(connection, f"DELETE t FROM {joined}").rowcount)

    def _delete_others(self, connection: Connection, table: Table, within: Mapping[str, str]) -> int:
        joined = f"{self.table_name(table)} AS t LEFT JOIN {self.stage} AS s ON {self.matched(table, 's', 't')}"
        others = f"s.{self.quoted(table.key[0])} IS NULL{self.and_within(within, 't')}"
        return int(run(connection, f"DELETE t FROM {joined} WHERE {others}").rowcount)

    def _rewriting(self, table: Table, columns: Sequence[str], where: str) -> str:
        sets = ", ".join(f"t.{self.quoted(name)} = s.{self.quoted(name)}" for name in columns)
        return f"UPDATE {self.table_name(table)} AS t JOIN {self.stage} AS s SET {sets} WHERE {where}"

    def same(self, column: Column, one: str, other: str) -> str:
        """By <=>; texts by their bytes, whatever the table says of them."""
        name = self.quoted(column.name)
        if column.type.kind == "text":
            return f"CAST({one}.{name} AS BINARY) <=> CAST({other}.{name} AS BINARY)"
        return f"{one}.{name} <=> {other}.{name}"

    def lock(self, connection: Connection, name: str) -> None:
        """By a named lock of the connection, which lets go of it when it is given back, or lost."""
        told = f"SELECT GET_LOCK(CONCAT('csv_manager.', {lock_number(name)}, MD5(DATABASE())), 0)"
        if run(connection, told).scalar_one() != 1:
            raise busy(name)

    def time_literal(self, time: dt.datetime) -> str:
        """In UTC, without its zone."""
        return self.literal(self.moment(time).partition("+")[0])

    def literal(self, text: str) -> str:
        """With backslashes doubled."""
        return _literal(text)

    def _load(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        driver: Any = connection.connection.driver_connection
        if not driver.client_flag & _LOCAL_FILES or not run(connection, "SELECT @@local_infile").scalar_one():
            return self._insert(connection, target, table, rows)
        plain = rows.plain()
        if plain is not None:
            # What the server warns of, or takes otherwise, is written anew, which tells what it is. Without escapes,
            # a word NULL has no value; and a line that ends otherwise than it is told, it takes for none or for more.
            try:
                with connection.begin_nested():
                    end = line_end(plain)
                    loaded = 0
                    for has_gaps, blocks in by_gaps(
                        rows.beside(with_line_ends(plain_blocks(plain, b"NULL"), end)), plain
                    ):
                        layout = _layout(plain, end, has_gaps=has_gaps)
                        loaded += self._send(connection, target, table, rows, blocks, layout, loaded)
                    return loaded
            except MisfitError:
                raise
            except (NotPlainError, TargetError):
                pass
        return self._send(connection, target, table, rows, tab_separated(rows, keeps_empty(typed(table, rows))), _TABS)

    def _send(
        self,
        connection: Connection,
        target: str,
        table: Table,
        rows: Rows,
        blocks: Iterable[bytes],
        layout: _Layout,
        before: int = 0,
    ) -> int:
        """Have the server read these blocks as if they were a file, behind so many rows."""
        fields, sets = [], []
        for number, column in enumerate(typed(table, rows)):
            field = f"@f{number}"
            cell = f"nullif({field}, '')" if layout.has_gaps and column.type.kind != "text" else field
            value = _value(column, cell)
            fields.append(self.quoted(column.name) if value == field else field)
            sets += [] if value == field else [f"{self.quoted(column.name)} = {value}"]
        told = f"LOAD DATA LOCAL INFILE {_literal(os.devnull)} INTO TABLE {target} {layout} ({', '.join(fields)})"
        with telling(table, rows), _sending(connection, blocks):
            loaded = int(run(connection, told + (f" SET {', '.join(sets)}" if sets else "")).rowcount)
        warning = run(connection, "SHOW WARNINGS LIMIT 1").first()
        if warning is not None:
            raise self._failure(warning[2], table, rows, before)
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


class _Sender:
    """Stands for a driver's `write_packet` while the server asks for a file: sends these blocks, and nothing else.

    The server works on what it has while the next block is made. If that fails it is told that this was all, so that it
    answers. An interrupt may come within a packet, of which it would wait for the rest; so the connection is closed.
    """

    def __init__(self, driver: Any, blocks: Iterable[bytes]) -> None:
        self._driver, self._blocks = driver, blocks
        self._write = driver.write_packet
        self.failed: BaseException | None = None

    def __call__(self, payload: bytes) -> None:
        """Send the blocks instead of nothing, which is the end of a file; what PyMySQL has read is not sent."""
        if payload:
            return
        try:
            self._send()
            self._write(b"")
        except Exception:
            raise
        except BaseException as stop:
            self.failed = stop
            self._driver._force_close()  # noqa: SLF001
            raise

    def _send(self) -> None:
        try:
            for block in self._blocks:
                for begin in range(0, len(block), _PACKET):
                    self._write(block[begin : begin + _PACKET])
        except Exception as error:  # noqa: BLE001 - it is raised behind the answer
            self.failed = error


@contextlib.contextmanager
def _sending(connection: Connection, blocks: Iterable[bytes]) -> Iterator[None]:
    """Let the server have these blocks where it asks for a file, whichever that is."""
    driver: Any = connection.connection.driver_connection
    sender = _Sender(driver, blocks)
    driver._local_infile, driver.write_packet = True, sender  # noqa: SLF001 - PyMySQL has no other switch
    try:
        yield
    except Exception:
        if sender.failed is not None and not isinstance(sender.failed, Exception):
            raise sender.failed from None  # what was raised then is that nothing can be written any more
        raise
    finally:
        driver._local_infile = False  # noqa: SLF001
        del driver.write_packet
    if sender.failed is not None:
        raise sender.failed


def _layout(content: CsvTable, end: bytes, *, has_gaps: bool) -> _Layout:
    """How the server reads the bytes of a content."""
    form = content.csv_format
    marks = f"TERMINATED BY {_literal(form.delimiter)} OPTIONALLY ENCLOSED BY {_literal(form.quotechar)}"
    lines = r"\r\n" if end == b"\r\n" else r"\n"
    return _Layout(fields=f"{marks} ESCAPED BY ''", lines=lines, has_gaps=has_gaps)


def _value(column: Column, cell: str) -> str:
    """How a text in a variable becomes a value of a column; a time with a zone is told in UTC."""
    if column.type.kind == "bool":
        return f"CASE lower({cell}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE {cell} END"
    if column.type.kind == "bytes":
        return f"if(left({cell}, 2) = '\\\\x', unhex(substr({cell}, 3)), CAST({cell} AS BINARY))"
    if not column.type.timezone:
        return cell
    local = f"CAST(left({cell}, char_length({cell}) - 6) AS DATETIME(6))"
    moved = f"{local} - INTERVAL replace(right({cell}, 6), '+', '') HOUR_MINUTE"
    return f"if(right({cell}, 1) = 'Z', left({cell}, char_length({cell}) - 1), {moved})"


def _maker(column: Column) -> Callable[[str | None], object]:
    """How a cell becomes a value that is bound."""
    if column.type.kind == "text":
        return lambda cell: cell
    if column.type.kind == "bool":
        return lambda cell: _BOOLS.get(cell.lower(), cell) if cell else None
    if column.type.kind == "bytes":
        return lambda cell: as_bytes(cell) if cell else None
    if column.type.timezone:
        return lambda cell: dt.datetime.fromisoformat(cell).astimezone(dt.UTC).replace(tzinfo=None) if cell else None
    return lambda cell: cell or None


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
