"""PostgreSQL, by psycopg."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from csv_manager.store.patience import patience
from csv_manager.store.sql_dialects import servers
from csv_manager.store.sql_dialects.interface import BUSY, BUSY_SECONDS

#: A lock of the transaction, one for each schema of a database, which no row has to be there for.
_ALONE = text(
    "SELECT set_config('lock_timeout', :wait, true), "
    "pg_advisory_xact_lock(hashtext('csv_manager store'), hashtext(current_schema()))"
)
_BESIDE = text("SELECT set_config('lock_timeout', :wait, true)")
#: The sequences of tables in the current schema, quoted.
_SEQUENCES = text(
    "SELECT pg_get_serial_sequence(quote_ident(table_schema) || '.' || quote_ident(table_name), column_name) AS name "
    "FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND table_name = ANY(:tables) AND column_default LIKE 'nextval(%'"
)
_REASONS = {
    "55P03": BUSY,  # lock_not_available
    "53100": "its disk is full; free some space and try again",
    "25006": "it is read-only; write to the server that takes writes",
    "42P01": "a table of the store is missing; csv_manager database_upgrade makes it",
    "3F000": "there is no schema to make tables in; set the search_path of the user",
}
_CONNECTION_LOST = ("08", "57P")


class Postgresql:
    """Reads see one state (REPEATABLE READ); who writes holds an advisory lock of the transaction."""

    driver = "postgresql+psycopg"
    extra = "postgresql"

    def make_engine(self, url: URL, *, snapshots: bool) -> Engine:
        """An engine."""
        del snapshots
        told: dict[str, Any] = {"connect_timeout": servers.CONNECT_SECONDS, "application_name": "csv_manager"}
        arguments = {name: value for name, value in told.items() if name not in url.query}
        return create_engine(url, connect_args=arguments, **servers.POOL)

    def beside(self, engine: Engine) -> Engine:
        """The engine itself, whose pool has other connections."""
        return engine

    @contextlib.contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        """A connection in a transaction that sees one state."""
        with engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    @contextlib.contextmanager
    def writing(self, engine: Engine, *, alone: bool = True) -> Iterator[Connection]:
        """A connection in a transaction that, if `alone`, waited for the others; it sees what they committed."""
        with engine.connect() as connection, connection.begin():
            wait = f"{max(int(patience(BUSY_SECONDS) * 1000), 1)}ms"
            connection.execute(_ALONE if alone else _BESIDE, {"wait": wait})
            yield connection

    def grants(self, connection: Connection, user: URL, tables: Sequence[str]) -> Iterator[str]:
        """Rights on rows, and on the sequences that number them; TRUNCATE is none of them."""
        quote = connection.dialect.identifier_preparer.quote
        role = quote(str(user.username))
        schema = quote(connection.execute(text("SELECT current_schema()")).scalar_one())
        yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
        for table in tables:
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {schema}.{quote(table)} TO {role}"
        for sequence in connection.execute(_SEQUENCES, {"tables": list(tables)}).scalars():
            yield f"GRANT USAGE ON SEQUENCE {sequence} TO {role}"

    def may_create(self, connection: Connection) -> bool:
        """Whether the role may make tables in its schema."""
        told = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
        return bool(connection.execute(told).scalar())

    def name_of(self, url: URL) -> str:
        """Its address and name."""
        return servers.name_of(url)

    def reason(self, url: URL, error: DBAPIError) -> str:
        """Why PostgreSQL refused something; a connection that fails has no SQLSTATE, and says so in its words."""
        state = getattr(error.orig, "sqlstate", None) or ""
        if state in _REASONS:
            return _REASONS[state]
        diagnosis = getattr(error.orig, "diag", None)
        said = servers.clause((diagnosis and diagnosis.message_primary) or error.orig)
        if state == "42501":
            return f"{servers.login(url)} may not do this ({said}); csv_manager database_check tells what is missing"
        if state.startswith(_CONNECTION_LOST) or not state:
            return f"{said}; check its address, its user and that the server is running"
        return said
