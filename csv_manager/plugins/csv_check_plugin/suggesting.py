"""A schema to start from: what was true of a file's versions so far."""

from collections.abc import Iterable
from typing import Any

from csv_manager.core.reading import Table

#: The type of a field, by the type of a column.
_TYPES = {
    "bool": "boolean", "smallint": "integer", "integer": "integer", "bigint": "integer", "decimal": "number",
    "real": "number", "double": "number", "date": "date", "time": "time", "timestamp": "datetime",
}  # fmt: skip
#: So many texts at most are an enumeration, if each came so often.
_MOST_VALUES, _LEAST_OFTEN = 12, 10


def suggest(tables: Iterable[Table], key: tuple[str, ...]) -> dict[str, Any]:
    """A descriptor of Frictionless Table Schema that each of these contents, the newest first, is as it tells."""
    columns: dict[str, _Column] = {}
    names: tuple[str, ...] | None = None
    for table in tables:
        names = names or table.columns
        _look(table, columns)
    if names is None:
        return {"fields": []}
    told: dict[str, Any] = {"fields": [columns[name].field(name) for name in names]}
    if key:
        told["primaryKey"] = list(key)
    return told


class _Column:
    """What is known of a column."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.has_empty = False
        self.count = 0
        self.values: set[str] | None = set()

    def look(self, cells: list[str]) -> None:
        """Look at some cells."""
        self.count += len(cells)
        self.has_empty = self.has_empty or "" in cells
        if self.values is not None:
            self.values.update(cells)
            if len(self.values) > _MOST_VALUES:
                self.values = None

    def field(self, name: str) -> dict[str, Any]:
        """The field of the schema."""
        kind = _joined(self.kinds)
        told: dict[str, Any] = {"name": name, "type": kind}
        constraints: dict[str, Any] = {}
        if not self.has_empty and self.count:
            constraints["required"] = True
        values = sorted((self.values or set()) - {""})
        if kind == "string" and values and self.count >= _LEAST_OFTEN * len(values):
            constraints["enum"] = values
        return told | ({"constraints": constraints} if constraints else {})


def _joined(kinds: set[str]) -> str:
    """The type that has room for all of these."""
    if len(kinds) == 1:
        return next(iter(kinds))
    return "number" if kinds and kinds <= {"integer", "number"} else "string"


def _look(table: Table, columns: dict[str, _Column]) -> None:
    from csv_manager.sync.inference import infer

    if not table.columns:
        return
    for inferred in infer(table):
        column = columns.setdefault(inferred.name, _Column())
        if inferred.cell is not None:  # else nothing tells what it is
            column.kinds.add(_TYPES.get(inferred.type.kind, "string"))
    width = len(table.columns)
    for chunk in table.chunks():
        padded = [[*cells[:width], *[""] * (width - len(cells))] for cells in chunk]
        for name, cells in zip(table.columns, zip(*padded, strict=True), strict=True):
            columns[name].look(list(cells))
