"""What each database has of its own: how rows are audited, and read back without loss."""

from sqlalchemy import Connection

from csv_manager.audit.sql_dialects.interface import SqlDialect
from csv_manager.audit.sql_dialects.mariadb import Mariadb
from csv_manager.audit.sql_dialects.postgresql import Postgresql
from csv_manager.audit.sql_dialects.sqlite import Sqlite
from csv_manager.core.errors import ConfigurationError

_KNOWN: dict[str, SqlDialect] = {"sqlite": Sqlite(), "postgresql": Postgresql(), "mariadb": Mariadb()}


def sql_dialect_of(connection: Connection) -> SqlDialect:
    """The module of a connection's database. Raises `ConfigurationError` for one that cannot be audited."""
    name = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else connection.dialect.name
    if name not in _KNOWN:
        raise ConfigurationError(f"Tables of {name} cannot be audited; those of {', '.join(_KNOWN)} can.")
    return _KNOWN[name]
