"""Brings the tables of a database to what is known here, or refuses those from the future."""

import contextlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, Table, create_mock_engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.schema import DDLElement, sort_tables

from csv_manager.core.errors import StoreError
from csv_manager.store import roles
from csv_manager.store.engine import name_of, reading, using, writing
from csv_manager.store.schema import REVISION, VERSION_TABLE, metadata
from csv_manager.store.sql_dialects import UserTables, sql_dialect_of

if TYPE_CHECKING:
    from alembic.script import Script

_FOLDER = Path(__file__).parent / "migrations"
#: A table's name in SQL, in quotes or not, behind that of its schema or not.
_NAME = r'(?:(?:"(?:[^"]|"")+"|`(?:[^`]|``)+`|[^\s(;"`.]+)\.)?("(?:[^"]|"")+"|`(?:[^`]|``)+`|[^\s(;"`.]+)'
#: What makes a table, renames one, or drops one.
_CHANGE = re.compile(
    rf"^\s*(?:CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}"
    rf"|ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}\s+RENAME\s+TO\s+{_NAME}"
    rf"|DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME})",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Migrations:
    """One line of migrations, csv_manager's own or a plugin's: a branch with a table of its own for its revision.

    `folder` has a module for each. `newest` is its last revision, where that is known without Alembic.
    """

    name: str
    folder: Path
    version_table: str
    newest: str | None = None


CORE = Migrations(name="csv_manager", folder=_FOLDER / "versions", version_table=VERSION_TABLE, newest=REVISION)


@dataclass(frozen=True, kw_only=True)
class SchemaState:
    """Where the tables of a database stand: `found` is their revision, None for none; `newest` the one known here.

    `state` is `ok`, `empty`, `behind` or `newer`.
    """

    found: str | None
    newest: str
    state: str


def open_schema(engine: Engine, admin: URL | None = None) -> None:
    """Have the tables of the store be there, as they are known here; where they are, that costs one query.

    A new store is made, by `admin` if that is another user, who grants the engine's user rights on its rows. An older
    one in an SQLite file is upgraded; one on a server, which other hosts use too, is left to `upgrade`. Raises
    `StoreError`.
    """
    try:
        found = _found(engine, CORE)
    except StoreError as refused:
        # Of a new database that a user has no rights in yet, some servers do not even tell that it is empty.
        if not roles.are_two(admin, engine.url) or not roles.is_shut_out(engine, refused):
            raise
        with using(admin) as administrators, writing(administrators) as connection:
            found = _revision(connection, CORE)
        if found is not None:  # who made it just now has granted the rights by now
            found = _found(engine, CORE)
    if found == REVISION:
        return
    if engine.dialect.name == "sqlite":
        upgrade(engine, CORE)
    elif found is None:
        upgrade_as(engine, admin, CORE)
    else:
        with writing(engine) as connection:  # where DDL commits by itself, somebody may be about to make it
            found = _revision(connection, CORE)
        if found == REVISION:
            return
        _refuse_newer(engine, CORE, found)
        raise StoreError(
            f"The store {name_of(engine.url)} has schema {found}, and this csv_manager needs {REVISION}; csv_manager "
            "database_upgrade upgrades it."
        )


def upgrade_as(engine: Engine, admin: URL | None, migrations: Migrations) -> bool:
    """`upgrade` by `admin`, if that is another user than the engine's, who is granted rights on the rows then.

    Where that could not be, nothing is made.
    """
    if not roles.are_two(admin, engine.url):
        return upgrade(engine, migrations)
    with using(admin) as administrators:
        roles.refuse_unfit(administrators, engine.url)
        wanted = tables_of(administrators, migrations)
        with writing(administrators) as connection:
            with _executed(administrators) as statements:
                changed = _upgrade(connection, migrations)
            # A migration that looks at the database tells what it makes only while it does.
            made = after(";\n".join(statements), administrators).difference(wanted.written, wanted.read)
            wanted = UserTables(written=(*wanted.written, *made), read=wanted.read)
            roles.grant(connection, engine.url, within(wanted, inspect(connection).get_table_names()))
    return changed


def create_tables(engine: Engine, admin: URL | None, tables: Iterable[Table]) -> None:
    """Make the tables that are not there, by `admin` if that is another user, who grants rights on their rows then."""
    told = sort_tables(tables)
    if not roles.are_two(admin, engine.url):
        with writing(engine) as connection:
            _create(connection, told)
        return
    with using(admin) as administrators:
        roles.refuse_unfit(administrators, engine.url)
        with writing(administrators) as connection:
            _create(connection, told)
            roles.grant(connection, engine.url, UserTables(written=tuple(table.name for table in told)))


def _create(connection: Connection, tables: Iterable[Table]) -> None:
    for table in tables:
        table.create(connection, checkfirst=True)


def upgrade(engine: Engine, migrations: Migrations) -> bool:
    """Make or upgrade the tables; whether there was anything to do. Raises `StoreError`, and changes nothing then.

    It is one transaction, where the database undoes DDL; elsewhere what was not finished is gone on with next time.
    """
    if _found(engine, migrations) == _newest(migrations):
        return False
    with writing(engine) as connection:
        return _upgrade(connection, migrations)


def _upgrade(connection: Connection, migrations: Migrations) -> bool:
    found = _revision(connection, migrations)
    if found == _newest(migrations):
        return False
    _refuse_newer(connection.engine, migrations, found)
    _migrate(connection, migrations)
    return True


def state_of(engine: Engine, migrations: Migrations) -> SchemaState:
    """Where the tables of a database stand. Raises `StoreError`."""
    found = _found(engine, migrations)
    newest, known = _newest(migrations), set(_known(migrations))
    state = "ok" if found == newest else "empty" if found is None else "behind" if found in known else "newer"
    return SchemaState(found=found, newest=newest, state=state)


def sql_of(engine: Engine, migrations: Migrations) -> str:
    """The statements that `upgrade` would execute; empty if there are none.

    Raises `StoreError`, also where a migration has to look at the database while it is executed.
    """
    from alembic import command

    with reading(engine) as connection:
        found = _revision(connection, migrations)
        _refuse_newer(engine, migrations, found)
        if found == _newest(migrations):
            return ""
        if engine.dialect.name == "sqlite":
            return _tried(connection, migrations)
        config = _config(migrations)
        config.attributes["connection"] = connection
        config.output_buffer = written = io.StringIO()
        try:
            command.upgrade(config, f"{found}:head" if found else "head", sql=True)
        except Exception as error:
            raise StoreError(
                f"The statements of {migrations.name} cannot be shown, since a migration looks at the database "
                f"({error}); csv_manager database_upgrade executes them."
            ) from error
    return _plain(written.getvalue(), engine)


def sql_of_tables(engine: Engine, tables: Iterable[Table]) -> str:
    """The statements that make tables that are not there."""
    written: list[str] = []

    def note(statement: DDLElement, *_: object, **__: object) -> None:
        written.append(f"{str(statement.compile(dialect=engine.dialect)).strip()};")

    for table in sort_tables(tables):
        table.create(create_mock_engine(engine.url, note), checkfirst=False)
    return _plain("\n\n".join(written), engine)


def sql_of_grants(engine: Engine, user: URL, tables: UserTables) -> str:
    """The statements by which an administrator, the engine's, lets a user in and at tables. Raises `StoreError`."""
    with reading(engine) as connection:
        return "\n\n".join(f"{statement};" for statement in sql_dialect_of(engine).grants(connection, user, tables))


def _tried(connection: Connection, migrations: Migrations) -> str:
    """The statements of an upgrade, as they were executed on tables like those that are there, without their rows.

    SQLite changes a table by making another one, for which Alembic has to look at it.
    """
    made = text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    found = _revision(connection, migrations)
    statements = list(connection.execute(made).scalars())
    with using("sqlite://") as scratch:
        with writing(scratch) as copy:
            for statement in statements:
                copy.exec_driver_sql(statement)
            if found is not None:
                copy.exec_driver_sql(f"INSERT INTO {migrations.version_table} VALUES (?)", (found,))  # noqa: S608 - ours

        with _executed(scratch) as written:
            upgrade(scratch, migrations)
    kept = (told.strip() for told in written if not told.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN")))
    return "\n\n".join(f"{statement};" for statement in kept)


@contextlib.contextmanager
def _executed(engine: Engine) -> Iterator[list[str]]:
    """The statements that an engine executes meanwhile, as its driver is told them."""
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        written.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield written
    finally:
        event.remove(engine, "before_cursor_execute", note)


def tables_of(engine: Engine, migrations: Migrations) -> UserTables:
    """The tables that a line of migrations makes, and that of its revision, which is only read."""
    if migrations is CORE:
        return UserTables(written=tuple(metadata.tables), read=(CORE.version_table,))
    made = after(_read(engine, migrations), engine) - {migrations.version_table}
    return UserTables(written=tuple(sorted(made)), read=(migrations.version_table,))


def within(tables: UserTables, there: Iterable[str]) -> UserTables:
    """Those of the tables that are there."""
    names = set(there)
    written, read = (tuple(name for name in told if name in names) for told in (tables.written, tables.read))
    return UserTables(written=written, read=read)


def after(statements: str, engine: Engine, there: Iterable[str] = ()) -> set[str]:
    """The names of the tables that are there after statements; of one without quotes also in small letters."""
    names = set(there)
    for made, old, new, dropped in _CHANGE.findall(_plain(statements, engine)):
        names -= _spellings(old or dropped)
        names |= _spellings(made or new)
    return names


def _spellings(name: str) -> set[str]:
    quote = name[:1]
    if quote and quote in '"`':
        return {name[1:-1].replace(quote * 2, quote)}
    return {name, name.lower()} - {""}


def _read(engine: Engine, migrations: Migrations) -> str:
    """What a line of migrations does from its begin, as SQL, as far as a migration can be read without a database."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    written = io.StringIO()
    context = MigrationContext.configure(dialect=engine.dialect, opts={"as_sql": True, "output_buffer": written})
    with Operations.context(context):
        for script in reversed(list(_scripts(migrations))):
            with contextlib.suppress(Exception):  # of a plugin's migration that looks at what is there
                script.module.upgrade()
    return written.getvalue()


def _plain(statements: str, engine: Engine) -> str:
    """SQL as a server reads it: for some drivers percent signs are doubled."""
    return statements.replace("%%", "%") if engine.dialect.paramstyle in ("format", "pyformat") else statements


def _found(engine: Engine, migrations: Migrations) -> str | None:
    """The revision of the tables that are there. Raises `StoreError`."""
    with reading(engine) as connection:
        return _revision(connection, migrations)


def _revision(connection: Connection, migrations: Migrations) -> str | None:
    if not inspect(connection).has_table(migrations.version_table):
        return None
    quoted = connection.dialect.identifier_preparer.quote(migrations.version_table)
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {quoted}")).scalar()  # noqa: S608 - quoted
    return revision


def _newest(migrations: Migrations) -> str:
    return migrations.newest or next(_known(migrations))


def _known(migrations: Migrations) -> Iterator[str]:
    """The revisions of a line, the newest first."""
    for script in _scripts(migrations):
        yield script.revision


def _scripts(migrations: Migrations) -> "Iterator[Script]":
    """The migrations of a line, the newest first."""
    from alembic.script import ScriptDirectory

    yield from ScriptDirectory.from_config(_config(migrations)).walk_revisions()


def _refuse_newer(engine: Engine, migrations: Migrations, found: str | None) -> None:
    if found is None or found in set(_known(migrations)):
        return
    who = "csv_manager" if migrations is CORE else f"plugin {migrations.name}"
    mend = "pip install -U csv_manager" if migrations is CORE else "install its newer version"
    raise StoreError(
        f"The store {name_of(engine.url)} was made by a newer {who} (schema {found}, this one knows "
        f"{_newest(migrations)}); install that version: {mend}."
    )


def _migrate(connection: Connection, migrations: Migrations) -> None:
    from alembic import command

    config = _config(migrations)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config(migrations: Migrations):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Alembic is imported when needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("version_locations", str(migrations.folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["version_table"] = migrations.version_table
    return config
