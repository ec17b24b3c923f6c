"""The way forward and back: the net changes of entries done to rows, by their values, never by statements."""

import graphlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import IntegrityError

from csv_manager.audit.entries import CHANGED, AuditedTable, Cells, Entry
from csv_manager.audit.log import AuditLog
from csv_manager.audit.nets import NetChange, nets
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.values import Exact, are_same, exact
from csv_manager.core.errors import AuditError


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A change that is not taken back, since its row is not as it left it: `present` is what is there now.

    With a `reason` the database refuses it, as where another row has a value by now that is to be unique; or it would
    do more, as where a foreign key takes rows along that came later. `entry` is the number of the last one that tells
    of the row since.
    """

    change: NetChange
    present: Cells | None = None
    reason: str | None = None
    entry: int | None = None


def replay(connection: Connection, entries: Iterable[Entry]) -> None:
    """Do again what entries tell, which are given in their order, on rows as they were before.

    What a foreign key did is in the entries; who replays sees to it that nothing does it again. Raises `AuditError` for
    a row that is not as it was.
    """
    sql_dialect_of(connection).settle(connection)
    _Steps(connection, nets(entries)).all_at_once()


def undo(connection: Connection, entries: Iterable[Entry], extra: Mapping[str, Any] | None = None) -> list[Conflict]:
    """Take back what entries tell, which are given in their order; nothing of it if there is a conflict.

    Each row is to be as the last entry of it left it. What is done is in the log as a transaction of its own, with
    `extra`, and is just that: if the database would do more, by a foreign key or a trigger, that is a conflict.
    """
    sql_dialect_of(connection).settle(connection)
    changes = nets(entries)
    if found := conflicts(connection, changes):
        return found
    reverse = [change.reverse for change in changes]
    log = AuditLog(connection)
    try:
        with connection.begin_nested():
            begun = log.begin(extra)
            steps = _Steps(connection, reverse)
            with sql_dialect_of(connection).unchecked(connection) as is_unchecked:
                if is_unchecked:
                    steps.all_at_once()
                else:
                    steps.one_by_one()
            _refuse_more(reverse, nets(log.entries(begun.after, token=begun.token)))
            if is_unchecked:
                steps.refuse_orphans()
            log.end(begun)
    except _RefusedError as error:
        return [Conflict(change=error.change.reverse, reason=str(error))]
    return []


def conflicts(connection: Connection, changes: Iterable[NetChange]) -> list[Conflict]:
    """What is in the way of taking changes back, as far as their rows tell."""
    return [conflict for change in changes if (conflict := _conflict(connection, change)) is not None]


def with_entries(log: AuditLog, found: Sequence[Conflict], after: int) -> list[Conflict]:
    """Conflicts with the entries behind a number that tell of their rows."""
    numbers: dict[tuple[int, Exact], int] = {}
    tables = {conflict.change.table.number: conflict.change.table for conflict in found}
    for entry in log.entries(after, tables=list(tables.values())) if found else ():
        for cells in (entry.old, entry.new):
            if cells is not None:
                numbers[_place(entry.table, cells)] = entry.number
    return [
        replace(
            conflict, entry=numbers.get(_place(conflict.change.table, conflict.change.before or conflict.change.after))
        )
        for conflict in found
    ]


def _place(table: AuditedTable, cells: Cells | None) -> tuple[int, Exact]:
    """A row of a table, as nothing else is known."""
    return table.number, exact(table.key_of(cells or ()))


class _RefusedError(AuditError):
    """The database does not take a row, or takes more."""

    def __init__(self, change: NetChange, why: str) -> None:
        super().__init__(why)
        self.change = change


def _conflict(connection: Connection, change: NetChange) -> Conflict | None:
    """Why a change cannot be taken back, if it cannot."""
    sql_dialect, table = sql_dialect_of(connection), change.table
    if lost := _lost(change):
        return Conflict(change=change, reason=f"The value of {', '.join(lost)} is redacted in the log.")
    if change.after is not None:
        found = sql_dialect.find(connection, table, table.key_of(change.after))
        if not any(_is_same(table, change.after, each) for each in found):
            return Conflict(change=change, present=found[0] if found else None)
    elif change.before is not None and table.key:
        found = sql_dialect.find(connection, table, table.key_of(change.before))
        return Conflict(change=change, present=found[0]) if found else None
    return None


def _lost(change: NetChange) -> list[str]:
    """The columns whose values before are not known any more."""
    if change.before is None:
        return []
    after = change.after
    places = ((name, change.table.columns.index(name)) for name in change.table.redacted)
    return [name for name, place in places if after is None or after[place] == CHANGED]


def _refuse_more(planned: Sequence[NetChange], done: Sequence[NetChange]) -> None:
    """Raise for a change that was done and not planned; of what is redacted nothing is compared."""
    wanted = {_told(change) for change in planned}
    for change in done:
        if _told(change) not in wanted:
            told = f"{change.table.name}: {change.row} would be changed too, by a foreign key or a trigger."
            raise _RefusedError(change.reverse, told)


def _told(change: NetChange) -> tuple[object, ...]:
    table = change.table
    sides = (None if side is None else tuple(side[place] for place in table.told_places) for side in _sides(change))
    return table.schema, table.name, *(None if side is None else tuple(map(ascii, side)) for side in sides)


def _sides(change: NetChange) -> tuple[Cells | None, Cells | None]:
    return change.before, change.after


class _Steps:
    """Changes to be done to rows."""

    def __init__(self, connection: Connection, changes: Sequence[NetChange]) -> None:
        self._connection = connection
        self._sql_dialect = sql_dialect_of(connection)
        self._deletes = [change for change in changes if change.after is None]
        self._inserts = [change for change in changes if change.before is None]
        self._updates = [change for change in changes if change.before is not None and change.after is not None]

    def all_at_once(self) -> None:
        """What goes first, so that what comes finds its keys free; rows that take each other's go and come."""
        for change in self._deletes:
            self._delete(change)
        left = []
        for change in self._updates:
            try:
                with self._connection.begin_nested():
                    self._update(change)
            except IntegrityError:
                left.append(change)
        for change in left:
            self._delete(change)
        for change in (*left, *self._inserts):
            try:
                self._insert(change)
            except IntegrityError as error:
                raise _RefusedError(change, f"{change.table.name}: {change.row}: {error.orig}") from error

    def one_by_one(self) -> None:
        """What others refer to first comes and last goes; what is refused is tried again once others are done.

        A foreign key may do more than is planned, or some of it before its turn. Raises `_RefusedError` for the first
        one that is refused at last.
        """
        order = self._order()
        self._inserts.sort(key=lambda change: order[change.table.number])
        self._deletes.sort(key=lambda change: -order[change.table.number])
        steps: list[tuple[Callable[[NetChange], None], NetChange]] = [
            *((self._insert, change) for change in self._inserts),
            *((self._update, change) for change in self._updates),
            *((self._delete, change) for change in self._deletes),
        ]
        while steps:
            left: list[tuple[Callable[[NetChange], None], NetChange]] = []
            refused: _RefusedError | None = None
            for step, change in steps:
                try:
                    with self._connection.begin_nested():
                        step(change)
                except AuditError as error:
                    told = f"{change.table.name}: {change.row} is changed by a foreign key before."
                    raise _RefusedError(change, told) from error
                except IntegrityError as error:
                    left.append((step, change))
                    refused = refused or _RefusedError(change, f"{change.table.name}: {change.row}: {error.orig}")
            if refused is not None and len(left) == len(steps):
                left = self._exchanged(left)
                if not left:
                    raise refused
            steps = left

    def refuse_orphans(self) -> None:
        """Raise for a row that refers to one that is not there, where foreign keys did nothing."""
        touched = {(change.table.schema, change.table.name): change for change in self._all()}
        for (schema, name), keys in inspect(self._connection).get_multi_foreign_keys().items():
            for key in keys:
                change = touched.get((schema, name)) or touched.get((key["referred_schema"], key["referred_table"]))
                if change is not None and self._sql_dialect.has_orphans(self._connection, schema, name, key):
                    told = f"{name} would have a row that refers to none of {key['referred_table']}."
                    raise _RefusedError(change, told)

    def _exchanged(
        self, steps: Sequence[tuple[Callable[[NetChange], None], NetChange]]
    ) -> list[tuple[Callable[[NetChange], None], NetChange]]:
        """Updates that stand in each other's way as rows that go and come; none if that was done before."""
        updates = [change for step, change in steps if step == self._update]
        if not updates:
            return []
        others = [(step, change) for step, change in steps if step != self._update]
        return [
            *((self._delete, change) for change in updates),
            *((self._insert, change) for change in updates),
            *others,
        ]

    def _order(self) -> dict[int, int]:
        """The places of tables, by their numbers: those that others refer to come first."""
        tables = {(change.table.schema, change.table.name): change.table for change in self._all()}
        sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
        inspector = inspect(self._connection)
        for table in tables.values():
            sorter.add(table.number)
        for table in tables.values():
            for key in inspector.get_foreign_keys(table.name, table.schema):
                other = tables.get((key["referred_schema"], key["referred_table"]))
                if other is not None and other.number != table.number:
                    sorter.add(table.number, other.number)
        try:
            return {number: place for place, number in enumerate(sorter.static_order())}
        except graphlib.CycleError:  # then what is refused is tried again
            return {table.number: 0 for table in tables.values()}

    def _all(self) -> list[NetChange]:
        return [*self._inserts, *self._updates, *self._deletes]

    def _delete(self, change: NetChange) -> None:
        _check(self._sql_dialect.delete(self._connection, change.table, change.before or ()), change)

    def _update(self, change: NetChange) -> None:
        count = self._sql_dialect.update(self._connection, change.table, change.before or (), change.after or ())
        _check(count, change)

    def _insert(self, change: NetChange) -> None:
        self._sql_dialect.insert(self._connection, change.table, [change.after or ()])


def _check(count: int, change: NetChange) -> None:
    if count != 1:
        raise AuditError(f"{change.table.name}: the row {change.row} is not as the audit log tells.")


def _is_same(table: AuditedTable, one: Cells, other: Cells) -> bool:
    return all(are_same(one[place], other[place]) for place in table.told_places)
