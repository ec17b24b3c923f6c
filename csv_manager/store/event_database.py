"""The event record in another database than the store's, where other programs may keep theirs."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, DateTime, Integer, String, Table, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import ReflectedColumn

from csv_manager.core.errors import ConfigurationError, StoreError
from csv_manager.core.events import Event
from csv_manager.core.files import make_private
from csv_manager.store import event_triggers, roles
from csv_manager.store.columns import UtcDateTime
from csv_manager.store.engine import loading, looking, make_engine, name_of, telling, using
from csv_manager.store.event_record import write
from csv_manager.store.schema import event_tables
from csv_manager.store.sql_dialects import UserTables, sql_dialect_of

#: What columns of a database are to be, by the types that ours have.
_KINDS: dict[type, tuple[type, str]] = {
    Integer: (Integer, "a number"),
    UtcDateTime: (DateTime, "a time"),
    String: (String, "a text"),
}


class EventDatabase:
    """A database with the four tables; `admin` is the URL of who makes them, if that is another user."""

    def __init__(self, url: URL, admin: URL | None = None) -> None:
        self._engine = make_engine(url)
        self._admin = admin if roles.are_two(admin, url) else None
        self._is_ready = False

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return name_of(self._engine.url)

    def prepare(self) -> None:
        """Have the tables be there, where nobody can change them.

        Raises `ConfigurationError` where tables of their names are other ones, `StoreError` if it cannot be used now.
        """
        if self._is_ready:
            return
        self._make_folder()
        if not self._is_made():
            self._make(self._admin or self._engine.url)
        self._is_ready = True

    def check(self) -> None:
        """Raise `ConfigurationError` where its tables are other ones; one that cannot be used now is tried later."""
        with contextlib.suppress(StoreError):
            self.prepare()

    def write(self, events: Sequence[Event]) -> None:
        """Write events that are not there yet, all or none. Raises as `prepare`."""
        self.prepare()
        with loading(self._engine) as connection:
            write(connection, events, again=True)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _make_folder(self) -> None:
        """Make the folder of a file."""
        path = str(self._engine.url.database)
        if self._engine.dialect.name != "sqlite" or path.startswith("file:"):
            return
        folder = Path(path).absolute().parent
        try:
            make_private(folder)
        except OSError as error:
            raise StoreError(
                f"The database {self.name}: its folder cannot be made: {error.strerror}; check the connection_string "
                "of EVENTS, and the rights of the folder."
            ) from error

    def _is_made(self) -> bool:
        """Whether all is there, as far as the user sees; who has no rights in the database yet sees nothing."""
        try:
            with looking(self._engine) as connection:
                there = _check(connection, self.name)
                return there == len(event_tables) and event_triggers.are_there(connection, event_tables)
        except StoreError:
            if self._admin is None:
                raise
            return False

    def _make(self, owner: URL) -> None:
        with using(owner) as engine:
            if self._admin is not None:
                roles.refuse_unfit(engine, self._engine.url)
            with telling(engine, "The database"), sql_dialect_of(engine).writing(engine) as connection:
                _check(connection, self.name)  # by another process meanwhile
                for table in event_tables:
                    table.create(connection, checkfirst=True)
                if not event_triggers.are_there(connection, event_tables):
                    for statement in event_triggers.statements(engine.dialect.name, event_tables):
                        connection.execute(text(statement))
                if self._admin is not None:
                    tables = UserTables(written=tuple(table.name for table in event_tables))
                    roles.grant(connection, self._engine.url, tables)


def _check(connection: Connection, where: str) -> int:
    """How many of the tables are there. Raises `ConfigurationError` for one that has another shape."""
    seen = inspect(connection)
    there = set(seen.get_table_names())
    found = [table for table in event_tables if table.name in there]
    for table in found:
        columns = {column["name"]: column for column in seen.get_columns(table.name)}
        wrong = _difference(table, columns)
        if wrong is None and seen.get_pk_constraint(table.name)["constrained_columns"] != ["uuid"]:
            wrong = "its primary key is not uuid"
        if wrong is not None:
            raise ConfigurationError(
                f"EVENTS: the database {where} has a table {table.name} that is none of an event record: {wrong}; "
                "give another connection_string, or rename that table."
            )
    return len(found)


def _difference(table: Table, there: dict[str, ReflectedColumn]) -> str | None:
    """What keeps rows of a table from being written to one that is there."""
    for column in table.columns:
        known = there.get(column.name)
        if known is None:
            return f"it has no column {column.name}"
        kind, words = _KINDS[type(column.type)]
        if not isinstance(known["type"], kind):
            return f"its column {column.name} is not {words}"
        length, room = getattr(column.type, "length", None), getattr(known["type"], "length", None)
        if length is not None and room is not None and room < length:
            return f"its column {column.name} has room for {room} characters, not {length}"
    for name, known in there.items():
        if name not in table.columns and not known["nullable"] and known.get("default") is None:
            return f"it has a further column {name}, which needs a value"
    return None
