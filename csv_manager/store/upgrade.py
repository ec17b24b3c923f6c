"""Brings a store's schema to what this csv_manager knows, or refuses one from the future."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from csv_manager.core.errors import StoreError
from csv_manager.store.engine import name_of, reading, writing
from csv_manager.store.schema import REVISION, VERSION_TABLE


def upgrade(engine: Engine) -> None:
    """Make or upgrade the tables in one transaction; a store that is up to date costs one query."""
    with reading(engine) as connection:
        if _revision(connection) == REVISION:
            return
    with writing(engine) as connection:
        found = _revision(connection)
        if found != REVISION:
            _migrate(connection, found)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return revision


def _migrate(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"The store {name_of(connection.engine.url)} was made by a newer csv_manager (schema {found}, this one "
            f"knows {REVISION}); install that version: pip install -U csv_manager."
        )
    command.upgrade(config, "head")
