"""One version checked, by one way of doing it, in a process of its own.

Called as `checking.py WAY OLD NEW`. Prints, as JSON, the time in ms from opening the file to the last finding, the
process's peak memory in MB, and how many rows are bad. Imports come before; of a way that looks at what changed, so
does the comparison, which is made for every version anyway.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from measuring import peak

#: What all ways check, as Frictionless Table Schema and as an SQL condition; a few rows of the new file are bad.
SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "integer", "constraints": {"required": True}},
        {"name": "name", "type": "string", "constraints": {"required": True, "maxLength": 80}},
        {"name": "city", "type": "string"},
        {"name": "country", "type": "string", "constraints": {"pattern": "[A-Z]{2}"}},
        {"name": "born", "type": "date"},
        {"name": "joined", "type": "datetime"},
        {"name": "orders", "type": "integer", "constraints": {"minimum": 0}},
        {"name": "balance", "type": "number"},
        {"name": "rating", "type": "number", "constraints": {"minimum": 0, "maximum": 5}},
        {"name": "note", "type": "string"},
    ]
}
CONDITION = "orders >= 0"


def _table(path: str) -> Any:
    from csv_manager.core.model import CsvFormat
    from csv_manager.core.reading import Table

    return Table(lambda: open(path, "rb"), CsvFormat(), path)


def schema(_old: str, new: str) -> Callable[[], int]:
    """csv_manager's schema, on the whole version."""
    from csv_manager.checks.rows import WholeRows
    from csv_manager.checks.schema_check import check_schema
    from csv_manager.checks.table_schema import parse_schema

    return lambda: len({found.row for found in check_schema(WholeRows(_table(new)), parse_schema(SCHEMA, "s"))})


def schema_of_changes(old: str, new: str) -> Callable[[], int]:
    """csv_manager's schema, on what changed."""
    from csv_manager.checks.rows import ChangedRows
    from csv_manager.checks.schema_check import check_schema
    from csv_manager.checks.table_schema import parse_schema
    from csv_manager.core.diff import diff

    before, after = _table(old), _table(new)
    changes = tuple(diff(before, after, key=("id",)))
    told = parse_schema(SCHEMA, "s")
    return lambda: len({each.row for each in check_schema(ChangedRows(after, before, changes), told)})


def frictionless(_old: str, new: str) -> Callable[[], int]:
    """The library."""
    import os

    from frictionless import Dialect, Resource, Schema

    def check() -> int:
        resource = Resource(
            path=os.path.basename(new),
            basepath=os.path.dirname(new),
            schema=Schema.from_descriptor(SCHEMA),
            dialect=Dialect.from_descriptor({"csv": {"delimiter": ","}}),
            encoding="utf-8",
        )
        report = resource.validate(limit_errors=1_000_000)
        return len({error.row_number for error in report.tasks[0].errors})

    return check


def pandera(_old: str, new: str) -> Callable[[], int]:
    """Pandera on Polars, lazily, so that all errors are told."""
    import pandera.polars as pa
    import polars as pl

    model = pa.DataFrameSchema(
        {
            "id": pa.Column(pl.Int64),
            "name": pa.Column(pl.String, pa.Check.str_length(max_value=80)),
            "city": pa.Column(pl.String, nullable=True),
            "country": pa.Column(pl.String, pa.Check.str_matches("^[A-Z]{2}$")),
            "born": pa.Column(pl.Date, nullable=True),
            "joined": pa.Column(pl.Datetime, nullable=True),
            "orders": pa.Column(pl.Int64, pa.Check.ge(0)),
            "balance": pa.Column(pl.Float64, nullable=True),
            "rating": pa.Column(pl.Float64, pa.Check.in_range(0, 5), nullable=True),
            "note": pa.Column(pl.String, nullable=True),
        }
    )

    def check() -> int:
        frame = pl.read_csv(new, try_parse_dates=True)
        try:
            model.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as errors:
            return int(errors.failure_cases["index"].drop_nulls().n_unique())
        return 0

    return check


def condition(_old: str, new: str) -> Callable[[], int]:
    """csv_manager's SQL rule, on the whole version."""
    from csv_manager.checks.rows import WholeRows
    from csv_manager.checks.sql import Session

    def check() -> int:
        with Session(WholeRows(_table(new))) as session:
            return len(list(session.misfits(CONDITION, {"orders": "number"})))

    return check


def by_hand(_old: str, new: str) -> Callable[[], int]:
    """DuckDB, as somebody would write it."""
    import duckdb

    def check() -> int:
        told = f"SELECT * FROM read_csv(?) WHERE NOT ({CONDITION})"  # noqa: S608 - ours
        return len(duckdb.execute(told, [new]).fetchall())

    return check


WAYS = {way.__name__: way for way in (schema, schema_of_changes, frictionless, pandera, condition, by_hand)}


def main() -> None:
    """Check, and print what it took."""
    logging.disable()
    way, old, new = sys.argv[1:]
    check = WAYS[way](old, new)
    began = time.perf_counter()
    found = check()
    passed = time.perf_counter() - began
    print(json.dumps({"time": passed * 1000, "peak": peak(), "found": found}))


main()
