"""What the databases of servers have in common."""

from typing import Any

from sqlalchemy import Connection, CursorResult
from sqlalchemy.engine import URL

#: Seconds after which a server that does not answer is taken to be not there.
CONNECT_SECONDS = 10
#: What is said of one that cannot be connected to, or not as this user.
CHECK = "check its dialect, address, database and user, and that the server is running"
#: A connection is tried before it is used: the server may have been started anew meanwhile.
POOL: dict[str, Any] = {"pool_pre_ping": True}


def name_of(url: URL) -> str:
    """Where a database is: its address and name, without user, password and options."""
    return URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database).render_as_string()


def login(url: URL) -> str:
    """Who logs in, for people."""
    return f"the user {url.username}" if url.username else "the user that the driver chooses"


def clause(error: object) -> str:
    """What a server says, as one clause, but for its questions."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    lines = lines[:1] + [line for line in lines[1:] if not line.endswith("?")]
    return "; ".join(lines).rstrip(".?")


def missing_table(said: str) -> str:
    """That a table is missing, csv_manager's or a plugin's, and what to do about it."""
    return f"a table is missing ({said}); csv_manager database_upgrade makes those of csv_manager and of its plugins"


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """Execute a statement as the server reads it: without values, in whose place a percent sign could stand."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
