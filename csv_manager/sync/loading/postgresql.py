"""PostgreSQL: COPY into the table, or into a temporary one of the same types that is merged in two statements."""

import contextlib
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from csv_manager.core.raw import NotPlainError, plain_blocks
from csv_manager.core.reading import Table as CsvTable
from csv_manager.sync.loading.interface import Loader, TargetError, busy, keeps_empty, lock_number, run, typed, values
from csv_manager.sync.rows import Rows, tab_separated
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import sql_dialect_named

#: Where COPY found what it could not read.
_PLACE = re.compile(r"\ACOPY \S+, line (?P<line>\d+)(?:, column (?P<column>.+?): )?", re.DOTALL)


class PostgresqlLoader(Loader):
    """Loads by COPY on SQLAlchemy's own connection."""

    sql_dialect = sql_dialect_named("postgresql")
    stage = "pg_temp.csv_manager_stage"

    def _load(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        import psycopg

        copied = f"COPY {target} ({self.listed(rows.columns)}) FROM STDIN"
        columns, plain = typed(table, rows), rows.plain()
        if plain is not None:
            # What the server does not take, or takes otherwise, is written anew, which tells what it is.
            with contextlib.suppress(NotPlainError, psycopg.Error), connection.begin_nested():
                told = f"{copied} WITH ({self._csv_options(plain, columns)})"
                return self._copy(connection, told, rows.beside(plain_blocks(plain, b"\\.")))
        try:
            return self._copy(connection, copied, tab_separated(rows, keeps_empty(columns)))
        except psycopg.Error as error:
            raise TargetError(self._told(error, table, rows)) from error

    @staticmethod
    def _copy(connection: Connection, statement: str, blocks: Iterator[bytes]) -> int:
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for block in blocks:
                    copy.write(block)
            return int(cursor.rowcount)

    def _csv_options(self, content: CsvTable, columns: Sequence[Column]) -> str:
        """How COPY reads a content: an empty cell is an empty text in columns of text, in others it has no value."""
        form = content.csv_format
        marks = (f"DELIMITER {self.literal(form.delimiter)}", f"QUOTE {self.literal(form.quotechar)}")
        told = ["FORMAT csv", "NULL ''", *marks, "ENCODING 'UTF8'"]
        for option, is_text in (("FORCE_NOT_NULL", True), ("FORCE_NULL", False)):
            names = [column.name for column in columns if (column.type.kind == "text") == is_text]
            told += [f"{option} ({self.listed(names)})"] if names else []
        return ", ".join(told)

    def _make_stage(self, connection: Connection, table: Table, rows: Rows) -> None:
        like = f"SELECT {self.listed(rows.columns)} FROM {self.table_name(table)} WITH NO DATA"
        run(connection, f"CREATE TEMPORARY TABLE csv_manager_stage ON COMMIT DROP AS {like}")

    def _merge(
        self, connection: Connection, table: Table, rows: Rows, staged: int, stamps: Collection[str]
    ) -> tuple[int, int]:
        """By INSERT … ON CONFLICT, which leaves rows alone that are as they should be."""
        del staged
        self._refuse_repeated(connection, table, rows)
        changed, conflict = values(table, rows), "DO NOTHING"
        compared = [name for name in changed if name not in stamps]
        if compared:
            sets = ", ".join(f"{self.quoted(name)} = excluded.{self.quoted(name)}" for name in changed)
            is_other = f"({self.listed(compared, 't')}) IS DISTINCT FROM ({self.listed(compared, 'excluded')})"
            conflict = f"DO UPDATE SET {sets} WHERE {is_other}"
        new, written = run(
            connection,
            f"WITH done AS (INSERT INTO {self.table_name(table)} AS t ({self.listed(rows.columns)}) "
            f"SELECT {self.listed(rows.columns)} FROM {self.stage} ON CONFLICT ({self.listed(table.key)}) {conflict} "
            "RETURNING xmax = 0 AS is_new) SELECT count(*) FILTER (WHERE is_new), count(*) FROM done",
        ).one()
        return new, written - new

    def _refuse_repeated(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Raise `TargetError` for two rows with the same key, which ON CONFLICT takes for one and the next."""
        key = self.listed(table.key)
        repeated = run(connection, f"SELECT {key} FROM {self.stage} GROUP BY {key} HAVING count(*) > 1 LIMIT 1").first()
        if repeated is not None:
            told = ", ".join(f"{name}={value}" for name, value in zip(table.key, repeated, strict=True))
            raise TargetError(f"{rows.name}: two rows have the key {told}; nothing was written.")

    def _delete(self, connection: Connection, table: Table) -> int:
        source = f"{self.table_name(table)} AS t USING {self.stage} AS s"
        return int(run(connection, f"DELETE FROM {source} WHERE {self.matched(table, 's', 't')}").rowcount)

    def _delete_others(self, connection: Connection, table: Table, within: Mapping[str, str]) -> int:
        known = f"SELECT 1 FROM {self.stage} AS s WHERE {self.matched(table, 's', 't')}"
        told = f"DELETE FROM {self.table_name(table)} AS t WHERE NOT EXISTS ({known}){self.and_within(within, 't')}"
        return int(run(connection, told).rowcount)

    def same(self, column: Column, one: str, other: str) -> str:
        """By IS NOT DISTINCT FROM."""
        name = self.quoted(column.name)
        return f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}"

    def lock(self, connection: Connection, name: str) -> None:
        """By an advisory lock of the transaction."""
        told = f"SELECT pg_try_advisory_xact_lock({lock_number(name)})"
        if not run(connection, told).scalar_one():
            raise busy(name)

    def _told(self, error: Any, table: Table, rows: Rows) -> str:
        said = error.diag.message_primary or str(error)
        found = _PLACE.match(error.diag.context or "")
        if not found:
            return f"{rows.name}: {said}, says the table {table.name}; nothing was written."
        number = int(found["line"]) - 1
        name = found["column"] or _without_text(rows, number)
        column = f": column {name!r}" if name else ""
        return f"{rows.place(number)}{column}: {said}, says the table {table.name}; nothing was written."


def _without_text(rows: Rows, number: int) -> str | None:
    """The first column of a row whose cell is no text to the server, of which it tells the line alone."""
    cells = next(itertools.islice(rows, number, None), ())
    return next((name for name, cell in zip(rows.columns, cells, strict=False) if cell and not _is_text(cell)), None)


def _is_text(cell: str) -> bool:
    try:
        return b"\0" not in cell.encode()
    except UnicodeEncodeError:
        return False
