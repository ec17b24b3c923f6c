"""SQLite: a file, or memory."""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from csv_manager.core.errors import StoreBusyError, StoreError
from csv_manager.core.files import make_private
from csv_manager.store.patience import patience
from csv_manager.store.sql_dialects.interface import BUSY, BUSY_SECONDS, SqlDialect

#: The longest that a thread waits for another one of its process that writes.
_TURN_SECONDS = 10
#: Between two attempts to switch a new database to its write-ahead log.
_SWITCH_SECONDS = 0.01
_WRITES = "csv_manager_writes"
#: Under it stands in what is known of a connection whether its database has a write-ahead log.
_AHEAD = "csv_manager_ahead"
#: The options of an engine under which a lock stands that its threads hold while they use it, or write with it.
_USE_LOCK, _WRITE_LOCK = "csv_manager_lock", "csv_manager_write_lock"
_REASONS = {
    "SQLITE_BUSY": BUSY,
    "SQLITE_LOCKED": BUSY,
    "SQLITE_READONLY": "it is read-only; check the rights of the file and its folder",
    "SQLITE_FULL": "the disk is full; free some space and try again",
    "SQLITE_IOERR": "the disk failed or is full; check it and try again",
    "SQLITE_CANTOPEN": "it cannot be opened; check that the folder exists and its rights",
    "SQLITE_PERM": "it may not be opened; check the rights of the file and its folder",
    "SQLITE_NOTADB": "it is no SQLite database; set WATCHER_DATABASE_LOCATION to another file",
    "SQLITE_CORRUPT": "it is damaged; restore it from a backup",
}


class Sqlite(SqlDialect):
    """Write-ahead log, foreign keys on; waits for another writer; folder and file are made, for their user alone.

    A transaction of an engine with snapshots begins at its first statement, and whether it writes has to be said at
    its begin; DDL is undone with the rest. Without, it begins at its first write, as a session needs that reads, lets
    others write, and writes then. An in-memory database is one for all threads.
    """

    driver = "sqlite"
    extra = ""

    def make_engine(self, url: URL, *, snapshots: bool) -> Engine:
        """An engine; what cannot be opened is told at its first use."""
        memory = url.database in (None, "", ":memory:")
        options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
        frozen = not memory and _is_frozen(Path(str(url.database)))
        if frozen:
            path = quote(str(Path(str(url.database)).absolute()))
            url = url.set(database=f"file:{path}", query={"immutable": "1", "uri": "true"})
        arguments: dict[str, Any] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        if not snapshots:
            arguments["isolation_level"] = "IMMEDIATE"
        engine = create_engine(url, connect_args=arguments, **options)
        _set_up(engine, None if memory or frozen else str(url.database), snapshots=snapshots)
        engine.update_execution_options(**{_USE_LOCK: threading.RLock()} if memory else {_WRITE_LOCK: threading.Lock()})
        return engine

    def beside(self, engine: Engine) -> Engine:
        """An engine that waits for the disk at its checkpoints only; of a database in memory, the engine itself."""
        lock = engine.get_execution_options().get(_WRITE_LOCK)
        if lock is None:
            return engine
        other = self.make_engine(engine.url, snapshots=True)
        other.update_execution_options(**{_WRITE_LOCK: lock})

        @event.listens_for(other, "connect")
        def connect(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous = NORMAL")

        return other

    @contextlib.contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        """A connection in a transaction that sees one state."""
        with _turn(engine, _USE_LOCK), engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, engine: Engine, *, alone: bool = True) -> Iterator[Connection]:
        """A connection in a transaction that has the database's only right to write from its begin."""
        del alone
        with _turn(engine, _USE_LOCK), _turn(engine, _WRITE_LOCK), engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def may_create(self, connection: Connection) -> bool:
        """Whoever may write to the file may."""
        return os.access(str(connection.engine.url.database), os.W_OK)

    def name_of(self, url: URL) -> str:
        """The path of the file."""
        return (url.database or "in memory").removeprefix("file:")

    def reason(self, url: URL, error: DBAPIError) -> str:
        """Why SQLite refused something."""
        if os.path.isdir((url.database or "").removeprefix("file:")):
            return "it is a folder; set WATCHER_DATABASE_LOCATION to a file"
        code = getattr(error.orig, "sqlite_errorname", "")
        return next((text for name, text in _REASONS.items() if code.startswith(name)), str(error.orig))


def _make_folder(folder: Path) -> None:
    try:
        make_private(folder)
    except OSError as error:
        raise StoreError(
            f"The store's folder {folder} cannot be made: {error.strerror}; set CSV_MANAGER_HOME, or APP_PATH, to "
            "another one."
        ) from error


def _is_frozen(database: Path) -> bool:
    """Whether nobody can write to an SQLite file: its folder may not be written to and no log waits beside it.

    Such a file is opened as immutable: SQLite could not make the files that a reader of a write-ahead log needs.
    """
    log = database.with_name(database.name + "-wal")
    waits = log.exists() and log.stat().st_size > 0
    return database.exists() and not os.access(database.parent, os.W_OK) and not waits


def _make_file(database: str) -> None:
    """Make a database that only its user may read, as SQLite has its log be then; one that is there stays as it is."""
    if os.path.exists(database):
        return
    with contextlib.suppress(OSError):  # of anything else than one that is there, SQLite tells
        os.close(os.open(os.path.realpath(database), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _set_up(engine: Engine, database: str | None, *, snapshots: bool) -> None:
    """Have every connection be as it is to be; `database` is the file of one that is written to."""

    @event.listens_for(engine, "do_connect")
    def make(*_: Any) -> None:
        if database is not None and not database.startswith("file:"):
            _make_folder(Path(database).parent)
            _make_file(database)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        if snapshots:
            connection.isolation_level = None
        cursor = connection.cursor()
        if database is not None and not snapshots:  # who only looks at another program's file changes nothing of it
            _wait_at_most(cursor, patience(BUSY_SECONDS))
            _write_ahead(cursor)
            _wait_at_most(cursor, BUSY_SECONDS)
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The one connection of a database in memory may be in a session's transaction.
        if connection.get_execution_options().get(_WRITES) and (snapshots or database is not None):
            cursor: Any = connection.connection.cursor()
            _wait_at_most(cursor, patience(BUSY_SECONDS))
            if database is not None and not connection.info.setdefault(_AHEAD, False):
                with contextlib.suppress(sqlite3.Error):  # of what is wrong, the next statement tells
                    _write_ahead(cursor)
                    connection.info[_AHEAD] = True
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif snapshots:  # which does nothing yet, and cannot fail
            connection.connection.cursor().execute("BEGIN")


def _wait_at_most(cursor: Any, seconds: float) -> None:
    """Have SQLite wait for others for so long from now on, on one connection."""
    cursor.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch a database to its write-ahead log, if it can have one.

    Where another process uses it just now, SQLite itself does not wait.
    """
    deadline = time.monotonic() + patience(BUSY_SECONDS)
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode = WAL").fetchall()  # a statement is over once it is read
            return  # where it cannot have one, that is told by no error
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_SWITCH_SECONDS)


@contextlib.contextmanager
def _turn(engine: Engine, name: str) -> Iterator[None]:
    """Hold one of an engine's locks: an in-memory database has one connection, an SQLite file one writer.

    A thread that waits for another in SQLite sleeps, longer each time, and sleeps on when it is its turn.
    """
    lock = engine.get_execution_options().get(name)
    if lock is None:
        yield
        return
    # Who has it for so long waits for another process itself.
    if not lock.acquire(timeout=patience(_TURN_SECONDS)):
        raise StoreBusyError(f"The store {Sqlite().name_of(engine.url)}: {BUSY}.")
    try:
        yield
    finally:
        lock.release()
