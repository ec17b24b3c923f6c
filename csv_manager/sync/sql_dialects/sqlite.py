"""SQLite: tables are STRICT, and a decimal that a double does not keep is a text."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, types
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from csv_manager.core.errors import ConfigurationError
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects.interface import SqlDialect

#: How a statement begins that makes a table.
_HEAD = re.compile(r'\ACREATE TABLE\s+(?:"(?:[^"]|"")*"|[^\s("]+)\s*\(')
#: The most digits that a double keeps.
_DOUBLE_DIGITS = 15


class Sqlite(SqlDialect):
    """SQLite has integers, doubles and texts."""

    name = "sqlite"
    options = {"sqlite_strict": True}  # noqa: RUF012 - never changed
    folds_columns = True
    sqlalchemy = sqlite.dialect(paramstyle="named")

    def column_type(self, column: Column, table: Table) -> TypeEngine[Any]:
        """INTEGER of a bool, too; dates and times are texts as ISO 8601 has them."""
        del table
        told, kind = column.type, self.known(column)
        if kind in ("bool", "smallint", "integer", "bigint"):
            return types.INTEGER()
        is_double = kind == "decimal" and told.precision is not None and told.precision <= _DOUBLE_DIGITS
        if kind in ("real", "double") or is_double:
            return types.REAL()
        return types.BLOB() if kind == "bytes" else types.TEXT()

    def change_types(self, connection: Connection, table: Table, columns: Sequence[Column]) -> list[str]:
        """A new table with the rows of the old one, in whose place it comes, with its indexes and triggers.

        It is made as the old one was, with other types; one that is told otherwise than csv_manager does is not
        changed. Views of it see the new one.
        """
        parts = _parts(connection, table)
        made = next(part.sql for part in parts if part.type == "table")
        told = made
        for column in columns:
            told = self._with_type(told, table, column)
        if told == made:
            return []
        _refuse_referred(connection, table)
        new, old = self.quoted(table.schema, f"{table.name} (new)"), self.quoted(table.schema, table.name)
        changed = {column.name: self.native(table, column) for column in columns}
        names = [column.name for column in table.columns if not column.is_computed]
        truths = {column.name for column in table.columns if column.type.kind == "bool"}
        cast = ", ".join(self._cast(name, changed.get(name), is_truth=name in truths) for name in names)
        listed = ", ".join(map(self.quoted, names))
        return [
            _HEAD.sub(lambda _: f"CREATE TABLE {new} (", told, count=1),
            f"INSERT INTO {new} ({listed}) SELECT {cast} FROM {old}",  # noqa: S608 - quoted
            f"DROP TABLE {old}",
            "PRAGMA legacy_alter_table = ON",  # what speaks of the old one means the new one
            f"ALTER TABLE {new} RENAME TO {self.quoted(table.name)}",
            "PRAGMA legacy_alter_table = OFF",
            *(part.sql for part in parts if part.type in ("index", "trigger")),
        ]

    def _cast(self, name: str, native: str | None, *, is_truth: bool) -> str:
        """A column, of another type if it has one; a truth that becomes a text is a word."""
        column = self.quoted(name)
        if native is None:
            return column
        if native == "TEXT" and is_truth:
            return f"CASE {column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
        return f"CAST({column} AS {native})"

    def _with_type(self, made: str, table: Table, column: Column) -> str:
        """The statement that made a table, with another type of a column. Raises `ConfigurationError`."""
        before = next(known for known in table.columns if known.name == column.name)
        native = self.native(table, before)
        if native == self.native(table, column):
            return made
        names = f"{re.escape(self.quoted(column.name))}|{re.escape(column.name)}"
        told, count = re.subn(
            rf"([(,]\s*(?:{names})\s+){re.escape(native)}(?=[\s,)])",
            lambda found: found[1] + self.native(table, column),
            made,
        )
        if count == 1:
            return told
        raise ConfigurationError(
            f"The column {column.name!r} of the table {table.name} was not made by csv_manager, which does not change "
            f"its type to {column.type}; change it there, or name another --table."
        )

    def length_of(self, name: str) -> tuple[int, int, str]:
        """It takes names of any length; those beyond a thousand characters are no names of people's."""
        return len(name), 1000, "characters"


def _parts(connection: Connection, table: Table) -> Sequence[Any]:
    """The statements that made a table, its indexes and its triggers, with what each of them is."""
    schema = Sqlite().quoted(table.schema or "main")
    which = f"tbl_name = {_literal(table.name)} AND sql IS NOT NULL"
    return run(connection, f"SELECT type, sql FROM {schema}.sqlite_schema WHERE {which}").all()  # type: ignore[no-any-return] # noqa: S608


def _refuse_referred(connection: Connection, table: Table) -> None:
    """Raise `ConfigurationError` for a table that another one refers to."""
    name = _literal(table.name)
    keys = f'pragma_foreign_key_list(m.name) AS f WHERE lower(f."table") = lower({name}) AND m.name <> {name}'
    referring = run(connection, f"SELECT m.name FROM sqlite_schema AS m, {keys}").scalars().first()  # noqa: S608
    if referring is not None:
        raise ConfigurationError(
            f"The table {referring} refers to {table.name}, whose types cannot be changed then; drop its foreign key."
        )


def run(connection: Connection, statement: str) -> Any:
    """Execute a statement as SQLite reads it."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
