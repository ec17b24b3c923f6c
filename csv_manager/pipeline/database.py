"""A database and its tables for programs: what is there, what differs from dataclasses, and rows in and out of it."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url

from csv_manager.core.errors import ConfigurationError
from csv_manager.pipeline.audited import changing, follow
from csv_manager.store import roles
from csv_manager.store.engine import loading, looking, make_engine, using
from csv_manager.store.schema import VERSION_TABLE, metadata
from csv_manager.store.sql_dialects import UserTables
from csv_manager.sync import Table, differences, discover, migrating, objects, watermarks
from csv_manager.sync.coding import code_of
from csv_manager.sync.declaring import declare
from csv_manager.sync.differences import Difference
from csv_manager.sync.loading import Counts, TargetError

#: A dataclass that declares a table, or the table.
Declared = type | Table
Told = TypeVar("Told")


class Database:
    """A database. Each method is a transaction of its own, and raises a `CsvManagerError` that leaves all as it was.

    MySQL and MariaDB commit each statement that changes a table: what `apply` has done until then is done there.
    `admin` is the URL of who owns tables, if that is another user.
    """

    def __init__(self, url: str | URL, admin: str | URL | None = None) -> None:
        self._engine = make_engine(url)
        self._admin = make_engine(admin) if admin is not None and make_url(admin) != make_url(url) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for engine in (self._engine, self._admin):
            if engine is not None:
                engine.dispose()

    def tables(self, schema: str | None = None) -> tuple[Table, ...]:
        """The tables and views, or those of a schema."""
        with looking(self._engine) as connection:
            return discover(connection, schema)

    def code(self, schema: str | None = None) -> str:
        """The code of a module with a dataclass for each table."""
        return code_of(self.tables(schema), str(self._engine.url.database))

    def compare(self, wanted: Iterable[Declared], *, drop: Collection[str] = ()) -> Difference:
        """What would have the tables be as these; what is not wanted is kept, unless it is one of `drop`.

        That has names of tables, and `TABLE.COLUMN` or `TABLE.CONSTRAINT`.
        """
        with looking(self._admin or self._engine) as connection:
            return differences.compare(connection, _tables(wanted), drop=drop)

    def sql(self, wanted: Iterable[Declared], *, drop: Collection[str] = ()) -> list[str]:
        """The statements that `apply` would execute, as far as they can be told before."""
        with self._changing() as connection:
            return migrating.sql(connection, differences.compare(connection, _tables(wanted), drop=drop))

    def apply(self, wanted: Iterable[Declared], *, drop: Collection[str] = ()) -> Difference:
        """Have the tables be as these, and say what was done."""
        tables = _tables(wanted)
        if self._engine.dialect.name == "sqlite" and self._engine.url.database in (None, "", ":memory:"):
            raise ConfigurationError("A database in memory is gone when this ends; give the path of a file.")
        with self._changing() as connection:
            difference = differences.compare(connection, tables, drop=drop)
            migrating.apply(connection, difference)
            follow(connection)
            if self._admin is not None:
                loaded = tuple((table.schema, table.name) for table in tables)
                roles.grant(connection, self._engine.url, UserTables(loaded=loaded))
        return difference

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction in which tables may be changed: of SQLite, also those that others refer to."""
        engine = self._admin or self._engine
        if engine.dialect.name != "sqlite":
            with loading(engine) as connection:
                yield connection
            return
        with using(engine.url) as apart:
            event.listen(apart, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = OFF"))
            with loading(apart) as connection:
                before = set(map(tuple, connection.exec_driver_sql("PRAGMA foreign_key_check")))
                yield connection
                broken = set(map(tuple, connection.exec_driver_sql("PRAGMA foreign_key_check"))) - before
                if broken:
                    table, _, referred, _ = min(broken, key=repr)
                    raise TargetError(f"{table}: a row refers to one of {referred} that is not there.")

    def insert(self, items: Iterable[Any]) -> int:
        """Insert objects of a dataclass, none of which is there; how many they were."""
        with changing(self._engine, self._admin, {}) as connection:
            return objects.insert_objects(connection, items)

    def upsert(self, items: Iterable[Any], *, mirror: bool = False) -> Counts:
        """Insert the objects that are not there, update those that differ, and with `mirror` delete all others."""
        with changing(self._engine, self._admin, {}) as connection:
            return objects.upsert_objects(connection, items, mirror=mirror)

    def delete(self, items: Iterable[Any]) -> int:
        """Delete the rows that have the keys of objects; how many there were."""
        with changing(self._engine, self._admin, {}) as connection:
            return objects.delete_objects(connection, items)

    def insert_rows(self, table: Declared, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """As `insert`, of tuples."""
        with changing(self._engine, self._admin, {}) as connection:
            return objects.insert_rows(connection, _table(table), columns, rows)

    def upsert_rows(
        self, table: Declared, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, mirror: bool = False
    ) -> Counts:
        """As `upsert`, of tuples."""
        with changing(self._engine, self._admin, {}) as connection:
            return objects.upsert_rows(connection, _table(table), columns, rows, mirror=mirror)

    def delete_rows(self, table: Declared, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """As `delete`, of tuples of the key's columns."""
        with changing(self._engine, self._admin, {}) as connection:
            return objects.delete_rows(connection, _table(table), columns, rows)


class AsyncDatabase:
    """A `Database` for asynchronous code: what it does is done in a thread, while the event loop goes on."""

    def __init__(self, url: str | URL, admin: str | URL | None = None) -> None:
        self._database = Database(url, admin)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.run(Database.close)

    async def run(self, work: Callable[[Database], Told]) -> Told:
        """What a function of the database gives: `await database.run(lambda it: it.upsert(items))`."""
        return await asyncio.to_thread(work, self._database)


def _tables(wanted: Iterable[Declared]) -> list[Table]:
    """Tables as values. Raises `ConfigurationError` for one that is csv_manager's own."""
    told = [_table(each) for each in wanted]
    for table in told:
        if table.name.casefold() in {VERSION_TABLE, *watermarks.NAMES, *metadata.tables}:
            raise ConfigurationError(f"{table.name} is a table of csv_manager's own; give it another name.")
    return told


def _table(declared: Declared) -> Table:
    return declared if isinstance(declared, Table) else declare(declared)
