"""The audit log of a database as people use it: each method is a transaction of its own."""

import contextlib
import datetime as dt
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, event, inspect

from csv_manager.audit import applying, recovering, snapshots
from csv_manager.audit.anchors import Anchor, add_anchor, read_anchors
from csv_manager.audit.applying import Conflict
from csv_manager.audit.choosing import Change, Choice, named, of_run, table_named, with_actors
from csv_manager.audit.comparing import Difference, compare
from csv_manager.audit.entries import AuditedTable, Entry
from csv_manager.audit.log import AuditLog, Verified
from csv_manager.audit.nets import NetChange, nets
from csv_manager.audit.recovering import Recovered, later_than
from csv_manager.audit.snapshots import Snapshot
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.core.errors import ConfigurationError, OptionError
from csv_manager.pipeline import audited
from csv_manager.store.engine import loading, looking

#: What the log has of commands: its users see by what a change was made.
_PROGRAM = "csv_manager"


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A change, and the seal that it has, if it has one."""

    change: Change
    seal: Anchor | None


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is to be taken back: the entries, what they come to, and what is in the way."""

    entries: Sequence[Entry]
    changes: Sequence[NetChange]
    conflicts: Sequence[Conflict]


class Auditing:
    """The audit log of the database of an engine, which is that of who owns its tables. `name` is told of in errors."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name

    def add(
        self, tables: Sequence[tuple[str | None, str]], redacted: Mapping[str, Sequence[str]]
    ) -> list[AuditedTable]:
        """Audit tables from now on; `redacted` has columns by the tables as they are told.

        Raises `ConfigurationError` for one that is not there.
        """
        with loading(self._engine) as connection:
            dialect = sql_dialect_of(connection)
            there = dialect.names(connection)
            usual = inspect(connection).default_schema_name
            wanted = [
                (_there(there, schema, name, usual), f"{schema}.{name}" if schema else name) for schema, name in tables
            ]
            with dialect.alone(connection):
                log = AuditLog(connection)
                log.install()
                return [log.track(name, schema, redacted=redacted.get(told)) for (schema, name), told in wanted]

    def delete(self, tables: Sequence[tuple[str | None, str]]) -> None:
        """Audit tables no longer. Raises `OptionError` for one that is not audited."""
        with loading(self._engine) as connection:
            log = self._log(connection)
            known = log.tables()
            for schema, name in tables:
                for table in table_named(known, schema, name, inspect(connection).default_schema_name):
                    log.untrack(table)

    def unseen(self) -> tuple[str, ...]:
        """What other programs may do to rows that no trigger sees."""
        with looking(self._engine) as connection:
            return sql_dialect_of(connection).unseen

    def tables(self) -> list[AuditedTable]:
        """The tables that are audited."""
        with looking(self._engine) as connection:
            return self._log(connection).tables()

    def changes(
        self, table: tuple[str | None, str] | None, key: Sequence[str], since: dt.datetime | None, **whose: str | None
    ) -> Iterator[Change]:
        """The changes of a table or all, the newest first. Raises `OptionError` for what is not there."""
        with looking(self._engine) as connection:
            log = self._log(connection)
            tables = None if table is None else self._tables(connection, log, table)
            yield from Choice(tables=tables, key=key, since=since, **whose).of(log)

    def show(self, what: str) -> list[Sealed]:
        """An entry, or those of a transaction. Raises `OptionError` if there is none."""
        with looking(self._engine) as connection:
            log = self._log(connection)
            seals = log.seals_of(found := named(log, what))
            return [Sealed(change=change, seal=seals[change.entry.number]) for change in with_actors(log, found)]

    def verify(self, anchors: str | None = None, *, seal: bool = False) -> Verified:
        """Compute the chain anew, and compare it with a file of anchors.

        If all is as it was, what is not sealed is, if that is asked, and the newest seal is added to the file.
        """
        known = read_anchors(anchors) if anchors is not None else []
        found = self._verified(known)
        if found.broken is not None:
            return found
        if seal and found.unsealed:
            audited.seal(self._engine)
            found = self._verified(known)
        newest = Anchor(number=found.seals, hash=found.hash)
        if anchors is not None and found.seals and newest not in known:
            add_anchor(anchors, newest)
        return found

    def _verified(self, known: Sequence[Anchor]) -> Verified:
        with looking(self._engine) as connection:
            found = self._log(connection).verify(known)
            return found if found.broken is not None else replace(found, broken=snapshots.damaged(connection))

    def compact(self) -> int:
        """Keep what is sealed compressed; how many entries that are."""
        with looking(self._engine) as connection:
            self._log(connection)
        return audited.compact(self._engine)

    def lapsed(self) -> list[AuditedTable]:
        """The audited tables of which not all is seen any more; `add` mends that."""
        with looking(self._engine) as connection:
            return self._log(connection).lapsed()

    def compare(self) -> list[Difference]:
        """The rows that are not as their last entries tell: somebody changed them unseen."""
        with looking(self._engine) as connection:
            return list(compare(connection, self._log(connection)))

    def plan_undo(
        self,
        what: Sequence[str] = (),
        run: str | None = None,
        table: tuple[str | None, str] | None = None,
        key: Sequence[str] = (),
        since: dt.datetime | None = None,
    ) -> Planned:
        """What `undo` would do: of entries and transactions; of a run; of a row, its last change or those since a time.

        Raises `OptionError` if there is no such change.
        """
        with looking(self._engine) as connection:
            sql_dialect_of(connection).settle(connection)
            log = self._log(connection)
            if run is not None:
                found = of_run(log, run)
            elif table is not None:
                found = self._of_row(connection, log, table, key, since)
            else:
                several = {entry.number: entry for each in what for entry in named(log, each)}
                found = [several[number] for number in sorted(several)]
            return _planned(connection, found)

    def plan_later(self, mark: int | dt.datetime) -> Planned:
        """What would have the tables be as they were at a time, or after an entry."""
        with looking(self._engine) as connection:
            sql_dialect_of(connection).settle(connection)
            return _planned(connection, later_than(self._log(connection), mark))

    def undo(self, planned: Planned, told: str) -> list[Conflict]:
        """Do what was planned, if nothing is in the way; the log has `told` of it."""
        with self._unchecked() as engine:
            with loading(engine) as connection:
                found = applying.undo(connection, planned.entries, {"program": _PROGRAM, "undone": told})
            if not found:
                audited.seal(engine)
        return found

    def snapshot(self, tables: Sequence[tuple[str | None, str]]) -> list[Snapshot]:
        """Keep all rows of audited tables as they are, or of all that are audited."""
        with loading(self._engine) as connection:
            log = self._log(connection)
            usual = inspect(connection).default_schema_name
            chosen = [each for name in tables for each in table_named(log.tables(), *name, usual)] or log.tables()
            taken = snapshots.take(connection, chosen, {"program": _PROGRAM})
        audited.seal(self._engine)
        return taken

    def snapshots(self) -> list[Snapshot]:
        """Those that were taken."""
        with looking(self._engine) as connection:
            self._log(connection)
            return snapshots.all_of(connection)

    def recover(self, mark: int | dt.datetime, target: Engine, *, from_snapshots: bool = False) -> list[Recovered]:
        """Make the tables, as they were at a time or after an entry, in another database that has none of them.

        It begins with the rows of now, or with snapshots. Raises `AuditError` for what the log does not lead to.
        """
        with looking(self._engine) as source:
            log = self._log(source)
            with loading(target) as connection:
                if sql_dialect_of(connection) is not sql_dialect_of(source):
                    told = f"The tables of {self._name} can be made in a database of its kind only"
                    raise ConfigurationError(f"{told}, which is {source.dialect.name}.")
                recover = recovering.recover_from_snapshots if from_snapshots else recovering.recover
                return recover(source, connection, later_than(log, mark))

    def _of_row(
        self,
        connection: Connection,
        log: AuditLog,
        table: tuple[str | None, str],
        key: Sequence[str],
        since: dt.datetime | None,
    ) -> list[Entry]:
        choice = Choice(tables=self._tables(connection, log, table), key=key, since=since)
        found = [change.entry for change in choice.of(log)]
        if not found:
            raise OptionError(f"No change of the row {', '.join(key)} of {table[1]} is in the log.")
        return found[::-1] if since is not None else found[:1]

    @staticmethod
    def _tables(connection: Connection, log: AuditLog, table: tuple[str | None, str]) -> list[AuditedTable]:
        return table_named(log.tables(ended=True), *table, inspect(connection).default_schema_name)

    def _log(self, connection: Connection) -> AuditLog:
        log = AuditLog(connection)
        if not log.is_there:
            told = f"No table of {self._name} is audited; csv_manager csv_audit_add DATABASE TABLE begins that."
            raise ConfigurationError(told)
        return log

    @contextlib.contextmanager
    def _unchecked(self) -> Iterator[Engine]:
        """An engine by which foreign keys of SQLite do nothing to rows, which is told before a transaction."""
        if self._engine.dialect.name != "sqlite":
            yield self._engine
            return
        self._engine.dispose()
        event.listen(self._engine, "connect", _leave_rows)
        try:
            yield self._engine
        finally:
            event.remove(self._engine, "connect", _leave_rows)
            self._engine.dispose()


def _leave_rows(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")


def _planned(connection: Connection, entries: Sequence[Entry]) -> Planned:
    changes = nets(entries)
    after = max((entry.number for entry in entries), default=0)
    found = applying.with_entries(AuditLog(connection), applying.conflicts(connection, changes), after)
    return Planned(entries=entries, changes=changes, conflicts=found)


def _there(
    there: Sequence[tuple[str | None, str]], schema: str | None, name: str, usual: str | None
) -> tuple[str | None, str]:
    """A table as the database has it. Raises `ConfigurationError` if it has not."""
    wanted = None if schema == usual else schema
    if (wanted, name) in there:
        return wanted, name
    names = [known for its, known in there if its == wanted]
    alike = [known for known in names if known.casefold() == name.casefold()]
    close = alike or difflib.get_close_matches(name, names, 1)
    mend = f"did you mean {close[0]}?" if close else "csv_manager database_tables lists those there are."
    raise ConfigurationError(f"There is no table {name}; {mend}")
