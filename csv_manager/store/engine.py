"""Engines as csv_manager needs them, transactions, and database errors as one line of prose."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from csv_manager.core.errors import ConfigurationError, StoreBusyError, StoreError, go_on_stopping
from csv_manager.store.driver_options import UNUSABLE, check_options, tell_unusable, unusable
from csv_manager.store.sql_dialects import BUSY, sql_dialect_of

_STORE = "The store"


def make_engine(url: str | URL, *, snapshots: bool = True) -> Engine:
    """An engine for a database URL; a driver need not be named.

    With `snapshots` it is one for `reading` and `writing`; without, one for sessions. Nothing is connected to yet.
    Raises `ConfigurationError`, and `StoreError` for a folder of SQLite's that cannot be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError("A database URL cannot be read; it looks like sqlite:////folder/file.db.") from None
    sql_dialect = sql_dialect_of(parsed)
    if parsed.drivername in ("postgresql", "mysql", "mariadb"):
        parsed = parsed.set(drivername=sql_dialect.driver)
    check_options(parsed)
    try:
        engine = sql_dialect.make_engine(parsed, snapshots=snapshots)
    except (NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(
            f"No driver for {parsed.drivername}: {error}; pip install 'csv_manager[{sql_dialect.extra}]'."
        ) from None
    except UNUSABLE as error:
        raise unusable(parsed, error) from error
    tell_unusable(engine)
    return engine


@contextlib.contextmanager
def using(url: str | URL) -> Iterator[Engine]:
    """An engine for `reading` and `writing`, whose connections are closed afterwards."""
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def dispose(engine: Engine) -> None:
    """Close every connection; one that somebody has still, a session, as soon as it is given back."""
    pool = engine.pool
    engine.dispose()
    event.listen(pool, "checkin", lambda _connection, record: record.invalidate())


def engine_beside(engine: Engine) -> Engine:
    """An engine for the same database with other connections, whose transactions a power cut may undo."""
    return sql_dialect_of(engine).beside(engine)


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection in one read transaction; errors are told as `StoreError`."""
    with telling(engine), sql_dialect_of(engine).reading(engine) as connection:
        yield connection


@contextlib.contextmanager
def looking(engine: Engine) -> Iterator[Connection]:
    """As `reading`, of a target's database."""
    with telling(engine, "The database"), sql_dialect_of(engine).reading(engine) as connection:
        yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in one write transaction, committed at the end; errors are told as `StoreError`."""
    with telling(engine), sql_dialect_of(engine).writing(engine) as connection:
        yield connection


@contextlib.contextmanager
def noting(engine: Engine) -> Iterator[Connection]:
    """As `writing`, but beside others that write, and without waiting for the disk, where the database can do that."""
    with telling(engine), sql_dialect_of(engine).writing(engine, alone=False) as connection:
        yield connection


@contextlib.contextmanager
def loading(engine: Engine) -> Iterator[Connection]:
    """A connection to a target in one transaction, committed at the end; errors are told as `StoreError`."""
    with telling(engine, "The database"), sql_dialect_of(engine).loading(engine) as connection:
        yield connection


@contextlib.contextmanager
def telling(engine: Engine, what: str = _STORE) -> Iterator[None]:
    """Turn errors of the database into one line that names it, without its password.

    Raises `StoreBusyError` where another process is writing, and `StoreError` for anything else.
    """
    try:
        yield
    except DBAPIError as error:
        go_on_stopping(error)
        reason = sql_dialect_of(engine).reason(engine.url, error)
        if what != _STORE:  # what is told of the store's settings is none of another database
            reason = reason.partition("; set WATCHER_DATABASE_LOCATION")[0]
        failure = StoreBusyError if reason == BUSY else StoreError
        raise failure(f"{what} {name_of(engine.url)}: {reason}.") from error
    except SQLAlchemyError as error:
        go_on_stopping(error)
        raise StoreError(f"{what} {name_of(engine.url)} failed: {error}") from error


def name_of(url: URL) -> str:
    """A database's name for people: the path of an SQLite file, else its address, without a password."""
    return sql_dialect_of(url).name_of(url)
