"""Connections to databases that tables are loaded into."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import servers
from sqlalchemy import Connection, create_engine


@contextlib.contextmanager
def connected(kind: str, folder: Path) -> Iterator[tuple[str, Connection]]:
    """The name of the SQL dialect, and a connection to a new database; `mariadb by INSERT` is one without LOAD DATA."""
    name, _, is_slow = kind.partition(" by ")
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'target.db'}" if name == "sqlite" else stack.enter_context(servers.database(name))
        told = {"local_infile": True} if name == "mariadb" and not is_slow else {}
        engine = create_engine(url, connect_args=told)
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.connect())
        if name == "mariadb":
            connection.exec_driver_sql("SET SESSION sql_mode = 'TRADITIONAL'")
            connection.commit()
        yield name, connection
