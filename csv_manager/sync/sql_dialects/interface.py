"""What a module of a database has to offer."""

import abc
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column as SqlColumn
from sqlalchemy import MetaData, PrimaryKeyConstraint
from sqlalchemy import Table as SqlTable
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from csv_manager.core.errors import ConfigurationError
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.types import Kind, SqlType


class SqlDialect(abc.ABC):
    """One kind of database that tables can be in."""

    #: The name that people give it.
    name: str
    #: The options of a table, as SQLAlchemy has them.
    options: Mapping[str, Any] = {}
    #: Whether names that differ in their case alone are one.
    folds_columns: bool
    #: SQLAlchemy's dialect, which renders statements.
    sqlalchemy: Dialect

    @abc.abstractmethod
    def column_type(self, column: Column, table: Table) -> TypeEngine[Any]:
        """How a column of a table is typed."""

    @abc.abstractmethod
    def length_of(self, name: str) -> tuple[int, int, str]:
        """How long a name is, how long it may be, and in what."""

    def fitted(self, told: SqlType) -> SqlType:
        """The type of a column for values of which more may come: with room for those, where bounds cost nothing."""
        return told

    @staticmethod
    def known(column: Column) -> Kind:
        """The kind of a column's type. Raises `ConfigurationError` for one that only another database knows."""
        if column.type.kind == "other":
            raise ConfigurationError(f"The column {column.name!r} has a type that is of one database: {column.type}.")
        return column.type.kind

    def to_sqlalchemy(self, table: Table) -> SqlTable:
        """A table as SQLAlchemy has it. Raises `ConfigurationError` for names that cannot be there."""
        self.check_names(table)
        columns = [
            SqlColumn(
                column.name,
                self.column_type(column, table),
                nullable=column.nullable and column.name not in table.key,
                autoincrement=False,
                comment=column.comment,
            )
            for column in table.columns
        ]
        key = [PrimaryKeyConstraint(*table.key)] if table.key else []
        return SqlTable(
            table.name, MetaData(), *columns, *key, schema=table.schema, comment=table.comment, **self.options
        )

    def check_names(self, table: Table) -> None:
        """Raise `ConfigurationError` for a name that is too long, or not to be told from another one."""
        for kind, name in table.names():
            length, most, unit = self.length_of(name)
            if length > most:
                raise ConfigurationError(
                    f"The name of the {kind} {name!r} has {length} {unit}, and {self.name} takes {most}; give it "
                    "another one."
                )
            if "\0" in name or not name:
                raise ConfigurationError(f"{name!r} is no name of a {kind}; give it another one.")
        seen: dict[str, str] = {}
        for column in table.columns:
            folded = column.name.casefold() if self.folds_columns else column.name
            if folded in seen:
                raise ConfigurationError(
                    f"The columns {seen[folded]!r} and {column.name!r} are one to {self.name}, which does not look at "
                    "the case of a name; leave one of them out, or give it another name."
                )
            seen[folded] = column.name
