"""What a module of a database has to offer."""

import abc
import contextlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from csv_manager.audit.entries import AuditedTable, Cells, Row
from csv_manager.audit.values import Value


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The columns of a table whose values are nobody else's, those of its key, and the types that have to be known."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    types: tuple[str, ...] = ()


#: What a database keeps to know when a transaction has ended; nobody else knows what it means.
Checkpoint = dict[str, int]


class SqlDialect(abc.ABC):
    """One kind of database whose tables can be audited."""

    #: Whether a statement that makes, changes or empties tables commits what was done before, and itself.
    commits_definitions = False
    #: The time of an entry as a text in UTC, with microseconds.
    at_text = ""
    #: What other programs may do to rows that no trigger sees.
    unseen: tuple[str, ...] = ()

    @abc.abstractmethod
    def prepare(self, connection: Connection) -> None:
        """Have what this connection does be audited as a whole."""

    @abc.abstractmethod
    def exclusive(self, connection: Connection) -> None:
        """Wait until nobody else makes tables of a log, and let nobody else, until this transaction ends."""

    @contextlib.contextmanager
    def alone(self, connection: Connection) -> Iterator[None]:
        """Make tables of a log while nobody else does."""
        self.exclusive(connection)
        try:
            yield
        finally:
            self.release(connection)

    @abc.abstractmethod
    def release(self, connection: Connection) -> None:
        """Let others make tables of a log, where the end of the transaction does not."""

    @abc.abstractmethod
    def install(self, connection: Connection) -> None:
        """Make what the log has besides its tables, unless it is there."""

    @abc.abstractmethod
    def fingerprint(self, connection: Connection) -> Hashable:
        """What is another one after each change of the database's tables."""

    @abc.abstractmethod
    def names(self, connection: Connection) -> list[tuple[str | None, str]]:
        """The schemas and names of all tables, without those of the log; no schema for the one that is not named."""

    @abc.abstractmethod
    def describe(self, connection: Connection, schema: str | None, name: str) -> Shape | None:
        """A table's columns; None if there is no such table."""

    @abc.abstractmethod
    def begin(self, connection: Connection, table: AuditedTable) -> None:
        """Make the table of entries and the triggers that write to it, unless they are there, and remove all others."""

    @abc.abstractmethod
    def is_begun(self, connection: Connection, table: AuditedTable) -> bool:
        """Whether the triggers are there as `begin` makes them."""

    @abc.abstractmethod
    def end(self, connection: Connection, table: AuditedTable) -> None:
        """Remove the triggers."""

    @abc.abstractmethod
    def is_autocommit(self, connection: Connection) -> bool:
        """Whether each statement is a transaction of its own."""

    @abc.abstractmethod
    def last(self, connection: Connection) -> int:
        """A number behind which all entries are that this transaction has yet to make."""

    @abc.abstractmethod
    def set_token(self, connection: Connection, token: str | None) -> None:
        """Have the entries that this transaction makes from now on have a token."""

    @abc.abstractmethod
    def drop_token(self, connection: Connection) -> None:
        """Take the token back where the end of the transaction does not."""

    @abc.abstractmethod
    def lock(self, connection: Connection) -> None:
        """Wait until nobody else seals, and let nobody else, until this transaction ends."""

    @abc.abstractmethod
    def may_seal(self, connection: Connection) -> bool:
        """Whether this transaction sees what others have committed; else a seal is to be one of its own."""

    @abc.abstractmethod
    def begin_seal(self, connection: Connection) -> None:
        """As the first statement of a transaction, have it see what others have committed."""

    @abc.abstractmethod
    def checkpoint(self, connection: Connection, before: Checkpoint | None) -> tuple[int, Checkpoint]:
        """The number up to which each entry is there by now that ever will be, and what tells it the next time.

        For who holds the lock, and has yet to read. `before` is what was told the last time.
        """

    @abc.abstractmethod
    def settle(self, connection: Connection) -> None:
        """Have the values of this transaction's rows be read and written without loss."""

    @abc.abstractmethod
    def pages(
        self, connection: Connection, table: AuditedTable, after: int, upto: int | None, token: str | None
    ) -> Iterator[Sequence[Row]]:
        """The entries of a table behind one, a page at a time, in their order: up to another one, with a token.

        The values of a row are the same each time, and so are their types.
        """

    @abc.abstractmethod
    def rows(self, connection: Connection, table: AuditedTable, *, held: bool = False) -> Iterator[Cells]:
        """All rows of an audited table, in no order; those that nobody writes to if it is `held`."""

    @abc.abstractmethod
    def hold(self, connection: Connection, table: AuditedTable) -> None:
        """Wait until nobody else writes to a table, and let nobody else, until this transaction ends."""

    @abc.abstractmethod
    def take_number(self, connection: Connection) -> int:
        """A number behind those of all entries that were made."""

    def definition(self, connection: Connection, table: AuditedTable) -> Sequence[str]:
        """The statements that made a table, where the database keeps them."""
        del connection, table
        return ()

    @abc.abstractmethod
    def find(self, connection: Connection, table: AuditedTable, key: Cells) -> list[Cells]:
        """The rows of an audited table with this key, which are several only if it has none."""

    @abc.abstractmethod
    def insert(self, connection: Connection, table: AuditedTable, rows: Sequence[Cells]) -> None:
        """Insert rows."""

    @abc.abstractmethod
    def update(self, connection: Connection, table: AuditedTable, old: Cells, new: Cells) -> int:
        """Have one row that has exactly some cells have others; how many there are, which is one if all is well."""

    @abc.abstractmethod
    def delete(self, connection: Connection, table: AuditedTable, cells: Cells) -> int:
        """Delete one row that has exactly these cells; how many there are, which is one if all is well."""

    @abc.abstractmethod
    def unchecked(self, connection: Connection) -> contextlib.AbstractContextManager[bool]:
        """Have foreign keys do nothing to rows that are written in this, if that can be; whether it can."""

    @abc.abstractmethod
    def count_on(self, connection: Connection, name: str) -> None:
        """Have columns that count go on behind the rows that a table was given."""

    def has_orphans(self, connection: Connection, schema: str | None, name: str, key: Mapping[str, Any]) -> bool:
        """Whether a table has rows that refer to none by a foreign key, as SQLAlchemy's inspector tells of it."""
        pairs = list(zip(key["constrained_columns"], key["referred_columns"], strict=True))
        on = " AND ".join(f"p.{self.quoted(theirs)} = c.{self.quoted(own)}" for own, theirs in pairs)
        refers = " AND ".join(f"c.{self.quoted(own)} IS NOT NULL" for own, _ in pairs)
        parent = self.quoted(key["referred_schema"], key["referred_table"])
        query = f"SELECT 1 FROM {self.quoted(schema, name)} c LEFT JOIN {parent} p ON {on} "  # noqa: S608 - quoted
        query += f"WHERE {refers} AND p.{self.quoted(pairs[0][1])} IS NULL LIMIT 1"
        return connection.execute(text(query.replace(":", r"\:"))).first() is not None

    @staticmethod
    def quoted(*names: str | None) -> str:
        """A name as a statement has it, with that of its schema before it."""
        return ".".join('"' + name.replace('"', '""') + '"' for name in names if name is not None)


#: The rows that a trigger for a kind of change has, by the sides of an entry that they are.
SIDES: Mapping[str, Mapping[str, str]] = {"i": {"n": "NEW"}, "u": {"o": "OLD", "n": "NEW"}, "d": {"o": "OLD"}}
#: What a cell is in a statement: a placeholder and the values for it.
Bound = tuple[str, Sequence[Value]]
