"""Objects of dataclasses, and rows of Python's values, as the rows that loaders take."""

import dataclasses
import datetime as dt
import enum
import json
import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from csv_manager.core.errors import ConfigurationError, OptionError
from csv_manager.sync.declaring import declare
from csv_manager.sync.fits import Fit
from csv_manager.sync.loading import Counts, MisfitError, loader_of
from csv_manager.sync.rows import Cells, ListedRows, Rows
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.types import SqlType


def insert_objects(connection: Connection, objects: Iterable[Any]) -> int:
    """Insert objects of one dataclass into its table, none of which is there; how many they were.

    Raises `TargetError`, after which the caller's transaction has to be rolled back, and `ConfigurationError`.
    """
    table, columns, rows = _told(objects)
    return insert_rows(connection, table, columns, rows) if table else 0


def upsert_objects(connection: Connection, objects: Iterable[Any], *, mirror: bool = False) -> Counts:
    """Have the table of a dataclass have these objects: those that differ are updated, by the key.

    With `mirror`, rows that are none of them are deleted. Raises as `insert_objects`.
    """
    table, columns, rows = _told(objects)
    if table is None and mirror:
        raise OptionError("No object tells of which table all rows are to go; upsert_rows is told the table.")
    return upsert_rows(connection, table, columns, rows, mirror=mirror) if table else Counts()


def delete_objects(connection: Connection, objects: Iterable[Any]) -> int:
    """Delete the rows that have the keys of objects; how many there were. Raises as `insert_objects`."""
    table, columns, rows = _told(objects)
    if table is None:
        return 0
    places = [columns.index(name) for name in table.key]
    return delete_rows(connection, table, table.key, ([row[place] for place in places] for row in rows))


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows of Python's values for some columns of a table; how many they were. Raises as `insert_objects`."""
    return loader_of(connection).insert(connection, table, _checked(connection, table, columns, rows))


def upsert_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    mirror: bool = False,
) -> Counts:
    """Have a table have these rows: those that differ are updated, by its key. Raises as `insert_objects`.

    With `mirror`, rows that are none of them are deleted.
    """
    _check_key(table, columns)
    told = _checked(connection, table, columns, rows)
    return loader_of(connection).merge(connection, table, told, mirror=mirror)


def delete_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Delete the rows with these keys, whose `columns` are those of the table's; how many there were.

    Raises as `insert_objects`.
    """
    _check_key(table, columns)
    told = _checked(connection, table, columns, rows)
    keys = dict.fromkeys(tuple(row) for row in told)
    return loader_of(connection).delete(connection, table, ListedRows(table.name, columns, keys))


def _told(objects: Iterable[Any]) -> tuple[Table | None, tuple[str, ...], Iterator[Sequence[Any]]]:
    """The table of objects, its columns, and their values as they come."""
    if dataclasses.is_dataclass(objects):
        raise OptionError(f"{objects!r} is one object; several are expected, such as a list.")
    iterator = iter(objects)
    first = next(iterator, None)
    if first is None:
        return None, (), iter(())
    told = type(first)
    table = declare(told)
    columns = tuple(column.name for column in table.columns)
    keys = {key.columns[0]: key.referred[0] for key in table.foreign_keys}

    def values() -> Iterator[Sequence[Any]]:
        for each in chain([first], iterator):
            if type(each) is not told:
                raise OptionError(f"{each!r} is no {told.__name__}, as those before it are.")
            yield [_referred(getattr(each, name), keys.get(name)) for name in columns]

    return table, columns, values()


def _referred(value: Any, key: str | None) -> Any:
    """A value; of an object of another table, its key."""
    is_object = key is not None and dataclasses.is_dataclass(value) and not isinstance(value, type)
    return getattr(value, key) if is_object and key is not None else value


def _checked(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Rows:
    """Rows as cells, of which each fits its column."""
    by_name = {column.name: column for column in table.columns}
    unknown = [name for name in columns if name not in by_name]
    if unknown:
        raise OptionError(f"The table {table.name} has no column {unknown[0]!r}; it has {', '.join(by_name)}.")
    if len(set(columns)) < len(columns):
        raise OptionError(f"The columns {', '.join(columns)} have one that is told twice.")
    moment = loader_of(connection).moment
    told = [by_name[name] for name in columns]
    is_needed = [name in table.key or not by_name[name].nullable for name in columns]
    cells = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != len(columns):
            raise OptionError(f"{table.name}: {row!r} is no row of {len(columns)} values.")
        place = f"{table.name}: object {number}"
        cells.append(
            [
                _cell(f"{place}: column {column.name!r}", value, column, moment, is_needed=needed)
                for value, column, needed in zip(row, told, is_needed, strict=True)
            ]
        )
    return _Values(table.name, columns, cells)


def _cell(
    place: str, value: Any, column: Column, moment: Callable[[dt.datetime], str], *, is_needed: bool
) -> str | None:
    """The text of a value. Raises `MisfitError` for one that its column does not take."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None:
        if is_needed and column.default is None:
            raise MisfitError(f"{place}: there is no value, and the table needs one; nothing was written.")
        return None
    try:
        if column.type.kind == "json":
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
        else:
            text = _text(value, moment)
        text.encode()
    except (TypeError, ValueError, OverflowError) as error:
        raise MisfitError(f"{place}: {value!r}: {error}; nothing was written.") from error
    if not _fits(value, text, column):
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise MisfitError(f"{place}: {shown!r} is no {column.type}; nothing was written.")
    return text


def _fits(value: Any, text: str, column: Column) -> bool:
    """Whether a value is one of a column's type; of texts, by what a file might have."""
    told = column.type
    if told.kind == "text":
        return told.length is None or len(text) <= told.length
    if isinstance(value, str):
        return bool(text) and Fit.of(told).takes(text)
    if not isinstance(value, _KINDS.get(told.kind, object)) or (told.kind == "date" and isinstance(value, dt.datetime)):
        return False
    return not isinstance(value, int | float | Decimal) or _has_room(value, told)


def _has_room(value: float | Decimal, told: SqlType) -> bool:
    """Whether a number has a place in a type."""
    if not math.isfinite(value):
        return False
    if told.kind in _BITS:
        return -(1 << _BITS[told.kind] - 1) <= value < 1 << _BITS[told.kind] - 1
    if told.kind != "decimal":
        return True
    fit, digits = Fit.of(told), Decimal(value).normalize().as_tuple()
    exponent = int(digits.exponent)
    return max(-exponent, 0) <= fit.scale and max(len(digits.digits) + exponent, 0) <= fit.whole


#: The types of Python's whose values a column takes.
_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "smallint": (int,), "integer": (int,), "bigint": (int,), "decimal": (int, Decimal),
    "real": (int, float), "double": (int, float, Decimal), "date": (dt.date,), "time": (dt.time,),
    "timestamp": (dt.datetime, dt.date), "uuid": (uuid.UUID,), "bytes": (bytes, bytearray, memoryview),
}  # fmt: skip
_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
#: The most characters of a value that are shown.
_SHOWN = 40


class _Values(ListedRows):
    """Rows of values: they are read but once, so that they are kept."""

    def __init__(self, name: str, columns: Sequence[str], rows: Iterable[Cells]) -> None:
        super().__init__(name, columns, rows)

    def place(self, number: int) -> str:
        """The number of a row, from 1 on."""
        return f"{self.name}: object {number + 1}"


def _check_key(table: Table, columns: Sequence[str]) -> None:
    lacking = [name for name in table.key if name not in columns]
    if not table.key:
        raise ConfigurationError(f"The table {table.name} has no key, so nothing tells which row is which.")
    if lacking:
        raise OptionError(f"The key column {lacking[0]!r} of the table {table.name} is lacking.")


def _text(value: Any, moment: Callable[[dt.datetime], str]) -> str:
    """The text of a value as a file would have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        return moment(value) if value.tzinfo else value.isoformat(sep=" ")
    if isinstance(value, bytes | bytearray | memoryview):
        return f"\\x{bytes(value).hex()}"
    return str(value)


def _plain(value: Any) -> Any:
    """What JSON has for a value that it does not know. Raises `TypeError`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dt.date | dt.time | uuid.UUID | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")
