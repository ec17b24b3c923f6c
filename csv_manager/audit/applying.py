"""The way forward and back: the net changes of entries done to rows, by their values, never by statements.

What a foreign key did is in the entries; who applies them sees to it that nothing does it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from csv_manager.audit.entries import CHANGED, AuditedTable, Cells, Entry
from csv_manager.audit.nets import NetChange, nets
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.values import are_same
from csv_manager.core.errors import AuditError


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A change that is not taken back, since its row is not as it left it: `present` is what is there now.

    With a `reason` the database refuses it, as where another row has a value by now that is to be unique.
    """

    change: NetChange
    present: Cells | None = None
    reason: str | None = None


def replay(connection: Connection, entries: Iterable[Entry]) -> None:
    """Do again what entries tell, which are given in their order, on rows as they were before.

    Raises `AuditError` for a row that is not.
    """
    sql_dialect_of(connection).settle(connection)
    _apply(connection, nets(entries))


def undo(connection: Connection, entries: Iterable[Entry]) -> list[Conflict]:
    """Take back what entries tell, which are given in their order; nothing of it if there is a conflict.

    Each row is to be as the last entry of it left it.
    """
    sql_dialect_of(connection).settle(connection)
    changes = nets(entries)
    conflicts = [conflict for change in changes if (conflict := _conflict(connection, change)) is not None]
    if conflicts:
        return conflicts
    try:
        with connection.begin_nested():
            _apply(connection, [change.reverse for change in changes])
    except _RefusedError as error:
        return [Conflict(change=error.change.reverse, reason=str(error))]
    return []


class _RefusedError(AuditError):
    """The database does not take a row."""

    def __init__(self, change: NetChange, error: IntegrityError) -> None:
        super().__init__(f"{change.table.name}: {change.row}: {error.orig}")
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


def _apply(connection: Connection, changes: Sequence[NetChange]) -> None:
    """What goes first, so that what comes finds its keys free; rows that take each other's go and come."""
    sql_dialect = sql_dialect_of(connection)
    for change in changes:
        if change.before is not None and change.after is None:
            _check(sql_dialect.delete(connection, change.table, change.before), change)
    left = []
    for change in changes:
        if change.before is not None and change.after is not None:
            try:
                with connection.begin_nested():
                    _check(sql_dialect.update(connection, change.table, change.before, change.after), change)
            except IntegrityError:
                left.append(change)
    for change in left:
        _check(sql_dialect.delete(connection, change.table, change.before or ()), change)
    for change in (*left, *(change for change in changes if change.before is None)):
        try:
            sql_dialect.insert(connection, change.table, [change.after or ()])
        except IntegrityError as error:
            raise _RefusedError(change, error) from error


def _check(count: int, change: NetChange) -> None:
    if count != 1:
        raise AuditError(f"{change.table.name}: the row {change.row} is not as the audit log tells.")


def _is_same(table: AuditedTable, one: Cells, other: Cells) -> bool:
    return all(are_same(one[place], other[place]) for place in table.told_places)
