"""What a module of a database has to offer."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy import Column as SqlColumn
from sqlalchemy import Table as SqlTable
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from csv_manager.core.errors import ConfigurationError
from csv_manager.sync.schema import Column, ForeignKey, Table
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

    def unfit(self, name: str) -> str | None:
        """What a name has that no name may have, for people; None if nothing."""
        return "a NUL" if "\0" in name else None

    def add_column(self, table: Table, column: Column) -> str:
        """The statement that adds a column."""
        return f"ALTER TABLE {self.quoted(table.schema, table.name)} ADD COLUMN {self.defined(table, column)}"

    def bounded(self, table: Table) -> Table:
        """A table whose texts have the lengths that the database gives them, where it gives them any."""
        return table

    def rename_column(self, table: Table, old: str, new: str) -> str:
        """The statement that gives a column another name."""
        renamed = f"RENAME COLUMN {self.quoted(old)} TO {self.quoted(new)}"
        return f"ALTER TABLE {self.quoted(table.schema, table.name)} {renamed}"

    @abc.abstractmethod
    def change_types(self, connection: Connection, table: Table, columns: Sequence[Column]) -> list[str]:
        """The statements after which some columns of a table have these types, which are wider ones.

        Raises `ConfigurationError` where that is not to be done.
        """

    def defined(self, table: Table, column: Column) -> str:
        """A column as a statement that makes it has it: its name, its type, and whether it needs a value."""
        return f"{self.quoted(column.name)} {self.native(table, column)}{'' if column.nullable else ' NOT NULL'}"

    def native(self, table: Table, column: Column) -> str:
        """What the database calls the type of a column of a table."""
        return str(self.column_type(column, table).compile(dialect=self.sqlalchemy))

    def quoted(self, *names: str | None) -> str:
        """A name as a statement has it, with that of its schema or table before it."""
        quote = self.sqlalchemy.identifier_preparer.quote_identifier
        return ".".join(quote(name) for name in names if name is not None)

    def fitted(self, told: SqlType) -> SqlType:
        """The type of a column for values of which more may come: with room for those, where bounds cost nothing."""
        return told

    @staticmethod
    def known(column: Column) -> Kind:
        """The kind of a column's type. Raises `ConfigurationError` for one that only another database knows."""
        if column.type.kind == "other":
            raise ConfigurationError(f"The column {column.name!r} has a type that is of one database: {column.type}.")
        return column.type.kind

    def to_sqlalchemy(self, table: Table, metadata: MetaData | None = None) -> SqlTable:
        """A table as SQLAlchemy has it, among others in `metadata`.

        Raises `ConfigurationError` for names that cannot be there.
        """
        self.check_names(table)
        metadata = MetaData() if metadata is None else metadata
        columns = [
            SqlColumn(
                column.name,
                self.column_type(column, table),
                nullable=column.nullable and column.name not in table.key,
                server_default=None if column.default is None else literal_column(self.expression(column.default)),
                autoincrement=False,
                comment=column.comment,
            )
            for column in table.columns
        ]
        key = [PrimaryKeyConstraint(*table.key)] if table.key else []
        for foreign in table.foreign_keys:
            _stand_in(metadata, foreign)
        referring = [
            ForeignKeyConstraint(told.columns, [f"{_key_of(told)}.{name}" for name in told.referred])
            for told in table.foreign_keys
        ]
        return SqlTable(
            table.name,
            metadata,
            *columns,
            *key,
            *(UniqueConstraint(*unique.columns, name=unique.name) for unique in table.uniques),
            *referring,
            *self.checks(table),
            schema=table.schema,
            comment=table.comment,
            extend_existing=True,
            **self.options,
        )

    def checks(self, table: Table) -> list[CheckConstraint]:
        """What keeps columns to the values that they take."""
        made = []
        for column in table.columns:
            if column.values:
                listed = ", ".join(self.expression(literal(value)) for value in column.values)
                name = f"{table.name}_{column.name}_values"
                made.append(CheckConstraint(f"{self.quoted(column.name)} IN ({listed})", name=name))
        return made

    def expression(self, told: str) -> str:
        """An expression of standard SQL as the database reads it."""
        return told

    def check_names(self, table: Table) -> None:
        """Raise `ConfigurationError` for a name that is too long, or not to be told from another one."""
        for kind, name in table.names():
            length, most, unit = self.length_of(name)
            if length > most:
                raise ConfigurationError(
                    f"The name of the {kind} {name!r} has {length} {unit}, and {self.name} takes {most}; give it "
                    "another one."
                )
            unfit = self.unfit(name) if name else "no character"
            if unfit:
                raise ConfigurationError(
                    f"The name of the {kind} {name!r} has {unfit}, which {self.name} does not take; give it another "
                    "one."
                )
        seen: dict[str, str] = {}
        for column in table.columns:
            folded = column.name.casefold() if self.folds_columns else column.name
            if folded in seen:
                raise ConfigurationError(
                    f"The columns {seen[folded]!r} and {column.name!r} are one to {self.name}, which does not look at "
                    "the case of a name; leave one of them out, or give it another name."
                )
            seen[folded] = column.name


def literal(text: str) -> str:
    """A text as an expression of standard SQL."""
    return "'" + text.replace("'", "''") + "'"


def _key_of(foreign: ForeignKey) -> str:
    return f"{foreign.schema}.{foreign.table}" if foreign.schema else foreign.table


def _stand_in(metadata: MetaData, foreign: ForeignKey) -> None:
    """Have something be there for what is referred to, until the table itself comes, if it does."""
    if _key_of(foreign) not in metadata.tables:
        columns = [SqlColumn(name) for name in foreign.referred]  # type: ignore[var-annotated] # of no type
        SqlTable(foreign.table, metadata, *columns, schema=foreign.schema)
