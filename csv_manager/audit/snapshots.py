"""Snapshots: all rows of an audited table at one moment, kept beside the log and sealed with it.

Recovery needs none as long as the rows of now are there, and nobody changed them unseen. From a snapshot it needs
neither: the rows of then, and the entries since, lead to any moment after it.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from csv_manager.audit.entries import REDACTED, AuditedTable, Cells
from csv_manager.audit.log import AuditLog
from csv_manager.audit.packing import UNREADABLE, packed, unpacked
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.tables import snapshot_parts, snapshots
from csv_manager.audit.times import now
from csv_manager.core.errors import AuditError

#: So many rows are in one part.
_ROWS = 2000


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The rows of a table, at the entry of a number: all entries before it are in them, and none behind.

    `definition` are the statements by which SQLite made the table.
    """

    number: int
    table: AuditedTable
    at: str
    rows: int
    sha256: str
    definition: tuple[str, ...]


def take(connection: Connection, tables: Sequence[AuditedTable], extra: Mapping[str, Any]) -> list[Snapshot]:
    """Keep the rows of tables, which nobody writes to until this transaction ends."""
    log, dialect = AuditLog(connection), sql_dialect_of(connection)
    dialect.settle(connection)
    begun = log.begin(extra)
    taken = []
    for table in tables:
        dialect.hold(connection, table)
        number, digest, count = dialect.take_number(connection), hashlib.sha256(), 0
        rows = (_without_redacted(table, row) for row in dialect.rows(connection, table, held=True))
        for place, part in enumerate(_parts(rows)):
            content = packed(part)
            digest.update(content)
            count += len(part)
            connection.execute(insert(snapshot_parts), {"number": number, "place": place, "content": content})
        snapshot = Snapshot(
            number=number,
            table=table,
            at=now(),
            rows=count,
            sha256=digest.hexdigest(),
            definition=tuple(dialect.definition(connection, table)),
        )
        told = {name: getattr(snapshot, name) for name in ("number", "at", "rows", "sha256")}
        told |= {"table_id": table.number, "token": begun.token, "definition": list(snapshot.definition)}
        connection.execute(insert(snapshots), told)
        taken.append(snapshot)
    log.end(begun)
    return taken


def all_of(connection: Connection) -> list[Snapshot]:
    """Those that there are, in their order."""
    tables = {table.number: table for table in AuditLog(connection).tables(ended=True)}
    return [
        Snapshot(
            number=row["number"],
            table=tables[row["table_id"]],
            at=row["at"],
            rows=row["rows"],
            sha256=row["sha256"],
            definition=tuple(row["definition"]),
        )
        for row in connection.execute(select(snapshots).order_by(snapshots.c.number)).mappings()
    ]


def rows_of(connection: Connection, snapshot: Snapshot) -> Iterator[Cells]:
    """The rows of a snapshot. Raises `AuditError`, at the latest at their end, if they are not as they were."""
    digest, count = hashlib.sha256(), 0
    query = select(snapshot_parts.c.place).where(snapshot_parts.c.number == snapshot.number)
    for place in connection.execute(query.order_by(snapshot_parts.c.place)).scalars().all():
        part = select(snapshot_parts.c.content).where(
            snapshot_parts.c.number == snapshot.number, snapshot_parts.c.place == place
        )
        content = connection.execute(part).scalar_one()
        digest.update(content)
        try:
            rows = unpacked(content)
        except UNREADABLE as error:
            raise AuditError(_damaged(snapshot)) from error
        count += len(rows)
        yield from rows
    if (digest.hexdigest(), count) != (snapshot.sha256, snapshot.rows):
        raise AuditError(_damaged(snapshot))


def damaged(connection: Connection) -> str | None:
    """What is wrong with the first snapshot that is not as it was."""
    for snapshot in all_of(connection):
        try:
            for _ in rows_of(connection, snapshot):
                pass
        except AuditError as error:
            return str(error)
    return None


def _damaged(snapshot: Snapshot) -> str:
    return f"the rows of the snapshot {snapshot.number} of {snapshot.table.name} are not as they were"


def _parts(rows: Iterable[Cells]) -> Iterator[list[Cells]]:
    rows = iter(rows)
    while part := list(itertools.islice(rows, _ROWS)):
        yield part


def _without_redacted(table: AuditedTable, row: Cells) -> Cells:
    """A row as the log is to have it."""
    if not table.redacted:
        return row
    return tuple(REDACTED if name in table.redacted else row[place] for place, name in enumerate(table.columns))
