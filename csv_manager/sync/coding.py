"""Python code of dataclasses that declare tables, for those that a database has."""

import keyword
import re
import unicodedata
from collections.abc import Iterator, Sequence

from csv_manager.sync.declaring import in_order
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.types import Kind

#: The annotations of kinds, of those that say all.
_PLAIN: dict[Kind, str] = {
    "bool": "bool", "bigint": "int", "double": "float", "timestamp": "dt.datetime", "date": "dt.date",
    "time": "dt.time", "uuid": "uuid.UUID", "text": "str", "bytes": "bytes", "json": "dict[str, Any]",
}  # fmt: skip
#: Those of kinds of which a type tells more.
_TYPED: dict[Kind, str] = {"smallint": "int", "integer": "int", "decimal": "Decimal", "real": "float"}
#: What a module imports, of that what is used.
_IMPORTS = (
    "import datetime as dt", "import enum", "import uuid", "from dataclasses import dataclass",
    "from decimal import Decimal",
)  # fmt: skip
_TYPING = ("Annotated", "Any")
_OURS = ("Comment", "Default", "Distinct", "PrimaryKey", "References", "SqlType")


def code_of(tables: Sequence[Table], name: str) -> str:
    """The code of a module whose dataclasses declare these tables; `name` is that of their database.

    Views are left out, and keys that are told by several columns are no fields: a comment says so.
    """
    parts: list[str] = []
    classes = _Classes(tables)
    for table in in_order([table for table in tables if not table.is_view]):
        parts.extend("\n".join(lines) + "\n" for lines in _enums(table))
        parts.append("\n".join(_lines(table, classes)) + "\n")
    return "\n\n".join([_head(name, "".join(parts)), *parts])


def _head(name: str, body: str) -> str:
    """What a module begins with."""
    used = set(re.findall(r"\w+", body))
    lines = [f'"""Tables of {_plain(name)}."""', "", "from __future__ import annotations", ""]
    lines += [told for told in _IMPORTS if told.split()[-1] in {*used, "dataclass"}]
    for module, names in (("typing", _TYPING), ("csv_manager.sync", _OURS)):
        if wanted := [told for told in names if told in used]:
            lines += [""] if module != "typing" else []
            lines.append(f"from {module} import {', '.join(wanted)}")
    return "\n".join(lines) + "\n"


def _lines(table: Table, classes: "_Classes") -> Iterator[str]:
    odd = [name for name in table.key if not _is_field(name)]
    if odd:
        yield f"# The table {table.name!r} cannot be declared: {odd[0]!r}, of its key, is no name of a field."
        return
    yield "@dataclass(kw_only=True)"
    yield f"class {classes[table.name]}:"
    if table.comment:
        yield f'    """{_plain(table.comment)}"""'
        yield ""
    if classes[table.name] != table.name:
        yield f"    __tablename__ = {table.name!r}"
    elif not table.key:
        yield f"    __tablename__ = {table.name!r}  # it has no primary key"
    if table.schema is not None:
        yield f"    __schema__ = {table.schema!r}"
    several = [unique.columns for unique in table.uniques if len(unique.columns) > 1]
    several = [columns for columns in several if all(map(_is_field, columns))]
    if several:
        yield f"    __uniques__ = {several!r}"
    for key in table.foreign_keys:
        if not classes.has_key(key.table, key.referred):
            yield f"    # {', '.join(key.columns)} refer to {', '.join(key.referred)} of {key.table}"
    for column in table.columns:
        yield f"    {_field(table, column, classes)}"


def _field(table: Table, column: Column, classes: "_Classes") -> str:
    if column.is_computed:
        return f"# {column.name} ({column.type}) is computed"
    if not _is_field(column.name):
        return f"# {column.name!r} ({column.type}) is no name of a field"
    marks = list(_marks(table, column, classes))
    told = _enum_name(table, column) if column.values else _annotation(column)
    if told is None:
        return f"# {column.name}: {column.type} is a type of this database alone"
    told = f"{told} | None" if column.nullable and column.name not in table.key else told
    told = f"Annotated[{', '.join([told, *marks])}]" if marks else told
    return f"{column.name}: {told}" + (" = None" if column.nullable and column.name not in table.key else "")


def _annotation(column: Column) -> str | None:
    return _PLAIN.get(column.type.kind) or _TYPED.get(column.type.kind)


def _marks(table: Table, column: Column, classes: "_Classes") -> Iterator[str]:
    if column.name in table.key:
        yield "PrimaryKey()"
    if any(unique.columns == (column.name,) for unique in table.uniques):
        yield "Distinct()"
    key = next((key for key in table.foreign_keys if key.columns == (column.name,)), None)
    if key is not None and classes.has_key(key.table, key.referred):
        yield f"References({classes[key.table]!r})"
    told = {name: value for name, value in vars(column.type).items() if value not in (None, False)}
    if column.type.kind in _TYPED or len(told) > 1:
        yield f"SqlType({', '.join(f'{name}={value!r}' for name, value in told.items())})"
    if column.default is not None and not column.is_generated:
        yield f"Default({column.default!r})"
    if column.comment:
        yield f"Comment({column.comment!r})"


def _enums(table: Table) -> Iterator[list[str]]:
    for column in table.columns:
        if column.values:
            members = [f"    VALUE_{number} = {value!r}" for number, value in enumerate(column.values, 1)]
            yield [f"class {_enum_name(table, column)}(enum.Enum):", *members]


def _enum_name(table: Table, column: Column) -> str:
    return _class_name(f"{table.name}_{column.name}")


class _Classes:
    """The names of classes for tables, each another one."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._keys = {table.name: table.key for table in tables if not table.is_view}
        self._names: dict[str, str] = {}
        taken = {
            *_TYPING,
            *_OURS,
            "dataclass",
            "Decimal",
            "dt",
            "enum",
            "uuid",
            "str",
            "int",
            "bool",
            "float",
            "bytes",
            "dict",
        }
        for table in tables:
            name = _class_name(table.name)
            while name in taken:
                name += "_"
            taken.add(name)
            self._names[table.name] = name

    def __getitem__(self, table: str) -> str:
        return self._names[table]

    def has_key(self, table: str, columns: tuple[str, ...]) -> bool:
        """Whether these columns are the key of a table that is declared, and of one column."""
        return len(columns) == 1 and self._keys.get(table) == columns and _is_field(columns[0])


def _is_field(name: str) -> bool:
    """Whether a column's name can be that of a field, and is none that Python reads otherwise."""
    is_plain = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
    return is_plain and unicodedata.normalize("NFKC", name) == name


def _class_name(name: str) -> str:
    """A name of a class: the words of a table's, each with a capital."""
    told = "".join(word[:1].upper() + word[1:] for word in re.split(r"\W+|_+", name))
    return told if told.isidentifier() and not keyword.iskeyword(told) else f"Table{told}"


def _plain(text: str) -> str:
    """A text as a docstring has it."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', "'")
