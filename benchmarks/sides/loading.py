"""One CSV file into a table, by one way of doing it, in a process of its own.

Called as `loading.py WAY ACTION URL OLD NEW`. ACTION is `load` (NEW into an empty table), `upsert` (NEW into a table
that has OLD), `change` (as upsert, by what differs between the files) or `delete` (the rows that NEW lacks). Prints, as
JSON, the time in ms from opening the file to the commit, the process's peak memory in MB, and what is in the table
then: the number of rows and the sum of a column. Imports, connecting and making the table come before; where a way
makes its own table, that too.
"""

import asyncio
import csv
import dataclasses
import datetime as dt
import decimal
import json
import logging
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

from measuring import peak
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url

TABLE, KEY, SUMMED = "customers", "id", "orders"
_TYPES = {
    "id": int, "name": str, "city": str, "country": str, "born": dt.date, "joined": dt.datetime, "orders": int,
    "balance": decimal.Decimal, "rating": decimal.Decimal, "note": str,
}  # fmt: skip
_CHUNK = 10_000


def rows_of(path: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a file, with values of Python."""
    make = [
        dt.date.fromisoformat if kind is dt.date else _time if kind is dt.datetime else kind for kind in _TYPES.values()
    ]
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        next(reader)
        for cells in reader:
            yield tuple(convert(cell) for convert, cell in zip(make, cells, strict=True))


def _time(cell: str) -> dt.datetime:
    return dt.datetime.fromisoformat(cell).replace(tzinfo=None)


def _open(path: str) -> Any:
    """A file as csv_manager reads a version, whose csv format it knows."""
    from csv_manager.core.model import CsvFormat
    from csv_manager.core.reading import Table

    return Table(lambda: open(path, "rb"), CsvFormat(), path)


class Way:
    """A way of loading; `setup` comes before the clock starts."""

    def __init__(self, url: URL, old: str, new: str) -> None:
        self.url, self.old, self.new = url, old, new

    def setup(self, *, filled: bool) -> None:
        """Make the table, and fill it with the old file."""
        raise NotImplementedError

    def load(self) -> None:
        """Load the new file into the empty table."""
        raise NotImplementedError

    def upsert(self) -> None:
        """Have the table have the rows of the new file."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what was connected."""


class Ours(Way):
    """csv_manager's loaders: rows into a table that was made for them, and merged with the checks of a target."""

    def setup(self, *, filled: bool) -> None:
        """By csv_manager, as a target's table is made."""
        from csv_manager.store.engine import make_engine
        from csv_manager.sync import ddl, form, sql_dialect_named
        from csv_manager.sync.checking import CheckedRows
        from csv_manager.sync.loading import loader_of
        from csv_manager.sync.rows import CsvRows

        self._open, self._rows, self._checked = _open, CsvRows, CheckedRows
        self._engine = make_engine(self.url)
        with self._engine.connect() as connection:
            self._loader = loader_of(connection)
            mariadb = getattr(connection.dialect, "is_mariadb", False)
            sql_dialect = sql_dialect_named("mariadb" if mariadb else connection.dialect.name)
        self._table = form(_open(self.old), sql_dialect, name=TABLE, key=[KEY])
        with self._engine.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))
            connection.exec_driver_sql(ddl(self._table, sql_dialect))
        if filled:
            self._insert(self.old)

    def load(self) -> None:
        """Insert."""
        self._insert(self.new)

    def upsert(self) -> None:
        """Check and merge."""
        rows = self._checked(self._rows(self._open(self.new)), self._table)
        with self._transaction() as connection:
            self._loader.merge(connection, self._table, rows, mirror=False, is_unique=True)

    def change(self) -> None:
        """Compare the files, and apply what differs."""
        from csv_manager.core.diff import diff
        from csv_manager.core.targets import Target
        from csv_manager.sync.applying import Applier, Changes, Step

        old, new = self._open(self.old), self._open(self.new)
        old.unique[KEY,] = None  # as the archive knows of a version
        changes = Changes(change_set=diff(old, new, key=[KEY]), key=(KEY,))
        target = Target(id="", database="", table=TABLE, key=(KEY,))
        step = Step(csv_file=self.new, number=2, created=dt.datetime.now(dt.UTC), content=new, columns=new.columns)
        with self._transaction() as connection:
            Applier(connection, target, self._table, self.new).change(step, changes)

    delete = change

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _insert(self, path: str) -> None:
        rows = self._rows(self._open(path))
        with self._transaction() as connection:
            self._loader.insert(connection, self._table, rows)

    def _transaction(self) -> Any:
        from csv_manager.store.engine import loading

        return loading(self._engine)


class Whole(Ours):
    """csv_manager's csv_load: types are inferred, and the table is made."""

    def load(self) -> None:
        """Drop the table that is there first."""
        from csv_manager.core.sources import open_table
        from csv_manager.core.targets import Target
        from csv_manager.framework.target_databases import TargetDatabases
        from csv_manager.pipeline.loading import load

        url = self.url.render_as_string(hide_password=False)
        databases = TargetDatabases(lambda: {"APP_PATH": ".", "DATABASES": {"bench": url, "default": "sqlite://"}})
        target = Target(id="", database="bench", table=TABLE, key=(KEY,))
        load(databases, open_table(self.new), target, mode=None)
        databases.close()

    def setup(self, *, filled: bool) -> None:
        """Without a table."""
        super().setup(filled=filled)
        with self._engine.begin() as connection:
            connection.execute(text(f"DROP TABLE {TABLE}"))


class Floor(Ours):
    """The database's own client, into the same table: psql, mysql or sqlite3."""

    def load(self) -> None:
        """Its bulk loader."""
        self._run(self._copy(TABLE))

    def upsert(self) -> None:
        """Its bulk loader into a table beside, and one statement."""
        names = list(_TYPES)
        sets = ", ".join(f"{name} = excluded.{name}" for name in names if name != KEY)
        told = f"INSERT INTO {TABLE} SELECT * FROM stage WHERE true ON CONFLICT ({KEY}) DO UPDATE SET {sets}"  # noqa: S608
        make = f"CREATE TEMPORARY TABLE stage AS SELECT * FROM {TABLE} WHERE false"  # noqa: S608
        if self.url.get_backend_name() == "mysql":
            make = f"CREATE TEMPORARY TABLE stage LIKE {TABLE}"
            sets = ", ".join(f"{name} = stage.{name}" for name in names if name != KEY)
            told = f"INSERT INTO {TABLE} SELECT * FROM stage ON DUPLICATE KEY UPDATE {sets}"  # noqa: S608
        begin = "" if self.url.get_backend_name() == "sqlite" else "BEGIN;\n"
        end = "" if not begin else "COMMIT;\n"
        self._run(f"{begin}{make};\n{self._copy('stage')}\n{told};\n{end}")

    def _copy(self, table: str) -> str:
        backend = self.url.get_backend_name()
        if backend == "postgresql":
            return f"\\copy {table} FROM '{self.new}' WITH (FORMAT csv, HEADER)"
        if backend == "sqlite":
            return f".import --csv --skip 1 '{self.new}' {table}"
        return (
            f"LOAD DATA LOCAL INFILE '{self.new}' INTO TABLE {table} CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' "
            "OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n' IGNORE 1 LINES "
            "(id, name, city, country, born, @joined, orders, balance, rating, note) "
            "SET joined = replace(replace(@joined, 'T', ' '), 'Z', '');"
        )

    def _run(self, script: str) -> None:
        url = self.url
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        login = [f"-h{url.host}", f"-P{url.port or 3306}", f"-u{url.username}"]
        login += [f"-p{url.password}"] if url.password else []
        command = {
            "postgresql": ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", plain],
            "mysql": ["mysql", "--local-infile=1", *login, str(url.database)],
            "sqlite": ["sqlite3", str(url.database)],
        }[url.get_backend_name()]
        subprocess.run(command, input=script.encode(), check=True, stdout=subprocess.DEVNULL)


class Pysqlsync(Way):
    """The library pysqlsync, which makes its own table, and is given values of Python."""

    def setup(self, *, filled: bool) -> None:
        """Its table is made from a dataclass."""
        from pysqlsync.base import ConnectionParameters, GeneratorOptions
        from pysqlsync.factory import get_dialect
        from pysqlsync.model.key_types import PrimaryKey
        from strong_typing.auxiliary import MaxLength, Precision  # type: ignore[attr-defined,unused-ignore]

        logging.getLogger("pysqlsync").setLevel(logging.ERROR)
        module = types.ModuleType("entities")
        sys.modules["entities"] = module
        number = Annotated[decimal.Decimal, Precision(18, 4)]
        kinds: dict[str, Any] = {**_TYPES, "id": PrimaryKey[int], "balance": number, "rating": number}
        kinds |= {name: Annotated[str, MaxLength(200)] for name, kind in _TYPES.items() if kind is str}
        entity = dataclasses.make_dataclass(TABLE, list(kinds.items()))
        entity.__module__ = "entities"
        setattr(module, TABLE, entity)
        self._entity = entity
        backend = self.url.get_backend_name()
        parameters = ConnectionParameters(
            host=self.url.host,
            port=self.url.port,
            username=self.url.username,
            password=self.url.password or "",
            database=self.url.database,
        )
        options = GeneratorOptions(namespaces={module: None})
        self._made = get_dialect(backend).create_connection(parameters, options)
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(self._made.__aenter__())
        self._runner.run(self._connection.create_objects([entity]))
        if filled:
            self._insert(self.old)

    def load(self) -> None:
        """By insert_rows."""
        self._insert(self.new)

    def upsert(self) -> None:
        """By upsert_rows."""
        names, kinds = tuple(_TYPES), tuple(_TYPES.values())
        rows = list(rows_of(self.new))
        table = self._connection.get_table(self._entity)
        self._runner.run(self._connection.upsert_rows(table, rows, field_types=kinds, field_names=names))

    def delete(self) -> None:
        """By delete_rows; which rows those are is told."""
        with open(self.new, newline="", encoding="utf-8") as file:
            there = {row[0] for row in csv.reader(file)}
        with open(self.old, newline="", encoding="utf-8") as file:
            gone = [int(row[0]) for row in csv.reader(file) if row[0] not in there]
        table = self._connection.get_table(self._entity)
        self._runner.run(self._connection.delete_rows(table, int, gone))

    def close(self) -> None:
        """Close the connection."""
        self._runner.run(self._made.__aexit__(None, None, None))
        self._runner.close()

    def _insert(self, path: str) -> None:
        names, kinds = tuple(_TYPES), tuple(_TYPES.values())
        table = self._connection.get_table(self._entity)
        rows = list(rows_of(path))
        self._runner.run(self._connection.insert_rows(table, rows, field_types=kinds, field_names=names))


class Sqlalchemy(Ours):
    """SQLAlchemy Core, ten thousand rows at a time."""

    def load(self) -> None:
        """By insert."""
        self._execute(lambda table: table.insert())

    def upsert(self) -> None:
        """By the insert of the dialect that updates."""
        self._execute(self._upserting)

    def _upserting(self, table: Any) -> Any:
        from sqlalchemy.dialects import mysql, postgresql, sqlite

        names = [name for name in _TYPES if name != KEY]
        backend = self.url.get_backend_name()
        if backend == "mysql":
            told = mysql.insert(table)
            return told.on_duplicate_key_update({name: told.inserted[name] for name in names})
        other = (postgresql if backend == "postgresql" else sqlite).insert(table)
        return other.on_conflict_do_update(index_elements=[KEY], set_={name: other.excluded[name] for name in names})

    def _execute(self, statement: Callable[[Any], Any]) -> None:
        from sqlalchemy import MetaData, Table

        names = list(_TYPES)
        with self._engine_of().begin() as connection:
            table = Table(TABLE, MetaData(), autoload_with=connection)
            told = statement(table)
            for chunk in _chunks(rows_of(self.new)):
                connection.execute(told, [dict(zip(names, self._bound(row), strict=True)) for row in chunk])

    def _bound(self, row: Sequence[Any]) -> Sequence[Any]:
        """SQLite's column are numbers and texts."""
        if self.url.get_backend_name() != "sqlite":
            return row
        return [
            float(cell) if isinstance(cell, decimal.Decimal) else str(cell) if isinstance(cell, dt.date) else cell
            for cell in row
        ]

    def _engine_of(self) -> Engine:
        return create_engine(self.url)


class SqliteUtils(Ours):
    """The library sqlite-utils, which is given texts."""

    def load(self) -> None:
        """By insert_all."""
        self._table_of().insert_all(self._dicts(), pk=KEY)

    def upsert(self) -> None:
        """By upsert_all."""
        self._table_of().upsert_all(self._dicts(), pk=KEY)

    def _dicts(self) -> Iterator[dict[str, str]]:
        with open(self.new, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)

    def _table_of(self) -> Any:
        import sqlite_utils

        return sqlite_utils.Database(self.url.database)[TABLE]


class Dlt(Way):
    """The library dlt, which makes its own table, and is given values of Python."""

    def setup(self, *, filled: bool) -> None:
        """Its pipeline."""
        import dlt

        self._dlt = dlt
        # Without primary keys each row that is merged is looked for among all.
        url = self.url.render_as_string(hide_password=False)
        destination = dlt.destinations.sqlalchemy(url, create_primary_keys=True)
        self._pipeline = dlt.pipeline(
            pipeline_name=f"bench{time.time_ns()}", destination=destination, dataset_name="main"
        )
        if filled:
            self._run(self.old, "replace")

    def load(self) -> None:
        """By replacing what is there."""
        self._run(self.new, "replace")

    def upsert(self) -> None:
        """By merging."""
        self._run(self.new, "merge")

    def _run(self, path: str, disposition: Any) -> None:
        names = list(_TYPES)
        rows = (dict(zip(names, row, strict=True)) for row in rows_of(path))
        self._pipeline.run(rows, table_name=TABLE, write_disposition=disposition, primary_key=KEY)


WAYS: dict[str, type[Way]] = {
    "ours": Ours,
    "whole": Whole,
    "floor": Floor,
    "pysqlsync": Pysqlsync,
    "sqlalchemy": Sqlalchemy,
    "sqlite-utils": SqliteUtils,
    "dlt": Dlt,
}


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    chunk: list[tuple[Any, ...]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def found(connection: Connection) -> list[int]:
    """How many rows the table has, and the sum of their orders."""
    rows, orders = connection.execute(text(f"SELECT count(*), sum({SUMMED}) FROM {TABLE}")).one()  # noqa: S608 - our own
    return [int(rows), int(orders)]


def main() -> None:
    name, action, url, old, new = sys.argv[1:]
    way = WAYS[name](make_url(url), old, new)
    way.setup(filled=action != "load")
    before = peak()
    began = time.perf_counter()
    getattr(way, action)()
    passed = time.perf_counter() - began
    most = peak()
    way.close()
    engine = create_engine(make_url(url))
    with engine.connect() as connection:
        answer = found(connection)
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {TABLE}"))
    engine.dispose()
    print(json.dumps({"time": 1000 * passed, "peak": most, "before": before, "found": answer}))


if __name__ == "__main__":
    main()
