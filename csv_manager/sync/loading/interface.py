"""What a loader of a database does: rows into a table, in bulk, inside the caller's transaction."""

import abc
import contextlib
import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from csv_manager.core.errors import CsvManagerError, go_on_stopping
from csv_manager.sync.rows import Rows
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import SqlDialect

NOTHING: Mapping[str, str] = MappingProxyType({})


class TargetError(CsvManagerError):
    """The target could not be written; it is as it was."""


class MisfitError(TargetError):
    """A cell does not fit its column."""


class BusyTargetError(TargetError):
    """Another process is writing to the target."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many rows of a table were inserted, updated and deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, kw_only=True)
class End:
    """How rows of a history end: the columns that tell it, as statements have their values; without one, a row holds.

    Only rows that have the texts `within` are meant.
    """

    values: Mapping[str, str]
    within: Mapping[str, str] = field(default_factory=dict)


class Loader(abc.ABC):
    """Loads rows into tables of one kind of database.

    A row's cells are texts, whose values are those of the columns' types; an empty cell has no value but in a text
    column. Everything raises `TargetError`, after which the caller's transaction has to be rolled back.
    """

    sql_dialect: SqlDialect
    #: The name of the temporary table that rows are in before they are merged.
    stage: str
    #: How that is dropped without a commit.
    drop = "DROP TABLE"

    def insert(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Insert rows, none of which is there, and return how many they were."""
        with telling(table, rows):
            return self._load(connection, self.table_name(table), table, rows)

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
        """Have the table have these rows: those that differ are updated; with `mirror`, others are deleted.

        Of those, only the ones that have the values `within`. The columns `stamps` are written with a row and do not
        make it another one. `is_unique` if no two rows have the same texts for a key.
        """
        del is_unique
        with telling(table, rows), self._staged(connection, table, rows) as staged:
            inserted, updated = self._merge(connection, table, rows, staged, stamps)
            deleted = self._delete_others(connection, table, within) if mirror else 0
        return Counts(inserted=inserted, updated=updated, deleted=deleted)

    def delete(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Delete the rows with these keys, of which `rows` has the columns, and return how many they were."""
        with telling(table, rows), self._staged(connection, table, rows):
            return self._delete(connection, table)

    def succeed(
        self, connection: Connection, table: Table, rows: Rows, end: "End", *, stamps: Collection[str] = ()
    ) -> Counts:
        """Have these rows be the ones that hold: others that do, and those that differ, end; `table.key` is theirs.

        The columns `stamps` are written with a row and do not make it another one.
        """
        with telling(table, rows), self._staged(connection, table, rows):
            compared = [name for name in values(table, rows) if name not in stamps]
            known = f"SELECT 1 FROM {self.stage} AS s WHERE {self.matched(table, 's', 't')}"
            deleted = self._end(connection, table, end, f"NOT EXISTS ({known})")
            same = "".join(f" AND {self.same(self.column(table, name), 't', 's')}" for name in compared)
            updated = self._end(connection, table, end, f"NOT EXISTS ({known}{same})") if compared else 0
            names = self.listed(rows.columns)
            holds = f"SELECT 1 FROM {self.table_name(table)} AS t WHERE {self.matched(table, 't', 's')}"
            new = f"SELECT {names} FROM {self.stage} AS s WHERE NOT EXISTS ({holds} AND {self.holds(end, 't')})"
            written = int(run(connection, f"INSERT INTO {self.table_name(table)} ({names}) {new}").rowcount)
        return Counts(inserted=written - updated, updated=updated, deleted=deleted)

    def end(self, connection: Connection, table: Table, rows: Rows, end: "End") -> int:
        """End the rows that hold and have these keys, of which `rows` has the columns, and return how many."""
        with telling(table, rows), self._staged(connection, table, rows):
            known = f"SELECT 1 FROM {self.stage} AS s WHERE {self.matched(table, 's', 't')}"
            return self._end(connection, table, end, f"EXISTS ({known})")

    def count_equals(
        self,
        connection: Connection,
        table: Table,
        rows: Rows,
        end: "End | None" = None,
        within: Mapping[str, str] = NOTHING,
    ) -> dict[tuple[Any, ...], int]:
        """How many rows there are with each of these values, of which `rows` has the columns, if there is any.

        With `end`, only those that hold; and of all, those that have the texts `within`.
        """
        meant = replace(table, key=rows.columns)
        with telling(table, rows), self._staged(connection, meant, rows):
            names = self.listed(rows.columns, "t")
            source = f"{self.table_name(table)} AS t JOIN {self.stage} AS s ON {self.matched(meant, 's', 't')}"
            which = f"WHERE {self.holds(end, 't')}" if end else f"WHERE true{self.and_within(within, 't')}"
            found = run(connection, f"SELECT {names}, count(*) FROM {source} {which} GROUP BY {names}").all()
        return {tuple(row[:-1]): int(row[-1]) for row in found}

    def count(self, connection: Connection, table: Table, where: str = "true") -> int:
        """How many rows there are, of those that are meant by a condition on `t`."""
        told = f"SELECT count(*) FROM {self.table_name(table)} AS t WHERE {where}"
        return int(run(connection, told).scalar_one())

    def rewrite(
        self, connection: Connection, table: Table, rows: Rows, columns: Sequence[str], which: str = "true"
    ) -> int:
        """Have rows that are there have these values in some columns; `which` is a condition on `t`."""
        with telling(table, rows), self._staged(connection, table, rows):
            matched = self.matched(table, "s", "t")
            differ = " OR ".join(f"NOT ({self.same(self.column(table, name), 't', 's')})" for name in columns)
            told = self._rewriting(table, columns, f"{matched} AND {which} AND ({differ})")
            return int(run(connection, told).rowcount)

    def _rewriting(self, table: Table, columns: Sequence[str], where: str) -> str:
        """The statement that gives columns of a table the values that are staged."""
        sets = ", ".join(f"{self.quoted(name)} = s.{self.quoted(name)}" for name in columns)
        return f"UPDATE {self.table_name(table)} AS t SET {sets} FROM {self.stage} AS s WHERE {where}"

    def delete_beyond(
        self, connection: Connection, table: Table, column: str, number: int, within: Mapping[str, str]
    ) -> int:
        """Delete the rows, of those with these texts, whose number in a column is higher; how many they were."""
        which = f"{self.quoted(column)} > {number}{self.and_within(within)}"
        return int(run(connection, f"DELETE FROM {self.table_name(table)} WHERE {which}").rowcount)

    def reopen(self, connection: Connection, table: Table, end: "End", number: int) -> int:
        """Have the rows of a history hold again that ended with a higher number; how many they were."""
        sets = ", ".join(f"{self.quoted(name)} = NULL" for name in end.values)
        which = f"{self.quoted(next(iter(end.values)))} > {number}{self.and_within(end.within)}"
        return int(run(connection, f"UPDATE {self.table_name(table)} SET {sets} WHERE {which}").rowcount)

    def is_empty(self, connection: Connection, table: Table, within: Mapping[str, str] = NOTHING) -> bool:
        """Whether there is no row with these texts."""
        told = f"SELECT 1 FROM {self.table_name(table)} AS t WHERE true{self.and_within(within, 't')} LIMIT 1"
        return run(connection, told).first() is None

    def _end(self, connection: Connection, table: Table, end: "End", which: str) -> int:
        sets = ", ".join(f"{self.quoted(name)} = {value}" for name, value in end.values.items())
        told = f"UPDATE {self.table_name(table)} AS t SET {sets} WHERE {self.holds(end, 't')} AND {which}"
        return int(run(connection, told).rowcount)

    def holds(self, end: "End", prefix: str) -> str:
        """The condition that a row of a history holds still, and is one of those that are meant."""
        column = next(iter(end.values))
        return f"{prefix}.{self.quoted(column)} IS NULL{self.and_within(end.within, prefix)}"

    def and_within(self, within: Mapping[str, str], prefix: str | None = None) -> str:
        """A further condition, that columns have these texts."""
        names = {name: self.listed([name], prefix) for name in within}
        return "".join(f" AND {names[name]} = {self.literal(value)}" for name, value in within.items())

    @abc.abstractmethod
    def same(self, column: Column, one: str, other: str) -> str:
        """The condition that a column of two tables has the same value, or none in both."""

    @abc.abstractmethod
    def lock(self, connection: Connection, name: str) -> None:
        """Be alone with what has this name, until the transaction ends. Raises `BusyTargetError`."""

    def literal(self, text: str) -> str:
        """A text as a statement has it."""
        return "'" + text.replace("'", "''") + "'"

    def time_literal(self, time: dt.datetime) -> str:
        """A time as a statement has it."""
        return self.literal(self.moment(time))

    def moment(self, time: dt.datetime) -> str:
        """A time with a zone as a cell has it."""
        return time.astimezone(dt.UTC).isoformat(sep=" ", timespec="microseconds")

    @contextlib.contextmanager
    def _staged(self, connection: Connection, table: Table, rows: Rows) -> Iterator[int]:
        """Rows in a temporary table of the same types, which is there meanwhile; how many they are."""
        run(connection, f"{self.drop} IF EXISTS {self.stage}")  # of one that failed
        self._make_stage(connection, table, rows)
        yield self._load(connection, self.stage, table, rows)
        run(connection, f"{self.drop} {self.stage}")

    @abc.abstractmethod
    def _load(self, connection: Connection, target: str, table: Table, rows: Rows) -> int:
        """Insert rows into the table, or into its stage, and return how many they were."""

    @abc.abstractmethod
    def _make_stage(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Make a temporary table for the columns of rows."""

    @abc.abstractmethod
    def _merge(
        self, connection: Connection, table: Table, rows: Rows, staged: int, stamps: Collection[str]
    ) -> tuple[int, int]:
        """Merge the rows that are staged; how many were inserted and updated."""

    @abc.abstractmethod
    def _delete(self, connection: Connection, table: Table) -> int:
        """Delete the rows whose keys are staged."""

    @abc.abstractmethod
    def _delete_others(self, connection: Connection, table: Table, within: Mapping[str, str]) -> int:
        """Delete the rows that have the values `within`, and whose keys are not staged."""

    @staticmethod
    def column(table: Table, name: str) -> Column:
        """A column of a table."""
        return next(column for column in table.columns if column.name == name)

    def quoted(self, *names: str | None) -> str:
        """A name as a statement has it, with that of its schema or table before it."""
        return self.sql_dialect.quoted(*names)

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
        go_on_stopping(error)
        told: tuple[Any, ...] = getattr(error.orig, "args", ())
        said = " ".join(str(told[-1] if told else error.orig).split()).rstrip(".")
        raise TargetError(f"{rows.name}: {said}, says the table {table.name}; nothing was written.") from error


def run(connection: Connection, statement: str) -> Any:
    """Execute a statement as the database reads it."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def values(table: Table, rows: Rows) -> list[str]:
    """The columns of rows that are not in the table's key."""
    return [name for name in rows.columns if name not in table.key]


def as_bytes(cell: str) -> bytes:
    r"""The bytes that a cell means: those of its text, or behind a \x what they are in hexadecimal digits."""
    if cell.startswith("\\x"):
        with contextlib.suppress(ValueError):
            return bytes.fromhex(cell[2:])
    return cell.encode("utf-8", "surrogatepass")


def keeps_empty(columns: Sequence[Column]) -> list[bool]:
    """For each column, whether an empty cell is an empty text in it."""
    return [column.type.kind == "text" for column in columns]


def lock_number(name: str) -> int:
    """The number of a lock, of 63 bits."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1


def busy(name: str) -> BusyTargetError:
    """What to say of a table that another process has locked."""
    return BusyTargetError(f"Another process is writing to {name}; try again.")
