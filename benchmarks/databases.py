"""Databases to measure on, each new and gone afterwards, and their bare drivers."""

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import BenchmarkError, say
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from csv_manager.core.errors import CsvManagerError
from csv_manager.store.engine import telling, using


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of database; what its `durability` statements tell is whether a commit waits for the disk."""

    name: str
    driver: str
    placeholder: str
    #: Around names that are words of SQL.
    quote: str
    #: What an insert ends with that is to tell its number, where the driver does not.
    returning: str = ""
    #: What its connections are told, as those of the ledger are.
    setup: Sequence[str] = ()
    durability: Sequence[str] = ()
    #: The environment variable with the URL of an administrator, and that without it.
    variable: str = ""
    default: str = ""


KINDS = (
    Kind(
        name="SQLite",
        driver="sqlite3",
        placeholder="?",
        quote='"',
        setup=("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA foreign_keys = ON"),
        durability=("PRAGMA journal_mode", "PRAGMA synchronous"),
    ),
    Kind(
        name="PostgreSQL",
        driver="psycopg",
        placeholder="%s",
        quote='"',
        returning=" RETURNING id",
        setup=("SET synchronous_commit = off",),
        durability=("SHOW fsync", "SHOW synchronous_commit"),
        variable="CSV_MANAGER_TEST_POSTGRESQL",
        default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    ),
    Kind(
        name="MariaDB",
        driver="PyMySQL",
        placeholder="%s",
        quote="`",
        durability=("SELECT @@innodb_flush_log_at_trx_commit", "SELECT @@sync_binlog", "SELECT @@log_bin"),
        variable="CSV_MANAGER_TEST_MARIADB",
        default="mysql+pymysql://root@127.0.0.1:3306/mysql",
    ),
)


@contextlib.contextmanager
def new_database(kind: Kind, folder: Path) -> Iterator[URL | None]:
    """The URL of a new database, in a folder or on a server; None, and one line about it, where no server answers."""
    if not kind.variable:
        yield make_url(f"sqlite:///{folder / 'store.db'}")
        return
    admin = make_url(os.environ.get(kind.variable) or kind.default)
    name = f"csv_manager_bench_{secrets.token_hex(6)}"
    try:
        _execute(admin, f"CREATE DATABASE {name}")
    except CsvManagerError as error:
        say(f"  {kind.name} is left out ({kind.variable} names its administrator): {error}")
        yield None
        return
    try:
        yield admin.set(database=name)
    finally:
        _execute(admin, f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind.returning else ""))


def _execute(url: URL, statement: str) -> None:
    with using(url) as engine, telling(engine), engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(statement))


class Bare:
    """A connection of a bare driver, which inserts the rows of a run and its tasks over and over."""

    def __init__(self, kind: Kind, url: URL) -> None:
        dialect = url.get_dialect()()
        arguments, options = dialect.create_connect_args(url)
        self._kind = kind
        self._connection: Any = dialect.import_dbapi().connect(*arguments, **options)
        self._cursor: Any = self._connection.cursor()
        for statement in kind.setup:
            self._cursor.execute(statement)

    def durability(self) -> str:
        """The settings that say whether a commit waits for the disk."""
        told = []
        for statement in self._kind.durability:
            self._cursor.execute(statement)
            told.append(f"{statement.split(maxsplit=1)[1].removeprefix('@@')} = {self._cursor.fetchone()[0]}")
        self._connection.commit()
        return ", ".join(told)

    def count(self, run: str, task: str) -> tuple[int, int]:
        """How many rows the table of runs has, and that of tasks."""
        counts = []
        for table in (run, task):
            self._cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - our own names
            counts.append(int(self._cursor.fetchone()[0]))
        self._connection.commit()
        return counts[0], counts[1]

    def load(self, run: str, task: str) -> None:
        """Take the newest run of a table, and its tasks, as what is inserted."""
        names, rows = self._select(f"SELECT * FROM {run} ORDER BY id DESC LIMIT 1")  # noqa: S608 - our own names
        place = names.index("id")
        mark = self._kind.placeholder
        about = f"SELECT * FROM {task} WHERE run_id = {mark} ORDER BY number"  # noqa: S608 - as above
        task_names, tasks = self._select(about, rows[0][place])
        if task_names[0] != "run_id":
            raise BenchmarkError(f"The first column of {task} is {task_names[0]}, not run_id.")
        self._row = (*rows[0][:place], *rows[0][place + 1 :])
        self._tasks = [row[1:] for row in tasks]
        self._insert_run = self._insert(run, [name for name in names if name != "id"]) + self._kind.returning
        self._insert_tasks = self._insert(task, task_names)

    def insert(self) -> None:
        """Insert the run and its tasks in one transaction."""
        cursor = self._cursor
        cursor.execute(self._insert_run, self._row)
        number = cursor.fetchone()[0] if self._kind.returning else cursor.lastrowid
        cursor.executemany(self._insert_tasks, [(number, *row) for row in self._tasks])
        self._connection.commit()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _select(self, statement: str, *parameters: object) -> tuple[list[str], list[tuple[Any, ...]]]:
        self._cursor.execute(statement, parameters)
        names = [column[0] for column in self._cursor.description]
        rows = [tuple(row) for row in self._cursor.fetchall()]
        self._connection.commit()
        return names, rows

    def _insert(self, table: str, names: Sequence[str]) -> str:
        quote = self._kind.quote
        columns = ", ".join(f"{quote}{name}{quote}" for name in names)
        marks = ", ".join([self._kind.placeholder] * len(names))
        return f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our own names
