"""What the logs execute for themselves, and tell nobody."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection

_QUIET = "csv_manager.audit.quiet"


@contextlib.contextmanager
def quiet(connection: Connection) -> Iterator[None]:
    """What is executed here is the log's own."""
    before = connection.info.get(_QUIET, False)
    connection.info[_QUIET] = True
    try:
        yield
    finally:
        connection.info[_QUIET] = before


def is_quiet(connection: Connection) -> bool:
    """Whether what is executed is the log's own."""
    return bool(connection.info.get(_QUIET))
