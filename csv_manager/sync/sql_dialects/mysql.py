"""MySQL and MariaDB: texts are compared by their bytes, and a key has texts of bounded length."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import types
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

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

    def column_type(self, column: Column, table: Table) -> TypeEngine[Any]:
        """A time zone has no place in a DATETIME, which is in UTC then."""
        if column.type.kind == "text" and column.type.length is None and column.name in table.key:
            return types.VARCHAR(_key_length(table))
        return _TYPES[self.known(column)](column.type)

    def length_of(self, name: str) -> tuple[int, int, str]:
        """In characters."""
        return len(name), _MOST_NAME, "characters"

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


def _key_length(table: Table) -> int:
    """The most characters of each text in a table's key."""
    kinds = [column.type.kind for column in table.columns if column.name in table.key]
    texts = kinds.count("text")
    room = (_KEY_BYTES - _OTHER_BYTES * (len(kinds) - texts)) // _CHARACTER_BYTES
    return min(_KEY_LENGTH, room // max(texts, 1))
