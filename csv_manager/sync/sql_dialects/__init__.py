"""What differs between the databases that tables can be in: a module for each, behind one registry."""

from csv_manager.core.errors import OptionError
from csv_manager.sync.sql_dialects.interface import SqlDialect
from csv_manager.sync.sql_dialects.mysql import Mariadb, Mysql
from csv_manager.sync.sql_dialects.postgresql import Postgresql
from csv_manager.sync.sql_dialects.sqlite import Sqlite

__all__ = ["SqlDialect", "sql_dialect_named"]

_KNOWN: dict[str, SqlDialect] = {known.name: known for known in (Sqlite(), Postgresql(), Mysql(), Mariadb())}


def sql_dialect_named(name: str) -> SqlDialect:
    """What is known of a kind of database. Raises `OptionError` for another one."""
    if name not in _KNOWN:
        raise OptionError(f"{name} is no dialect of SQL that is known here; there are {', '.join(_KNOWN)}.")
    return _KNOWN[name]
