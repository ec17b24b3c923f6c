"""The table of a target: the columns of the file, and those that the table has for itself."""

from collections.abc import Sequence
from dataclasses import replace

from csv_manager.core.errors import ConfigurationError
from csv_manager.core.targets import (
    COPY,
    FILE,
    FROM_TIME,
    FROM_VERSION,
    LOADED,
    ROW,
    TO_TIME,
    TO_VERSION,
    VERSION,
    Target,
)
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.types import SqlType

_TIME = SqlType(kind="timestamp", timezone=True)
#: The types of the columns that a table has for itself.
OWN_TYPES = {
    FILE: SqlType(kind="text"),
    VERSION: SqlType(kind="bigint"),
    LOADED: _TIME,
    ROW: SqlType(kind="uuid"),
    COPY: SqlType(kind="bigint"),
    FROM_VERSION: SqlType(kind="bigint"),
    FROM_TIME: _TIME,
    TO_VERSION: SqlType(kind="bigint"),
    TO_TIME: _TIME,
}


def lay_out(target: Target, columns: Sequence[Column]) -> Table:
    """The table of a target for the columns of a file. Raises `ConfigurationError` for a key that is none of them."""
    own = [
        Column(name=name, type=OWN_TYPES[name], nullable=name in (TO_VERSION, TO_TIME)) for name in target.own_columns
    ]
    key = target.primary_key
    told = [replace(column, nullable=column.nullable and column.name not in key) for column in columns]
    return Table(name=target.table, schema=target.schema, columns=(*told, *own), key=key)


def entities(target: Target, table: Table) -> Table:
    """A target's table with the key by which a row is the same one in two versions."""
    return replace(table, key=target.entity if target.has_keys else ())


def check_layout(target: Target, table: Table, columns: Sequence[str]) -> None:
    """Raise `ConfigurationError` unless a table that is there can be a target's for these columns of a file."""
    there = {column.name: column for column in table.columns}
    where = f"The table {target.table_name}"
    if table.is_view:
        raise ConfigurationError(f"{target.table_name} is a view; name another --table.")
    lacking = [name for name in target.own_columns if name not in there]
    if lacking:
        raise ConfigurationError(
            f"{where} is there already, without the column {lacking[0]} that this target needs; name another --table."
        )
    key = target.primary_key
    unique = [table.key, *(found.columns for found in table.uniques)]
    if key and all(set(found) != set(key) for found in unique if found):
        raise ConfigurationError(
            f"{where} is there already, and its key is {', '.join(table.key)}; this target needs {', '.join(key)}. "
            "Name another --table, or the --key that it has."
            if table.key
            else f"{where} is there already, and has no key; this target needs {', '.join(key)}. Name another --table, "
            "or give it that key."
        )
    loaded = {*columns, *target.own_columns}
    needed = [
        column.name
        for column in table.columns
        if column.name not in loaded and not column.nullable and column.default is None and not column.is_generated
    ]
    if needed:
        raise ConfigurationError(
            f"{where} is there already, and needs a value for {needed[0]}, which the file has not; give the column a "
            "default, or name another --table."
        )
    computed = [name for name in columns if name in there and there[name].is_computed]
    if computed:
        raise ConfigurationError(
            f"{where} computes its column {computed[0]}; leave that of the file out, or name another --table."
        )
