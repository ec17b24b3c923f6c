"""MariaDB and MySQL, by PyMySQL."""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from csv_manager.core.errors import StoreBusyError
from csv_manager.store.patience import patience
from csv_manager.store.sql_dialects import servers
from csv_manager.store.sql_dialects.interface import BUSY, BUSY_SECONDS, SqlDialect, UserTables

#: A lock of the connection, one for each database; its name may have 64 characters.
_NAME = "CONCAT('csv_manager.', MD5(DATABASE()))"
_TAKE = text(f"SELECT GET_LOCK({_NAME}, :wait)")
_RELEASE, _RELEASE_ALL = text(f"SELECT RELEASE_LOCK({_NAME})"), text("SELECT RELEASE_ALL_LOCKS()")
#: What is too long, out of range or no date is an error, not another value.
_MODE = "SET SESSION sql_mode = 'TRADITIONAL', innodb_lock_wait_timeout = 10"
#: A server takes no longer statement, and closes the connection; PyMySQL makes statements of several rows of 1 MB.
_MOST = text("SELECT @@max_allowed_packet")
#: Bytes of a statement beside what of its row may be large.
_REST = 4096
#: InnoDB's default, unless the server's is another one.
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
#: A line of SHOW GRANTS about tables: of the server, of databases whose name is like a pattern, or one table.
_GRANTED = re.compile(
    r"GRANT (?P<rights>.+?) ON (?P<where>\*|`(?:[^`]|``)+`)\.(?P<table>\*|`(?:[^`]|``)+`) TO (?P<rest>.*)", re.DOTALL
)
_ROWS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_OF_TABLES = ("CREATE", "ALTER", "DROP")
_ALL = "ALL PRIVILEGES"
_NO_DATABASE, _NO_TABLE = 1044, 1146
_DENIED = (1142, 1143, 1227, 1370)
_UNREACHABLE = (1040, 1045, 1049, 1130, 1698, 2002, 2003, 2005, 2006, 2013, 2026)
_REASONS = {
    1205: BUSY,
    1021: "its disk is full; free some space and try again",
    1114: "its disk is full; free some space and try again",
    1290: "it is read-only; write to the server that takes writes",
    1836: "it is read-only; write to the server that takes writes",
    1153: "it takes no statement of so many bytes; raise its max_allowed_packet",
}


class Mysql(SqlDialect):
    """Reads see one state (REPEATABLE READ); who writes holds a named lock before the transaction begins."""

    driver = "mysql+pymysql"
    extra = "mysql"

    def make_engine(self, url: URL, *, snapshots: bool) -> Engine:
        """An engine whose connections are strict and speak utf8mb4."""
        told: dict[str, Any] = {"connect_timeout": servers.CONNECT_SECONDS, "charset": "utf8mb4", "local_infile": True}
        arguments = {name: value for name, value in told.items() if name not in url.query}
        engine = create_engine(url, connect_args=arguments, **servers.POOL)

        @event.listens_for(engine, "do_connect")
        def encode(_dialect: Any, _record: Any, _told: Any, parameters: dict[str, Any]) -> None:
            # PyMySQL would write it in Latin 1; servers were told it in UTF-8.
            if engine.dialect.driver == "pymysql" and isinstance(parameters.get("password"), str):
                parameters["password"] = parameters["password"].encode()

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _record: Any) -> None:
            if engine.dialect.driver == "pymysql":  # a server gets a file only while one is sent
                connection._local_infile = False  # noqa: SLF001 - there is no other switch
            with connection.cursor() as cursor:
                cursor.execute(_MODE)
                if snapshots:
                    cursor.execute(_ISOLATION)

        return engine

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

    @contextlib.contextmanager
    def loading(self, engine: Engine) -> Iterator[Connection]:
        """A connection in a transaction; named locks are those of the connection."""
        with engine.connect() as connection:
            try:
                with connection.begin():
                    yield connection
            finally:
                _release(connection, _RELEASE_ALL)

    def grants(self, connection: Connection, user: URL, tables: UserTables) -> Iterator[str]:
        """Rights on rows, for the account that the user logs in as; TRUNCATE is none of them.

        Who has no right at all may not even enter a database. REFERENCES is one that does nothing without CREATE.
        """
        name = str(connection.engine.url.database)
        account = "@".join(_quoted(part) for part in self._account(user).rsplit("@", 1))
        for table in tables.read:
            yield f"GRANT SELECT ON {_quoted(name)}.{_quoted(table)} TO {account}"
        for table in tables.written:
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_quoted(name)}.{_quoted(table)} TO {account}"
        for other, table in tables.loaded:
            where = _quoted(other or name)
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {where}.{_quoted(table)} TO {account}"
        if tables.loaded:
            yield f"GRANT CREATE TEMPORARY TABLES ON {_quoted(_pattern(name))}.* TO {account}"
        if not tables.read and not tables.written:
            yield f"GRANT REFERENCES ON {_quoted(_pattern(name))}.* TO {account}"

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
        return any(rights & {"CREATE", _ALL} for rights, _ in _granted(connection))

    def excess(self, connection: Connection, tables: Sequence[str]) -> list[str]:
        """What the account may do by itself or by a role: on the server, in the database or to one of the tables."""
        found = {right for rights, _ in _granted(connection, tables) for right in rights}
        return [right for right in _OF_TABLES if _ALL in found or right in found]

    def takes(self, connection: Connection, told: Iterable[Any]) -> bool:
        """Whether the statement for each is within the server's max_allowed_packet."""
        most = connection.execute(_MOST).scalar_one() - _REST
        return all(_written_bytes(json.dumps(each)) <= most for each in told)

    def may_grant(self, connection: Connection) -> bool:
        """Whether the account may hand on the rights on rows of a database's tables."""
        handed = {right for rights, may_grant in _granted(connection) if may_grant for right in rights}
        return _ALL in handed or handed >= _ROWS

    def is_shut_out(self, error: DBAPIError) -> bool:
        """Whether an account has no right in the database."""
        return _number_of(error) == _NO_DATABASE

    def name_of(self, url: URL) -> str:
        """Its address and name."""
        return servers.name_of(url)

    def reason(self, url: URL, error: DBAPIError) -> str:
        """Why the server refused something, by its number."""
        told: tuple[Any, ...] = getattr(error.orig, "args", ())
        number = _number_of(error)
        if number in _REASONS:
            return _REASONS[number]
        said = servers.clause(told[1] if len(told) > 1 else error.orig)
        if number == _NO_TABLE:
            return servers.missing_table(said)
        if number == _NO_DATABASE:
            mend = "csv_manager database_upgrade, which asks the `admin` of the settings, grants them"
            return f"{servers.login(url)} has no rights in it ({said}); {mend}"
        if number in _DENIED:
            return f"{servers.login(url)} may not do this ({said}); csv_manager database_check tells what is missing"
        if number in _UNREACHABLE:
            return f"{said}; {servers.CHECK}"
        return said


def _written_bytes(ascii_text: str) -> int:
    """How long a text of JSON is in a statement, where some of its characters have a backslash before them."""
    return len(ascii_text) + sum(ascii_text.count(character) for character in "\\\"'")


def _release(connection: Connection, statement: TextClause = _RELEASE) -> None:
    """Let go of the lock, or of all; a connection that cannot is closed, which does it too."""
    if connection.closed or connection.invalidated:
        return
    try:
        connection.execute(statement)
        connection.commit()
    except DBAPIError:
        connection.invalidate()


def _number_of(error: DBAPIError) -> int:
    """The number of an error of the server, 0 for another."""
    told: tuple[Any, ...] = getattr(error.orig, "args", ())
    return told[0] if told and isinstance(told[0], int) else 0


def _granted(connection: Connection, tables: Sequence[str] = ()) -> Iterator[tuple[set[str], bool]]:
    """The rights on all tables of the database, by itself or by a role, and whether they may be handed on.

    And those on each of these `tables`. No view of the server tells of all.
    """
    asked = "SHOW GRANTS"
    sql_dialect: Any = connection.dialect
    if not sql_dialect.is_mariadb and sql_dialect.server_version_info >= (8,):
        roles = connection.execute(text("SELECT CURRENT_ROLE()")).scalar_one()
        asked += f" FOR CURRENT_USER() USING {roles}" if roles != "NONE" else ""
    for line in servers.run(connection, asked).scalars().all():
        found = _GRANTED.match(line)
        table = found and found["table"].strip("`").replace("``", "`")
        is_meant = table == "*" or table in tables
        if found and is_meant and _is_about(found["where"], str(connection.engine.url.database)):
            rights = {right.strip().upper() for right in found["rights"].split(",")}
            yield rights, "WITH GRANT OPTION" in found["rest"]


def _is_about(where: str, database: str) -> bool:
    """Whether a database is meant by a name in quotes, in which _ and % stand for any characters."""
    if where == "*":
        return True
    parts = re.findall(r"\\.|.", where[1:-1].replace("``", "`"), re.DOTALL)
    pattern = "".join({"_": ".", "%": ".*"}.get(part, re.escape(part[-1])) for part in parts)
    return re.fullmatch(pattern, database, re.DOTALL | re.IGNORECASE) is not None


def _pattern(name: str) -> str:
    """The name of a database where % and _ stand for any characters."""
    return re.sub(r"([\\_%])", r"\\\1", name)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
