"""Two users of one database: an administrator, who owns the tables, and one who reads and writes their rows."""

from collections.abc import Collection, Iterable
from typing import TypeGuard

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
from csv_manager.store.engine import name_of, reading, telling, using, writing
from csv_manager.store.sql_dialects import UserTables, run, sql_dialect_of

#: On rows; to read them is the first.
_RIGHTS = ("SELECT", "UPDATE", "DELETE", "INSERT")
_NEVER = literal_column("1") == literal_column("0")


def are_two(admin: URL | None, user: URL) -> TypeGuard[URL]:
    """Whether the administrator is another one than the user."""
    return admin is not None and admin.username != user.username


def grant(connection: Connection, user: URL, tables: UserTables) -> None:
    """Let a user do what it does with tables that are there: nothing else, and with no other tables.

    `connection` is the administrator's, `user` the URL of the other one. Raises `StoreError` if the user cannot log in.
    """
    for statement in sql_dialect_of(connection.engine).grants(connection, user, tables):
        run(connection, statement)


def let_in(administrators: Engine, user: URL) -> None:
    """Let a user enter a database in which it may have no tables. Raises `StoreError`."""
    refuse_unfit(administrators, user)
    with writing(administrators) as connection:
        grant(connection, user, UserTables())


def refuse_unfit(administrators: Engine, user: URL) -> None:
    """Raise `StoreError` if what an administrator makes would be of no use to a user; nothing is made yet."""
    reason = ungrantable(administrators, user) or apart(administrators, user)
    if reason is not None:
        raise StoreError(f"The store {name_of(user)}: {reason}")


def ungrantable(administrators: Engine, user: URL) -> str | None:
    """Why an administrator cannot give a user the rights that it needs; None if it can. Raises `StoreError`."""
    with reading(administrators) as connection:
        if sql_dialect_of(administrators).may_grant(connection):
            return None
    return (
        f"{administrators.url.username} may not grant {user.username} rights on tables; whoever administers the server "
        "lets it: GRANT SELECT, INSERT, UPDATE, DELETE ON the database TO it WITH GRANT OPTION."
    )


def apart(administrators: Engine, user: URL) -> str | None:
    """Why a user would not find the tables that an administrator makes; None if it would. Raises `StoreError`."""
    sql_dialect = sql_dialect_of(administrators)
    with reading(administrators) as connection:
        schema = sql_dialect.schema_of(connection)
    if schema is None:
        return None
    with using(user) as engine, reading(engine) as connection:
        schemas = sql_dialect.schemas_of(connection)
    if schema in schemas:
        return None
    admin = administrators.url.username
    return (
        f"{admin} makes tables in the schema {schema}, and {user.username} looks for them in {', '.join(schemas)}; set "
        "the search_path of both to one, by ALTER ROLE ... SET search_path or in the settings by "
        "options: {options: -csearch_path=...}."
    )


def is_shut_out(engine: Engine, refused: StoreError) -> bool:
    """Whether that was refused to somebody who may log in, and has no right in the database."""
    cause = refused.__cause__
    return isinstance(cause, DBAPIError) and sql_dialect_of(engine).is_shut_out(cause)


def refusal(engine: Engine) -> str | None:
    """Why a database cannot be used by who logs in; None if it can."""
    try:
        with reading(engine):
            return None
    except StoreError as error:
        return str(error)


def missing_tables(engine: Engine, tables: Iterable[str]) -> list[str]:
    """Those of the tables that are not there. Raises `StoreError`."""
    there = tables_there(engine)
    return [name for name in tables if name not in there]


def tables_there(engine: Engine) -> set[str]:
    """The tables that who logs in can see. Raises `StoreError`."""
    with reading(engine) as connection:
        return set(inspect(connection).get_table_names())


def uncreatable(engine: Engine) -> str | None:
    """Why who logs in cannot make tables; None if it can. Raises `StoreError`."""
    with reading(engine) as connection:
        if sql_dialect_of(engine).may_create(connection):
            return None
    return f"{engine.url.username} may not make tables there; set an `admin` that may."


def missing_rights(
    engine: Engine,
    tables: Iterable[str],
    *,
    read: Iterable[str] = (),
    there: Collection[str] | None = None,
) -> str | None:
    """What who logs in may not do with those of the tables that are there; None if nothing is missing.

    The rows of `read` are only read. `there` are tables that are there, where somebody else sees more of them.
    Statements that touch no row are executed, and nothing is changed. Raises `StoreError`.
    """
    with telling(engine), engine.connect() as connection:
        seen = set(inspect(connection).get_table_names())
        wanted = dict.fromkeys(tables, _RIGHTS) | dict.fromkeys(read, _RIGHTS[:1])
        missing = []
        for name in sorted(wanted.keys() & (seen | set(there or ()))):
            rights = _missing(connection, name, wanted[name]) if name in seen else wanted[name]
            missing += [f"{right} {name}" for right in rights]
        written = [name for name, rights in wanted.items() if rights == _RIGHTS and name in seen]
        missing += sql_dialect_of(engine).lacking(connection, written)
        connection.rollback()
    if not missing:
        return None
    return f"{engine.url.username or 'who logs in'} may not {', '.join(missing)}"


def excess(engine: Engine, tables: Collection[str]) -> str | None:
    """What who logs in may do that only an administrator has to; None if that is nothing. Raises `StoreError`."""
    with reading(engine) as connection:
        rights = sql_dialect_of(engine).excess(connection, sorted(tables))
    if not rights:
        return None
    who = engine.url.username or "who logs in"
    return f"{who} may {', '.join(rights)} tables, which only the admin has to; take that right from it."


def _missing(connection: Connection, name: str, rights: Collection[str]) -> list[str]:
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
    for right in rights:
        try:
            with connection.begin_nested():
                connection.execute(tried[right])
        except DBAPIError:
            missing.append(right)
    return missing
