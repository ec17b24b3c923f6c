"""The tables of targets: what a database has of one, and how they are made, taken and dropped."""

import contextlib
import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Engine

from csv_manager.core.errors import ConfigurationError
from csv_manager.core.targets import FILE, Target
from csv_manager.pipeline.audited import follow
from csv_manager.store import roles
from csv_manager.store.engine import loading, looking, writing
from csv_manager.store.schema import VERSION_TABLE, metadata
from csv_manager.store.sql_dialects import UserTables
from csv_manager.sync import Table, watermarks
from csv_manager.sync.evolving import Plan, table_of
from csv_manager.sync.loading import BusyTargetError, loader_of
from csv_manager.sync.schema_changes import alter
from csv_manager.sync.types import SqlType
from csv_manager.sync.watermarks import Mark

#: How long the lock of a broken connection is waited for, and how often it is asked for.
_LOCKED_SECONDS, _AGAIN_SECONDS = 10.0, 0.1


class Databases(Protocol):
    """The databases of targets, by the names or URLs that these have."""

    def named(self, database: str) -> str:
        """A name or URL that means the same wherever it is asked. Raises `ConfigurationError`."""

    def engine(self, database: str) -> Engine:
        """An engine for who reads and writes rows. Raises `ConfigurationError`."""

    def admin(self, database: str) -> Engine | None:
        """An engine for who makes tables, if that is another one."""


@dataclass(frozen=True, kw_only=True)
class There:
    """What a target's database has of it, and of one of its files; `is_known` if it is noted there at all."""

    table: Table | None
    mark: Mark | None
    is_known: bool
    types: Mapping[str, SqlType]
    #: What differs once somebody changed a table, of SQLite.
    schema: int | None = None


def look(
    connection: Connection, admin: Engine | None, target: Target, csv_file: str, live: Callable[[], Container[str]]
) -> There:
    """What a database has of a target, of which the ids of those that there are in the store are `live`.

    Raises `ConfigurationError` for a table that cannot be this target's.
    """
    known = watermarks.look(connection, target, csv_file)
    table = look_at_table(connection, admin, target)
    if known.table is None and table is not None:
        _check_free(connection, target, table, live)
    return There(
        table=table,
        mark=known.mark,
        is_known=known.table is not None,
        types=known.table.types if known.table else {},
        schema=schema_of(connection),
    )


def look_at_table(connection: Connection, admin: Engine | None, target: Target) -> Table | None:
    """The table of a target; the administrator sees whether it is there, the user may not without rights on it."""
    if admin is None:
        return table_of(connection, target)
    with looking(admin) as administrators:
        return table_of(administrators, target)


def schema_of(connection: Connection) -> int | None:
    """What differs once somebody changed a table, of SQLite."""
    if connection.dialect.name != "sqlite":
        return None
    return int(connection.exec_driver_sql("PRAGMA schema_version").scalar_one())


def _check_free(connection: Connection, target: Target, table: Table, live: Callable[[], Container[str]]) -> None:
    """Raise `ConfigurationError` for a table that is there, and cannot be this target's."""
    others = watermarks.others(connection, target)
    if target.adopted:  # the watcher of another one was deleted, or its store is another one
        others = [other for other in others if other.target_id in live()]
    if others and target.shared and FILE not in table.key:
        raise ConfigurationError(
            f"{target.name} is the table of a target that is not --shared; name another --table, or delete that target "
            "with --drop, and add it with --shared."
        )
    if others and not target.shared:
        raise ConfigurationError(
            f"{target.name} is the table of another target; name another --table. --adopt takes over one whose "
            "watcher is no more."
        )
    if others:
        return
    if target.deletes and not target.adopted and not loader_of(connection).is_empty(connection, table):
        raise ConfigurationError(
            f"{target.name} is there already and has rows, which a target of the mode {target.mode} would delete; "
            "name another --table, choose --mode upsert, or take it over by --adopt."
        )


def refuse_own(target: Target) -> None:
    """Raise `ConfigurationError` for a table that is csv_manager's own."""
    if target.table.casefold() in {VERSION_TABLE, *watermarks.NAMES, *metadata.tables}:
        raise ConfigurationError(f"{target.table} is a table of csv_manager's own; name another --table.")


@contextlib.contextmanager
def make_table(
    engine: Engine, admin: Engine | None, target: Target, plan: Plan, there: There | None
) -> Iterator[tuple[str, ...]]:
    """Change the table of a target as planned, or give the statements for the transaction that loads it.

    It is a transaction of its own where another user makes tables, or where a database commits each such statement;
    a table that was made, and is empty if something fails then, is dropped again. Without `there`, what the database
    has of the target, it is to be noted nowhere.
    """
    if (admin is None and engine.dialect.name != "mysql") or (there and there.is_known and not plan.statements):
        yield plan.statements
        return
    try:
        with writing(admin or engine) as connection:
            made = watermarks.missing(connection) if there else []
            alter(connection, target, [*made, *plan.statements])
            if plan.statements:
                follow(connection)
            if there:  # whoever goes on from here has to know it
                watermarks.put_table(connection, target, {**there.types, **plan.types})
            if admin is not None:
                written = watermarks.NAMES if there else ()
                tables = UserTables(written=written, loaded=((target.schema, target.table),))
                roles.grant(connection, engine.url, tables)
        yield ()
    except BaseException:
        if plan.is_new:
            with contextlib.suppress(Exception):
                _drop_unused_soon(lambda: _drop_unused(engine, admin, target, plan.table))
        raise


def _drop_unused_soon(drop: Callable[[], None]) -> None:
    """Drop once the lock of a connection that broke is free, for which a server may need a moment."""
    until = time.monotonic() + _LOCKED_SECONDS
    while True:
        try:
            drop()
        except BusyTargetError:
            if time.monotonic() > until:
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return


def _drop_unused(engine: Engine, admin: Engine | None, target: Target, table: Table) -> None:
    """Drop a table that was made and nobody loaded, nor loads."""
    with loading(engine) as connection:
        loader_of(connection).lock(connection, target.table_name)
        is_marked = bool(watermarks.marked_files(connection, target)) if target.id else False
        is_empty = loader_of(connection).is_empty(connection, table)
        connection.commit()  # another user could not drop what is read here
        if is_empty and not is_marked:
            with writing(admin or engine) as administrators:
                alter(administrators, target, [f"DROP TABLE {loader_of(connection).table_name(table)}"])
                if target.id:
                    watermarks.forget(administrators, target)


def refuse_drop(databases: Databases, target: Target) -> None:
    """Raise `ConfigurationError` for a table that another target has rows in."""
    with looking(databases.engine(target.database)) as connection:
        others = watermarks.others(connection, target)
    if others:
        raise ConfigurationError(f"{target.name} has rows of another target, too; it is not dropped.")


def is_loaded(databases: Databases, target: Target) -> bool:
    """Whether a target has a version of any file."""
    with looking(databases.engine(target.database)) as connection:
        return not watermarks.missing(connection) and bool(watermarks.marked_files(connection, target))


def forget(databases: Databases, target: Target, *, drop: bool) -> None:
    """Forget a target in its database; its table goes only with `drop`."""
    engine = databases.engine(target.database)
    with loading(engine) as connection:
        loader_of(connection).lock(connection, target.table_name)
        watermarks.forget(connection, target)
    if drop:
        with writing(databases.admin(target.database) or engine) as connection:
            there = table_of(connection, target)
            if there is not None:
                alter(connection, target, [f"DROP TABLE {loader_of(connection).table_name(there)}"])
