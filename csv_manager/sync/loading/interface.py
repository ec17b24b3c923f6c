"""What a loader of a database does: rows into a table, in bulk, inside the caller's transaction."""

import abc
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from csv_manager.core.errors import CsvManagerError
from csv_manager.sync.rows import Rows
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import SqlDialect


class TargetError(CsvManagerError):
    """The target could not be written; it is as it was."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many rows of a table were inserted, updated and deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class Loader(abc.ABC):
    """Loads rows into tables of one kind of database.

    A row's cells are texts, whose values are those of the columns' types; an empty cell has no value but in a text
    column. Everything raises `TargetError`, after which the caller's transaction has to be rolled back.
    """

    sql_dialect: SqlDialect
    #: The name of the temporary table that rows are in before they are merged.
    stage: str

    def insert(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Insert rows, none of which is there, and return how many they were."""
        with telling(table, rows):
            return self._load(connection, self.table_name(table), table, rows)

    def merge(self, connection: Connection, table: Table, rows: Rows, *, mirror: bool) -> Counts:
        """Have the table have these rows: those that differ are updated; with `mirror`, others are deleted."""
        with telling(table, rows), self._staged(connection, table, rows) as staged:
            inserted, updated = self._merge(connection, table, rows, staged)
            deleted = self._delete_others(connection, table) if mirror else 0
        return Counts(inserted=inserted, updated=updated, deleted=deleted)

    def delete(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Delete the rows with these keys, of which `rows` has the columns, and return how many they were."""
        with telling(table, rows), self._staged(connection, table, rows):
            return self._delete(connection, table)

    @contextlib.contextmanager
    def _staged(self, connection: Connection, table: Table, rows: Rows) -> Iterator[int]:
        """Rows in a temporary table of the same types, which is there meanwhile; how many they are."""
        run(connection, f"DROP TABLE IF EXISTS {self.stage}")  # of one that failed
        self._make_stage(connection, table, rows)
        yield self._load(connection, self.stage, table, rows)
        run(connection, f"DROP TABLE {self.stage}")

    @abc.abstractmethod
    def _load(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        """Insert rows into the table, or into its stage, and return how many they were."""

    @abc.abstractmethod
    def _make_stage(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Make a temporary table for the columns of rows."""

    @abc.abstractmethod
    def _merge(self, connection: Connection, table: Table, rows: Rows, staged: int) -> tuple[int, int]:
        """Merge the rows that are staged; how many were inserted and updated."""

    @abc.abstractmethod
    def _delete(self, connection: Connection, table: Table) -> int:
        """Delete the rows whose keys are staged."""

    @abc.abstractmethod
    def _delete_others(self, connection: Connection, table: Table) -> int:
        """Delete the rows whose keys are not staged."""

    def quoted(self, *names: str | None) -> str:
        """A name as a statement has it, with that of its schema or table before it."""
        quote = self.sql_dialect.sqlalchemy.identifier_preparer.quote_identifier
        return ".".join(quote(name) for name in names if name is not None)

    def table_name(self, table: Table) -> str:
        """The name of a table as a statement has it."""
        return self.quoted(table.schema, table.name)

    def listed(self, names: Sequence[str], prefix: str | None = None) -> str:
        """Names of columns, as a statement lists them."""
        return ", ".join(f"{prefix}.{self.quoted(name)}" if prefix else self.quoted(name) for name in names)

    def matched(self, table: Table, one: str, other: str) -> str:
        """The condition that rows of two tables have the same key."""
        return " AND ".join(f"{one}.{self.quoted(name)} = {other}.{self.quoted(name)}" for name in table.key)


def typed(table: Table, rows: Rows) -> list[Column]:
    """The columns of a table that rows have, in their order."""
    by_name = {column.name: column for column in table.columns}
    return [by_name[name] for name in rows.columns]


@contextlib.contextmanager
def telling(table: Table, rows: Rows) -> Iterator[None]:
    """Have what the database refuses be a `TargetError`."""
    try:
        yield
    except DBAPIError as error:
        told: tuple[Any, ...] = getattr(error.orig, "args", ())
        said = " ".join(str(told[-1] if told else error.orig).split()).rstrip(".")
        raise TargetError(f"{rows.name}: {said}, says the table {table.name}; nothing was written.") from error


def run(connection: Connection, statement: str) -> Any:
    """Execute a statement as the database reads it."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def values(table: Table, rows: Rows) -> list[str]:
    """The columns of rows that are not in the table's key."""
    return [name for name in rows.columns if name not in table.key]


def keeps_empty(columns: Sequence[Column]) -> list[bool]:
    """For each column, whether an empty cell is an empty text in it."""
    return [column.type.kind == "text" for column in columns]
