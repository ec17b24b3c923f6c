"""SQLite: a trigger for each kind of change writes the cells as they are, for a text of them would lose some.

REAL numbers as texts do not always come back, and texts may have NUL or be no UTF-8; so entries have columns without a
type, which keep any value. Values are compared by their bytes and types, for a column may take `A` for `a` and 1 for
1.0. What REPLACE deletes is in the log if the connection has `PRAGMA recursive_triggers` on.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from csv_manager.audit.entries import CHANGED, REDACTED, TYPES, AuditedTable, Cells, Row
from csv_manager.audit.sql_dialects.interface import SIDES, Bound, Checkpoint, Shape, SqlDialect
from csv_manager.audit.values import RawText, Value

_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_COUNT = "UPDATE csv_audit_context SET number = number + 1"
#: The token of a statement of another program: the time is one and the same for all that a statement does.
_OTHER = "strftime('%Y%m%d%H%M%f', 'now')"
#: No OR IGNORE: within a trigger it would be what the statement has that fired it.
_OTHERS = (
    "INSERT INTO csv_audit_transactions (token, created, after, host, user) "  # noqa: S608 - constants
    f"SELECT {_OTHER}, {_NOW}, number - 1, '', '' FROM csv_audit_context WHERE token IS NULL "
    f"AND NOT EXISTS (SELECT 1 FROM csv_audit_transactions WHERE token = {_OTHER})"
)
#: What PRAGMA table_xinfo says of a column that is computed from others.
_GENERATED = (2, 3)
_PAGE = 1000
_TYPES = {type(None): "null", int: "integer", float: "real", str: "text", RawText: "text", bytes: "blob"}


class Sqlite(SqlDialect):
    """SQLite from 3.35 on."""

    at_text = "replace(at, 'Z', '000Z')"
    unseen = ("what REPLACE deletes, unless the program has PRAGMA recursive_triggers on",)

    def prepare(self, connection: Connection) -> None:
        """What REPLACE deletes is audited on a connection that has this on."""
        connection.exec_driver_sql("PRAGMA recursive_triggers = ON")

    def exclusive(self, connection: Connection) -> None:
        """There is one writer; the driver does not begin a transaction for tables by itself."""
        if not self._driver(connection).in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def release(self, connection: Connection) -> None:
        """The end of the transaction does."""

    def install(self, connection: Connection) -> None:
        """Nothing."""

    def fingerprint(self, connection: Connection) -> Hashable:
        """The number that SQLite counts its changes by."""
        return int(connection.exec_driver_sql("PRAGMA schema_version").scalar_one())

    def names(self, connection: Connection) -> list[tuple[str | None, str]]:
        """Of those that keep rows themselves."""
        virtual = "SELECT name FROM sqlite_schema WHERE rootpage = 0 AND type = 'table'"
        own = [row[0] for row in connection.exec_driver_sql(virtual)]
        told = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage <> 0")
        names = (row[0] for row in told.all())
        return [
            (None, name)
            for name in names
            if not name.startswith(("sqlite_", "csv_audit_")) and not any(name.startswith(f"{each}_") for each in own)
        ]

    def describe(self, connection: Connection, schema: str | None, name: str) -> Shape | None:
        """As the table's pragma tells."""
        told = f"PRAGMA {self.quoted(schema, 'table_xinfo') if schema else 'table_xinfo'}({self.quoted(name)})"
        rows = connection.exec_driver_sql(told).all()
        columns = tuple(row[1] for row in rows if row[6] not in _GENERATED)
        key = tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5])
        return Shape(columns=columns, key=key) if columns else None

    def begin(self, connection: Connection, table: AuditedTable) -> None:
        """The table of entries, and three triggers."""
        for name in self._triggers(connection, table):
            if not name.startswith(f"csv_audit_{table.number}_"):
                connection.exec_driver_sql(f"DROP TRIGGER {self.quoted(name)}")
        cells = ", ".join(f"o{place}, n{place}" for place in range(len(table.columns)))
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {table.entries} (number INTEGER PRIMARY KEY, type TEXT NOT NULL, token TEXT, "
            f"at TEXT NOT NULL, {cells})"
        )
        for letter, sides in SIDES.items():
            connection.exec_driver_sql(self._auditing(table, letter, sides))

    def _triggers(self, connection: Connection, table: AuditedTable) -> list[str]:
        """The names of the log's triggers on a table, also those that came with it when it was renamed."""
        told = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?"
        names = connection.exec_driver_sql(told, (table.name,)).scalars()
        return [name for name in names if name.startswith("csv_audit_")]

    def _auditing(self, table: AuditedTable, letter: str, rows: Mapping[str, str]) -> str:
        """The trigger for a kind of change, of which these rows are told: those before, and those after."""
        change = TYPES[letter].upper()
        sides = list(itertools.product(enumerate(table.columns), rows.items()))
        columns = ", ".join(f"{side}{place}" for (place, _), (side, _) in sides)
        cells = ", ".join(self._cell(table, letter, name, row) for (_, name), (_, row) in sides)
        whose = f"coalesce(token, {_OTHER})"
        told = f"SELECT number, '{letter}', {whose}, {_NOW}, {cells} FROM csv_audit_context"  # noqa: S608 - quoted
        when = f"AFTER {change} ON {self.quoted(table.name)}"
        if letter == "u":
            when += f" WHEN {' OR '.join(map(self._differs, table.columns))}"
        insert = f"INSERT INTO {table.entries} (number, type, token, at, {columns}) {told}"
        name, steps = self._trigger(table, letter), f"{_COUNT}; {_OTHERS}; {insert}"
        return f"CREATE TRIGGER IF NOT EXISTS {name} {when} BEGIN {steps}; END"

    def _cell(self, table: AuditedTable, letter: str, name: str, row: str) -> str:
        """A cell as the log is to have it."""
        if name not in table.redacted:
            return f"{row}.{self.quoted(name)}"
        if letter == "u" and row == "NEW":
            return f"CASE WHEN {self._differs(name)} THEN '{CHANGED}' ELSE '{REDACTED}' END"
        return f"'{REDACTED}'"

    def is_begun(self, connection: Connection, table: AuditedTable) -> bool:
        """By the statements that made them."""
        told = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
        there = set(connection.exec_driver_sql(told, (table.name,)).scalars())
        made = (self._auditing(table, letter, sides) for letter, sides in SIDES.items())
        return {statement.replace("IF NOT EXISTS ", "", 1) for statement in made} <= there

    def end(self, connection: Connection, table: AuditedTable) -> None:
        """The triggers go; the entries stay."""
        for letter in TYPES:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {self._trigger(table, letter)}")

    def is_autocommit(self, connection: Connection) -> bool:
        """Python's driver begins none if it is told so; then somebody else may have begun one."""
        driver = self._driver(connection)
        begins = (
            driver.isolation_level is not None if getattr(driver, "autocommit", -1) == -1 else not driver.autocommit
        )
        return not begins and not driver.in_transaction

    @staticmethod
    def _driver(connection: Connection) -> Any:
        return connection.connection.dbapi_connection

    def last(self, connection: Connection) -> int:
        """The last of all, for there is one writer."""
        return int(connection.exec_driver_sql("SELECT number FROM csv_audit_context").scalar_one())

    def set_token(self, connection: Connection, token: str | None) -> None:
        """In a row that the triggers read; it is nobody else's to see before this transaction ends."""
        connection.exec_driver_sql("UPDATE csv_audit_context SET token = ?", (token,))

    def drop_token(self, connection: Connection) -> None:
        """The token goes with the transaction."""

    def lock(self, connection: Connection) -> None:
        """There is one writer."""
        connection.exec_driver_sql("UPDATE csv_audit_head SET id = id")

    def may_seal(self, connection: Connection) -> bool:
        """There is one writer."""
        del connection
        return True

    def begin_seal(self, connection: Connection) -> None:
        """It does."""

    def checkpoint(self, connection: Connection, before: Checkpoint | None) -> tuple[int, Checkpoint]:
        """All that there are: transactions write one after the other, and what is undone takes no number."""
        del before
        return self.last(connection), {}

    def unchecked(self, connection: Connection) -> contextlib.AbstractContextManager[bool]:
        """By a pragma that is told only before a transaction, by who opens the connection."""
        return contextlib.nullcontext(not connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one())

    def count_on(self, connection: Connection, name: str) -> None:
        """They do."""

    def settle(self, connection: Connection) -> None:
        """There is nothing to be done."""

    def pages(
        self, connection: Connection, table: AuditedTable, after: int, upto: int | None, token: str | None
    ) -> Iterator[Sequence[Row]]:
        """By the index of their numbers."""
        cells = [f"{side}{place}" for side in "on" for place in range(len(table.columns))]
        asked = {
            "upto": "AND number <= ? " if upto is not None else "",
            "mine": "AND token = ? " if token is not None else "",
        }
        where = f"WHERE number > ? {asked['upto']}{asked['mine']}ORDER BY number LIMIT {_PAGE}"
        given: list[Value] = [*([] if upto is None else [upto]), *([] if token is None else [token])]
        while rows := self._fetch(
            connection, ["number", "type", "token", "at"], cells, table.entries, where, after, *given
        ):
            yield rows
            after = rows[-1][0]

    def hold(self, connection: Connection, table: AuditedTable) -> None:
        """There is one writer."""
        del table
        self.lock(connection)

    def take_number(self, connection: Connection) -> int:
        """As the triggers do."""
        connection.exec_driver_sql(_COUNT)
        return self.last(connection)

    def definition(self, connection: Connection, table: AuditedTable) -> Sequence[str]:
        """That of the table first, without those of triggers, which the log has some of, too."""
        told = (
            "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('table', 'index') AND sql IS NOT NULL "
            "ORDER BY type DESC, rowid"
        )
        return list(connection.exec_driver_sql(told, (table.name,)).scalars())

    def rows(self, connection: Connection, table: AuditedTable, *, held: bool = False) -> Iterator[Cells]:
        """In the order in which they lie there."""
        del held
        names = list(map(self.quoted, table.columns))
        yield from self._fetch(connection, [], names, self.quoted(table.name), "")

    def find(self, connection: Connection, table: AuditedTable, key: Cells) -> list[Cells]:
        """By the key, as the table compares it."""
        where, values = self._where([table.columns[place] for place in table.key_places], key)
        names = list(map(self.quoted, table.columns))
        return self._fetch(connection, [], names, self.quoted(table.name), f"WHERE {where}", *values)

    @staticmethod
    def _fetch(
        connection: Connection, plain: Sequence[str], cells: Sequence[str], source: str, where: str, *values: Value
    ) -> list[Row]:
        """Rows; if a text is no UTF-8, which Python's driver does not give, all of them by their bytes."""
        query = f"SELECT {', '.join([*plain, *cells])} FROM {source} {where}"  # noqa: S608 - quoted
        try:
            return _all(connection, query, values)
        except (sqlite3.OperationalError, OperationalError):
            listed = ", ".join([*plain, *(f"typeof({cell}), {_as_bytes(cell)}" for cell in cells)])
            rows = _all(connection, f"SELECT {listed} FROM {source} {where}", values)  # noqa: S608 - quoted
        width = len(plain)
        return [
            (*row[:width], *(_value(*row[place : place + 2]) for place in range(width, len(row), 2))) for row in rows
        ]

    def insert(self, connection: Connection, table: AuditedTable, rows: Sequence[Cells]) -> None:
        """All at once, but for those with a text that is no UTF-8."""
        names = ", ".join(self.quoted(table.columns[place]) for place in table.told_places)
        plain = [cells for cells in rows if RawText not in set(map(type, cells))]
        if plain:
            marks = ", ".join("?" for _ in table.told_places)
            statement = f"INSERT INTO {self.quoted(table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - quoted
            given = [tuple(cells[place] for place in table.told_places) for cells in plain]
            connection.exec_driver_sql(statement, given)
        for cells in rows if len(plain) < len(rows) else ():
            if RawText not in set(map(type, cells)):
                continue
            bound = [_bound(cells[place]) for place in table.told_places]
            told = ", ".join(placeholder for placeholder, _ in bound)
            statement = f"INSERT INTO {self.quoted(table.name)} ({names}) VALUES ({told})"  # noqa: S608 - quoted
            connection.exec_driver_sql(statement, tuple(value for _, values in bound for value in values))

    def update(self, connection: Connection, table: AuditedTable, old: Cells, new: Cells) -> int:
        """Of equal rows of a table without a key, one."""
        one, values = self._one(table, old)
        bound = {table.columns[place]: _bound(new[place]) for place in table.told_places}
        told = ", ".join(f"{self.quoted(name)} = {at}" for name, (at, _) in bound.items())
        given = [value for _, each in bound.values() for value in each]
        statement = f"UPDATE {self.quoted(table.name)} SET {told} WHERE {one}"  # noqa: S608 - quoted
        return connection.exec_driver_sql(statement, (*given, *values)).rowcount

    def delete(self, connection: Connection, table: AuditedTable, cells: Cells) -> int:
        """Of equal rows of a table without a key, one."""
        one, values = self._one(table, cells)
        statement = f"DELETE FROM {self.quoted(table.name)} WHERE {one}"  # noqa: S608 - quoted
        return connection.exec_driver_sql(statement, tuple(values)).rowcount

    def _one(self, table: AuditedTable, cells: Cells) -> tuple[str, list[Value]]:
        """A condition that is met by one row with exactly these cells."""
        told = table.told_places
        where, values = self._where([table.columns[place] for place in told], [cells[place] for place in told])
        if table.key:
            return where, values
        return f"rowid = (SELECT rowid FROM {self.quoted(table.name)} WHERE {where} LIMIT 1)", values  # noqa: S608 - quoted

    def _where(self, names: Sequence[str], cells: Sequence[Value]) -> tuple[str, list[Value]]:
        """A condition that is met by rows with exactly these cells."""
        parts, values = [], list[Value]()
        for name, value in zip(map(self.quoted, names), cells, strict=True):
            placeholder, given = _bound(value)
            parts.append(f"({name} COLLATE BINARY IS {placeholder} AND typeof({name}) = '{_typeof(value)}')")
            values += given
        return " AND ".join(parts), values

    def _differs(self, column: str) -> str:
        name = self.quoted(column)
        return f"OLD.{name} COLLATE BINARY IS NOT NEW.{name} OR typeof(OLD.{name}) <> typeof(NEW.{name})"

    @staticmethod
    def _trigger(table: AuditedTable, letter: str) -> str:
        return f"csv_audit_{table.number}_{TYPES[letter]}"


def _all(connection: Connection, query: str, values: Sequence[Value]) -> list[Row]:
    """The rows as the driver gives them."""
    cursor = connection.exec_driver_sql(query, tuple(values)).cursor
    return list(cursor.fetchall())


def _as_bytes(cell: str) -> str:
    """A cell as it is read: of a text the bytes, which need not be UTF-8."""
    return f"CASE typeof({cell}) WHEN 'text' THEN CAST({cell} AS BLOB) ELSE {cell} END"


def _value(kind: str, told: Value) -> Value:
    if kind != "text" or not isinstance(told, bytes):
        return told
    try:
        return told.decode()
    except UnicodeError:
        return RawText(told)


def _bound(value: Value) -> Bound:
    return ("CAST(? AS TEXT)", [bytes(value)]) if isinstance(value, RawText) else ("?", [value])


def _typeof(value: Value) -> str:
    return _TYPES[type(value)]
