"""Two users of one database: an administrator, who owns the tables, and one who reads and writes their rows."""

from collections.abc import Collection, Iterable

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    delete,
    insert,
    inspect,
    literal_column,
    select,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from csv_manager.core.errors import StoreError
from csv_manager.store.engine import reading, telling
from csv_manager.store.sql_dialects import sql_dialect_of

_NEVER = literal_column("1") == literal_column("0")


def grant(connection: Connection, user: URL, tables: Iterable[str]) -> None:
    """Let a user read and write the rows of tables: nothing else, and of no other tables.

    `connection` is the administrator's, `user` the URL of the other one. Raises `StoreError` if the user cannot log in.
    """
    for statement in sql_dialect_of(connection.engine).grants(connection, user, list(tables)):
        connection.exec_driver_sql(statement)  # the quoted names have their percent signs doubled for the driver


def refusal(engine: Engine) -> str | None:
    """Why a database cannot be used by who logs in; None if it can."""
    try:
        with reading(engine):
            return None
    except StoreError as error:
        return str(error)


def missing_tables(engine: Engine, tables: Iterable[str]) -> list[str]:
    """Those of the tables that are not there. Raises `StoreError`."""
    with reading(engine) as connection:
        there = set(inspect(connection).get_table_names())
    return [name for name in tables if name not in there]


def missing_rights(engine: Engine, tables: Collection[str], *, is_admin: bool = False) -> str | None:
    """What who logs in may not do with those of the tables that are there; None if nothing is missing.

    Statements that touch no row are executed, and nothing is changed. Raises `StoreError`.
    """
    with telling(engine), engine.connect() as connection:
        there = set(inspect(connection).get_table_names())
        if is_admin and not sql_dialect_of(engine).may_create(connection):
            return f"{engine.url.username} may not make tables there."
        missing = [name for table in sorted(there & set(tables)) for name in _missing(connection, table)]
        connection.rollback()
    if not missing:
        return None
    who = engine.url.username or "who logs in"
    return f"{who} may not {', '.join(missing)}; csv_manager database_upgrade grants it."


def _missing(connection: Connection, name: str) -> list[str]:
    names = [column["name"] for column in inspect(connection).get_columns(name)]
    table = Table(name, MetaData(), *map(Column, names))
    own = table.c[names[0]]
    tried = {
        "SELECT": select(own).where(_NEVER),
        "UPDATE": update(table).values({names[0]: own}).where(_NEVER),
        "DELETE": delete(table).where(_NEVER),
        "INSERT": insert(table).from_select(names, select(table).where(_NEVER)),
    }
    missing = []
    for right, statement in tried.items():
        try:
            with connection.begin_nested():
                connection.execute(statement)
        except DBAPIError:
            missing.append(f"{right} {name}")
    return missing
