"""A database as it was: the rows that are there now, without what came later, in another database.

No row is taken on trust: each one that the log tells of is to be as its last entry left it, or somebody changed it
unseen by the log, and nothing is recovered.
"""

import dataclasses
import datetime as dt
import itertools
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.schema import AddConstraint

from csv_manager.audit.entries import CHANGED, AuditedTable, Cells, Entry, picked
from csv_manager.audit.log import AuditLog
from csv_manager.audit.nets import NetChange, nets
from csv_manager.audit.snapshots import Snapshot, all_of, rows_of
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.times import utc
from csv_manager.audit.values import Exact, exact
from csv_manager.core.errors import AuditError

_BATCH = 5000


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """A table that was recovered: how many rows it has, and how many of them are others than now."""

    table: AuditedTable
    rows: int
    changes: int


def later_than(log: AuditLog, mark: int | dt.datetime) -> list[Entry]:
    """The entries of transactions that still wrote after a time, or after the entry of a number, in their order."""
    tokens = log.later_than(mark if isinstance(mark, int) else utc(mark))
    after = min((begun.after for begun in log.transactions(tokens).values()), default=0)
    return [entry for entry in log.entries(after) if entry.token in tokens] if tokens else []


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
            raise AuditError(f"{told}; what was before that cannot be recovered from the rows of now.")
        _refuse_redacted(change)
        changes[change.table.number].append(change)
    made = _Tables(source, target, tables)
    made.make()
    sql_dialect_of(source).settle(source)
    sources = ((table, sql_dialect_of(source).rows(source, _whole(table)), changes[table.number]) for table in tables)
    found = _filled(target, sources)
    made.finish()
    return found


def recover_from_snapshots(source: Connection, target: Connection, later: Sequence[Entry]) -> list[Recovered]:
    """As `recover`, from the newest snapshot of each table before the `later` entries, with the entries since.

    The rows of now are not looked at. Raises `AuditError` for a snapshot that is not as it was, and if there is none;
    for a table whose columns changed between a snapshot and then, and for one with columns that are redacted.
    """
    before = {entry.number for entry in later}
    chosen = {
        (snapshot.table.schema, snapshot.table.name): snapshot
        for snapshot in all_of(source)
        if snapshot.number < min(before, default=snapshot.number + 1)
    }
    if not chosen:
        raise AuditError("There is no snapshot of that time; csv_audit_snapshot takes one.")
    _make_as_then(source, target, chosen.values())
    sql_dialect_of(source).settle(source)
    log = AuditLog(source)
    sources = []
    for snapshot in chosen.values():
        if snapshot.table.redacted:
            told = f"{snapshot.table.name}: {', '.join(snapshot.table.redacted)} is redacted in snapshots"
            raise AuditError(f"{told}; what it was cannot be recovered from them.")
        _refuse_another(log, snapshot, before)
        since = (entry for entry in log.entries(snapshot.number, tables=[snapshot.table]) if entry.number not in before)
        changes = [change.reverse for change in nets(since)]
        sources.append((snapshot.table, rows_of(source, snapshot), changes))
    found = _filled(target, sources)
    for snapshot in chosen.values():
        for statement in snapshot.definition[1:]:
            target.exec_driver_sql(statement)
        sql_dialect_of(target).count_on(target, snapshot.table.name)
    return found


def _refuse_another(log: AuditLog, snapshot: Snapshot, before: Container[int]) -> None:
    """Raise for a table that had other columns between a snapshot and then."""
    place = snapshot.table.schema, snapshot.table.name
    others = [
        table
        for table in log.tables(ended=True)
        if (table.schema, table.name) == place and table.number > snapshot.table.number
    ]
    if others and any(entry.number not in before for entry in log.entries(snapshot.number, tables=others)):
        raise AuditError(f"{snapshot.table.name}: its columns changed between its snapshot {snapshot.number} and then.")


def _make_as_then(source: Connection, target: Connection, snapshots: Collection[Snapshot]) -> None:
    """Make tables as they were; on servers those that are the same now as they are, and others with their columns."""
    _refuse_there(target, [snapshot.table.name for snapshot in snapshots])
    dialect = sql_dialect_of(source)
    for snapshot in snapshots:
        table = snapshot.table
        if snapshot.definition:
            target.exec_driver_sql(snapshot.definition[0])
            continue
        columns = [f"{dialect.quoted(name)} {kind}" for name, kind in zip(table.columns, table.types, strict=True)]
        if table.key:
            columns.append(f"PRIMARY KEY ({', '.join(map(dialect.quoted, table.key))})")
        made = f"CREATE TABLE {dialect.quoted(table.name)} ({', '.join(columns)})"
        target.execute(text(made.replace(":", r"\:")))


def _whole(table: AuditedTable) -> AuditedTable:
    return dataclasses.replace(table, redacted=())


def _filled(
    target: Connection, sources: Iterable[tuple[AuditedTable, Iterable[Cells], Sequence[NetChange]]]
) -> list[Recovered]:
    """Insert the rows of tables without what changes made of them."""
    sql_dialect_of(target).settle(target)
    return [
        Recovered(
            table=table,
            rows=_insert(target, _whole(table), _as_they_were(table, rows, changes)),
            changes=len(changes),
        )
        for table, rows, changes in sources
    ]


def _refuse_there(target: Connection, names: Collection[str]) -> None:
    """Raise `AuditError` if a database has one of some tables."""
    there = {name for _, name in sql_dialect_of(target).names(target)} & set(names)
    if there:
        raise AuditError(f"There is a table {min(there)} already; recover into an empty database.")


def _as_they_were(table: AuditedTable, rows: Iterable[Cells], changes: Sequence[NetChange]) -> Iterator[Cells]:
    """The rows without what changes made of them."""
    told = picked(table.told_places)
    by_row: dict[Exact, list[NetChange]] = {}
    for change in changes:
        if change.after is not None:
            by_row.setdefault(exact(told(change.after)), []).append(change)
    for row in rows:
        found = by_row.get(exact(told(row))) if by_row else None
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
        _refuse_there(self._target, self._names)
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
