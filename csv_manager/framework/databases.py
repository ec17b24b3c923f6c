"""Databases of plugins, in groundwork-database's shape and without its holes, and those that the settings tell of.

`register` returns an object with `Base`, `session`, `classes`, `create_all` and the session's verbs. A registered class
comes back as itself; sessions flush by themselves; SQLite has foreign keys and one database for all threads; no
password is in any attribute that a command might print. SQLAlchemy is imported at the first registration.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from groundwork.util import gw_get

from csv_manager.core.binds import DEFAULT, Bind
from csv_manager.core.errors import ConfigurationError, PluginError
from csv_manager.framework.bind_settings import binds_of

Mapped = TypeVar("Mapped", bound=type)


class Databases:
    """`app.databases`: those that plugins registered, and the binds of the settings, `settings()`."""

    def __init__(self, app: Any, settings: Callable[[], Mapping[str, Any]]) -> None:
        self.app = app
        self._settings = settings
        self._databases: dict[str, Database] = {}
        self._session: Any = None
        #: Which bind has a table of a registered class, and which plugin said so.
        self._tables: dict[str, tuple[str, Any]] = {}
        self._lines: dict[str, list[Any]] = {}
        self.classes = BoundClasses(self)
        app.signals.register("db_registered", app, "A database was registered: database.")
        app.signals.register("db_class_registered", app, "A mapped class was registered: database, db_class.")

    @property
    def binds(self) -> dict[str, Bind]:
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
            from csv_manager.store.urls import url_of

            known = self.known(name)
            description = f"The database {name} of the settings"
            self._add(
                Database(name, url_of(known), description, self.app, self._registered, admin=url_of(known, "admin"))
            )
        return self._databases[name]

    def known(self, name: str) -> Bind:
        """What the settings tell of a bind. Raises `ConfigurationError`."""
        binds = self.binds
        if name not in binds:
            close = difflib.get_close_matches(name, binds, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(binds)}."
            raise ConfigurationError(f"There is no database {name!r} in the settings; {hint}")
        return binds[name]

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

    def bind_of(self, table: str) -> str:
        """The name of the bind that has a table."""
        return self._tables[table][0] if table in self._tables else DEFAULT

    def tables_of(self, name: str) -> list[str]:
        """The tables of the classes that are registered for a bind."""
        return [table for table, (bind, _) in self._tables.items() if bind == name]

    def place(self, clazz: Any, bind: str, plugin: Any) -> None:
        """Note which bind has the table of a class. Raises `PluginError` if another one has a table of that name."""
        from csv_manager.store.schema import metadata

        table = str(clazz.__table__.name)
        other = self._tables.get(table) or ((DEFAULT, None) if table in metadata.tables else None)
        if other is not None:
            owner = f"plugin {other[1].name}" if other[1] is not None else "csv_manager"
            raise PluginError(
                f"{clazz.__name__}: the database {other[0]} has a table {table!r} already, of {owner}; one session "
                "sees all databases, so name it otherwise."
            )
        self._tables[table] = bind, plugin

    def lines(self, name: str) -> list[Any]:
        """The lines of migrations that plugins have for a bind."""
        return self._lines.get(name, [])

    def add_migrations(self, folder: str, plugin: Any, bind: str = DEFAULT) -> None:
        """Have a plugin's tables be made by migrations, the modules of a folder. Raises `ConfigurationError`."""
        from csv_manager.framework.bind_upkeep import line_of_plugin

        self._lines.setdefault(self.known(bind).name, []).append(line_of_plugin(plugin, folder))

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
        database = self._databases.bind(name)
        self._databases.place(clazz, name, plugin or self._databases.app)
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
        self._admin = admin

    def create_all(self) -> None:
        """Make the tables of the registered classes that do not exist yet, and grant the user rights on their rows."""
        from csv_manager.store.upgrade import create_tables

        tables = [clazz.__table__ for clazz in self.classes.get().values()]
        create_tables(self.engine, self._admin, {**self.Base.metadata.tables, **{t.name: t for t in tables}}.values())

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
        self.session.remove()
        self.engine.dispose()


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
        self._classes[key] = clazz
        self._registered(clazz)
        return clazz

    def unregister(self, name: str) -> type | None:
        """Forget a class."""
        return self._classes.pop(name, None)

    def get(self, clazz_name: str | None = None) -> Any:
        """One class by name, or the dictionary of all."""
        return dict(self._classes) if clazz_name is None else self._classes.get(clazz_name)
