"""MySQL and MariaDB: texts are compared by their bytes, and a key has texts of bounded length."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, types
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from csv_manager.core.errors import ConfigurationError
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects.interface import SqlDialect
from csv_manager.sync.types import MOST_DIGITS, Kind, SqlType

#: The most bytes of a key, of which a character has up to four, and the most characters of one of its texts.
_KEY_BYTES, _CHARACTER_BYTES, _KEY_LENGTH = 3072, 4, 255
#: The bytes in a key of what is no text, at most.
_OTHER_BYTES = 32
#: The digits that a decimal has room for before more are needed.
_DIGITS = 38
_MOST_NAME = 64
#: The last character that a name may have.
_MOST_CHARACTER = 0xFFFF
#: What a column may have beside its type, and a change of that would take away.
_MORE = re.compile(r"\b(?:CHECK|ON UPDATE|AUTO_INCREMENT|GENERATED|INVISIBLE|COLLATE|REFERENCES)\b")


_TYPES: dict[Kind, Callable[[SqlType], TypeEngine[Any]]] = {
    "bool": lambda _: types.BOOLEAN(),
    "smallint": lambda _: types.SMALLINT(),
    "integer": lambda _: types.INTEGER(),
    "bigint": lambda _: types.BIGINT(),
    "decimal": lambda told: types.DECIMAL(told.precision, told.scale),
    "real": lambda _: mysql.FLOAT(),
    "double": lambda _: mysql.DOUBLE(),
    "date": lambda _: types.DATE(),
    "time": lambda _: mysql.TIME(fsp=6),
    "timestamp": lambda _: mysql.DATETIME(fsp=6),
    "uuid": lambda _: types.CHAR(36),
    "text": lambda told: mysql.LONGTEXT() if told.length is None else types.VARCHAR(told.length),
    "bytes": lambda told: mysql.LONGBLOB() if told.length is None else types.VARBINARY(told.length),
    "json": lambda _: mysql.JSON(),
}


class Mysql(SqlDialect):
    """MySQL, where trailing spaces count in a comparison (NO PAD)."""

    name = "mysql"
    folds_columns = True
    sqlalchemy: Dialect = mysql.dialect(paramstyle="named")
    options: Mapping[str, Any] = {
        "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_0900_bin",
    }  # fmt: skip

    def bounded(self, table: Table) -> Table:
        """Of a text in a key, the length is bounded."""
        names = {name for index in _indexed(table) for name in index}
        most = SqlType(kind="text", length=_key_length(table))
        columns = (
            replace(column, type=most) if column.name in names and column.type == SqlType(kind="text") else column
            for column in table.columns
        )
        return replace(table, columns=tuple(columns))

    def column_type(self, column: Column, table: Table) -> TypeEngine[Any]:
        """A time zone has no place in a DATETIME, which is in UTC then."""
        is_text = column.type.kind == "text" and column.type.length is None
        if is_text and any(column.name in names for names in _indexed(table)):
            return types.VARCHAR(_key_length(table))
        return _TYPES[self.known(column)](column.type)

    def change_types(self, connection: Connection, table: Table, columns: Sequence[Column]) -> list[str]:
        """One statement, which tells everything that a column has beside its type, too.

        Raises `ConfigurationError` for a column that has more than csv_manager would tell.
        """
        changes = []
        where = self.quoted(table.schema, table.name)
        for column in columns:
            refuse_more(connection, where, table.name, column.name)
        for column in columns:
            default = "" if column.default is None else f" DEFAULT {self.expression(column.default)}"
            comment = "" if column.comment is None else f" COMMENT {_literal(column.comment)}"
            changes.append(f"MODIFY COLUMN {self.defined(table, column)}{default}{comment}")
        name = self.quoted(table.schema, table.name)
        return [f"ALTER TABLE {name} {', '.join(changes)}", *self._worded(table, columns)]

    def _worded(self, table: Table, columns: Sequence[Column]) -> Iterator[str]:
        """What makes words of truths, and gives times their zone, where these became texts."""
        before = {column.name: column.type for column in table.columns}
        where = self.quoted(table.schema, table.name)
        for column in columns:
            told, name = before[column.name], self.quoted(column.name)
            if told.kind == "bool" and column.type.kind == "text":
                word = f"CASE {name} WHEN '1' THEN 'true' WHEN '0' THEN 'false' ELSE {name} END"
                yield f"UPDATE {where} SET {name} = {word}"  # noqa: S608 - quoted
            elif told.timezone and column.type.kind == "text":
                yield f"UPDATE {where} SET {name} = CONCAT({name}, '+00:00') WHERE {name} IS NOT NULL"  # noqa: S608

    def expression(self, told: str) -> str:
        """A backslash in a text is doubled."""
        return told.replace("\\", "\\\\")

    def length_of(self, name: str) -> tuple[int, int, str]:
        """In characters."""
        return len(name), _MOST_NAME, "characters"

    def unfit(self, name: str) -> str | None:
        """A character of more than 16 bits, or a space at the end."""
        beyond = next((character for character in name if ord(character) > _MOST_CHARACTER), None)
        if beyond is not None:
            return repr(beyond)
        return "a space at its end" if name.endswith(" ") else super().unfit(name)

    def fitted(self, told: SqlType) -> SqlType:
        """A decimal has room for more digits before its point."""
        if told.kind != "decimal" or told.precision is None:
            return told
        whole, scale = told.precision - (told.scale or 0), told.scale or 0
        return replace(told, precision=min(max(_DIGITS, whole + scale), MOST_DIGITS), scale=scale)


class Mariadb(Mysql):
    """MariaDB, which calls such a comparison otherwise."""

    name = "mariadb"
    options: Mapping[str, Any] = {
        "mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin",
    }  # fmt: skip


def _indexed(table: Table) -> Iterator[tuple[str, ...]]:
    """The columns of each key of a table, which have to be of bounded length."""
    yield table.key
    yield from (unique.columns for unique in table.uniques)
    yield from (foreign.columns for foreign in table.foreign_keys)


def refuse_more(connection: Connection, where: str, table: str, column: str) -> None:
    """Raise `ConfigurationError` for a column that has more than a statement of csv_manager's would tell."""
    definition = run(connection, f"SHOW CREATE TABLE {where}").one()[1]
    line = next((told for told in definition.splitlines() if told.strip().startswith(_name(column))), "")
    if _MORE.search(line.replace(_name(column), "", 1)):
        raise ConfigurationError(
            f"The column {column!r} of {table} has more than a type ({line.strip()}), and is not changed; change it "
            "yourself, or leave it out."
        )


def _key_length(table: Table) -> int:
    """The most characters of each text in a table's key."""
    kinds = [column.type.kind for column in table.columns if column.name in table.key]
    texts = kinds.count("text")
    room = (_KEY_BYTES - _OTHER_BYTES * (len(kinds) - texts)) // _CHARACTER_BYTES
    return min(_KEY_LENGTH, room // max(texts, 1))


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def run(connection: Connection, statement: str) -> Any:
    """Execute a statement as the database reads it."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
