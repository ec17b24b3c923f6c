"""Contents and their findings, for tests of checks."""

import io
from collections.abc import Iterable
from typing import Any

from csv_manager.checks.rows import CheckRows, WholeRows
from csv_manager.checks.schema_check import check_schema
from csv_manager.checks.table_schema import parse_schema
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table


def table(text: str, csv_format: CsvFormat | None = None) -> Table:
    """A content."""
    return Table(lambda: io.BytesIO(text.encode()), csv_format or CsvFormat(), "data.csv")


def rows(text: str, previous: str | None = None) -> WholeRows:
    """All rows of a content, and of the one before it."""
    return WholeRows(table(text), None if previous is None else table(previous))


def found(descriptor: Any, content: str | CheckRows) -> list[tuple[int | None, str | None, str]]:
    """What is not as a schema tells: the row, the column and the code of each finding."""
    told = rows(content) if isinstance(content, str) else content
    return [(each.row, each.column, each.code) for each in check_schema(told, parse_schema(descriptor, "s"))]


def fields(names: Iterable[str], **told: Any) -> dict[str, Any]:
    """A schema of such fields, all of them alike."""
    return {"fields": [{"name": name, **told} for name in names]}
