"""What a module of a database has to offer."""

# ruff: noqa: ARG002 - what is answered for a database without a thing needs to know nothing

import abc
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

#: Seconds that a transaction waits for another one that writes.
BUSY_SECONDS = 10
BUSY = "another process is writing to it and did not finish in time; try again"


@dataclass(frozen=True, kw_only=True)
class UserTables:
    """The tables that a user needs: it reads and writes the rows of `written`, and of `read` it reads them.

    `loaded` are those of targets, each with its schema, which are written to by way of temporary tables.
    """

    written: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    loaded: tuple[tuple[str | None, str], ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Those of both."""
        return self.written + self.read


class SqlDialect(abc.ABC):
    """One kind of database. Whoever writes to a store is alone with that, whatever the database.

    What is answered here is what a database has that knows nothing of the question.
    """

    #: SQLAlchemy's name of the driver that is used where a URL names none.
    driver: str
    #: What has to be installed for it: an extra of csv_manager.
    extra: str

    @abc.abstractmethod
    def make_engine(self, url: URL, *, snapshots: bool) -> Engine:
        """An engine. With `snapshots` it is one for `reading` and `writing`; without, one for sessions."""

    def beside(self, engine: Engine) -> Engine:
        """An engine for the same database with other connections, whose transactions a power cut may undo."""
        return engine  # whose pool has others

    def reading(self, engine: Engine) -> contextlib.AbstractContextManager[Connection]:
        """A connection in a transaction that sees one state."""
        return engine.connect()

    @abc.abstractmethod
    def writing(self, engine: Engine, *, alone: bool = True) -> contextlib.AbstractContextManager[Connection]:
        """A connection in a transaction in which, if it is `alone`, nobody else is; committed at the end.

        One beside others need not wait for the disk.
        """

    def loading(self, engine: Engine) -> contextlib.AbstractContextManager[Connection]:
        """A connection in a transaction beside others, committed at the end, and safe on the disk then.

        Locks that were taken in it are let go of.
        """
        return self.writing(engine)

    def grants(self, connection: Connection, user: URL, tables: UserTables) -> Iterator[str]:
        """The statements by which an administrator lets a user do what it does with tables, and nothing else.

        Without any tables they let it in. As those of `renumber`, they are what the server reads: no percent sign is
        doubled for a driver.
        """
        return iter(())

    def lacking(self, connection: Connection, tables: Sequence[str]) -> Iterator[str]:
        """What who is connected lacks, beside rights on rows, to write to tables."""
        return iter(())

    def renumber(self, connection: Connection, tables: Sequence[str]) -> Iterator[str]:
        """The statements after which numbers are given out beyond those that rows of tables have been given."""
        return iter(())

    @abc.abstractmethod
    def may_create(self, connection: Connection) -> bool:
        """Whether who is connected may make tables."""

    def excess(self, connection: Connection, tables: Sequence[str]) -> list[str]:
        """What who is connected may do to these tables, beyond their rows: of CREATE, ALTER and DROP."""
        return []

    def takes(self, connection: Connection, told: Iterable[Any]) -> bool:
        """Whether each of these values can be written, as JSON, in a row of its own."""
        return True

    def may_grant(self, connection: Connection) -> bool:
        """Whether who is connected may let others read and write the rows of tables that it makes."""
        return True

    def schema_of(self, connection: Connection) -> str | None:
        """The schema in which who is connected makes tables; None for none, or if a database has but one."""
        return None

    def schemas_of(self, connection: Connection) -> Sequence[str]:
        """The schemas in which who is connected looks for tables, where it may."""
        return ()

    def is_shut_out(self, error: DBAPIError) -> bool:
        """Whether somebody who may log in was kept out of the database, for want of any right in it."""
        return False

    @abc.abstractmethod
    def name_of(self, url: URL) -> str:
        """A database's name for people, without a password."""

    @abc.abstractmethod
    def reason(self, url: URL, error: DBAPIError) -> str:
        """Why the database refused something, in words that follow a colon, with what to do about it."""
