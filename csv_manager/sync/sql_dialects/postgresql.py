"""PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import types
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects.interface import SqlDialect
from csv_manager.sync.types import Kind, SqlType

_TYPES: dict[Kind, Callable[[SqlType], TypeEngine[Any]]] = {
    "bool": lambda _: types.BOOLEAN(),
    "bigint": lambda _: types.BIGINT(),
    "decimal": lambda told: types.NUMERIC(told.precision, told.scale),
    "double": lambda _: postgresql.DOUBLE_PRECISION(),
    "date": lambda _: types.DATE(),
    "timestamp": lambda told: postgresql.TIMESTAMP(timezone=told.timezone),
    "uuid": lambda _: types.UUID(),
    "text": lambda _: types.TEXT(),
}


class Postgresql(SqlDialect):
    """PostgreSQL has a type for each."""

    name = "postgresql"
    folds_columns = False
    sqlalchemy = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call] # SQLAlchemy's

    def column_type(self, column: Column, table: Table) -> TypeEngine[Any]:
        """The type of the same name; a NUMERIC without bounds keeps a decimal as it is written."""
        del table
        return _TYPES[column.type.kind](column.type)

    def length_of(self, name: str) -> tuple[int, int, str]:
        """What is longer is cut off without a word."""
        return len(name.encode()), 63, "bytes"

    def fitted(self, told: SqlType) -> SqlType:
        """A decimal has no bounds."""
        return replace(told, precision=None, scale=None) if told.kind == "decimal" else told
