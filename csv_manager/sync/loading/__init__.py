"""Rows into tables in bulk: a loader for each kind of database, behind one registry."""

from sqlalchemy import Connection

from csv_manager.core.errors import OptionError
from csv_manager.sync.loading.interface import BusyTargetError, Counts, End, Loader, MisfitError, TargetError
from csv_manager.sync.loading.mysql import MysqlLoader
from csv_manager.sync.loading.postgresql import PostgresqlLoader
from csv_manager.sync.loading.sqlite import SqliteLoader

__all__ = ["BusyTargetError", "Counts", "End", "Loader", "MisfitError", "TargetError", "loader_of"]

_KNOWN: dict[str, Loader] = {"sqlite": SqliteLoader(), "postgresql": PostgresqlLoader(), "mysql": MysqlLoader()}


def loader_of(connection: Connection) -> Loader:
    """The loader for the database of a connection. Raises `OptionError` for another kind."""
    name = "mysql" if connection.dialect.name == "mariadb" else connection.dialect.name
    if name not in _KNOWN:
        raise OptionError(f"{name} is no database that rows are loaded into; there are {', '.join(_KNOWN)}.")
    return _KNOWN[name]
