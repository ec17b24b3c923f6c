"""PostgreSQL, by psycopg."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from csv_manager.store.patience import patience
from csv_manager.store.sql_dialects import servers
from csv_manager.store.sql_dialects.interface import BUSY, BUSY_SECONDS, SqlDialect, UserTables
from csv_manager.store.sql_dialects.servers import run

#: A lock of the transaction, one for each schema of a database, which no row has to be there for.
_ALONE = text(
    "SELECT set_config('lock_timeout', :wait, true), "
    "pg_advisory_xact_lock(hashtext('csv_manager store'), hashtext(current_schema()))"
)
#: A transaction that a power cut may undo, until the next one has waited for the disk.
_BESIDE = text("SELECT set_config('lock_timeout', :wait, true), set_config('synchronous_commit', 'off', true)")
_OWNS = text(
    "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY(:tables) "
    "AND pg_has_role(tableowner, 'USAGE'))"
)
#: The sequences that number the rows of tables: their names, quoted, and what they number.
_SEQUENCES = """
SELECT sequences.oid::regclass::text, tables.relname, columns.attname
FROM pg_attrdef AS defaults
JOIN pg_depend AS uses ON uses.classid = 'pg_attrdef'::regclass AND uses.objid = defaults.oid
JOIN pg_class AS sequences ON uses.refclassid = 'pg_class'::regclass AND sequences.oid = uses.refobjid
JOIN pg_class AS tables ON tables.oid = defaults.adrelid
JOIN pg_attribute AS columns ON columns.attrelid = tables.oid AND columns.attnum = defaults.adnum
WHERE sequences.relkind = 'S' AND pg_table_is_visible(tables.oid) AND tables.relname IN ({tables})
"""
#: What a table that is made only later will be numbered by cannot be named yet.
_GRANT_SEQUENCES = """
DO $csv_manager$ DECLARE sequence text; BEGIN
FOR sequence IN {sequences} LOOP
EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', sequence, {role});
END LOOP; END $csv_manager$
"""
#: A schema in a search path: in quotes, or not.
_SCHEMA = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')
_REASONS = {
    "55P03": BUSY,  # lock_not_available
    "53100": "its disk is full; free some space and try again",
    "25006": "it is read-only; write to the server that takes writes",
    "3F000": "there is no schema to make tables in; set the search_path of the user",
}
#: What psycopg and the server write around a reason.
_FRAME = re.compile(r"^connection failed: |FATAL: +")
_CONNECTION_LOST = ("08", "57P")


class Postgresql(SqlDialect):
    """Reads see one state (REPEATABLE READ); who writes holds an advisory lock of the transaction (READ COMMITTED)."""

    driver = "postgresql+psycopg"
    extra = "postgresql"

    def make_engine(self, url: URL, *, snapshots: bool) -> Engine:
        """An engine."""
        del snapshots
        told: dict[str, Any] = {"connect_timeout": servers.CONNECT_SECONDS, "application_name": "csv_manager"}
        arguments = {name: value for name, value in told.items() if name not in url.query}
        return create_engine(url, connect_args=arguments, **servers.POOL)

    @contextlib.contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        """A connection in a transaction that sees one state."""
        with engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    @contextlib.contextmanager
    def writing(self, engine: Engine, *, alone: bool = True) -> Iterator[Connection]:
        """A connection in a transaction that, if `alone`, waited for the others; it sees what they committed.

        Whatever the isolation of a role or a database is by default: a snapshot of before the wait would not do.
        """
        with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
            wait = f"{max(int(patience(BUSY_SECONDS) * 1000), 1)}ms"
            connection.execute(_ALONE if alone else _BESIDE, {"wait": wait})
            yield connection

    @contextlib.contextmanager
    def loading(self, engine: Engine) -> Iterator[Connection]:
        """A connection in a transaction; each statement sees what was committed before it."""
        with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
            wait = f"{max(int(patience(BUSY_SECONDS) * 1000), 1)}ms"
            connection.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": wait})
            yield connection

    def grants(self, connection: Connection, user: URL, tables: UserTables) -> Iterator[str]:
        """Rights on rows, and on the sequences that number them; TRUNCATE is none of them."""
        role, schema = _quoted(str(user.username)), _quoted(str(self.schema_of(connection)))
        yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
        for table in tables.read:
            yield f"GRANT SELECT ON TABLE {schema}.{_quoted(table)} TO {role}"
        for table in tables.written:
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {schema}.{_quoted(table)} TO {role}"
        for other, table in tables.loaded:
            place = schema if other is None else _quoted(other)
            yield f"GRANT USAGE ON SCHEMA {place} TO {role}"
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {place}.{_quoted(table)} TO {role}"
        if tables.written:
            sequences = f"SELECT name FROM ({_sequences(tables.written)}) AS found (name)"  # noqa: S608 - quoted
            yield _GRANT_SEQUENCES.format(sequences=sequences, role=_literal(str(user.username))).strip()

    def lacking(self, connection: Connection, tables: Sequence[str]) -> Iterator[str]:
        """Rights on the sequences that number rows."""
        for sequence in run(connection, _sequences(tables)).scalars():
            may = run(connection, f"SELECT has_sequence_privilege({_literal(sequence)}, 'USAGE')").scalar()
            if not may:
                yield f"USAGE {sequence}"

    def renumber(self, connection: Connection, tables: Sequence[str]) -> Iterator[str]:
        """Sequences know nothing of rows that came with their numbers."""
        for found in run(connection, _sequences(tables)):
            sequence, table, column = tuple(found)
            last = f"COALESCE(MAX({_quoted(column)}), 0)"
            yield f"SELECT setval({_literal(sequence)}, {last} + 1, false) FROM {_quoted(table)}"  # noqa: S608 - quoted

    def may_create(self, connection: Connection) -> bool:
        """Whether the role may make tables in its schema."""
        told = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
        return bool(connection.execute(told).scalar())

    def excess(self, connection: Connection, tables: Sequence[str]) -> list[str]:
        """What the role may do to the schema, and to tables as their owner, a member of that role or a superuser."""
        owns = connection.execute(_OWNS, {"tables": list(tables)}).scalar()
        return [*(["CREATE"] if self.may_create(connection) else []), *(["ALTER", "DROP"] if owns else [])]

    def schema_of(self, connection: Connection) -> str | None:
        """The first schema of the search path that is there."""
        schema: str | None = connection.execute(text("SELECT current_schema()")).scalar()
        return schema

    def schemas_of(self, connection: Connection) -> Sequence[str]:
        """Those of the search path, whether they are there or not, and whether the role may use them or not."""
        path, role = connection.execute(text("SELECT current_setting('search_path'), current_user")).one()
        named = [quoted.replace('""', '"') or bare.lower() for quoted, bare in _SCHEMA.findall(path)]
        return [role if name == "$user" else name for name in named]

    def name_of(self, url: URL) -> str:
        """Its address and name."""
        return servers.name_of(url)

    def reason(self, url: URL, error: DBAPIError) -> str:
        """Why PostgreSQL refused something; a connection that fails has no SQLSTATE, and says so in its words."""
        state = getattr(error.orig, "sqlstate", None) or ""
        if state in _REASONS:
            return _REASONS[state]
        diagnosis = getattr(error.orig, "diag", None)
        said = servers.clause(_FRAME.sub("", str((diagnosis and diagnosis.message_primary) or error.orig)))
        if state == "42P01":
            return servers.missing_table(said)
        if state == "42501":
            return f"{servers.login(url)} may not do this ({said}); csv_manager database_check tells what is missing"
        if state.startswith(_CONNECTION_LOST) or not state:
            return f"{said}; {servers.CHECK}"
        return said


def _sequences(tables: Sequence[str]) -> str:
    """The question for the sequences of tables."""
    return _SEQUENCES.format(tables=", ".join(map(_literal, tables)) or "NULL").strip()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
