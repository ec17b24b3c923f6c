"""Whether rows fit the types of a table, told before anything is written: databases round, and only some complain."""

from csv_manager.sync.fits import Fit, describe, shown
from csv_manager.sync.loading.interface import TargetError, typed
from csv_manager.sync.rows import Rows
from csv_manager.sync.schema import Table


def check(table: Table, rows: Rows) -> None:
    """Raise `TargetError` for the first cell that does not fit its column, or for a key without a value."""
    columns = typed(table, rows)
    fits = [Fit.of(column.type) for column in columns]
    required = [number for number, column in enumerate(columns) if column.name in table.key or not column.nullable]
    before = 0
    for chunk in rows.chunks():
        transposed = [tuple(cell or "" for cell in cells) for cells in zip(*chunk, strict=True)]
        found = [
            (misfit, number)
            for number, fit in enumerate(fits)
            if (misfit := fit.misfit(transposed[number])) is not None
        ]
        for number in required:
            is_text = columns[number].type.kind == "text"
            told = [cells[number] for cells in chunk]
            found += [(told.index(gap), number) for gap in ((None,) if is_text else (None, "")) if gap in told]
        if found:
            row, number = min(found)
            column = columns[number]
            place = f"{rows.place(before + row)}: column {column.name!r}"
            raise TargetError(f"{place}: {_said(chunk[row][number], fits[number])}; {table.name} is as it was.")
        before += len(chunk)


def _said(cell: str | None, fit: Fit) -> str:
    if not cell:
        return "there is no value, and the table needs one"
    return f"{shown(cell)} {describe(cell)}, and the column is {fit.type}"
