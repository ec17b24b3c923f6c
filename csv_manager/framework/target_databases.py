"""The databases of targets: engines by the names of the settings, or by URLs without a password."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from csv_manager.core.binds import Bind
from csv_manager.core.errors import ConfigurationError
from csv_manager.framework.bind_settings import binds_of, named_or_at


class TargetDatabases:
    """Engines of databases that targets are in, made when they are needed; `settings` tell the names."""

    def __init__(self, settings: Callable[[], Mapping[str, Any]]) -> None:
        self._settings = settings
        self._engines: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def engine(self, database: str) -> Any:
        """An engine for who reads and writes rows. Raises `ConfigurationError`."""
        return self._engine(database, "user")

    def admin(self, database: str) -> Any:
        """An engine for who makes tables, if that is another one."""
        bind = self.bind(database)
        return None if not bind.has_admin else self._engine(database, "admin")

    def named(self, database: str) -> str:
        """A name or URL that means the same wherever it is asked: the file of a URL by its absolute path."""
        bind = self.bind(database)
        if database in binds_of(self._settings()) or bind.sql_dialect != "sqlite":
            return database
        from csv_manager.store.urls import url_of

        url = url_of(bind)
        path = str(url.database)
        if path.startswith("file:"):
            return database
        return url.set(database=os.path.abspath(path)).render_as_string()

    def bind(self, database: str) -> Bind:
        """What is known of a database. Raises `ConfigurationError` for an unknown name, and for a URL to be refused."""
        return named_or_at(binds_of(self._settings()), database)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    def _engine(self, database: str, role: Any) -> Any:
        from csv_manager.store.engine import make_engine
        from csv_manager.store.urls import url_of

        bind = self.bind(database)
        with self._lock:
            if (database, role) not in self._engines:
                url = url_of(bind, role)
                if bind.sql_dialect == "sqlite":
                    _refuse_nowhere(str(url.database))
                self._engines[database, role] = make_engine(url)
            return self._engines[database, role]


def _refuse_nowhere(path: str) -> None:
    """Raise `ConfigurationError` for a file in a folder that is not there, which nobody meant."""
    folder = os.path.dirname(os.path.abspath(path))
    if not path.startswith("file:") and not os.path.isdir(folder):
        raise ConfigurationError(f"{path}: the folder {folder} does not exist; make it, or check the path.")
