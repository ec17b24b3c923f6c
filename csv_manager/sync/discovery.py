"""The tables and views that a database has, as values."""

import contextlib
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Inspector, inspect, text, types
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import TypeEngine

from csv_manager.core.errors import OptionError
from csv_manager.sync.schema import Column, ForeignKey, Table, Unique
from csv_manager.sync.sql_dialects.interface import literal
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

#: The characters that MySQL and MariaDB write as a letter behind a backslash.
_CHARACTERS = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "Z": "\x1a", "b": "\b"}
#: A text in a condition, and what it has for a quote or a backslash; MySQL and MariaDB write both behind a backslash.
_QUOTED = re.compile(r"'((?:[^']|'')*)'"), re.compile(r"''()")
_MYSQL_QUOTED = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL), re.compile(r"''|\\(.)", re.DOTALL)

#: What a type is called that SQLAlchemy does not know, or a column without one.
_UNKNOWN = "unknown"


def discover(connection: Connection, schema: str | None = None) -> tuple[Table, ...]:
    """The tables and views of a database, or of one schema of it, by their names; those that are temporary are not.

    Raises `OptionError` for a schema that is not there.
    """
    with _knowing(connection) as inspector:
        _check_schema(inspector, schema)
        return _tables(inspector, schema)


def _check_schema(inspector: Inspector, schema: str | None) -> None:
    if schema is not None and schema not in (known := inspector.get_schema_names()):
        raise OptionError(f"There is no schema {schema!r}; there are {', '.join(known)}.")


def _tables(inspector: Inspector, schema: str | None) -> tuple[Table, ...]:
    names = [(name, False) for name in inspector.get_table_names(schema)]
    names += [(name, True) for name in inspector.get_view_names(schema)]
    return tuple(_table(inspector, name, schema, is_view=is_view, with_values=True) for name, is_view in sorted(names))


def discover_table(connection: Connection, name: str, schema: str | None = None) -> Table | None:
    """One table or view; None if there is none of that name. Raises `OptionError` for a schema that is not there."""
    with _knowing(connection) as inspector:
        _check_schema(inspector, schema)
        if inspector.has_table(name, schema):
            return _table(inspector, name, schema, is_view=name in inspector.get_view_names(schema))
    return None


def engine_of(connection: Connection, table: Table) -> str | None:
    """The storage engine of a table of MySQL's; None of another database's."""
    if connection.dialect.name != "mysql":
        return None
    told = "SELECT engine FROM information_schema.tables WHERE table_name = :name AND table_schema = "
    where = text(told + ("DATABASE()" if table.schema is None else ":schema"))
    values = {"name": table.name} | ({} if table.schema is None else {"schema": table.schema})
    engine: str | None = connection.execute(where, values).scalar()
    return engine


@contextlib.contextmanager
def _knowing(connection: Connection) -> Iterator[Inspector]:
    """What asks the database; of a type that it does not know, nothing is said twice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        yield inspect(connection)


def _table(inspector: Inspector, name: str, schema: str | None, *, is_view: bool, with_values: bool = False) -> Table:
    key = () if is_view else _named(inspector, inspector.get_pk_constraint(name, schema)["constrained_columns"])
    columns = tuple(_column(told, inspector) for told in inspector.get_columns(name, schema))
    if with_values and not is_view:
        columns = _with_values(inspector, name, schema, columns)
    return Table(
        name=name,
        schema=schema,
        columns=columns,
        key=key,
        comment=_comment(inspector, name, schema),
        foreign_keys=()
        if is_view
        else tuple(_foreign_key(inspector, told) for told in inspector.get_foreign_keys(name, schema)),
        uniques=() if is_view else uniques_of(inspector, name, schema, key),
        is_view=is_view,
    )


def _with_values(
    inspector: Inspector, name: str, schema: str | None, columns: tuple[Column, ...]
) -> tuple[Column, ...]:
    """The columns of a table, with the values that a condition of csv_manager's keeps them to."""
    found = {str(told["name"]): str(told["sqltext"]) for told in inspector.get_check_constraints(name, schema)}
    is_mysql = inspector.dialect.name == "mysql"
    names = (f"{name}_{column.name}_values" for column in columns)
    values = (texts_in(found.get(told, ""), is_mysql=is_mysql) for told in names)
    return tuple(replace(column, values=each) for column, each in zip(columns, values, strict=True))


def texts_in(condition: str, *, is_mysql: bool) -> tuple[str, ...]:
    """The texts that a condition has in it."""
    text, escaped = _MYSQL_QUOTED if is_mysql else _QUOTED
    return tuple(
        escaped.sub(lambda told: _CHARACTERS.get(told[1], told[1]) or "'", found) for found in text.findall(condition)
    )


def _column(told: Any, inspector: Inspector) -> Column:
    default = told.get("default")
    if default is not None and inspector.dialect.name == "mysql" and default.startswith("'"):
        default = literal("".join(texts_in(default, is_mysql=True)))
    counts = told.get("autoincrement") is True or str(default or "").startswith("nextval(")
    return Column(
        name=_named(inspector, [told["name"]])[0],
        type=type_of(told["type"], inspector),
        nullable=told["nullable"],
        default=None if default is None else str(default),
        is_generated=counts or "computed" in told or "identity" in told,
        is_computed="computed" in told,
        comment=told.get("comment"),
    )


def type_of(told: TypeEngine[Any], inspector: Inspector) -> SqlType:
    """What a type of SQLAlchemy's is."""
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


def _named(inspector: Inspector, names: Iterable[str | None]) -> tuple[str, ...]:
    """Names as they are: of MySQL's, SQLAlchemy leaves backticks doubled."""
    told = map(str, names)
    return tuple(name.replace("``", "`") for name in told) if inspector.dialect.name == "mysql" else tuple(told)


def _foreign_key(inspector: Inspector, told: Any) -> ForeignKey:
    return ForeignKey(
        name=told["name"],
        columns=_named(inspector, told["constrained_columns"]),
        table=told["referred_table"],
        referred=_named(inspector, told["referred_columns"]),
        schema=told["referred_schema"],
    )


def uniques_of(inspector: Inspector, name: str, schema: str | None, key: tuple[str, ...]) -> tuple[Unique, ...]:
    """What is unique in a table beside its key."""
    found = [
        Unique(name=told["name"], columns=_named(inspector, told["column_names"]))
        for told in inspector.get_unique_constraints(name, schema)
    ]
    if inspector.dialect.name == "sqlite":  # which has no names for those that are told beside a column
        for index in inspector.get_indexes(name, schema, include_auto_indexes=True):
            columns = tuple(str(column) for column in index["column_names"])
            if index["unique"] and columns != key and all(columns != known.columns for known in found):
                found.append(Unique(name=None, columns=columns))
    return tuple(found)
