"""Versions of a file into the table of a target: each as a whole, or as the row changes since the one before."""

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from csv_manager.core import clock
from csv_manager.core.changes import ChangeSet
from csv_manager.core.keys import check_key
from csv_manager.core.reading import Table as CsvTable
from csv_manager.core.targets import (
    COPY,
    FILE,
    FROM_TIME,
    FROM_VERSION,
    LOADED,
    ROW,
    TO_TIME,
    TO_VERSION,
    VERSION,
    Target,
)
from csv_manager.sync.changed import ChangedRows, Side, after, before, deleted, inserted, with_constants
from csv_manager.sync.checking import CheckedRows, SiftedRows, Sifting
from csv_manager.sync.identity import IdentifiedRows, Identity, last_copies, numbered
from csv_manager.sync.key_values import check_key_values
from csv_manager.sync.layout import entities
from csv_manager.sync.loading import Counts, End, MisfitError, TargetError, loader_of
from csv_manager.sync.rows import Cells, CsvRows, ListedRows, Rows, batched
from csv_manager.sync.schema import Table
from csv_manager.sync.watermarks import Mark


class DriftError(TargetError):
    """The table is not what the target's last version left: somebody else changed it."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The row changes of a version, against the one that the target stands at, and the key that they were told by."""

    change_set: ChangeSet
    key: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A version of a file, and the columns of it that are loaded.

    Of one that `is_checked`, all cells fit the table; with `sifting`, what does not fit is left out.
    """

    csv_file: str
    number: int
    created: dt.datetime
    content: CsvTable
    columns: tuple[str, ...]
    is_checked: bool = False
    sifting: Sifting | None = None


class Applier:
    """Applies versions of a file to the table of a target, inside the caller's transaction.

    `table` is as it is in the database, with the types of what is loaded. Everything raises `TargetError`, after which
    the transaction has to be rolled back.
    """

    def __init__(self, connection: Connection, target: Target, table: Table, csv_file: str) -> None:
        self._connection, self._target, self._table = connection, target, table
        self._entities = entities(target, table)
        self._loader = loader_of(connection)
        self._within = {FILE: csv_file} if target.shared else {}

    def load(self, step: Step) -> Counts:
        """Have the table have what a version says, whatever it has."""
        target, loader, connection = self._target, self._loader, self._connection
        rows = self._fitting(step, lambda columns: CsvRows(step.content, columns))
        if target.has_keys and not target.key:
            rows = IdentifiedRows(rows, (ROW, COPY))
        rows = self._stamped(rows, step)
        with self._explaining(step):
            if target.mode == "append" or loader.is_empty(connection, self._table, self._within):
                return Counts(inserted=loader.insert(connection, self._table, rows))
            if target.mode == "history":
                return loader.succeed(connection, self._entities, rows, self._end(step), stamps=target.stamps)
            check_key(step.content, target.key)
            return loader.merge(
                connection,
                self._entities,
                rows,
                mirror=target.deletes,
                within=self._within,
                stamps=target.stamps,
                is_unique=True,
            )

    def change(self, step: Step, changes: Changes) -> Counts:
        """Have a table that has the version before have what a version says, by what changed."""
        with self._explaining(step):
            if self._target.mode == "append":
                return Counts(inserted=self._insert(self._changed(step, changes, inserted), step))
            if not self._target.key:
                return self._change_unkeyed(step, changes)
            return self._change_keyed(step, changes)

    @contextlib.contextmanager
    def _explaining(self, step: Step) -> Iterator[None]:
        """Tell what a database refuses by the lines of the file, where the key is what is wrong."""
        try:
            yield
        except MisfitError:
            raise
        except TargetError:
            key = self._target.key if self._target.has_keys else ()
            check_key(step.content, key)
            check_key_values(step.content, self._entities, key)
            raise

    def rewrite(self, step: Step, columns: Sequence[str]) -> int:
        """Have the rows that a version set have its texts in columns that became texts, as the file has them.

        A value that was changed into a text may look otherwise: 1.5 for 1.50. Of appended rows nothing tells which of
        the file they are.
        """
        target = self._target
        if not target.has_keys:
            return 0
        if target.key:
            rows: Rows = CsvRows(step.content, [name for name in step.columns if name in (*target.key, *columns)])
        else:
            rows = IdentifiedRows(CsvRows(step.content, step.columns), (ROW, COPY))
        rows = with_constants(rows, self._file())
        which = f"t.{self._loader.quoted(FROM_VERSION)} = {step.number}" if target.mode == "history" else "true"
        written = [name for name in columns if name in rows.columns and name not in target.key]
        return self._loader.rewrite(self._connection, self._entities, rows, written, which) if written else 0

    def check_count(self, mark: Mark) -> None:
        """Raise `DriftError` unless the table has as many rows of the file as when it was brought to its version."""
        found = self.count() if mark.rows is not None else None
        if found != mark.rows:
            raise self._drift(f"it has {found:,} rows, and had {mark.rows:,} of version {mark.version}")

    def is_empty(self) -> bool:
        """Whether the table has no row of the file."""
        return self._loader.is_empty(self._connection, self._table, self._within)

    def count(self) -> int:
        """How many rows of the file the table has; of a history, those that hold."""
        holds = self._loader.holds(self._end(None), "t") if self._target.mode == "history" else "true"
        where = holds + self._loader.and_within(self._within, "t") if holds == "true" else holds
        return self._loader.count(self._connection, self._table, where)

    def rewind(self, number: int) -> Counts:
        """Take back what came after a version: of a history, or of rows that tell their version."""
        loader = self._loader
        column = FROM_VERSION if self._target.mode == "history" else VERSION
        if column not in self._target.own_columns:
            raise TargetError(
                f"{self._target.name} cannot go back: its rows do not tell their version; a target with --meta can."
            )
        if self._target.mode == "append":
            self._refuse_before_first(number)
        gone = loader.delete_beyond(self._connection, self._table, column, number, self._within)
        again = 0
        if self._target.mode == "history":
            again = loader.reopen(self._connection, self._table, self._end(None), number)
        return Counts(deleted=gone, updated=again)

    def _refuse_before_first(self, number: int) -> None:
        """Raise `TargetError` for a version before the first one of which rows were appended."""
        older = f"t.{self._loader.quoted(VERSION)} <= {number}{self._loader.and_within(self._within, 't')}"
        is_empty = self._loader.is_empty(self._connection, self._table, self._within)
        if not is_empty and not self._loader.count(self._connection, self._table, older):
            raise TargetError(
                f"{self._target.name} has no rows of version {number}, or of one before it, to go back to."
            )

    def _change_keyed(self, step: Step, changes: Changes) -> Counts:
        """By the target's key, which may be another one than that of the changes."""
        target, key = self._target, self._target.key
        come = self._changed(step, changes, after)
        if set(key) == set(changes.key):
            gone = self._keys(step, changes, before if target.mode == "history" else deleted)
            counts = changes.change_set.counts
            is_gone, is_new = counts.deleted, counts.inserted
            ended = counts.deleted + counts.updated
        else:
            check_key(step.content, key)
            was = {tuple(cells) for cells in self._changed(step, changes, before, key)}
            now = {tuple(cells) for cells in self._changed(step, changes, after, key)}
            told = was if target.mode == "history" else was - now
            gone = with_constants(ListedRows(step.csv_file, key, sorted(told, key=repr)), self._file())
            is_gone, is_new, ended = len(was - now), len(now - was), len(was)
        if target.mode == "history":
            return self._succeed(step, gone, come, ended=ended, deleted=is_gone)
        removed = self._delete(gone) if target.deletes and is_gone else 0
        counted = self._loader.merge(
            self._connection,
            self._entities,
            self._stamped(come, step),
            mirror=False,
            stamps=target.stamps,
        )
        if target.deletes and (removed, counted.inserted) != (is_gone, is_new):
            raise self._drift(
                f"of the {is_gone:,} rows to delete it has {removed:,}, and of the {is_new:,} to insert "
                f"{is_new - counted.inserted:,} were there"
            )
        return Counts(inserted=counted.inserted, updated=counted.updated, deleted=removed)

    def _change_unkeyed(self, step: Step, changes: Changes) -> Counts:
        """By what the rows are: the last of the equals of a row goes, and what comes is one more of its equals."""
        name, target = step.csv_file, self._target
        identity = Identity(step.columns)
        gone = [identity.of(cells) for cells in self._changed(step, changes, before, step.columns)]
        come = self._changed(step, changes, after)
        wanted = {*gone, *(identity.of(cells) for cells in come)}
        end = self._end(step) if target.mode == "history" else None
        found = self._loader.count_equals(
            self._connection,
            self._table,
            ListedRows(name, (ROW,), ([each] for each in sorted(wanted))),
            end,
            self._within,
        )
        there = Counter({str(row[0]): count for row, count in found.items()})
        lacking = Counter(gone) - there
        if lacking and target.deletes:
            raise self._drift(f"it lacks {lacking.total():,} of the {len(gone):,} rows to delete")
        if not target.deletes:
            gone = []
        keys = ListedRows(name, (ROW, COPY), ([each, str(copy)] for each, copy in last_copies(gone, there)))
        rows = _NumberedRows(come, (ROW, COPY), there - Counter(gone))
        if target.mode == "history":
            return self._succeed(step, with_constants(keys, self._file()), rows, ended=len(gone), deleted=len(gone))
        removed = self._delete(with_constants(keys, self._file())) if gone else 0
        if removed != len(gone):
            raise self._drift(f"of the {len(gone):,} rows to delete it has {removed:,}")
        return Counts(inserted=self._insert(rows, step), deleted=removed)

    def _succeed(self, step: Step, gone: Rows, come: Rows, *, ended: int, deleted: int) -> Counts:
        """End rows of a history, and begin others."""
        found = self._loader.end(self._connection, self._entities, gone, self._end(step)) if ended else 0
        if found != ended:
            raise self._drift(f"of the {ended:,} rows that end, it has {found:,}")
        written = self._insert(come, step)
        updated = ended - deleted
        return Counts(inserted=written - updated, updated=updated, deleted=deleted)

    def _delete(self, keys: Rows) -> int:
        return self._loader.delete(self._connection, self._entities, keys)

    def _insert(self, rows: Rows, step: Step) -> int:
        return self._loader.insert(self._connection, self._table, self._stamped(rows, step))

    def _changed(self, step: Step, changes: Changes, side: Side, columns: Sequence[str] | None = None) -> Rows:
        """One side of the changes: rows that come, which are checked, or keys."""
        if columns is not None:
            return ChangedRows(step.csv_file, columns, changes.change_set, side)
        return self._fitting(step, lambda columns: ChangedRows(step.csv_file, columns, changes.change_set, side))

    def _fitting(self, step: Step, rows_of: Callable[[tuple[str, ...]], Rows]) -> Rows:
        """Rows of some columns, of which the table takes each."""
        if step.sifting is not None:
            return SiftedRows(rows_of((*step.columns, *step.sifting.refused)), self._entities, step.sifting)
        rows = rows_of(step.columns)
        return rows if step.is_checked else CheckedRows(rows, self._entities)

    def _keys(self, step: Step, changes: Changes, side: Side) -> Rows:
        return with_constants(self._changed(step, changes, side, self._target.key), self._file())

    def _file(self) -> list[tuple[str, str]]:
        return list(self._within.items())

    def _stamped(self, rows: Rows, step: Step) -> Rows:
        """Rows with what a target adds to each."""
        told = {
            FILE: step.csv_file,
            VERSION: str(step.number),
            LOADED: self._loader.moment(clock.now()),
            FROM_VERSION: str(step.number),
            FROM_TIME: self._loader.moment(step.created),
        }
        return with_constants(rows, [(name, told[name]) for name in self._target.added if name in told])

    def _end(self, step: Step | None) -> End:
        number = "NULL" if step is None else str(step.number)
        time = "NULL" if step is None else self._loader.time_literal(step.created)
        return End(values={TO_VERSION: number, TO_TIME: time}, within=self._within)

    def _drift(self, what: str) -> DriftError:
        return DriftError(
            f"{self._target.name} is not as csv_manager left it: {what}. Somebody else changed it; csv_sync_run "
            "--verify counts the differences, and --repair mends them."
        )


class _NumberedRows(Rows):
    """Rows without a key, each with its identity and its number among its equals, of which some are there."""

    def __init__(self, rows: Rows, columns: Sequence[str], there: Counter[str]) -> None:
        self._rows, self._there = rows, there
        self.name, self.columns = rows.name, (*rows.columns, *columns)

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """Some hundred at a time."""
        return batched(self._cells())

    def place(self, number: int) -> str:
        """Where the row is."""
        return self._rows.place(number)

    def _cells(self) -> Iterator[Cells]:
        identity = Identity(self._rows.columns)
        copies = numbered((identity.of(cells) for cells in self._rows), self._there)
        for cells, copy in zip(self._rows, copies, strict=True):
            yield (*cells, identity.of(cells), str(copy))
