"""What a database knows of the targets in it: their tables, and the version of each file that these have.

It is written in the transaction that writes the rows, so that both are always of the same version.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    String,
    Text,
    delete,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.schema import CreateTable

from csv_manager.core.targets import Target
from csv_manager.sync.types import SqlType

_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_METADATA = MetaData()
_TABLES = SqlTable(
    "csv_sync_tables",
    _METADATA,
    Column("target_id", String(32), primary_key=True),
    Column("schema_name", String(255)),
    Column("table_name", String(255), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("column_types", Text, nullable=False),
    **_OPTIONS,
)
_MARKS = SqlTable(
    "csv_sync_watermarks",
    _METADATA,
    Column("target_id", String(32), primary_key=True),
    Column("path_sha", String(64), primary_key=True),
    Column("csv_file", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("reading", String(64), nullable=False),
    Column("row_count", BigInteger),
    Column("synced", String(40), nullable=False),
    **_OPTIONS,
)
#: The tables, by their names.
NAMES = tuple(_METADATA.tables)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The version of a file that a table has; `rows` are those of it, None where others may be among them.

    `sha256` is that of its content, and `reading` tells how that was read.
    """

    version: int
    rows: int | None
    sha256: str = ""
    reading: str = ""


@dataclass(frozen=True, kw_only=True)
class TargetTable:
    """A table that is a target's, and the types of what was loaded into it."""

    target_id: str
    schema: str | None
    name: str
    mode: str
    types: Mapping[str, SqlType]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a database knows of a target: its table, and the version of one of its files, if it has any."""

    table: TargetTable | None
    mark: Mark | None


def missing(connection: Connection) -> list[str]:
    """The statements that make what is not there."""
    there = set(inspect(connection).get_table_names())
    return [
        str(CreateTable(table).compile(dialect=connection.dialect)).strip()
        for name, table in _METADATA.tables.items()
        if name not in there
    ]


def look(connection: Connection, target: Target, csv_file: str) -> Known:
    """What a database knows of a target, and of one of its files."""
    if missing(connection):
        return Known(table=None, mark=None)
    table = connection.execute(select(_TABLES).where(_TABLES.c.target_id == target.id)).first()
    mark = connection.execute(select(_MARKS).where(*_mine(target, csv_file))).first()
    return Known(table=_to_table(table) if table else None, mark=_to_mark(mark) if mark else None)


def others(connection: Connection, target: Target) -> list[TargetTable]:
    """The other targets, of whatever store, that have the same table."""
    if missing(connection):
        return []
    default = inspect(connection).default_schema_name
    query = select(_TABLES).where(_TABLES.c.target_id != target.id).order_by(_TABLES.c.target_id)
    found = [_to_table(row) for row in connection.execute(query)]
    place = (target.schema or default, target.table)
    return [other for other in found if (other.schema or default, other.name) == place]


def put_table(connection: Connection, target: Target, types: Mapping[str, SqlType]) -> None:
    """Note a target's table, and the types of what is loaded into it."""
    told = json.dumps({name: _type_to_json(known) for name, known in types.items()})
    changed = update(_TABLES).where(_TABLES.c.target_id == target.id).values(column_types=told)
    if not connection.execute(select(_TABLES.c.mode).where(_TABLES.c.target_id == target.id)).first():
        row = {
            "target_id": target.id,
            "schema_name": target.schema,
            "table_name": target.table,
            "mode": target.mode,
            "column_types": told,
        }
        connection.execute(insert(_TABLES).values(**row))
    else:
        connection.execute(changed)


def put_mark(connection: Connection, target: Target, csv_file: str, mark: Mark, now: dt.datetime) -> None:
    """Note the version of a file that a target's table has."""
    of = {"version": mark.version, "row_count": mark.rows, "sha256": mark.sha256, "reading": mark.reading}
    told = {**of, "synced": now.astimezone(dt.UTC).isoformat()}
    mine = _mine(target, csv_file)
    if connection.execute(select(_MARKS.c.version).where(*mine)).first():
        connection.execute(update(_MARKS).where(*mine).values(**told))
        return
    row = {"target_id": target.id, "path_sha": _sha(csv_file), "csv_file": csv_file, **told}
    connection.execute(insert(_MARKS).values(**row))


def forget(connection: Connection, target: Target) -> None:
    """Forget a target; its table is nobody's then."""
    if not missing(connection):
        connection.execute(delete(_MARKS).where(_MARKS.c.target_id == target.id))
        connection.execute(delete(_TABLES).where(_TABLES.c.target_id == target.id))


def forget_marks(connection: Connection, target: Target) -> None:
    """Forget which versions a target has."""
    connection.execute(delete(_MARKS).where(_MARKS.c.target_id == target.id))


def marked_files(connection: Connection, target: Target) -> list[tuple[str, Mark]]:
    """The files of which a target has a version, with that."""
    query = select(_MARKS).where(_MARKS.c.target_id == target.id).order_by(_MARKS.c.csv_file)
    return [(row.csv_file, _to_mark(row)) for row in connection.execute(query)]


def _mine(target: Target, csv_file: str) -> tuple[Any, Any]:
    return _MARKS.c.target_id == target.id, _MARKS.c.path_sha == _sha(csv_file)


def _sha(csv_file: str) -> str:
    return hashlib.sha256(csv_file.encode("utf-8", "surrogatepass")).hexdigest()


def _to_table(row: Any) -> TargetTable:
    types = {name: SqlType(**told) for name, told in json.loads(row.column_types).items()}
    return TargetTable(target_id=row.target_id, schema=row.schema_name, name=row.table_name, mode=row.mode, types=types)


def _to_mark(row: Any) -> Mark:
    return Mark(version=row.version, rows=row.row_count, sha256=row.sha256, reading=row.reading)


def _type_to_json(told: SqlType) -> dict[str, Any]:
    return {name: value for name, value in vars(told).items() if value not in (None, False)}
