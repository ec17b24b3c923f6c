"""What a module of a database has to offer."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

#: Seconds that a transaction waits for another one that writes.
BUSY_SECONDS = 10
BUSY = "another process is writing to it and did not finish in time; try again"


class SqlDialect(Protocol):
    """One kind of database. Whoever writes to a store is alone with that, whatever the database."""

    #: SQLAlchemy's name of the driver that is used where a URL names none.
    driver: str
    #: What has to be installed for it: an extra of csv_manager.
    extra: str

    def make_engine(self, url: URL, *, snapshots: bool) -> Engine:
        """An engine. With `snapshots` it is one for `reading` and `writing`; without, one for sessions."""
        ...

    def beside(self, engine: Engine) -> Engine:
        """An engine for the same database with other connections, whose transactions a power cut may undo."""
        ...

    def reading(self, engine: Engine) -> contextlib.AbstractContextManager[Connection]:
        """A connection in a transaction that sees one state."""
        ...

    def writing(self, engine: Engine, *, alone: bool = True) -> contextlib.AbstractContextManager[Connection]:
        """A connection in a transaction in which, if it is `alone`, nobody else is; committed at the end."""
        ...

    def grants(self, connection: Connection, user: URL, tables: Sequence[str]) -> Iterator[str]:
        """The statements by which an administrator lets a user read and write the rows of tables, and nothing else."""
        ...

    def may_create(self, connection: Connection) -> bool:
        """Whether who is connected may make tables."""
        ...

    def name_of(self, url: URL) -> str:
        """A database's name for people, without a password."""
        ...

    def reason(self, url: URL, error: DBAPIError) -> str:
        """Why the database refused something, in words that follow a colon, with what to do about it."""
        ...
