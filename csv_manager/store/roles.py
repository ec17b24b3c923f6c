"""Two users of one database: an administrator, who owns the tables, and one who reads and writes their rows."""

from collections.abc import Iterable

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from csv_manager.store.sql_dialects import sql_dialect_of


def grant(connection: Connection, user: URL, tables: Iterable[str]) -> None:
    """Let a user read and write the rows of tables: nothing else, and of no other tables.

    `connection` is the administrator's, `user` the URL of the other one. Raises `StoreError` if the user cannot log in.
    """
    for statement in sql_dialect_of(connection.engine).grants(connection, user, list(tables)):
        connection.exec_driver_sql(statement)  # the quoted names have their percent signs doubled for the driver
