"""What differs between the databases that a store can be in: a module for each, behind one registry."""

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from csv_manager.core.errors import ConfigurationError
from csv_manager.store.sql_dialects.interface import BUSY, SqlDialect, UserTables
from csv_manager.store.sql_dialects.mysql import Mysql
from csv_manager.store.sql_dialects.postgresql import Postgresql
from csv_manager.store.sql_dialects.servers import run
from csv_manager.store.sql_dialects.sqlite import Sqlite

__all__ = ["BUSY", "SqlDialect", "UserTables", "run", "sql_dialect_of"]

#: By SQLAlchemy's names of backends.
_KNOWN: dict[str, SqlDialect] = {
    "sqlite": Sqlite(),
    "postgresql": Postgresql(),
    "mysql": Mysql(),
    "mariadb": Mysql(),
}


def sql_dialect_of(database: Engine | URL) -> SqlDialect:
    """What is known of the database of an engine or URL. Raises `ConfigurationError` for another kind."""
    url = database.url if isinstance(database, Engine) else database
    name = url.get_backend_name()
    known = _KNOWN.get(name)
    if known is None:
        raise ConfigurationError(f"{name} is no database that csv_manager knows; it knows {', '.join(_KNOWN)}.")
    return known
