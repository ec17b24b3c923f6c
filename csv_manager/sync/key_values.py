"""Keys that are different texts, and one value by the types of a table: 1.0 and 1.00."""

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal

from csv_manager.core.errors import DuplicateKeyError
from csv_manager.core.keys import key_reader
from csv_manager.core.reading import Table as CsvTable
from csv_manager.core.showing import shown
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.types import CANONICAL, Kind

Read = Callable[[str], object]


def check_key_values(content: CsvTable, table: Table, key: tuple[str, ...]) -> None:
    """Raise `DuplicateKeyError` for two rows whose keys are other texts, and the same values of `table`."""
    columns = [column for name in key for column in table.columns if column.name == name]
    if all(column.type.kind in CANONICAL for column in columns):
        return
    read, readers = key_reader(content.columns, key), [_READERS.get(column.type.kind, str) for column in columns]
    seen: dict[tuple[object, ...], tuple[tuple[str, ...], int | None]] = {}
    for row in content.rows():
        told = read(row.cells)
        cells = told if isinstance(told, tuple) else (told,)
        values = tuple(_value(reader, str(cell or "")) for reader, cell in zip(readers, cells, strict=True))
        before, line = seen.setdefault(values, (cells, row.line))
        if line != row.line:
            raise DuplicateKeyError(
                f"{content.csv_file}: the key is not unique: {_named(columns, before)} in line {line} and "
                f"{_named(columns, cells)} in line {row.line} are the same values; name more --key columns, or keep "
                f"them apart as they are written: --type '{columns[0].name}=text'."
            )


def _value(reader: Read, cell: str) -> object:
    with contextlib.suppress(ValueError, ArithmeticError):
        return reader(cell)
    return cell


def _named(columns: list[Column], cells: tuple[str, ...]) -> str:
    return ", ".join(f"{column.name}={shown(str(cell))}" for column, cell in zip(columns, cells, strict=True))


def _moment(cell: str) -> object:
    """A time in UTC; one without a zone as it is."""
    told = dt.datetime.fromisoformat(cell)
    return told if told.tzinfo is None else told.astimezone(dt.UTC)


_READERS: dict[Kind, Read] = {
    "bool": str.lower,
    "decimal": Decimal,
    "real": float,
    "double": float,
    "time": dt.time.fromisoformat,
    "timestamp": _moment,
    "uuid": uuid.UUID,
    "bytes": str.lower,
}
