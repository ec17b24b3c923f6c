"""A database as it was: the rows that are there now, without what came later, in another database.

No row is taken on trust: each one that the log tells of is to be as its last entry left it, or somebody changed it
unseen by the log, and nothing is recovered.
"""

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData
from sqlalchemy.schema import AddConstraint

from csv_manager.audit.entries import CHANGED, AuditedTable, Cells, Entry
from csv_manager.audit.log import AuditLog
from csv_manager.audit.nets import NetChange, nets
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.values import canonical
from csv_manager.core.errors import AuditError

_BATCH = 5000


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """A table that was recovered: how many rows it has, and how many of them are others than now."""

    table: AuditedTable
    rows: int
    changes: int


def later_than(log: AuditLog, time: dt.datetime) -> list[Entry]:
    """The entries of transactions that still wrote after a time, in their order."""
    told = time.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    tokens = {entry.token for entry in log.entries() if _padded(entry.at) > told}
    return [entry for entry in log.entries() if entry.token in tokens]


def _padded(at: str) -> str:
    """A time with microseconds, to be compared as a text."""
    whole, _, part = at.removesuffix("Z").partition(".")
    return f"{whole}.{part:0<6}Z"


def recover(source: Connection, target: Connection, later: Iterable[Entry]) -> list[Recovered]:
    """Make the audited tables in an empty database, with the rows as they were before the `later` entries.

    `source` is to see one state of the audited database, that of its last entry. Raises `AuditError` for a row that is
    not as the log tells, for tables whose columns changed since, and for a target that has one of the tables.
    """
    tables = AuditLog(source).tables()
    changes: dict[int, list[NetChange]] = {table.number: [] for table in tables}
    for change in nets(later):
        if change.table.number not in changes:
            told = f"{change.table.name}: its columns changed since, or it is audited no longer"
            raise AuditError(f"{told}; what was before that cannot be recovered.")
        _refuse_redacted(change)
        changes[change.table.number].append(change)
    made = _Tables(source, target, tables)
    made.make()
    for dialect, connection in ((sql_dialect_of(source), source), (sql_dialect_of(target), target)):
        dialect.settle(connection)
    found = []
    for table in tables:
        whole = dataclasses.replace(table, redacted=())
        rows = _as_they_were(table, sql_dialect_of(source).rows(source, whole), changes[table.number])
        found.append(Recovered(table=table, rows=_insert(target, whole, rows), changes=len(changes[table.number])))
    made.finish()
    return found


def _as_they_were(table: AuditedTable, rows: Iterable[Cells], changes: Sequence[NetChange]) -> Iterator[Cells]:
    """The rows without what changes made of them."""
    places = table.told_places
    by_row: dict[tuple[str, ...], list[NetChange]] = {}
    for change in changes:
        if change.after is not None:
            by_row.setdefault(_told(change.after, places), []).append(change)
    for row in rows:
        found = by_row.get(_told(row, places)) if by_row else None
        if not found:
            yield row
        elif (before := found.pop().before) is not None:
            yield _with_redacted(table, before, row)
    for change in itertools.chain.from_iterable(by_row.values()):
        raise AuditError(f"{table.name}: the row {change.row} is not as the audit log tells; it was changed unseen.")
    for change in changes:
        if change.after is None and change.before is not None:
            yield _with_redacted(table, change.before, None)


def _with_redacted(table: AuditedTable, before: Cells, now: Cells | None) -> Cells:
    """A row as it was, with what it has in columns whose values are not in the log."""
    if not table.redacted:
        return before
    if now is None:
        told = f"{table.name}: a row that was deleted had a value of {', '.join(table.redacted)}"
        raise AuditError(f"{told}, which is redacted in the log; it cannot be recovered.")
    return tuple(now[place] if name in table.redacted else before[place] for place, name in enumerate(table.columns))


def _refuse_redacted(change: NetChange) -> None:
    for name in change.table.redacted:
        if change.after is not None and change.after[change.table.columns.index(name)] == CHANGED:
            told = f"{change.table.name}: {name} of the row {change.row} was changed since"
            raise AuditError(f"{told}, and is redacted in the log; what it was cannot be recovered.")


def _told(cells: Cells, places: Sequence[int]) -> tuple[str, ...]:
    return tuple(canonical(cells[place]) for place in places)


def _insert(target: Connection, table: AuditedTable, rows: Iterator[Cells]) -> int:
    count = 0
    while batch := list(itertools.islice(rows, _BATCH)):
        sql_dialect_of(target).insert(target, table, batch)
        count += len(batch)
    return count


class _Tables:
    """The tables of one database, made in another one; what refers from one to another is made at last."""

    def __init__(self, source: Connection, target: Connection, tables: Sequence[AuditedTable]) -> None:
        self._source, self._target = source, target
        self._names = [table.name for table in tables]
        self._later: list[str | AddConstraint] = []

    def make(self) -> None:
        """Make them without their indexes, triggers and foreign keys. Raises `AuditError` if there is one of them."""
        there = {name for _, name in sql_dialect_of(self._target).names(self._target)} & set(self._names)
        if there:
            raise AuditError(f"There is a table {min(there)} already; recover into an empty database.")
        if self._source.dialect.name == "sqlite":
            self._make_by_statements()
        else:
            self._make_by_reflection()

    def _make_by_statements(self) -> None:
        """SQLite keeps the statements that made its tables, and looks at foreign keys when rows are committed."""
        self._target.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        query = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
        for kind, name, table, statement in self._source.exec_driver_sql(query).all():
            if table not in self._names or name.startswith("csv_audit_"):
                continue
            if kind == "table":
                self._target.exec_driver_sql(statement)
            else:
                self._later.append(statement)

    def _make_by_reflection(self) -> None:
        metadata = MetaData()
        metadata.reflect(self._source, only=self._names)
        for table in metadata.tables.values():
            for key in list(table.foreign_key_constraints):
                table.constraints.discard(key)
                self._later.append(AddConstraint(key))
        metadata.create_all(self._target, tables=[metadata.tables[name] for name in self._names])

    def finish(self) -> None:
        """Make what was left."""
        for statement in self._later:
            if isinstance(statement, str):
                self._target.exec_driver_sql(statement)
            else:
                self._target.execute(statement)
        for name in self._names:
            sql_dialect_of(self._target).count_on(self._target, name)
