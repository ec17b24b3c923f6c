"""Databases of plugins, in groundwork-database's shape and without its holes, and those that the settings tell of.

`register` returns an object with `Base`, `session`, `classes`, `create_all` and the session's verbs. A registered class
comes back as itself; sessions flush by themselves; SQLite has foreign keys and one database for all threads; no
password is in any attribute that a command might print. SQLAlchemy is imported at the first registration.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from groundwork.util import gw_get

from csv_manager.core.binds import DEFAULT, Bind
from csv_manager.core.errors import ConfigurationError, PluginError
from csv_manager.framework.bind_settings import binds_of, named, named_or_at

Mapped = TypeVar("Mapped", bound=type)
#: What the tables begin with that plugins' lines of migrations have for their revisions.
LINES = "csv_schema_of_"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the table of a registered class is, and which plugin said so."""

    clazz: type
    database: "Database"
    plugin: Any

    @property
    def table(self) -> str:
        """The table's name."""
        return str(self.clazz.__table__.name)  # type: ignore[attr-defined]


class Databases:
    """`app.databases`: those that plugins registered, and the binds of the settings, `settings()`."""

    def __init__(self, app: Any, settings: Callable[[], Mapping[str, Any]]) -> None:
        self.app = app
        self._settings = settings
        self._databases: dict[str, Database] = {}
        self._session: Any = None
        #: By the tables of registered classes.
        self._places: dict[Any, Place] = {}
        self._lines: dict[str, list[Any]] = {}
        self.classes = BoundClasses(self)
        app.signals.register("db_registered", app, "A database was registered: database.")
        app.signals.register("db_class_registered", app, "A mapped class was registered: database, db_class.")
        app.signals.connect(
            "csv_databases_forget", "plugin_deactivate_post", self.forget, app, "Forgets what a plugin registered"
        )

    @functools.cached_property
    def binds(self) -> Mapping[str, Bind]:
        """The databases that the settings tell of, by their names; `default`, the store's, is the first."""
        return binds_of(self._settings())

    @property
    def session(self) -> Any:
        """This thread's session over all binds: each class is looked for in its own."""
        if self._session is None:
            from csv_manager.framework.bound_sessions import bound_session

            self._session = bound_session(self)
        return self._session

    def register(self, database: str, database_url: str, description: str, plugin: Any = None) -> "Database":
        """Register a database under a name. Raises `PluginError` for a name that is taken."""
        if database in self._databases:
            owner = self._databases[database].plugin
            raise PluginError(f"The database {database} was registered by {owner.name} already.")
        return self._add(Database(database, database_url, description, plugin or self.app, self._registered))

    def bind(self, name: str = DEFAULT) -> "Database":
        """The database of a bind. Raises `ConfigurationError` for one that the settings do not tell of."""
        if name not in self._databases:
            from csv_manager.store.urls import is_in_memory, url_of

            known = self.known(name)
            if name == DEFAULT and is_in_memory(known):
                raise ConfigurationError(
                    "The store is in memory, where nobody else finds it; set databases.default to a file or a server."
                )
            description = f"The database {name} of the settings"
            self._add(
                Database(name, url_of(known), description, self.app, self._registered, admin=url_of(known, "admin"))
            )
        return self._databases[name]

    def known(self, name: str) -> Bind:
        """What the settings tell of a bind. Raises `ConfigurationError`."""
        return named(self.binds, name)

    def known_or_at(self, told: str) -> Bind:
        """What the settings tell of a bind, or what a URL tells. Raises `ConfigurationError`."""
        return named_or_at(self.binds, told)

    def unregister(self, database: str) -> None:
        """Forget a database and close its connections."""
        known = self._databases.pop(database, None)
        if known is not None:
            known.dispose()

    def get(self, name: str | None = None, plugin: Any = None) -> Any:
        """One database by name, or a dictionary of them, of one plugin or of all."""
        if name is not None and plugin is None and name not in self._databases and name in self.binds:
            return self.bind(name)
        return gw_get(dict(self._databases), name, plugin)

    def bind_of(self, table: Any) -> str:
        """The name of the database that has a table of a registered class, else the store's."""
        return self._places[table].database.name if table in self._places else DEFAULT

    def used(self) -> list[str]:
        """The binds in which plugins have tables, or migrations for some."""
        return [name for name in self.binds if self.mapped(name) or self.lines(name)]

    def mapped(self, name: str) -> list[Any]:
        """The tables of the classes that are registered for a bind, as SQLAlchemy has them."""
        known = self._databases.get(name)
        return known.tables() if known else []

    def place(self, clazz: Any, database: "Database", plugin: Any) -> None:
        """Note which database has the table of a class.

        Raises `PluginError` if another bind, or another class in this one, has a table of that name in whatever case.
        """
        table = getattr(clazz, "__table__", None)
        known = self._places.get(table)
        if table is None or (known and known.database is database and plugin in (known.plugin, self.app)):
            return
        if database.is_bind:
            self._refuse_taken(clazz, str(table.name))
        self._places[table] = Place(clazz=clazz, database=database, plugin=plugin)

    def _refuse_taken(self, clazz: type, table: str) -> None:
        from csv_manager.store.schema import VERSION_TABLE, metadata

        name = table.casefold()
        taken = (place for place in self._places.values() if place.database.is_bind and place.table.casefold() == name)
        other = next(taken, None)
        is_ours = name in (VERSION_TABLE, *metadata.tables) or name.startswith(LINES)
        if other is not None or is_ours:
            where = other.database.name if other else DEFAULT
            owner = f"plugin {other.plugin.name}" if other else "csv_manager"
            raise PluginError(
                f"{clazz.__name__}: the database {where} has a table {table!r} already, of {owner}; one session sees "
                "all databases, so name it otherwise."
            )

    def forget(self, plugin: Any, **_: Any) -> None:
        """Forget what a plugin registered: its classes, migrations and databases."""
        for table, place in list(self._places.items()):
            if place.plugin is plugin:
                del self._places[table]
                place.database.classes.forget(place.clazz)
        for name, lines in self._lines.items():
            self._lines[name] = [line for line in lines if line.name != plugin.name]
        for name, database in list(self._databases.items()):
            if database.plugin is plugin:
                self.unregister(name)

    def lines(self, name: str) -> list[Any]:
        """The lines of migrations that plugins have for a bind."""
        return self._lines.get(name, [])

    def add_migrations(self, folder: str, plugin: Any, bind: str = DEFAULT) -> None:
        """Have a plugin's tables be made by migrations, the modules of a folder.

        Raises `ConfigurationError` for an unknown bind, `PluginError` for a second folder.
        """
        from csv_manager.framework.plugin_migrations import line_of_plugin

        line, lines = line_of_plugin(plugin, folder), self._lines.setdefault(self.known(bind).name, [])
        other = next((known for known in lines if known.version_table == line.version_table), None)
        if other is not None and other != line:
            raise PluginError(f"{line.name}: {other.name} has migrations for the database {bind} already.")
        if other is None:
            lines.append(line)

    def dispose(self) -> None:
        """Close the connections of every database."""
        if self._session is not None:
            self._session.remove()
        for database in self._databases.values():
            database.dispose()

    def _add(self, database: "Database") -> "Database":
        self._databases[database.name] = database
        self.app.signals.send("db_registered", plugin=database.plugin, database=database)
        return database

    def _registered(self, database: "Database", clazz: type) -> None:
        self.place(clazz, database, database.plugin)
        self.app.signals.send("db_class_registered", plugin=database.plugin, database=database, db_class=clazz)


class BoundClasses:
    """`databases.classes`: mapped classes, each in the bind that its `__bind_key__` names, or in the store's."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def register(self, clazz: Mapped, plugin: Any = None) -> Mapped:
        """Register a mapped class and return it; its table is made by csv_manager database_upgrade, or `create_all`.

        Raises `ConfigurationError` for an unknown bind, `PluginError` for a table that another class has, in whatever
        bind.
        """
        name = getattr(clazz, "__bind_key__", None) or DEFAULT
        owner = plugin or self._databases.app
        try:
            database = self._databases.bind(name)
        except ConfigurationError as error:
            raise ConfigurationError(f"{clazz.__name__} of {owner.name}: {error}") from None
        self._databases.place(clazz, database, owner)
        if clazz not in database.classes.get().values():
            database.classes.register(clazz)
        return clazz


class Database:
    """One database: an engine, a declarative base, and sessions of threads; `admin` is the URL of who makes tables."""

    def __init__(
        self,
        name: str,
        url: Any,
        description: str,
        plugin: Any,
        registered: Callable[["Database", type], None],
        admin: Any = None,
    ) -> None:
        from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

        from csv_manager.store.engine import make_engine

        self.name = name
        self.description = description
        self.plugin = plugin
        self.engine = make_engine(url, snapshots=False)
        self.database_url = self.engine.url.render_as_string(hide_password=True)
        self.session = scoped_session(sessionmaker(bind=self.engine))
        self.Base: Any = declarative_base()
        self.Base.query = self.session.query_property()
        self.classes = DatabaseClasses(lambda clazz: registered(self, clazz))
        #: Whether it is one of the settings.
        self.is_bind = admin is not None
        self._admin = admin

    def create_all(self) -> None:
        """Make the tables of the registered classes that do not exist yet, and grant the user rights on their rows."""
        from csv_manager.store.upgrade import create_tables

        create_tables(self.engine, self._admin, self.tables())

    def tables(self) -> list[Any]:
        """The tables of the registered classes, and the others of `Base`, as SQLAlchemy has them."""
        tables = [clazz.__table__ for clazz in self.classes.get().values()]
        return list({**self.Base.metadata.tables, **{table.name: table for table in tables}}.values())

    def add(self, instance: object) -> None:
        """Add an instance to this thread's session."""
        self.session.add(instance)

    def delete(self, instance: object) -> None:
        """Delete an instance in this thread's session."""
        self.session.delete(instance)

    def query(self, *entities: Any) -> Any:
        """Query in this thread's session."""
        return self.session.query(*entities)

    def commit(self) -> None:
        """Commit this thread's session."""
        self.session.commit()

    def rollback(self) -> None:
        """Roll this thread's session back."""
        self.session.rollback()

    def close(self) -> None:
        """End this thread's session, so that its next query sees what others wrote."""
        self.session.remove()

    def dispose(self) -> None:
        """End this thread's session and close every connection."""
        from csv_manager.store.engine import dispose

        self.session.remove()
        dispose(self.engine)


class DatabaseClasses:
    """The mapped classes of one database."""

    def __init__(self, registered: Callable[[type], None]) -> None:
        self._registered = registered
        self._classes: dict[str, type] = {}

    def register(self, clazz: Mapped, name: str | None = None, description: str | None = None) -> Mapped:
        """Register a mapped class and return it. Raises `PluginError` for a name that is taken."""
        del description
        key = name or clazz.__name__
        if key in self._classes:
            raise PluginError(f"The class {key} is registered in this database already.")
        self._registered(clazz)
        self._classes[key] = clazz
        return clazz

    def unregister(self, name: str) -> type | None:
        """Forget a class."""
        return self._classes.pop(name, None)

    def forget(self, clazz: type) -> None:
        """Forget a class by whatever name."""
        self._classes = {name: known for name, known in self._classes.items() if known is not clazz}

    def get(self, clazz_name: str | None = None) -> Any:
        """One class by name, or the dictionary of all."""
        return dict(self._classes) if clazz_name is None else self._classes.get(clazz_name)
