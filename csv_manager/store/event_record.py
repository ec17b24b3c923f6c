"""The event record in a database: rows of its four tables, written once; and what waits for a listener elsewhere."""

import datetime as dt
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, Integer, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from csv_manager.core import clock
from csv_manager.core.events import GROUP_RUN, NAMED_PATHS, STARTED, Event
from csv_manager.store.columns import prose
from csv_manager.store.engine import noting, reading
from csv_manager.store.event_triggers import COMPLETING
from csv_manager.store.schema import event_queue, event_tables

_TABLES = {table.name: table for table in event_tables}
#: The largest number of the tables' columns on every database.
_MOST = (1 << 31) - 1
_DIGEST = 8


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Events of one transaction that a listener is to be told; `attempts` were made, the last of which `error` ended.

    `run_id` is the run in the ledger that they are of, if they are of one.
    """

    id: int
    events: tuple[Event, ...]
    run_id: int | None
    attempts: int
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """How many transactions' events wait for a listener that failed, why, and since when the oldest waits."""

    listener: str
    count: int
    error: str
    created: dt.datetime


class EventRecord:
    """Where events go, in the transaction that they tell of: to the store's own tables, and into the queue of others.

    `is_here` says whether the store's tables are the record, `listeners` names those that are told from the queue.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.is_here = True
        self.listeners: Callable[[], Collection[str]] = tuple
        self._known: set[str] = set()

    def put(self, connection: Connection, events: Iterable[Event], run_id: int | None = None) -> None:
        """Have events be recorded with what the connection's transaction writes."""
        told = list(events)
        names = list(self.listeners())
        if not told or not (self.is_here or names):
            return
        if self.is_here:
            write(connection, [event for event in told if not self._is_known(event)])
        row = {"events": [event.to_json() for event in told], "run_id": run_id, "created": clock.now()}
        if names:
            connection.execute(insert(event_queue), [{"listener": name, **row} for name in names])

    def write(self, events: Iterable[Event]) -> None:
        """Write events that may be in the store's own tables already."""
        with noting(self._engine) as connection:
            write(connection, events, again=True)

    def committed(self, events: Iterable[Event]) -> None:
        """Note that events are in the record, so that those which are told again and again are not looked for there."""
        self._known |= {event.uuid for event in events if event.table == NAMED_PATHS}

    def _is_known(self, event: Event) -> bool:
        return event.table == NAMED_PATHS and event.uuid in self._known

    def waiting(self, listener: str, limit: int = 100, *, is_new: bool = False) -> list[Waiting]:
        """What a listener is to be told next, in order; what `is_new` was not tried yet."""
        query = select(event_queue).where(event_queue.c.listener == listener).order_by(event_queue.c.id).limit(limit)
        if is_new:
            query = query.where(event_queue.c.attempts == 0)
        with reading(self._engine) as connection:
            return [
                Waiting(
                    id=row.id,
                    events=tuple(map(Event.from_json, row.events)),
                    run_id=row.run_id,
                    attempts=row.attempts,
                    error=row.error,
                )
                for row in connection.execute(query)
            ]

    def told(self, waiting: Waiting) -> None:
        """Note that a listener was told."""
        with noting(self._engine) as connection:
            connection.execute(delete(event_queue).where(event_queue.c.id == waiting.id))

    def failed(self, waiting: Waiting, error: str) -> None:
        """Note that a listener could not be told."""
        row = {"attempts": event_queue.c.attempts + 1, "error": error, "failed": clock.now()}
        with noting(self._engine) as connection:
            connection.execute(update(event_queue).where(event_queue.c.id == waiting.id).values(row))

    def backlogs(self) -> list[Backlog]:
        """The listeners that could not be told something, in the order of their names."""
        listener = event_queue.c.listener
        with reading(self._engine) as connection:
            failing = select(listener, event_queue.c.error).where(event_queue.c.error.is_not(None))
            errors = {row.listener: row.error for row in connection.execute(failing.order_by(event_queue.c.id.desc()))}
            counted = select(listener, func.count(), func.min(event_queue.c.created)).group_by(listener)
            return [
                Backlog(listener=name, count=count, error=str(errors[name]), created=created)
                for name, count, created in connection.execute(counted.order_by(listener))
                if name in errors
            ]


def write(connection: Connection, events: Iterable[Event], *, again: bool = False) -> None:
    """Write events that are not there; `again` if any of them may be.

    Of a run whose begin was lost, all is inserted with its end; of one that ended, nothing changes any more.
    """
    for event in events:
        table = _TABLES[event.table]
        row = {name: _fitting(table, name, value) for name, value in event.values.items()}
        if event.completes:
            _complete(connection, table, row)
        elif event.table == NAMED_PATHS or again:
            _insert_once(connection, table, row)
        else:
            connection.execute(insert(table), row)


def _complete(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    ended = {name: value for name, value in row.items() if name in COMPLETING[GROUP_RUN]}
    started = table.c.uuid == row["uuid"], table.c.status == STARTED
    if connection.execute(update(table).where(*started).values(ended)).rowcount == 0 and "at" in row:
        _insert_once(connection, table, row)


def _insert_once(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    """Insert a row unless it is there, or another process inserts it at this moment."""
    if connection.execute(select(table.c.uuid).where(table.c.uuid == row["uuid"])).first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(table), row)
    except IntegrityError:
        if connection.execute(select(table.c.uuid).where(table.c.uuid == row["uuid"])).first() is None:
            raise


def _fitting(table: Table, name: str, value: Any) -> Any:
    """A value as its column takes it: a text that is too long has its end replaced by what tells it from others."""
    kind = table.c[name].type
    if isinstance(kind, Integer) and isinstance(value, int):
        return value if abs(value) <= _MOST else None
    if not isinstance(kind, String) or not isinstance(value, str):
        return value
    text, width = prose(value), kind.length or 0
    if len(text) <= width:
        return text
    if width <= _DIGEST:
        return None
    return f"{text[: width - _DIGEST - 1]}~{sha256(value.encode('utf-8', 'replace')).hexdigest()[:_DIGEST]}"
