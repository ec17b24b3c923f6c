"""PostgreSQL: a trigger for each row writes it to columns of the same types, and values are read and written as texts.

The text of a value is all of it under the settings that are made here. A trigger of each row, not of each statement: it
has both sides of an update, and fires for partitions too. It is one that always fires, also for what is replicated.
`TRUNCATE` fires one of its own, which tells each row.

Numbers come from a sequence, and are not in the order of commits. Who takes one has begun to write before. So the last
one is noted, with a transaction that begins after that: once all before this one have ended, no number up to the noted
one is to come any more.
"""

import contextlib
import itertools
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from csv_manager.audit.entries import CHANGED, REDACTED, AuditedTable, Cells, Row
from csv_manager.audit.sql_dialects import postgresql_catalog as catalog
from csv_manager.audit.sql_dialects.interface import SIDES, Checkpoint, Shape, SqlDialect
from csv_manager.audit.values import Value

#: Under these, the text of a value is all of it, and the same each time.
_SETTINGS = {
    "datestyle": "ISO, YMD", "intervalstyle": "postgres", "timezone": "UTC", "bytea_output": "hex",
    "extra_float_digits": "1", "lc_monetary": "C",
}  # fmt: skip
_TOKEN = "nullif(pg_catalog.current_setting('csv_audit.token', true), '')"  # noqa: S105 - a setting's name
_NOW = """pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_AT = """to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
#: A number that nobody else locks, as far as can be known.
_LOCK = 0x6373765F6175
_PAGE = 1000
#: The bits of the number of a transaction as rows have it.
_XIDS = 0xFFFFFFFF


class Postgresql(SqlDialect):
    """PostgreSQL from 13 on."""

    at_text = _AT

    def prepare(self, connection: Connection) -> None:
        """Nothing is to be told."""

    def exclusive(self, connection: Connection) -> None:
        """By a lock that means nothing else."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})

    def release(self, connection: Connection) -> None:
        """The end of the transaction does."""

    def install(self, connection: Connection) -> None:
        """The sequence of numbers."""
        connection.execute(text("CREATE SEQUENCE IF NOT EXISTS csv_audit_numbers"))

    def fingerprint(self, connection: Connection) -> Hashable:
        """A hash of what the catalogue has of tables, and of our triggers."""
        return tuple(connection.execute(text(catalog.FINGERPRINT)).one())

    def names(self, connection: Connection) -> list[tuple[str | None, str]]:
        """Those of all schemas, with partitions instead of what is divided into them."""
        told = f"SELECT nullif(n.nspname, current_schema()), c.relname {catalog.TABLES} ORDER BY 1, 2"
        return [(row[0], row[1]) for row in connection.execute(text(told))]

    def describe(self, connection: Connection, schema: str | None, name: str) -> Shape | None:
        """As the catalogue tells."""
        rows = connection.execute(text(catalog.COLUMNS), {"name": self.quoted(schema, name)}).all()
        if not rows:
            return None
        key = sorted((place, column) for column, _, place in rows if place is not None)
        return Shape(
            columns=tuple(row[0] for row in rows),
            types=tuple(row[1] for row in rows),
            key=tuple(column for _, column in key),
        )

    def begin(self, connection: Connection, table: AuditedTable) -> None:
        """The table of entries, a function, and three triggers."""
        there = self._triggers(connection, table)
        for name in there:
            if not name.startswith(f"csv_audit_{table.number}_"):
                self._do(connection, f"DROP TRIGGER {self.quoted(name)} ON {self._name(table)}")
        mine = self._names(table)
        if mine <= {name for name, enabled in there.items() if enabled == "A"}:
            return
        schema = connection.scalar(text("SELECT current_schema()"))
        entries = self.quoted(schema, table.entries)
        types = list(self._types(table))
        cells = ", ".join(f"o{place} {kind}, n{place} {kind}" for place, kind in enumerate(types))
        self._do(
            connection,
            f"CREATE TABLE IF NOT EXISTS {entries} (number bigint PRIMARY KEY "
            f"DEFAULT nextval('{self.quoted(schema, 'csv_audit_numbers')}'), type char(1) NOT NULL, token text, "
            f"at timestamptz NOT NULL DEFAULT clock_timestamp(), {cells})",
        )
        self._do(connection, self._function(table, schema, entries))
        for name in mine & set(there):
            self._do(connection, f"DROP TRIGGER {self.quoted(name)} ON {self._name(table)}")
        for kind, when in (
            ("change", "AFTER INSERT OR DELETE ON {} FOR EACH ROW"),
            ("update", "AFTER UPDATE ON {} FOR EACH ROW WHEN (OLD.* *<> NEW.*)"),
            ("truncate", "BEFORE TRUNCATE ON {} FOR EACH STATEMENT"),
        ):
            name, on = f"csv_audit_{table.number}_{kind}", self._name(table)
            function = self.quoted(schema, f"csv_audit_write_{table.number}")
            self._do(connection, f"CREATE TRIGGER {name} {when.format(on)} EXECUTE FUNCTION {function}()")
            self._do(connection, f"ALTER TABLE {on} ENABLE ALWAYS TRIGGER {name}")

    def is_begun(self, connection: Connection, table: AuditedTable) -> bool:
        """By their names, that they fire always, and what their function does."""
        there = self._triggers(connection, table)
        schema = connection.scalar(text("SELECT current_schema()"))
        told = text("SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = pg_catalog.to_regprocedure(:name)")
        done = connection.scalar(told, {"name": self.quoted(schema, f"csv_audit_write_{table.number}") + "()"})
        _, made, _ = self._function(table, schema, self.quoted(schema, table.entries)).split("$csv_manager$")
        return done == made and self._names(table) <= {name for name, enabled in there.items() if enabled == "A"}

    @staticmethod
    def _names(table: AuditedTable) -> set[str]:
        return {f"csv_audit_{table.number}_{kind}" for kind in ("change", "update", "truncate")}

    def _triggers(self, connection: Connection, table: AuditedTable) -> dict[str, str]:
        """The log's triggers on a table, and whether they fire, also those that came with it when it was renamed."""
        told = (
            "SELECT tgname, tgenabled::text FROM pg_catalog.pg_trigger "
            "WHERE tgrelid = pg_catalog.to_regclass(:name) AND tgname ~ '^csv_audit_' AND NOT tgisinternal"
        )
        rows = connection.execute(text(told), {"name": self._name(table)})
        return {row[0]: row[1] for row in rows}

    def _function(self, table: AuditedTable, schema: str | None, entries: str) -> str:
        """It writes as its owner, so that nobody else may; each name in it is whole."""
        parts = [self._insert(table, entries, letter, sides) for letter, sides in SIDES.items()]
        cells = ", ".join(self._cell(table, "d", name, "") for name in table.columns)
        listed = ", ".join(f"o{place}" for place in range(len(table.columns)))
        all_rows = (
            f"INSERT INTO {entries} (type, token, {listed}) "  # noqa: S608 - quoted
            f"SELECT 'd', {_TOKEN}, {cells} FROM ONLY {self._name(table)}"
        )
        name = self.quoted(schema, f"csv_audit_write_{table.number}")
        return (
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $csv_manager$\n"
            f"BEGIN\nIF {_TOKEN} IS NULL THEN {self._begin_other(table, schema)}; END IF;\n"
            f"IF TG_OP = 'INSERT' THEN {parts[0]};\nELSIF TG_OP = 'UPDATE' THEN {parts[1]};\n"
            f"ELSIF TG_OP = 'DELETE' THEN {parts[2]};\nELSE {all_rows};\nEND IF;\nRETURN NULL;\nEND\n$csv_manager$"
        )

    def _begin_other(self, table: AuditedTable, schema: str | None) -> str:
        """What is known of the transaction of another program: its user, from where, by what, and its statement."""
        told = "NULL" if table.redacted else "pg_catalog.current_query()"
        return (
            "PERFORM pg_catalog.set_config('csv_audit.token', "  # noqa: S608 - quoted
            "pg_catalog.replace(pg_catalog.gen_random_uuid()::text, '-', ''), true); "
            f"INSERT INTO {self.quoted(schema, 'csv_audit_transactions')} "
            f'(token, created, after, host, "user", extra) SELECT {_TOKEN}, {_NOW}, last_value - 1, '
            "coalesce(pg_catalog.host(pg_catalog.inet_client_addr()), ''), session_user, "
            "pg_catalog.json_build_object('program', pg_catalog.current_setting('application_name'), "
            f"'statement', {told}) FROM {self.quoted(schema, 'csv_audit_numbers')}"
        )

    def _insert(self, table: AuditedTable, entries: str, letter: str, rows: Mapping[str, str]) -> str:
        sides = list(itertools.product(enumerate(table.columns), rows.items()))
        listed = ", ".join(f"{side}{place}" for (place, _), (side, _) in sides)
        cells = ", ".join(self._cell(table, letter, name, row) for (_, name), (_, row) in sides)
        told = f"VALUES ('{letter}', {_TOKEN}, {cells})"
        return f"INSERT INTO {entries} (type, token, {listed}) {told}"

    def _cell(self, table: AuditedTable, letter: str, name: str, row: str) -> str:
        """A cell as the log is to have it."""
        quoted = self.quoted(name)
        if name not in table.redacted:
            return f"{row}.{quoted}" if row else quoted
        if letter == "u" and row == "NEW":
            differs = f'CAST(OLD.{quoted} AS text) COLLATE "C" IS DISTINCT FROM CAST(NEW.{quoted} AS text)'
            return f"CASE WHEN {differs} THEN '{CHANGED}' ELSE '{REDACTED}' END"
        return f"'{REDACTED}'"

    @staticmethod
    def _types(table: AuditedTable) -> Iterator[str]:
        """The types of the columns of entries."""
        for name, kind in zip(table.columns, table.types, strict=True):
            yield "text" if name in table.redacted else kind

    def end(self, connection: Connection, table: AuditedTable) -> None:
        """The triggers go; the entries stay."""
        for name in self._triggers(connection, table):
            self._do(connection, f"DROP TRIGGER {self.quoted(name)} ON {self._name(table)}")
        self._do(connection, f"DROP FUNCTION IF EXISTS csv_audit_write_{table.number}()")

    def is_autocommit(self, connection: Connection) -> bool:
        """As the driver is set."""
        driver = connection.connection.dbapi_connection
        return driver is not None and connection.dialect.detect_autocommit_setting(driver)

    def last(self, connection: Connection) -> int:
        """The last that was taken."""
        told = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM csv_audit_numbers")
        return int(connection.execute(told).scalar_one())

    def set_token(self, connection: Connection, token: str | None) -> None:
        """As a setting of the transaction."""
        connection.execute(text("SELECT set_config('csv_audit.token', :token, true)"), {"token": token or ""})

    def drop_token(self, connection: Connection) -> None:
        """The token goes with the transaction."""

    def lock(self, connection: Connection) -> None:
        """By the row of the head."""
        connection.execute(text("SELECT id FROM csv_audit_head FOR UPDATE"))

    def may_seal(self, connection: Connection) -> bool:
        """Only where each statement sees what others have committed; else it could not lock what they changed."""
        return str(connection.scalar(text("SHOW transaction_isolation"))) == "read committed"

    def begin_seal(self, connection: Connection) -> None:
        """Whatever the connection's transactions are else."""
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))

    def checkpoint(self, connection: Connection, before: Checkpoint | None) -> tuple[int, Checkpoint]:
        """A number, and then a transaction that began after all that have taken one up to it: a part of this one.

        A snapshot does not tell such a one, for its highest is the last that ended.
        """
        ended = text("SELECT pg_snapshot_xmin(pg_current_snapshot())\\:\\:text\\:\\:bigint >= :xid")
        if before is not None and not connection.scalar(ended, {"xid": before["xid"]}):
            return 0, before
        number = self.last(connection)
        with connection.begin_nested():
            own = text(
                "UPDATE csv_audit_head SET id = id RETURNING xmin\\:\\:text\\:\\:bigint, "
                "pg_current_xact_id()\\:\\:text\\:\\:bigint"
            )
            part, whole = connection.execute(own).one()
        xid = (whole & ~_XIDS) | part
        return (before["number"] if before else 0), {"number": number, "xid": xid if xid >= whole else xid + _XIDS + 1}

    def pages(
        self, connection: Connection, table: AuditedTable, after: int, upto: int | None, token: str | None
    ) -> Iterator[Sequence[Row]]:
        """By the index of their numbers."""
        self.settle(connection)
        cells = ", ".join(f"CAST({side}{place} AS text)" for side in "on" for place in range(len(table.columns)))
        asked = ("" if upto is None else "AND number <= :upto ") + ("" if token is None else "AND token = :token ")
        query = (
            f"SELECT number, type, token, {_AT.replace(':', chr(92) + ':')}, {cells} FROM {table.entries} "  # noqa: S608 - ours
            f"WHERE number > :after {asked}ORDER BY number LIMIT {_PAGE}"
        )
        given = {name: value for name, value in (("upto", upto), ("token", token)) if value is not None}
        while rows := connection.execute(text(query), {"after": after, **given}).all():
            yield [tuple(row) for row in rows]
            after = rows[-1][0]

    @contextlib.contextmanager
    def unchecked(self, connection: Connection) -> Iterator[bool]:
        """As a replica, in which our triggers fire all the same; who may not be one leaves it."""
        before = connection.scalar(text("SHOW session_replication_role"))
        role = text("SELECT set_config('session_replication_role', :role, true)")
        try:
            with connection.begin_nested():
                connection.execute(role, {"role": "replica"})
        except DBAPIError:
            yield False
            return
        yield True
        connection.execute(role, {"role": before})

    def count_on(self, connection: Connection, name: str) -> None:
        """By their sequences."""
        table = self.quoted(name)
        told = text(
            "SELECT attname, pg_get_serial_sequence(:table, attname) FROM pg_catalog.pg_attribute "
            "WHERE attrelid = pg_catalog.to_regclass(:table) AND attnum > 0 AND NOT attisdropped"
        )
        for column, sequence in connection.execute(told, {"table": table}).all():
            if sequence is not None:
                most = f"(SELECT coalesce(max({_escape(self.quoted(column))}), 0) + 1 FROM {_escape(table)})"  # noqa: S608
                connection.execute(text(f"SELECT setval(:sequence, {most}, false)"), {"sequence": sequence})

    def settle(self, connection: Connection) -> None:
        """By settings of this transaction."""
        told = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _SETTINGS.items())
        connection.execute(text(f"SELECT {told}"))

    def hold(self, connection: Connection, table: AuditedTable) -> None:
        """Others may read it."""
        self._do(connection, f"LOCK TABLE ONLY {self._name(table)} IN SHARE MODE")

    def take_number(self, connection: Connection) -> int:
        """From the sequence."""
        return int(connection.scalar(text("SELECT nextval('csv_audit_numbers')")) or 0)

    def rows(self, connection: Connection, table: AuditedTable, *, held: bool = False) -> Iterator[Cells]:
        """A stream from a cursor of the server, where the driver has one."""
        del held
        self.settle(connection)
        told = f"SELECT {self._listed(table)} FROM ONLY {self._escaped(table)}"  # noqa: S608 - quoted
        result = connection.execute(text(told), execution_options={"yield_per": _PAGE})
        yield from (tuple(row) for row in result)

    def find(self, connection: Connection, table: AuditedTable, key: Cells) -> list[Cells]:
        """By the key's index, where there is a key."""
        where, given = self._where(table, table.key_places, key)
        told = f"SELECT {self._listed(table)} FROM ONLY {self._escaped(table)} WHERE {where}"  # noqa: S608 - quoted
        return [tuple(row) for row in connection.execute(text(told), given)]

    def insert(self, connection: Connection, table: AuditedTable, rows: Sequence[Cells]) -> None:
        """All of them at once; a column that counts takes the values that are given."""
        names = ", ".join(self._column(table, place) for place in table.told_places)
        values = ", ".join(self._value(table, place, f"v{place}") for place in table.told_places)
        told = f"INSERT INTO {self._escaped(table)} ({names}) OVERRIDING SYSTEM VALUE VALUES ({values})"  # noqa: S608 - quoted
        connection.execute(text(told), [{f"v{place}": cells[place] for place in table.told_places} for cells in rows])

    def update(self, connection: Connection, table: AuditedTable, old: Cells, new: Cells) -> int:
        """Only what differs is set: a column that counts may not be."""
        places = [place for place in table.told_places if old[place] != new[place]]
        where, given = self._one(table, old)
        if not places:
            told = f"SELECT count(*) FROM ONLY {self._escaped(table)} WHERE {where}"  # noqa: S608 - quoted
            return int(connection.scalar(text(told), given) or 0)
        values = ", ".join(
            f"{self._column(table, place)} = {self._value(table, place, f'v{place}')}" for place in places
        )
        told = f"UPDATE ONLY {self._escaped(table)} SET {values} WHERE {where}"  # noqa: S608 - quoted
        return connection.execute(text(told), {**given, **{f"v{place}": new[place] for place in places}}).rowcount

    def delete(self, connection: Connection, table: AuditedTable, cells: Cells) -> int:
        """Of equal rows of a table without a key, one."""
        where, given = self._one(table, cells)
        told = f"DELETE FROM ONLY {self._escaped(table)} WHERE {where}"  # noqa: S608 - quoted
        return connection.execute(text(told), given).rowcount

    def _one(self, table: AuditedTable, cells: Cells) -> tuple[str, dict[str, Value]]:
        """A condition that is met by one row with exactly these cells."""
        places = table.told_places
        where, given = self._where(table, places, [cells[place] for place in places])
        if table.key:
            indexed, _ = self._where(table, table.key_places, table.key_of(cells))
            return f"{indexed} AND {where}", given
        return f"ctid = (SELECT ctid FROM ONLY {self._escaped(table)} WHERE {where} LIMIT 1)", given  # noqa: S608 - quoted

    def _where(
        self, table: AuditedTable, places: Sequence[int], cells: Sequence[Value]
    ) -> tuple[str, dict[str, Value]]:
        """A condition that is met by rows with exactly these cells; by those of a key its index is used."""
        parts = []
        for place in places:
            column = self._column(table, place)
            if tuple(places) == table.key_places and table.key:
                parts.append(f"{column} = {self._value(table, place, f'o{place}')}")
            parts.append(f"CAST({column} AS text) IS NOT DISTINCT FROM CAST(:o{place} AS text)")
        return " AND ".join(parts), {f"o{place}": cell for place, cell in zip(places, cells, strict=True)}

    def _listed(self, table: AuditedTable) -> str:
        return ", ".join(f"CAST({self._column(table, place)} AS text)" for place in range(len(table.columns)))

    def _column(self, table: AuditedTable, place: int) -> str:
        return _escape(self.quoted(table.columns[place]))

    @staticmethod
    def _value(table: AuditedTable, place: int, name: str) -> str:
        """A value that is given as a text."""
        return f"CAST(CAST(:{name} AS text) AS {_escape(table.types[place])})"

    def _name(self, table: AuditedTable) -> str:
        return self.quoted(table.schema, table.name)

    def _escaped(self, table: AuditedTable) -> str:
        return _escape(self._name(table))

    @staticmethod
    def _do(connection: Connection, statement: str) -> Any:
        return connection.execute(text(_escape(statement)))


def _escape(told: str) -> str:
    """A part of a statement without parameters."""
    return re.sub(r":", r"\\:", told)
