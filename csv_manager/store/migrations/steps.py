"""Steps of migrations that can be taken again.

MariaDB and MySQL commit each of them by itself, so a process may die between two: the next one goes on there. Texts are
compared by their bytes on every database, and sorted by them where the store sorts.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from csv_manager.core.errors import StoreError
from csv_manager.store import event_triggers
from csv_manager.store.engine import name_of

#: A time in UTC with microseconds, which MySQL drops otherwise.
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
#: A number of 64 bits; a FLOAT of MySQL's has 32.
NUMBER = sa.Float().with_variant(mysql.DOUBLE(), "mysql", "mariadb")
#: A text that is sorted by its bytes.
PATH = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SHORT_PATH = sa.String(2048).with_variant(sa.String(2048, collation="C"), "postgresql")


def create_table(name: str, *columns: sa.Column[Any]) -> None:
    """Make a table, unless it is there. Raises `StoreError` if one of this name is there that is another program's."""
    if not _is_there(name, columns):
        op.create_table(name, *columns, **_options())


def copy_tables(tables: Sequence[sa.Table]) -> None:
    """As `create_table`, of tables that are the same in every revision."""
    metadata = sa.MetaData()
    for table in [table.to_metadata(metadata) for table in tables]:
        if not _is_there(table.name, table.columns):
            table.dialect_kwargs.update(_options())
            op.execute(CreateTable(table))


def guard_events(tables: Sequence[sa.Table]) -> None:
    """Have nobody change rows of the event record."""
    is_for_client = context.is_offline_mode() and _connection().dialect.name in ("mysql", "mariadb")
    for statement in event_triggers.statements(_connection().dialect.name, tables):
        if is_for_client:  # it would take the first semicolon within for the end
            op.get_context().impl.static_output(f"DELIMITER //\n{statement} //\nDELIMITER ;\n")
        else:
            op.execute(statement)


def _is_there(name: str, columns: Iterable[sa.Column[Any]]) -> bool:
    there = _inspector()
    if not there.has_table(name):
        return False
    if not {column.name for column in columns} <= {column["name"] for column in there.get_columns(name)}:
        store = name_of(_connection().engine.url)
        raise StoreError(
            f"The store {store} has a table {name} of another program; set WATCHER_DATABASE_LOCATION, or `default` in "
            "DATABASES, to another database."
        )
    return True


def add_columns(table: str, *columns: sa.Column[Any]) -> None:
    """Add columns, but for those that are there."""
    known = _names(table, "get_columns")
    missing = [column for column in columns if column.name not in known]
    if missing:
        with op.batch_alter_table(table) as batch:
            for column in missing:
                batch.add_column(column)


def create_index(name: str, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    """Make an index, unless it is there."""
    if name not in _names(table, "get_indexes"):
        op.create_index(name, table, columns, unique=unique)


def create_foreign_key(table: str, column: str, target: str) -> None:
    """Have a column refer to the `id` of another table, unless it does."""
    name = f"fk_{table}_{column}"
    if name not in _names(table, "get_foreign_keys"):
        with op.batch_alter_table(table) as batch:
            batch.create_foreign_key(name, target, [column], ["id"])


def add_counter(name: str, value: str) -> None:
    """Begin a counter at the value of an SQL expression, unless it was begun; `name` and `value` are constants."""
    counters = sa.table("csv_counters", sa.column("name"), sa.column("value"))
    mine = sa.select(counters.c.name).where(counters.c.name == name)
    if not _inspector().has_table(counters.name) or _connection().execute(mine).first() is None:
        op.execute(f"INSERT INTO csv_counters (name, value) SELECT '{name}', {value}")


def _inspector() -> sa.Inspector:
    """What is there; asked anew each time, since it remembers."""
    found: sa.Inspector = sa.inspect(_connection())
    return found


def _connection() -> sa.Connection:
    connection: sa.Connection = context.config.attributes["connection"]
    return connection


def _names(table: str, what: str) -> set[str]:
    """The names of what a table has; of one that is not there, as where its SQL is only written down, nothing."""
    there = _inspector()
    return {found["name"] for found in getattr(there, what)(table)} if there.has_table(table) else set()


def _options() -> dict[str, Any]:
    """How MySQL and MariaDB are to make a table: with transactions, and texts that are equal by their bytes alone."""
    found = _connection().dialect
    collation = "utf8mb4_nopad_bin" if getattr(found, "is_mariadb", False) else "utf8mb4_0900_bin"
    told = {"engine": "InnoDB", "charset": "utf8mb4", "collate": collation}
    return {f"{prefix}_{name}": value for prefix in ("mysql", "mariadb") for name, value in told.items()}
