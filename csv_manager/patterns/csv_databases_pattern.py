"""Databases of a plugin: `self.databases`, and `self.session` over all of them."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from groundwork.patterns import GwBasePattern

from csv_manager.framework.app import prepare

Mapped = TypeVar("Mapped", bound=type)


class CsvDatabasesPattern(GwBasePattern):
    """Gives a plugin `self.databases`, those of the settings, and `self.session`, which sees the tables of all."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        prepare(app)
        kwargs.setdefault("name", type(self).__name__)
        super().__init__(app, **kwargs)
        self.databases = CsvDatabasesPlugin(self)

    @property
    def session(self) -> Any:
        """This thread's SQLAlchemy session; each class is read and written in its own database.

        A commit commits each database by itself.
        """
        return self.app.databases.session

    def deactivate(self) -> None:
        """End the plugin; overwrite it where there is something to end."""


class CsvDatabasesPlugin:
    """`self.databases`: the app's databases, seen from one plugin."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        self._app = plugin.app.databases
        self.classes = CsvDatabasesClasses(plugin)

    @property
    def binds(self) -> Mapping[str, Any]:
        """The databases that the settings tell of, by their names."""
        binds: Mapping[str, Any] = self._app.binds
        return binds

    def get(self, name: str = "default") -> Any:
        """The database of a bind, or one that a plugin registered: `engine`, `session`, `create_all` and others.

        Raises `ConfigurationError` for an unknown one.
        """
        return self._app.get(name) or self._app.bind(name)

    def register(self, name: str, url: str, description: str = "") -> Any:
        """Register a database by a URL, as groundwork-database does. Raises `PluginError` for a name that is taken."""
        return self._app.register(name, url, description, self._plugin)

    def migrations(self, folder: str | os.PathLike[str], database: str = "default") -> None:
        """Have tables of this plugin be made by Alembic migrations, the modules of a folder, a branch of its own.

        csv_manager database_upgrade brings them to the newest one, and lets the user read and write their rows. What a
        migration makes only after a look at the database is not known before, and not checked by database_check.
        """
        self._app.add_migrations(os.fspath(folder), self._plugin, database)

    def state(self, name: str) -> Any:
        """How a database is: `bind`, `state`, `schema`, `reason`. Raises `ConfigurationError` for an unknown one."""
        return self._upkeep().state(name)

    def check(self, name: str) -> Iterator[Any]:
        """What was checked of a database: `name`, `role`, `check`, the `reason` if that is wrong, maybe a `warning`."""
        checks: Iterator[Any] = self._upkeep().check(name)
        return checks

    def upgrade(self, name: str) -> list[str]:
        """Make or upgrade the tables of a database; what was done, in words. Raises `StoreError`."""
        done: list[str] = self._upkeep().upgrade(name)
        return done

    def sql(self, name: str) -> str:
        """The statements that `upgrade` would execute. Raises `StoreError`."""
        statements: str = self._upkeep().sql(name)
        return statements

    def tables(self, name: str, schema: str | None = None) -> tuple[Any, ...]:
        """The tables and views of a database, whoever made them, as `csv_manager.sync.Table`. Raises `StoreError`."""
        found: tuple[Any, ...] = self._upkeep().tables(name, schema)
        return found

    def open(self, name: str, *, make: bool = False) -> Any:
        """A database with its tables, as `csv_manager.open_database` gives it, to be used in a with statement.

        An SQLite file that is not there is made only with `make`; without, it has no tables.
        """
        return self._upkeep().open(name, make=make)

    def audit(self, name: str) -> contextlib.AbstractContextManager[Any]:
        """The audit log of a database, a `csv_manager.pipeline.auditing.Auditing`, in a with statement.

        Raises `ConfigurationError` for an SQLite file that is not there.
        """
        log: contextlib.AbstractContextManager[Any] = self._upkeep().audit(name)
        return log

    def recover(self, name: str, mark: Any, into: str, *, from_snapshots: bool = False) -> list[Any]:
        """Make the audited tables of a database, as they were at a time or after an entry, in another one.

        That has none of them; an SQLite file is made. It begins with the rows of now, or with snapshots.

        Raises a `CsvManagerError`, and nothing was made then.
        """
        with self._upkeep().audit(name) as log, self._upkeep().engine(into) as engine:
            found: list[Any] = log.recover(mark, engine, from_snapshots=from_snapshots)
            return found

    def copy(self, name: str, progress: Any) -> dict[str, int]:
        """Copy the store in a database into the store, which has to be empty; the rows of each table.

        `progress(label, length)` is a context manager that gives a function to call with how much more is done.
        Raises `ConfigurationError`, `StoreError`, and nothing was copied then.
        """
        copied: dict[str, int] = self._upkeep().copy(name, progress)
        return copied

    def _upkeep(self) -> Any:
        from csv_manager.framework.bind_upkeep import Upkeep

        return Upkeep(self._app)


class CsvDatabasesClasses:
    """`self.databases.classes`: mapped classes of one plugin."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    def register(self, clazz: Mapped) -> Mapped:
        """Register a mapped class, in the database that its `__bind_key__` names, or in the store's; return it.

        Raises `ConfigurationError` for an unknown database, `PluginError` for a table that is there in any of them.
        """
        registered: Mapped = self._plugin.app.databases.classes.register(clazz, self._plugin)
        return registered
