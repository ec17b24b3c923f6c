"""Tables that dataclasses declare: a field is a column, its annotation tells the type and the constraints."""

import dataclasses
import datetime as dt
import enum
import inspect
import math
import sys
import types
import typing
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from csv_manager.core.errors import ConfigurationError
from csv_manager.sync.schema import Column, ForeignKey, Table, Unique
from csv_manager.sync.sql_dialects.interface import literal
from csv_manager.sync.types import SqlType


@dataclass(frozen=True)
class PrimaryKey:
    """`Annotated[int, PrimaryKey()]`: the column is one of the primary key."""


@dataclass(frozen=True)
class Distinct:
    """`Annotated[str, Distinct()]`: no two rows have the same value."""


@dataclass(frozen=True)
class References:
    """`Annotated[int, References(Company)]`: the value is the key of a row of another class's table.

    A class that comes later in its module, or the class itself, is told by its name: `References("Company")`.
    """

    table: type | str


@dataclass(frozen=True)
class Comment:
    """`Annotated[str, Comment("as it is printed")]`: what the database says of the column."""

    text: str


@dataclass(frozen=True)
class Default:
    """`Annotated[datetime, Default("CURRENT_TIMESTAMP")]`: an SQL expression for rows that have no value."""

    expression: str


@dataclass(frozen=True)
class RenamedFrom:
    """`Annotated[str, RenamedFrom("title")]`: what the column is called in tables that were made before."""

    name: str


#: The types of columns for those of Python, the narrower before those that they are cases of.
_TYPES: tuple[tuple[type, SqlType], ...] = (
    (bool, SqlType(kind="bool")),
    (int, SqlType(kind="bigint")),
    (float, SqlType(kind="double")),
    (Decimal, SqlType(kind="decimal", precision=38, scale=10)),
    (dt.datetime, SqlType(kind="timestamp")),
    (dt.date, SqlType(kind="date")),
    (dt.time, SqlType(kind="time")),
    (uuid.UUID, SqlType(kind="uuid")),
    (str, SqlType(kind="text")),
    (bytes, SqlType(kind="bytes")),
    (dict, SqlType(kind="json")),
    (list, SqlType(kind="json")),
    (tuple, SqlType(kind="json")),
)


def declare(told: type) -> Table:
    """The table that a dataclass declares.

    Its name is that of the class, or its `__tablename__`; its comment the first paragraph of the docstring;
    `__schema__` and `__uniques__` tell its schema and what is unique of several columns. Raises `ConfigurationError`.
    """
    if not (isinstance(told, type) and dataclasses.is_dataclass(told)):
        raise ConfigurationError(f"{told!r} is no dataclass, so it declares no table.")
    hints = _hints(told)
    declared = [_Field.of(told, field, hints[field.name]) for field in dataclasses.fields(told)]
    schema = getattr(told, "__schema__", None)
    single = [Unique(name=None, columns=(field.column.name,)) for field in declared if field.is_distinct]
    several = [Unique(name=None, columns=tuple(columns)) for columns in getattr(told, "__uniques__", ())]
    return Table(
        name=name_of(told),
        columns=tuple(field.column for field in declared),
        key=tuple(field.column.name for field in declared if field.is_key),
        schema=schema,
        comment=_comment(told),
        foreign_keys=tuple(field.foreign_key for field in declared if field.foreign_key is not None),
        uniques=(*single, *several),
    )


def declared_in(module: Mapping[str, Any]) -> list[type]:
    """The dataclasses with a primary key that a module defines, in its order; others are parts of theirs."""
    found = [
        told
        for told in module.values()
        if isinstance(told, type) and dataclasses.is_dataclass(told) and told.__module__ == module.get("__name__")
    ]
    return [told for told in found if is_table(told)]


def is_table(told: Any) -> bool:
    """Whether a class is a dataclass with a primary key, or says its `__tablename__`."""
    if not (isinstance(told, type) and dataclasses.is_dataclass(told)):
        return False
    if "__tablename__" in vars(told):
        return True
    hints = _hints(told)
    return any(_has(_parts(hint)[1], PrimaryKey) for hint in hints.values())


def _hints(told: type) -> dict[str, Any]:
    """The annotations of a class. Raises `ConfigurationError` for one that names what is not there."""
    try:
        names = vars(sys.modules[told.__module__]) if told.__module__ in sys.modules else {}
        return typing.get_type_hints(told, names, {}, include_extras=True)  # where a field hides no name
    except NameError as error:
        raise ConfigurationError(f"{told.__name__}: {error}; its annotations cannot be read.") from error


def name_of(told: type) -> str:
    """The name of the table of a class."""
    return str(vars(told).get("__tablename__", told.__name__))


@dataclass(frozen=True)
class _Field:
    """What a field of a dataclass says of its table."""

    column: Column
    is_key: bool
    is_distinct: bool
    foreign_key: ForeignKey | None

    @classmethod
    def of(cls, told: type, field: "dataclasses.Field[Any]", hint: Any) -> "_Field":
        where = f"{told.__name__}.{field.name}"
        plain, marks, nullable = _parts(hint)
        given = next((mark for mark in marks if isinstance(mark, SqlType)), None)
        referred = next((_class(where, told, mark.table) for mark in marks if isinstance(mark, References)), None)
        if referred is None and is_table(plain):
            referred = plain
        foreign_key: ForeignKey | None = None
        values: tuple[str, ...] = ()
        if referred is not None:
            foreign_key, given = _refer(where, field.name, referred, given)
        elif isinstance(plain, type) and issubclass(plain, enum.Enum):
            values = tuple(str(member.value) for member in plain)
            given = given or SqlType(kind="text", length=max(map(len, values), default=1))
        column = Column(
            name=field.name,
            type=given or _type_of(where, plain),
            nullable=nullable,
            default=_default(where, field, marks),
            comment=next((mark.text for mark in marks if isinstance(mark, Comment)), None),
            values=values,
            renamed_from=next((mark.name for mark in marks if isinstance(mark, RenamedFrom)), None),
        )
        return cls(column, _has(marks, PrimaryKey), _has(marks, Distinct), foreign_key)


def _refer(where: str, name: str, referred: type, given: SqlType | None) -> tuple[ForeignKey, SqlType]:
    """The foreign key to the table of a class, and the type of its column."""
    keys = [(key, hint) for key, hint in _hints(referred).items() if _has(_parts(hint)[1], PrimaryKey)]
    if len(keys) != 1:
        raise ConfigurationError(f"{where} refers to {referred.__name__}, whose key is not one column.")
    [(key, hint)] = keys
    plain, marks, _ = _parts(hint)
    told = next((mark for mark in marks if isinstance(mark, SqlType)), None)
    if given is None and told is None and is_table(plain):
        _, told = _refer(f"{referred.__name__}.{key}", key, plain, None)
    schema = getattr(referred, "__schema__", None)
    foreign = ForeignKey(name=None, columns=(name,), table=name_of(referred), referred=(key,), schema=schema)
    return foreign, given or told or _type_of(where, plain)


def _class(where: str, told: type, named: type | str) -> type:
    """A class, or the one of a name in the module of another one. Raises `ConfigurationError`."""
    found = vars(sys.modules[told.__module__]).get(named) if isinstance(named, str) else named
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise ConfigurationError(f"{where} refers to {named!r}, which is no dataclass of its module.")
    return found


def _parts(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """The type that an annotation means, its marks, and whether there may be no value."""
    marks: tuple[Any, ...] = ()
    nullable = False
    while True:
        if typing.get_origin(hint) is Annotated:
            hint, *more = typing.get_args(hint)
            marks += tuple(more)
            continue
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            kinds = [kind for kind in typing.get_args(hint) if kind is not types.NoneType]
            if len(kinds) == 1:
                hint, nullable = kinds[0], True
                continue
        return hint, marks, nullable


def _has(marks: Sequence[Any], kind: type) -> bool:
    return any(mark is kind or isinstance(mark, kind) for mark in marks)


def _type_of(where: str, plain: Any) -> SqlType:
    meant = typing.get_origin(plain) or plain
    if isinstance(meant, type):
        if dataclasses.is_dataclass(meant):
            return SqlType(kind="json")
        for known, told in _TYPES:
            if issubclass(meant, known):
                return told
    raise ConfigurationError(
        f"{where}: {plain!r} is no type of a column; say it as Annotated[…, SqlType(kind=…)], or as one of "
        f"{', '.join(known.__name__ for known, _ in _TYPES)}."
    )


def _default(where: str, field: "dataclasses.Field[Any]", marks: Sequence[Any]) -> str | None:
    """The expression of a field's default, if it has one that is a value."""
    told = next((mark.expression for mark in marks if isinstance(mark, Default)), None)
    if told is not None or field.default in (dataclasses.MISSING, None):
        return told
    value = field.default.value if isinstance(field.default, enum.Enum) else field.default
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal) and math.isfinite(value):
        return str(value)
    if isinstance(value, str | dt.date | dt.time | uuid.UUID):
        return literal(str(value))
    raise ConfigurationError(f"{where}: {value!r} is no default of a column; say it as Default('an SQL expression').")


def _comment(told: type) -> str | None:
    """The first paragraph of a docstring, unless the dataclass made it."""
    text = inspect.cleandoc(told.__doc__ or "")
    if not text or text.startswith(f"{told.__name__}("):
        return None
    return " ".join(text.split("\n\n")[0].split())


def in_order(tables: Sequence[Table]) -> Iterator[Table]:
    """Tables, each behind those that it refers to."""
    left = {(table.schema, table.name): table for table in tables}
    while left:
        ready = [
            place
            for place, table in left.items()
            if all(
                (key.schema or table.schema, key.table) not in left or key.table == table.name
                for key in table.foreign_keys
            )
        ]
        for place in ready or list(left)[:1]:
            yield left.pop(place)
