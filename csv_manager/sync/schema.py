"""Tables and their columns as values, whatever the database."""

from collections.abc import Iterator
from dataclasses import dataclass

from csv_manager.core.errors import ConfigurationError
from csv_manager.sync.types import SqlType


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table."""

    name: str
    type: SqlType
    nullable: bool = True
    #: The expression of its default; of a text, as standard SQL has it.
    default: str | None = None
    #: Whether the database gives its value: it counts rows, or computes it.
    is_generated: bool = False
    #: Whether it is computed, so that nobody may give it a value.
    is_computed: bool = False
    comment: str | None = None
    #: The only texts that it takes, of an enumeration.
    values: tuple[str, ...] = ()
    #: What it was called before, of a table that may have it under that name.
    renamed_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """Columns whose values are those of columns in a row of another table."""

    name: str | None
    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]
    schema: str | None = None


@dataclass(frozen=True, kw_only=True)
class Unique:
    """Columns whose values together are those of one row."""

    name: str | None
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table, or a view. `key` are the columns of its primary key; `schema` is None for the usual one."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    schema: str | None = None
    comment: str | None = None
    foreign_keys: tuple[ForeignKey, ...] = ()
    uniques: tuple[Unique, ...] = ()
    is_view: bool = False

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        unknown = [name for name in self.key if name not in names]
        if unknown:
            raise ConfigurationError(
                f"The table {self.name} has no column {unknown[0]!r} for its key; it has {', '.join(names)}."
            )
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ConfigurationError(f"The table {self.name} has two columns {repeated!r}.")

    def names(self) -> Iterator[tuple[str, str]]:
        """What is named: each kind with its name."""
        yield "table", self.name
        if self.schema is not None:
            yield "schema", self.schema
        for column in self.columns:
            yield "column", column.name
