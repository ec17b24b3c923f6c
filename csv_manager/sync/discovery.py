"""The tables and views that a database has, as values."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Inspector, inspect, types
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import TypeEngine

from csv_manager.core.errors import OptionError
from csv_manager.sync.schema import Column, ForeignKey, Table, Unique
from csv_manager.sync.types import Kind, SqlType

#: SQLAlchemy's types and the kinds that they are, the narrower before those that they are cases of.
_KINDS: tuple[tuple[type[TypeEngine[Any]], Kind], ...] = (
    (types.Boolean, "bool"),
    (types.SmallInteger, "smallint"),
    (types.BigInteger, "bigint"),
    (types.Integer, "integer"),
    (types.Double, "double"),
    (types.Float, "real"),
    (types.Numeric, "decimal"),
    (types.DateTime, "timestamp"),
    (types.Date, "date"),
    (types.Time, "time"),
    (types.Uuid, "uuid"),
    (types.JSON, "json"),
    (types.LargeBinary, "bytes"),
    (types.BINARY, "bytes"),
    (types.VARBINARY, "bytes"),
    (mysql.TINYBLOB, "bytes"),
    (mysql.MEDIUMBLOB, "bytes"),
    (mysql.LONGBLOB, "bytes"),
    (types.String, "text"),
)
#: What is a text or a number to SQLAlchemy, and takes some values only.
_OTHERS = (types.Enum, mysql.SET, mysql.BIT)

#: What a type is called that SQLAlchemy does not know, or a column without one.
_UNKNOWN = "unknown"


def discover(connection: Connection, schema: str | None = None) -> tuple[Table, ...]:
    """The tables and views of a database, or of one schema of it, by their names; those that are temporary are not.

    Raises `OptionError` for a schema that is not there.
    """
    with _knowing(connection) as inspector:
        if schema is not None and schema not in (known := inspector.get_schema_names()):
            raise OptionError(f"There is no schema {schema!r}; there are {', '.join(known)}.")
        return _tables(inspector, schema)


def _tables(inspector: Inspector, schema: str | None) -> tuple[Table, ...]:
    names = [(name, False) for name in inspector.get_table_names(schema)]
    names += [(name, True) for name in inspector.get_view_names(schema)]
    return tuple(_table(inspector, name, schema, is_view=is_view) for name, is_view in sorted(names))


def discover_table(connection: Connection, name: str, schema: str | None = None) -> Table | None:
    """One table or view; None if there is none of that name."""
    with _knowing(connection) as inspector:
        if inspector.has_table(name, schema):
            return _table(inspector, name, schema, is_view=name in inspector.get_view_names(schema))
    return None


@contextlib.contextmanager
def _knowing(connection: Connection) -> Iterator[Inspector]:
    """What asks the database; of a type that it does not know, nothing is said twice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        yield inspect(connection)


def _table(inspector: Inspector, name: str, schema: str | None, *, is_view: bool) -> Table:
    key = () if is_view else tuple(inspector.get_pk_constraint(name, schema)["constrained_columns"])
    return Table(
        name=name,
        schema=schema,
        columns=tuple(_column(told, inspector) for told in inspector.get_columns(name, schema)),
        key=key,
        comment=_comment(inspector, name, schema),
        foreign_keys=() if is_view else tuple(map(_foreign_key, inspector.get_foreign_keys(name, schema))),
        uniques=() if is_view else _uniques(inspector, name, schema, key),
        is_view=is_view,
    )


def _column(told: Any, inspector: Inspector) -> Column:
    default = told.get("default")
    counts = told.get("autoincrement") is True or str(default or "").startswith("nextval(")
    return Column(
        name=told["name"],
        type=_type(told["type"], inspector),
        nullable=told["nullable"],
        default=None if default is None else str(default),
        is_generated=counts or "computed" in told or "identity" in told,
        comment=told.get("comment"),
    )


def _type(told: TypeEngine[Any], inspector: Inspector) -> SqlType:
    if isinstance(told, types.NullType):
        return SqlType(kind="other", native=_UNKNOWN)
    kind: Kind = next((kind for known, kind in _KINDS if isinstance(told, known)), "other")
    # MySQL's BOOLEAN is a number of one digit.
    if isinstance(told, mysql.TINYINT):
        kind = "bool" if told.display_width == 1 else "smallint"
    if kind == "other" or isinstance(told, _OTHERS) or getattr(told, "unsigned", False):
        return SqlType(kind="other", native=told.compile(inspector.dialect))
    if kind == "decimal":
        precision: int | None = getattr(told, "precision", None)
        return SqlType(kind="decimal", precision=precision, scale=getattr(told, "scale", None))
    length = getattr(told, "length", None) if kind in ("text", "bytes") else None
    return SqlType(kind=kind, length=length, timezone=bool(getattr(told, "timezone", False)))


def _comment(inspector: Inspector, name: str, schema: str | None) -> str | None:
    try:
        return inspector.get_table_comment(name, schema)["text"]
    except NotImplementedError:  # SQLite has none
        return None


def _foreign_key(told: Any) -> ForeignKey:
    return ForeignKey(
        name=told["name"],
        columns=tuple(told["constrained_columns"]),
        table=told["referred_table"],
        referred=tuple(told["referred_columns"]),
        schema=told["referred_schema"],
    )


def _uniques(inspector: Inspector, name: str, schema: str | None, key: tuple[str, ...]) -> tuple[Unique, ...]:
    found = [
        Unique(name=told["name"], columns=tuple(told["column_names"]))
        for told in inspector.get_unique_constraints(name, schema)
    ]
    if inspector.dialect.name == "sqlite":  # which has no names for those that are told beside a column
        for index in inspector.get_indexes(name, schema, include_auto_indexes=True):
            columns = tuple(str(column) for column in index["column_names"])
            if index["unique"] and columns != key and all(columns != known.columns for known in found):
                found.append(Unique(name=None, columns=columns))
    return tuple(found)
