"""Files, their versions and their targets, without a command line."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import servers
from sqlalchemy import Engine, inspect

from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import identity
from csv_manager.core.rules import RuleSet
from csv_manager.core.targets import Target
from csv_manager.pipeline.store import Store
from csv_manager.pipeline.syncing import Syncing
from csv_manager.store.engine import make_engine
from csv_manager.store.rules import InForce
from csv_manager.store.targets import TargetFile
from csv_manager.sync.loading import loader_of

KINDS = ["sqlite", "postgresql", "mariadb"]


class Databases:
    """One database for all targets."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def named(self, database: str) -> str:
        return database

    def engine(self, database: str) -> Engine:
        del database
        return self._engine

    def admin(self, database: str) -> None:
        del database


class Targets:
    """A store in a folder, and targets in a database."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder, self.engine = folder, engine
        self.store = Store(url=f"sqlite:///{folder / 'store.db'}", archive=folder / "archive", row_limit=100_000)
        # What these files lose is meant.
        self.store.recorder.judge.in_force = lambda *_: InForce(rule_set=RuleSet(), has_target=False)
        self.synced: list[Any] = []
        self.syncing = Syncing(lambda: self.store, Databases(engine), self.synced.append)

    def path(self, name: str = "data.csv") -> str:
        return identity(str(self.folder / name))

    def write(self, text: str | bytes, name: str = "data.csv", **options: Any) -> int:
        """Record a content; the number of the version that the file has then."""
        Path(self.path(name)).write_bytes(text.encode() if isinstance(text, str) else text)
        watched = self.store.catalog.watchers.of(self.path(name))
        told = watched.options if watched else WatcherOptions(**options)
        self.store.recorder.record(self.path(name), told, store_watcher=watched is None, cause="change")
        return self.store.file(self.path(name)).record.head

    def add(self, name: str = "data.csv", **told: Any) -> Target:
        """Have a table follow a file."""
        watcher = self.store.catalog.watchers.of(self.path(name))
        assert watcher is not None
        target = Target(id=uuid.uuid4().hex, database="db", **{"table": "data", "key": watcher.options.key, **told})
        self.syncing.add(target, watcher)
        return target

    def file(self, target: Target, name: str = "data.csv") -> TargetFile:
        found = self.store.catalog.targets.files(paths=[self.path(name)])
        return next(file for file in found if file.target.id == target.id)

    def sync(self, target: Target, name: str = "data.csv") -> list[Any]:
        return list(self.syncing.bring(self.file(target, name)))

    def rows(self, target: Target, *columns: str, where: str = "1 = 1") -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            loader = loader_of(connection)
            listed = loader.listed(columns) if columns else "*"
            told = f"SELECT {listed} FROM {loader.quoted(target.schema, target.table)} AS t WHERE {where}"  # noqa: S608
            found = connection.exec_driver_sql(told, execution_options={"no_parameters": True})
            return sorted((tuple(row) for row in found), key=repr)

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def tables(self) -> set[str]:
        return set(inspect(self.engine).get_table_names())

    def close(self) -> None:
        self.store.close()


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[Engine]:
    """A new database of a kind."""
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'target.db'}" if kind == "sqlite" else stack.enter_context(servers.database(kind))
        engine = make_engine(url)
        stack.callback(engine.dispose)
        yield engine
