"""Databases of plugins, in groundwork-database's shape and without its holes.

`register` returns an object with `Base`, `session`, `classes`, `create_all` and the session's verbs. A registered class
comes back as itself; sessions flush by themselves; SQLite has foreign keys and one database for all threads; no
password is in any attribute that a command might print. SQLAlchemy is imported at the first registration.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from groundwork.util import gw_get

from csv_manager.core.errors import PluginError

Mapped = TypeVar("Mapped", bound=type)


class Databases:
    """`app.databases`."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._databases: dict[str, Database] = {}
        app.signals.register("db_registered", app, "A database was registered: database.")
        app.signals.register("db_class_registered", app, "A mapped class was registered: database, db_class.")

    def register(self, database: str, database_url: str, description: str, plugin: Any = None) -> "Database":
        """Register a database under a name. Raises `PluginError` for a name that is taken."""
        if database in self._databases:
            owner = self._databases[database].plugin
            raise PluginError(f"The database {database} was registered by {owner.name} already.")
        new = Database(database, database_url, description, plugin or self.app, self._registered)
        self._databases[database] = new
        self.app.signals.send("db_registered", plugin=plugin or self.app, database=new)
        return new

    def unregister(self, database: str) -> None:
        """Forget a database and close its connections."""
        known = self._databases.pop(database, None)
        if known is not None:
            known.dispose()

    def get(self, name: str | None = None, plugin: Any = None) -> Any:
        """One database by name, or a dictionary of them, of one plugin or of all."""
        return gw_get(dict(self._databases), name, plugin)

    def dispose(self) -> None:
        """Close the connections of every database."""
        for database in self._databases.values():
            database.dispose()

    def _registered(self, database: "Database", clazz: type) -> None:
        self.app.signals.send("db_class_registered", plugin=database.plugin, database=database, db_class=clazz)


class Database:
    """One database: an engine, a declarative base and thread-scoped sessions."""

    def __init__(
        self,
        name: str,
        url: str,
        description: str,
        plugin: Any,
        registered: Callable[["Database", type], None],
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

    def create_all(self) -> None:
        """Make the tables of the registered classes that do not exist yet."""
        self.Base.metadata.create_all(self.engine)

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
