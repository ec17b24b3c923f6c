"""SQLite: tables are STRICT, and a decimal that a double does not keep is a text."""

from typing import Any

from sqlalchemy import types
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects.interface import SqlDialect

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

    def length_of(self, name: str) -> tuple[int, int, str]:
        """It takes names of any length; those beyond a thousand characters are no names of people's."""
        return len(name), 1000, "characters"
