"""Brings the tables of a database to what is known here, or refuses those from the future."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.schema import sort_tables

from csv_manager.core.errors import StoreError
from csv_manager.store import roles
from csv_manager.store.engine import name_of, reading, telling, using, writing
from csv_manager.store.schema import REVISION, VERSION_TABLE, metadata

_FOLDER = Path(__file__).parent / "migrations"


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
    with reading(engine) as connection:
        found = _revision(connection, CORE)
    if found == REVISION:
        return
    if engine.dialect.name == "sqlite":
        upgrade(engine, CORE)
    elif found is None:
        upgrade_as(engine, admin, CORE)
    else:
        _refuse_newer(engine, CORE, found)
        raise StoreError(
            f"The store {name_of(engine.url)} has schema {found}, and this csv_manager needs {REVISION}; csv_manager "
            "database_upgrade upgrades it."
        )


def upgrade_as(engine: Engine, admin: URL | None, migrations: Migrations) -> bool:
    """`upgrade` by `admin`, if that is another user than the engine's, who is granted rights on the rows then."""
    if admin is None or admin.username == engine.url.username:
        return upgrade(engine, migrations)
    with using(admin) as administrators:
        changed = upgrade(administrators, migrations)
        with writing(administrators) as connection:
            roles.grant(connection, engine.url, tables_of(connection, migrations))
    return changed


def create_tables(engine: Engine, admin: URL | None, tables: Iterable[Table]) -> None:
    """Make the tables that are not there, by `admin` if that is another user, who grants rights on their rows then."""
    told = sort_tables(tables)
    if admin is None or admin.username == engine.url.username:
        with telling(engine):
            for table in told:
                table.create(engine, checkfirst=True)
        return
    with using(admin) as administrators, writing(administrators) as connection:
        for table in told:
            table.create(connection, checkfirst=True)
        roles.grant(connection, engine.url, [table.name for table in told])


def upgrade(engine: Engine, migrations: Migrations) -> bool:
    """Make or upgrade the tables; whether there was anything to do. Raises `StoreError`, and changes nothing then.

    It is one transaction, where the database undoes DDL; elsewhere what was not finished is gone on with next time.
    """
    newest = _newest(migrations)
    with reading(engine) as connection:
        if _revision(connection, migrations) == newest:
            return False
    with writing(engine) as connection:
        found = _revision(connection, migrations)
        if found == newest:
            return False
        _refuse_newer(engine, migrations, found)
        _migrate(connection, migrations)
        return True


def state_of(engine: Engine, migrations: Migrations) -> SchemaState:
    """Where the tables of a database stand. Raises `StoreError`."""
    with reading(engine) as connection:
        found = _revision(connection, migrations)
    newest, known = _newest(migrations), set(_known(migrations))
    state = "ok" if found == newest else "empty" if found is None else "behind" if found in known else "newer"
    return SchemaState(found=found, newest=newest, state=state)


def sql_of(engine: Engine, migrations: Migrations) -> str:
    """The statements that `upgrade` would execute; empty if there are none. Raises `StoreError`."""
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
        command.upgrade(config, f"{found}:head" if found else "head", sql=True)
    return written.getvalue()


def _tried(connection: Connection, migrations: Migrations) -> str:
    """The statements of an upgrade, as they were executed on tables like those that are there, without their rows.

    SQLite changes a table by making another one, for which Alembic has to look at it.
    """
    made = text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    found = _revision(connection, migrations)
    statements = list(connection.execute(made).scalars())
    written: list[str] = []
    with using("sqlite://") as scratch:
        with writing(scratch) as copy:
            for statement in statements:
                copy.exec_driver_sql(statement)
            if found is not None:
                copy.exec_driver_sql(f"INSERT INTO {migrations.version_table} VALUES (?)", (found,))  # noqa: S608 - ours

        @event.listens_for(scratch, "before_cursor_execute")
        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN")):
                written.append(f"{statement.strip()};")

        upgrade(scratch, migrations)
    return "\n\n".join(written)


def tables_of(connection: Connection, migrations: Migrations) -> list[str]:
    """The tables of csv_manager that are there, and that of a line's revision."""
    there = set(inspect(connection).get_table_names())
    names = [*metadata.tables, CORE.version_table] if migrations is CORE else [migrations.version_table]
    return [name for name in names if name in there]


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
    from alembic.script import ScriptDirectory

    for script in ScriptDirectory.from_config(_config(migrations)).walk_revisions():
        yield script.revision


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
