"""The commands csv_audit_*: who changed what in a table, and the way back."""

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import click

from csv_manager.core import clock
from csv_manager.core.errors import AuditError, OptionError
from csv_manager.core.targets import schema_and_name
from csv_manager.core.times import parse_since
from csv_manager.patterns import CsvCommandsPattern, CsvDatabasesPattern
from csv_manager.plugins.csv_audit_plugin import commands, words

_TABLE_COLUMNS = ("table", "key", "columns", "redacted")
_VALUE_COLUMNS = ("entry", "type", "table", "key", "column", "old", "new")
_VERIFY_COLUMNS = ("result", "seals", "entries", "unsealed", "hash", "broken", "lapsed", "rows")
_ROW_COLUMNS = ("table", "row", "told", "present")
_UNDO_COLUMNS = ("table", "row", "undo", "changes", "conflict")
_RECOVERED_COLUMNS = ("table", "rows", "changed")
_SNAPSHOT_COLUMNS = ("snapshot", "time", "table", "rows", "sha256")
_LIMIT = 50


class CsvAuditPlugin(CsvCommandsPattern, CsvDatabasesPattern):
    """Tells who changed which row of a table, and takes it back."""

    def activate(self) -> None:
        """Register the commands."""
        commands.register(self)

    def csv_audit_add(
        self, database: str, tables: Sequence[str], redact: Sequence[str] = (), form: str = "table"
    ) -> None:
        """Audit tables."""
        with self.databases.audit(database) as log:
            audited = log.add([schema_and_name(name) for name in tables], _redacted(tables, redact))
            self._answer_tables(audited, form)
            for unseen in log.unseen():
                self.say(f"Not seen, if another program does it: {unseen}; csv_audit_verify --rows tells it.")

    def csv_audit_delete(self, database: str, tables: Sequence[str], yes: bool = False) -> None:
        """Audit tables no longer."""
        with self.databases.audit(database) as log:
            if self.agree(f"Audit {', '.join(tables)} no longer? What is changed from then on is not told.", yes=yes):
                log.delete([schema_and_name(name) for name in tables])
                self.say(f"Audited no longer: {', '.join(tables)}.")

    def csv_audit_list(
        self,
        database: str,
        table: str | None = None,
        key: Sequence[str] = (),
        since: str | None = None,
        actor: str | None = None,
        run: str | None = None,
        limit: int = _LIMIT,
        tables: bool = False,
        form: str = "table",
    ) -> None:
        """Write changes, the newest first, or the tables that are audited."""
        with self.databases.audit(database) as log:
            if tables:
                self._answer_tables(log.tables(), form)
                return
            moment = None if since is None else parse_since(since, clock.now())
            wanted = None if table is None else schema_and_name(table)
            found = log.changes(wanted, key, moment, actor=actor, run=run)
            shown = itertools.islice(found, limit) if limit else found
            rows = (words.change_row(change, form) for change in shown)
            spare = ("transaction", "type")
            self.answer(rows, words.CHANGE_COLUMNS, form, empty="No changes.", spare=spare)
            if limit and next(found, None) is not None:
                self.say(f"There are more than {limit}; --limit 0 lists all.")

    def csv_audit_show(self, database: str, what: str, form: str = "table") -> None:
        """Write everything that is known of an entry, or of a transaction."""
        with self.databases.audit(database) as log:
            found = log.show(what)
        if form != "table":
            rows = [
                words.change_row(each.change, form) | {"seal": each.seal and each.seal.number, "hash": _hash(each)}
                for each in found
            ]
            self.answer(rows, tuple(rows[0]) if rows else (), form)
            return
        self.answer_one(_told(found))
        click.echo()
        self.answer(words.transaction_rows(found), _VALUE_COLUMNS)

    def csv_audit_verify(
        self,
        database: str,
        anchor: str | None = None,
        seal: bool = False,
        rows: bool = False,
        form: str = "table",
    ) -> int:
        """Say whether the log is as it was sealed; the exit code: 1 if it is not."""
        with self.databases.audit(database) as log, self.progress(f"Verifying the audit log of {database}"):
            found = log.verify(anchor, seal=seal)
            differences = log.compare() if rows and found.broken is None else None
            lapsed = [words.table(table) for table in log.lapsed()]
        if form != "table":
            result = "ok" if found.broken is None else "broken"
            rows_told = None if differences is None else [_difference(each) for each in differences]
            self.answer([{**vars(found), "result": result, "lapsed": lapsed, "rows": rows_told}], _VERIFY_COLUMNS, form)
        else:
            self._say_verified(found, anchor)
            self._say_rows(differences)
            for name in lapsed:
                click.echo(
                    f"Not all changes of {name} are seen any more: it went, its columns changed, or a trigger of the "
                    f"log did; csv_manager csv_audit_add {database} {name} mends that."
                )
        return 1 if found.broken is not None or differences or lapsed else 0

    def _say_rows(self, differences: Sequence[Any] | None) -> None:
        if differences is None:
            return
        rows = [
            {**_difference(each), "told": _cells(each, each.told), "present": _cells(each, each.present)}
            for each in differences
        ]
        self.answer(rows, _ROW_COLUMNS)
        click.echo(f"{_count(len(rows), 'row')} changed unseen." if rows else "The rows are as the log tells.")

    @staticmethod
    def _say_verified(found: Any, anchor: str | None) -> None:
        if found.broken is not None:
            click.echo(f"Broken: {found.broken}.")
            if found.seals:
                click.echo(f"The {_count(found.seals, 'seal')} before it, of {_count(found.entries, 'entry')}, hold.")
            return
        if not found.seals:
            click.echo("Nothing is sealed yet.")
        else:
            click.echo(f"{_count(found.entries, 'entry')} as sealed, by {_count(found.seals, 'seal')}.")
            click.echo(f"Seal {found.seals}: {found.hash}")
        if found.unsealed:
            are = "is" if found.unsealed == 1 else "are"
            told = f"{_count(found.unsealed, 'entry')} {are} not sealed yet: nothing would tell if they were altered"
            click.echo(f"{told}; --seal seals them.")
        if anchor is not None and found.seals:
            click.echo(f"The newest hash is in {anchor}.")

    def csv_audit_snapshot(
        self, database: str, tables: Sequence[str] = (), listed: bool = False, form: str = "table"
    ) -> None:
        """Keep all rows of tables, or write which snapshots there are."""
        if listed and tables:
            raise OptionError("--list lists the snapshots of all tables.")
        with self.databases.audit(database) as log:
            if listed:
                found = log.snapshots()
            else:
                with self.progress("Taking a snapshot"):
                    found = log.snapshot([schema_and_name(name) for name in tables])
        rows = (
            {
                "snapshot": each.number,
                "time": words.when(each.at),
                "table": words.table(each.table),
                "rows": each.rows,
                "sha256": each.sha256,
            }
            for each in found
        )
        self.answer(rows, _SNAPSHOT_COLUMNS, form, empty="No snapshots.", spare=("sha256",))

    def csv_audit_compact(self, database: str) -> None:
        """Keep what is sealed compressed."""
        with self.databases.audit(database) as log, self.progress(f"Compacting the audit log of {database}"):
            count = log.compact()
        click.echo(f"Compacted {_count(count, 'entry')}." if count else "Nothing sealed is to be compacted.")

    def csv_audit_undo(
        self,
        database: str,
        what: Sequence[str] = (),
        run: str | None = None,
        table: str | None = None,
        key: Sequence[str] = (),
        since: str | None = None,
        plan: bool = False,
        yes: bool = False,
        form: str = "table",
    ) -> int:
        """Take changes back; the exit code: 1 if a conflict keeps it from that."""
        if sum((bool(what), run is not None, table is not None)) != 1 or bool(table) != bool(key):
            raise OptionError("Tell what is to be taken back: entries, transactions, --run, or --table with --key.")
        if since is not None and table is None:
            raise OptionError("--since is told of a row, with --table and --key.")
        which = {
            "what": tuple(what),
            "run": run,
            "table": None if table is None else schema_and_name(table),
            "key": tuple(key),
            "since": None if since is None else parse_since(since, clock.now()),
        }
        told = ", ".join(what) or (f"run {run}" if run else f"{table} {', '.join(key)}")
        with self.databases.audit(database) as log:
            with self.progress("Looking what is to be undone"):
                planned = log.plan_undo(**which)
            return self._undo(log, planned, told, plan=plan, yes=yes, form=form)

    def _undo(self, log: Any, planned: Any, told: str, *, plan: bool, yes: bool, form: str) -> int:
        if not planned.changes:
            self.say("There is nothing to take back: the rows are as they were before.")
            return 0
        if planned.conflicts or plan:
            self._answer_undo(planned, planned.conflicts, form)
            return 1 if planned.conflicts else 0
        counts = Counter(words.table(change.table) for change in planned.changes)
        rows = ", ".join(f"{_count(count, 'row')} of {name}" for name, count in counts.items())
        if form == "table" and not yes:
            self._answer_undo(planned, (), form)
        if not self.agree(f"Take back the changes of {rows}?", yes=yes):
            return 0
        with self.progress("Undoing"):
            conflicts = log.undo(planned, told)
        if conflicts or form != "table":
            self._answer_undo(planned, conflicts, form)
        if not conflicts:
            self.say(f"Taken back: the changes of {rows}.")
        return 1 if conflicts else 0

    def _answer_undo(self, planned: Any, conflicts: Sequence[Any], form: str) -> None:
        """Write what an undo does to each row; of conflicts, these alone."""
        if conflicts:
            rows = [words.net_row(conflict.change, form, conflict) for conflict in conflicts]
        else:
            rows = [words.net_row(change, form) for change in planned.changes]
        self.answer(rows, _UNDO_COLUMNS if conflicts or form != "table" else _UNDO_COLUMNS[:-1], form)
        if conflicts:
            self.say("Nothing was done.")

    def csv_audit_recover(
        self,
        database: str,
        to: str,
        into: str | None = None,
        from_snapshots: bool = False,
        in_place: bool = False,
        unverified: bool = False,
        yes: bool = False,
        form: str = "table",
    ) -> int:
        """Make tables as they were; the exit code: 1 if a conflict keeps it from that."""
        if (into is None) is not in_place:
            raise OptionError("Tell where: --into NEW, a database of its own, or --in-place.")
        if in_place and from_snapshots:
            raise OptionError("--from-snapshots makes tables anew, which --in-place does not.")
        mark = int(to) if to.isdecimal() else parse_since(to, clock.now(), "--to")
        if isinstance(mark, dt.datetime) and mark > clock.now():
            raise OptionError(f"--to {to!r} is still to come.")
        with self.databases.audit(database) as log:
            if not unverified:
                self._refuse_broken(log, database)
            if into is None:
                with self.progress("Looking what came later"):
                    planned = log.plan_later(mark)
                return self._undo(log, planned, f"all after {to}", plan=False, yes=yes, form=form)
        with self.progress(f"Recovering {database}"):
            recovered = self.databases.recover(database, mark, into, from_snapshots=from_snapshots)
        rows = [{"table": words.table(each.table), "rows": each.rows, "changed": each.changes} for each in recovered]
        self.answer(rows, _RECOVERED_COLUMNS, form)
        self.say(f"{into} has the tables as they were; {database} is as it is.")
        return 0

    def _refuse_broken(self, log: Any, database: str) -> None:
        with self.progress(f"Verifying the audit log of {database}"):
            found = log.verify()
        if found.broken is not None:
            told = f"The audit log of {database} is not as it was sealed: {found.broken}; nothing was recovered."
            raise AuditError(f"{told} --unverified does it all the same.")

    def _answer_tables(self, audited: Sequence[Any], form: str) -> None:
        rows = [
            {
                "table": words.table(table),
                "key": list(table.key),
                "columns": list(table.columns),
                "redacted": list(table.redacted),
            }
            for table in audited
        ]
        self.answer(rows, _TABLE_COLUMNS, form, empty="No table is audited.", spare=("redacted",))


def _redacted(tables: Sequence[str], told: Sequence[str]) -> dict[str, list[str]]:
    """The columns to be redacted by their tables. Raises `OptionError`."""
    found: dict[str, list[str]] = {}
    for each in told:
        table, _, column = each.rpartition(".")
        if table not in tables:
            raise OptionError(f"--redact {each}: it is TABLE.COLUMN, of one of the tables {', '.join(tables)}.")
        found.setdefault(table, []).append(column)
    return found


def _told(found: Sequence[Any]) -> dict[str, Any]:
    """What is known of a transaction, or of the one that an entry is of."""
    entry, by = found[0].change.entry, found[0].change.by
    extra: Mapping[str, Any] = (by and by.extra) or {}
    seals = {each.seal.number: each.seal.hash for each in found if each.seal is not None}
    told = {
        "transaction": entry.token,
        "time": words.when(entry.at),
        "actor": found[0].change.actor or "another program; the database does not tell which",
        **extra,
        "entries": ", ".join(str(each.change.entry.number) for each in found[:1]) if len(found) == 1 else len(found),
        "seal": ", ".join(f"{number}: {told}" for number, told in seals.items()) or "not sealed yet",
    }
    return {name: value for name, value in told.items() if value is not None}


def _hash(each: Any) -> str | None:
    return None if each.seal is None else str(each.seal.hash)


def _difference(each: Any) -> dict[str, Any]:
    return {
        "table": words.table(each.table),
        "row": each.row,
        "told": None if each.told is None else each.table.named(each.told),
        "present": None if each.present is None else each.table.named(each.present),
    }


def _cells(each: Any, cells: Any) -> str:
    """A row that is not as it should be, by the columns that differ."""
    if cells is None:
        return "not there"
    if each.told is None or each.present is None:
        return "there"
    names = each.table.differing(each.told, each.present)
    return ", ".join(
        f"{name}: {words.value(value)}" for name, value in each.table.named(cells).items() if name in names
    )


def _count(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
