"""MariaDB and MySQL, by PyMySQL."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from csv_manager.core.errors import StoreBusyError
from csv_manager.store.patience import patience
from csv_manager.store.sql_dialects import servers
from csv_manager.store.sql_dialects.interface import BUSY, BUSY_SECONDS

#: A lock of the connection, one for each database; its name may have 64 characters.
_NAME = "CONCAT('csv_manager.', MD5(DATABASE()))"
_TAKE = text(f"SELECT GET_LOCK({_NAME}, :wait)")
_RELEASE = text(f"SELECT RELEASE_LOCK({_NAME})")
#: What is too long, out of range or no date is an error, not another value.
_MODE = "SET SESSION sql_mode = 'TRADITIONAL', innodb_lock_wait_timeout = 10"
_MAY_CREATE = text(
    "SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'CREATE' "
    "UNION SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES "
    "WHERE PRIVILEGE_TYPE = 'CREATE' AND DATABASE() LIKE TABLE_SCHEMA"
)
_DENIED = (1044, 1142, 1143, 1227, 1370)
_UNREACHABLE = (1040, 1045, 1049, 1130, 1698, 2002, 2003, 2005, 2006, 2013, 2026)
_REASONS = {
    1205: BUSY,
    1021: "its disk is full; free some space and try again",
    1114: "its disk is full; free some space and try again",
    1290: "it is read-only; write to the server that takes writes",
    1836: "it is read-only; write to the server that takes writes",
    1146: "a table of the store is missing; csv_manager database_upgrade makes it",
}


class Mysql:
    """Reads see one state, which is InnoDB's default; who writes holds a named lock before the transaction begins."""

    driver = "mysql+pymysql"
    extra = "mysql"

    def make_engine(self, url: URL, *, snapshots: bool) -> Engine:
        """An engine whose connections are strict and speak utf8mb4."""
        del snapshots
        told: dict[str, Any] = {"connect_timeout": servers.CONNECT_SECONDS, "charset": "utf8mb4"}
        arguments = {name: value for name, value in told.items() if name not in url.query}
        engine = create_engine(url, connect_args=arguments, **servers.POOL)

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _record: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(_MODE)

        return engine

    def beside(self, engine: Engine) -> Engine:
        """The engine itself, whose pool has other connections."""
        return engine

    @contextlib.contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        """A connection in a transaction that sees one state."""
        with engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, engine: Engine, *, alone: bool = True) -> Iterator[Connection]:
        """A connection in a transaction that, if `alone`, waited for the others, and sees what they committed.

        DDL commits by itself, so the lock is one of the connection; a process that dies loses it.
        """
        if not alone:
            with engine.begin() as connection:
                yield connection
            return
        with engine.connect() as connection:
            taken = connection.execute(_TAKE, {"wait": patience(BUSY_SECONDS)}).scalar()
            connection.commit()  # what was begun for the question
            if taken != 1:
                raise StoreBusyError(f"The store {self.name_of(engine.url)}: {BUSY}.")
            try:
                with connection.begin():
                    yield connection
            finally:
                _release(connection)

    def grants(self, connection: Connection, user: URL, tables: Sequence[str]) -> Iterator[str]:
        """Rights on rows, for the account that the user logs in as; TRUNCATE is none of them."""
        quote = connection.dialect.identifier_preparer.quote_identifier
        database = quote(str(connection.engine.url.database))
        account = "@".join(quote(part) for part in self._account(user).rsplit("@", 1))
        for table in tables:
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.{quote(table)} TO {account}"

    def _account(self, user: URL) -> str:
        """The account that a user logs in as; who has no rights on the database yet can only do it without one."""
        engine = self.make_engine(user.set(database=""), snapshots=False)
        try:
            with engine.connect() as connection:
                account: str = connection.execute(text("SELECT CURRENT_USER()")).scalar_one()
        finally:
            engine.dispose()
        return account

    def may_create(self, connection: Connection) -> bool:
        """Whether the account has the right CREATE, of the server or of the database, by itself or by a role of it."""
        return connection.execute(_MAY_CREATE).first() is not None

    def name_of(self, url: URL) -> str:
        """Its address and name."""
        return servers.name_of(url)

    def reason(self, url: URL, error: DBAPIError) -> str:
        """Why the server refused something, by its number."""
        told: tuple[Any, ...] = getattr(error.orig, "args", ())
        number = told[0] if told and isinstance(told[0], int) else 0
        if number in _REASONS:
            return _REASONS[number]
        said = servers.clause(told[1] if len(told) > 1 else error.orig)
        if number in _DENIED:
            return f"{servers.login(url)} may not do this ({said}); csv_manager database_check tells what is missing"
        if number in _UNREACHABLE:
            return f"{said}; check its address, its user and that the server is running"
        return said


def _release(connection: Connection) -> None:
    """Let go of the lock; a connection that cannot is closed, which does it too."""
    if connection.closed or connection.invalidated:
        return
    try:
        connection.execute(_RELEASE)
        connection.commit()
    except DBAPIError:
        connection.invalidate()
