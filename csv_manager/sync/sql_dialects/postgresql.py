"""PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, types
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects.interface import SqlDialect
from csv_manager.sync.types import Kind, SqlType

_TYPES: dict[Kind, Callable[[SqlType], TypeEngine[Any]]] = {
    "bool": lambda _: types.BOOLEAN(),
    "smallint": lambda _: types.SMALLINT(),
    "integer": lambda _: types.INTEGER(),
    "bigint": lambda _: types.BIGINT(),
    "decimal": lambda told: types.NUMERIC(told.precision, told.scale),
    "real": lambda _: types.REAL(),
    "double": lambda _: postgresql.DOUBLE_PRECISION(),
    "date": lambda _: types.DATE(),
    "time": lambda told: postgresql.TIME(timezone=told.timezone),
    "timestamp": lambda told: postgresql.TIMESTAMP(timezone=told.timezone),
    "uuid": lambda _: types.UUID(),
    "text": lambda told: types.TEXT() if told.length is None else types.VARCHAR(told.length),
    "bytes": lambda _: postgresql.BYTEA(),
    "json": lambda _: postgresql.JSONB(),
}


class Postgresql(SqlDialect):
    """PostgreSQL has a type for each."""

    name = "postgresql"
    folds_columns = False
    sqlalchemy = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call] # SQLAlchemy's

    def column_type(self, column: Column, table: Table) -> TypeEngine[Any]:
        """The type of the same name; a NUMERIC without bounds keeps a decimal as it is written."""
        del table
        return _TYPES[self.known(column)](column.type)

    def change_types(self, connection: Connection, table: Table, columns: Sequence[Column]) -> list[str]:
        """One statement; a view of such a column is in its way."""
        del connection
        changes = []
        for column in columns:
            name, native = self.quoted(column.name), self.native(table, column)
            changes.append(f"ALTER COLUMN {name} TYPE {native} USING {name}::{native}")
        return [f"ALTER TABLE {self.quoted(table.schema, table.name)} {', '.join(changes)}"]

    def length_of(self, name: str) -> tuple[int, int, str]:
        """What is longer is cut off without a word."""
        return len(name.encode()), 63, "bytes"

    def fitted(self, told: SqlType) -> SqlType:
        """A decimal has no bounds."""
        return replace(told, precision=None, scale=None) if told.kind == "decimal" else told
