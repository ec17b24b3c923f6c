"""MariaDB: a trigger for each row and kind of change writes it to columns of the same types.

What a foreign key does to other rows, and `TRUNCATE`, fire no triggers there: who audits says so, or refuses it.
Settings that matter are made for each statement, for a transaction has none of its own; texts are compared by their
bytes. Numbers come from a sequence; see the module of PostgreSQL.
"""

import contextlib
import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from csv_manager.audit.entries import CHANGED, REDACTED, TYPES, AuditedTable, Cells, Row
from csv_manager.audit.sql_dialects.interface import SIDES, Checkpoint, Shape, SqlDialect
from csv_manager.audit.values import Value
from csv_manager.core.errors import ConfigurationError

_AT = "DATE_FORMAT(at, '%Y-%m-%dT%H\\:%i\\:%S.%fZ')"
#: Settings under which values are read, and written, without loss.
_READ = "time_zone = '+00\\:00'"
_WRITE = f"{_READ}, sql_mode = 'STRICT_TRANS_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0"
_LOCK_NAME, _LOCK_SECONDS = "csv_manager.audit", 60
_PAGE = 1000
#: Seconds after which a transaction that goes on is told of by its server.
_SEEN = 2
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year", "double"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_SHAPES = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
    }
)
_OTHERS = frozenset({"decimal", "date", "time", "datetime", "timestamp"})
_IS_TABLE = r"t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' AND t.table_name NOT LIKE 'csv\_audit\_%'"
_FINGERPRINT = f"""
SELECT COUNT(*), SUM(CRC32(CONCAT_WS(',', c.table_name, c.ordinal_position, c.column_name, c.column_type, c.column_key,
    c.is_generated, c.collation_name))),
    (SELECT CONCAT(COUNT(*), ' ', SUM(CRC32(CONCAT_WS(',', trigger_name, event_object_table))))
     FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND trigger_name LIKE 'csv\\_audit\\_%')
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) WHERE {_IS_TABLE}
"""  # noqa: S608 - constants
_COLUMNS = """
SELECT c.column_name, c.column_type, c.character_set_name, c.collation_name, k.ordinal_position
FROM information_schema.columns c LEFT JOIN information_schema.key_column_usage k
    ON k.table_schema = c.table_schema AND k.table_name = c.table_name AND k.column_name = c.column_name
    AND k.constraint_name = 'PRIMARY'
WHERE c.table_schema = coalesce(:schema, DATABASE()) AND c.table_name = :name AND c.is_generated = 'NEVER'
ORDER BY c.ordinal_position
"""
_TRIGGERS = r"""
SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = coalesce(:schema, DATABASE())
AND event_object_table = :name AND trigger_name LIKE 'csv\_audit\_%'
"""


class Mariadb(SqlDialect):
    """MariaDB from 10.3 on."""

    commits_definitions = True
    at_text = _AT
    unseen = ("what a foreign key does to rows that refer to others", "TRUNCATE")

    def prepare(self, connection: Connection) -> None:
        """Nothing is to be told."""

    def exclusive(self, connection: Connection) -> None:
        """By a lock of the session, as what makes tables ends a transaction; see `release`."""
        taken = connection.execute(
            text("SELECT GET_LOCK(:name, :seconds)"), {"name": _LOCK_NAME, "seconds": _LOCK_SECONDS}
        )
        if taken.scalar_one() != 1:
            raise ConfigurationError("Another process makes tables of the audit log; try again once it has ended.")

    def release(self, connection: Connection) -> None:
        """The tables are there by now."""
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})

    def install(self, connection: Connection) -> None:
        """The sequence of numbers."""
        connection.execute(text("CREATE SEQUENCE IF NOT EXISTS csv_audit_numbers"))

    def fingerprint(self, connection: Connection) -> Hashable:
        """A hash of what the catalogue has of tables, and of our triggers."""
        return tuple(connection.execute(text(_FINGERPRINT)).one())

    def names(self, connection: Connection) -> list[tuple[str | None, str]]:
        """Those of the connection's database."""
        told = f"SELECT table_name FROM information_schema.tables t WHERE {_IS_TABLE} ORDER BY 1"  # noqa: S608 - constants
        return [(None, row[0]) for row in connection.execute(text(told))]

    def describe(self, connection: Connection, schema: str | None, name: str) -> Shape | None:
        """As the catalogue tells."""
        rows = connection.execute(text(_COLUMNS), {"schema": schema, "name": name}).all()
        if not rows:
            return None
        for column, kind, *_ in rows:
            if _base(kind) in _SHAPES:
                raise ConfigurationError(f"Column {column} of table {name} is a {kind}, which cannot be audited yet.")
        key = sorted((place, column) for column, *_, place in rows if place is not None)
        return Shape(
            columns=tuple(row[0] for row in rows),
            types=tuple(f"{row[1]} CHARACTER SET {row[2]} COLLATE {row[3]}" if row[2] else row[1] for row in rows),
            key=tuple(column for _, column in key),
        )

    def begin(self, connection: Connection, table: AuditedTable) -> None:
        """The table of entries, and three triggers."""
        there, mine = self._triggers(connection, table), self._mine(table)
        for name in there - set(mine):
            self._do(connection, f"DROP TRIGGER IF EXISTS {self.quoted(table.schema, name)}")
        if mine.keys() <= there:
            return
        cells = ", ".join(
            f"o{place} {kind} NULL DEFAULT NULL, n{place} {kind} NULL DEFAULT NULL"
            for place, kind in enumerate(self._types(table))
        )
        number = "number BIGINT PRIMARY KEY DEFAULT NEXTVAL(csv_audit_numbers)"
        columns = f"{number}, type CHAR(1) NOT NULL, token VARCHAR(32), at DATETIME(6) NOT NULL, {cells}"
        self._do(connection, f"CREATE TABLE IF NOT EXISTS {table.entries} ({columns}) ENGINE = InnoDB")
        before = connection.scalar(text("SELECT @@SESSION.sql_mode"))
        connection.execute(text("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'"))
        try:
            for name, letter in mine.items():
                self._do(connection, f"DROP TRIGGER IF EXISTS {self.quoted(table.schema, name)}")
                self._do(connection, self._auditing(table, name, letter))
        finally:
            connection.execute(text("SET SESSION sql_mode = :mode"), {"mode": before})

    def is_begun(self, connection: Connection, table: AuditedTable) -> bool:
        """By their names."""
        return self._mine(table).keys() <= self._triggers(connection, table)

    @staticmethod
    def _mine(table: AuditedTable) -> dict[str, str]:
        """The names of the triggers, and the kinds of changes that fire them."""
        return {f"csv_audit_{table.number}_{TYPES[letter]}": letter for letter in SIDES}

    @staticmethod
    def _triggers(connection: Connection, table: AuditedTable) -> set[str]:
        told = {"schema": table.schema, "name": table.name}
        return set(connection.execute(text(_TRIGGERS), told).scalars())

    def _auditing(self, table: AuditedTable, name: str, letter: str) -> str:
        rows = SIDES[letter]
        sides = list(itertools.product(enumerate(table.columns), rows.items()))
        listed = ", ".join(f"{side}{place}" for (place, _), (side, _) in sides)
        cells = ", ".join(self._cell(table, letter, place, row) for (place, _), (_, row) in sides)
        insert = (
            f"INSERT INTO {table.entries} (type, token, at, {listed}) "  # noqa: S608 - quoted
            f"VALUES ('{letter}', COALESCE(@csv_audit_token, @csv_audit_other), UTC_TIMESTAMP(6), {cells})"
        )
        insert = f"{self._begin_other()}; {insert}"
        if letter == "u":
            differs = " OR ".join(self._differs(table, place) for place in range(len(table.columns)))
            insert = f"IF {differs} THEN {insert}; END IF"
        on = self.quoted(table.schema, table.name)
        when = f"AFTER {TYPES[letter].upper()} ON {on} FOR EACH ROW"
        return f"CREATE TRIGGER {self.quoted(table.schema, name)} {when} BEGIN {insert}; END"

    @staticmethod
    def _begin_other() -> str:
        """What is known of a statement of another program: its user, and from where."""
        who = "SUBSTRING_INDEX(USER(), '@', -1), SUBSTRING_INDEX(USER(), '@', 1)"
        return (
            "IF @csv_audit_token IS NULL AND NOT (@csv_audit_at <=> UTC_TIMESTAMP(6)) THEN "  # noqa: S608 - constants
            "SET @csv_audit_other = REPLACE(UUID(), '-', ''), @csv_audit_at = UTC_TIMESTAMP(6); "
            "INSERT INTO csv_audit_transactions (token, created, `after`, host, user) "
            "SELECT @csv_audit_other, DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%S.%fZ'), "
            f"GREATEST(CAST(next_not_cached_value AS SIGNED) - CAST(cache_size AS SIGNED) - 1, 0), {who} "
            "FROM csv_audit_numbers; END IF"
        )

    def _cell(self, table: AuditedTable, letter: str, place: int, row: str) -> str:
        """A cell as the log is to have it."""
        if table.columns[place] not in table.redacted:
            return f"{row}.{self.quoted(table.columns[place])}"
        if letter == "u" and row == "NEW":
            return f"IF({self._differs(table, place)}, '{CHANGED}', '{REDACTED}')"
        return f"'{REDACTED}'"

    def _differs(self, table: AuditedTable, place: int) -> str:
        name, binary = self.quoted(table.columns[place]), "BINARY " if self._is_text(table, place) else ""
        return f"NOT ({binary}OLD.{name} <=> {binary}NEW.{name})"

    @staticmethod
    def _types(table: AuditedTable) -> Iterator[str]:
        """The types of the columns of entries."""
        for name, kind in zip(table.columns, table.types, strict=True):
            yield "VARCHAR(32)" if name in table.redacted else kind

    def end(self, connection: Connection, table: AuditedTable) -> None:
        """The triggers go; the entries stay."""
        for letter in TYPES:
            name = f"csv_audit_{table.number}_{TYPES[letter]}"
            self._do(connection, f"DROP TRIGGER IF EXISTS {self.quoted(table.schema, name)}")

    def is_autocommit(self, connection: Connection) -> bool:
        """As the driver is set."""
        driver = connection.connection.dbapi_connection
        return driver is not None and connection.dialect.detect_autocommit_setting(driver)

    def last(self, connection: Connection) -> int:
        """One before those that the server has taken from the sequence, to give them out."""
        told = text("SELECT next_not_cached_value, cache_size FROM csv_audit_numbers")
        beyond, taken = connection.execute(told).one()
        return max(int(beyond) - int(taken) - 1, 0)

    def set_token(self, connection: Connection, token: str | None) -> None:
        """As a variable of the session, which is to be taken back."""
        connection.execute(text("SET @csv_audit_token = :token"), {"token": token})

    def drop_token(self, connection: Connection) -> None:
        """The session goes on."""
        self.set_token(connection, None)

    def lock(self, connection: Connection) -> None:
        """By the row of the head."""
        connection.execute(text("SELECT id FROM csv_audit_head FOR UPDATE"))

    def may_seal(self, connection: Connection) -> bool:
        """Only where each statement sees what others have committed."""
        return str(connection.scalar(text("SELECT @@SESSION.tx_isolation"))) == "READ-COMMITTED"

    def begin_seal(self, connection: Connection) -> None:
        """Whatever the connection's transactions are else."""
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))

    def checkpoint(self, connection: Connection, before: Checkpoint | None) -> tuple[int, Checkpoint]:
        """A number, and its time: once no transaction goes on that began before, each number up to it is there.

        Who may not see the transactions of others knows nothing of them; then numbers are told one by one.
        """
        now = int(connection.scalar(text("SELECT UNIX_TIMESTAMP()")) or 0)
        if before is None:
            return 0, {"number": self.last(connection), "time": now}
        began = text("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE UNIX_TIMESTAMP(trx_started) <= :time")
        try:
            with connection.begin_nested():
                going = connection.scalar(began, {"time": before["time"]})
        except DBAPIError:
            return 0, before
        if going or now < before["time"] + _SEEN:
            return 0, before
        return before["number"], {"number": self.last(connection), "time": now}

    def pages(
        self, connection: Connection, table: AuditedTable, after: int, upto: int | None, token: str | None
    ) -> Iterator[Sequence[Row]]:
        """By the index of their numbers."""
        places = range(len(table.columns))
        cells = ", ".join(self._read(table, place, f"{side}{place}") for side in "on" for place in places)
        asked = ("" if upto is None else "AND number <= :upto ") + ("" if token is None else "AND token = :token ")
        where = f"WHERE number > :after {asked}ORDER BY number LIMIT {_PAGE}"
        query = f"SELECT number, type, token, {_AT}, {cells} FROM {table.entries} {where}"  # noqa: S608 - ours
        given = {name: value for name, value in (("upto", upto), ("token", token)) if value is not None}
        told = text(f"SET STATEMENT {_READ} FOR {query}")
        while rows := connection.execute(told, {"after": after, **given}).all():
            yield [tuple(row) for row in rows]
            after = rows[-1][0]

    def unchecked(self, connection: Connection) -> contextlib.AbstractContextManager[bool]:
        """They never do."""
        del connection
        return contextlib.nullcontext(enter_result=True)

    def count_on(self, connection: Connection, name: str) -> None:
        """They do."""

    def settle(self, connection: Connection) -> None:
        """Each statement is told by itself."""

    def hold(self, connection: Connection, table: AuditedTable) -> None:
        """Row by row, and what is between them: a lock of the table would end the transaction."""
        connection.execute(text(f"SELECT COUNT(*) FROM {self._escaped(table)} LOCK IN SHARE MODE"))  # noqa: S608 - quoted

    def take_number(self, connection: Connection) -> int:
        """From the sequence."""
        return int(connection.scalar(text("SELECT NEXTVAL(csv_audit_numbers)")) or 0)

    def rows(self, connection: Connection, table: AuditedTable, *, held: bool = False) -> Iterator[Cells]:
        """A stream from the server, where the driver has one."""
        query = f"SELECT {self._listed(table)} FROM {self._escaped(table)}"  # noqa: S608 - quoted
        if held:  # not as they were when the transaction began to read
            query += " LOCK IN SHARE MODE"
        told = text(f"SET STATEMENT {_READ} FOR {query}")
        result = connection.execute(told, execution_options={"yield_per": _PAGE})
        yield from (tuple(row) for row in result)

    def find(self, connection: Connection, table: AuditedTable, key: Cells) -> list[Cells]:
        """By the key's index, where there is a key."""
        where, given = self._where(table, table.key_places, key)
        query = f"SELECT {self._listed(table)} FROM {self._escaped(table)} WHERE {where}"  # noqa: S608 - quoted
        return [tuple(row) for row in connection.execute(text(f"SET STATEMENT {_READ} FOR {query}"), given)]

    def insert(self, connection: Connection, table: AuditedTable, rows: Sequence[Cells]) -> None:
        """One after the other."""
        names = ", ".join(self._column(table, place) for place in table.told_places)
        values = ", ".join(f":v{place}" for place in table.told_places)
        query = f"INSERT INTO {self._escaped(table)} ({names}) VALUES ({values})"  # noqa: S608 - quoted
        given = [{f"v{place}": cells[place] for place in table.told_places} for cells in rows]
        connection.execute(text(f"SET STATEMENT {_WRITE} FOR {query}"), given)

    def update(self, connection: Connection, table: AuditedTable, old: Cells, new: Cells) -> int:
        """Of equal rows of a table without a key, one."""
        where, given = self._one(table, old)
        values = ", ".join(f"{self._column(table, place)} = :v{place}" for place in table.told_places)
        query = f"UPDATE {self._escaped(table)} SET {values} WHERE {where} LIMIT 1"  # noqa: S608 - quoted
        given |= {f"v{place}": new[place] for place in table.told_places}
        return connection.execute(text(f"SET STATEMENT {_WRITE} FOR {query}"), given).rowcount

    def delete(self, connection: Connection, table: AuditedTable, cells: Cells) -> int:
        """Of equal rows of a table without a key, one."""
        where, given = self._one(table, cells)
        query = f"DELETE FROM {self._escaped(table)} WHERE {where} LIMIT 1"  # noqa: S608 - quoted
        return connection.execute(text(f"SET STATEMENT {_WRITE} FOR {query}"), given).rowcount

    def _one(self, table: AuditedTable, cells: Cells) -> tuple[str, dict[str, Value]]:
        """A condition that is met by rows with exactly these cells."""
        places = table.told_places
        where, given = self._where(table, places, [cells[place] for place in places])
        indexed = [f"{self._column(table, place)} = :o{place}" for place in (table.key_places if table.key else ())]
        return " AND ".join([*indexed, where]), given

    def _where(
        self, table: AuditedTable, places: Sequence[int], cells: Sequence[Value]
    ) -> tuple[str, dict[str, Value]]:
        """A condition that is met by rows with exactly these cells."""
        parts = []
        for place in places:
            read, given = self._read(table, place, self._column(table, place)), f":o{place}"
            if self._is_text(table, place):
                read, given = f"CAST({read} AS BINARY)", f"CAST({given} AS BINARY)"
            parts.append(f"{read} <=> {given}")
        return " AND ".join(parts), {f"o{place}": cell for place, cell in zip(places, cells, strict=True)}

    def _listed(self, table: AuditedTable) -> str:
        return ", ".join(self._read(table, place, self._column(table, place)) for place in range(len(table.columns)))

    @staticmethod
    def _read(table: AuditedTable, place: int, cell: str) -> str:
        """A cell as it is read: numbers and bytes as they are, and all else as a text."""
        if table.columns[place] in table.redacted and cell[1:].isdigit():
            return cell
        kind = _base(table.types[place])
        if kind == "float":  # of which a client gets six digits
            return f"CAST({cell} AS DOUBLE)"
        if kind == "bit":
            return f"CAST({cell} AS UNSIGNED)"
        if kind in _NUMBERS | _BYTES:
            return cell
        return f"CAST({cell} AS CHAR)" if kind in _OTHERS else f"CONVERT({cell} USING utf8mb4)"

    @staticmethod
    def _is_text(table: AuditedTable, place: int) -> bool:
        return _base(table.types[place]) not in _NUMBERS | _BYTES | _OTHERS | {"float", "bit"}

    def _column(self, table: AuditedTable, place: int) -> str:
        return _escape(self.quoted(table.columns[place]))

    def _escaped(self, table: AuditedTable) -> str:
        return _escape(self.quoted(table.schema, table.name))

    @staticmethod
    def quoted(*names: str | None) -> str:
        """A name as a statement has it, with that of its schema before it."""
        return ".".join("`" + name.replace("`", "``") + "`" for name in names if name is not None)

    @staticmethod
    def _do(connection: Connection, statement: str) -> Any:
        return connection.execute(text(_escape(statement)))


def _base(kind: str) -> str:
    """The name of a type, without how long and of what it is."""
    return kind.partition("(")[0].split()[0].lower()


def _escape(told: str) -> str:
    """A part of a statement without parameters."""
    return told.replace(":", r"\:")
