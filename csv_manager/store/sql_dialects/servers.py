"""What the databases of servers have in common."""

from typing import Any

from sqlalchemy.engine import URL

#: Seconds after which a server that does not answer is taken to be not there.
CONNECT_SECONDS = 10
#: A connection is tried before it is used: the server may have been started anew meanwhile.
POOL: dict[str, Any] = {"pool_pre_ping": True}


def name_of(url: URL) -> str:
    """Where a database is: its address and name, without user, password and options."""
    return URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database).render_as_string()


def login(url: URL) -> str:
    """Who logs in, for people."""
    return f"the user {url.username}" if url.username else "the user that the driver chooses"


def clause(error: object) -> str:
    """What a server says, as one clause."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return "; ".join(lines).rstrip(".?")
