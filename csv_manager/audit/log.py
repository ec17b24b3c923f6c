"""The audit log of one database: which tables are audited, their entries, and the chain that seals these."""

import hashlib
import heapq
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, inspect, select, text, update

from csv_manager.audit.anchors import Anchor
from csv_manager.audit.batches import Batches
from csv_manager.audit.chain import Hashed, row_of
from csv_manager.audit.entries import AuditedTable, Entry
from csv_manager.audit.ranges import Ranges
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.sql_dialects.interface import Shape
from csv_manager.audit.tables import audited, context, head, metadata, seals, snapshots, transactions
from csv_manager.audit.times import now
from csv_manager.core.errors import AuditError, ConfigurationError
from csv_manager.core.hosts import host, user

#: The hash that the first seal has before it.
_FIRST = hashlib.sha256(b"csv_manager audit log").hexdigest()


#: So many tables are asked for their entries one after the other; more of them are asked first whether they have any.
_FEW = 3
#: So many stretches of entries that are not sealed are read by themselves.
_WINDOWS = 20
#: So many numbers are looked through at once for the newest entries.
_WIDTH = 1000
#: So many tokens are asked for at once.
_MANY = 500


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A transaction whose entries have a token; they are `after` the one of that number."""

    token: str
    after: int


@dataclass(frozen=True)
class Transaction:
    """Who made entries. Of another program `host` and `user` are what its database tells, or empty."""

    token: str
    created: str
    after: int
    host: str
    user: str
    extra: Mapping[str, Any] | None

    @property
    def actor(self) -> str | None:
        """The user, at the host that it came from; None if the database does not tell."""
        return f"{self.user}@{self.host}" if self.user and self.host else self.user or None

    @property
    def program(self) -> str | None:
        """The program, if it is told."""
        told = (self.extra or {}).get("program")
        return str(told) if told else None

    @property
    def run(self) -> str | None:
        """The number of the run that did it, if one did."""
        told = (self.extra or {}).get("run")
        return None if told is None else str(told)


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What the chain is like: how many seals and entries are as they were sealed, and how many are not sealed yet.

    `broken` is what is wrong with the first link that is not as it was; None if all are.
    """

    seals: int
    entries: int
    unsealed: int
    hash: str
    broken: str | None = None


class AuditLog:
    """The audit log of a connection's database; everything is part of the transaction that is going on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql_dialect = sql_dialect_of(connection)
        self._batches = Batches(connection)

    @property
    def is_there(self) -> bool:
        """Whether the database has a log that this user sees."""
        return head.name in inspect(self._connection).get_table_names()  # has_table is refused where rights lack

    def install(self) -> None:
        """Make the tables of the log, unless they are there."""
        metadata.create_all(self._connection)
        self._sql_dialect.install(self._connection)
        if self._connection.execute(select(head.c.id)).first() is None:
            self._connection.execute(insert(head), {"id": 1, "number": 0, "hash": _FIRST, "upto": 0, "beyond": []})
            self._connection.execute(insert(context), {"id": 1, "number": 0, "token": None})

    def track(self, name: str, schema: str | None = None, *, redacted: Collection[str] | None = None) -> AuditedTable:
        """Audit a table from now on; one that is audited and has other columns by now is audited with these.

        The values of `redacted` columns are not in the log; by default they are those that were, if it was audited.

        Raises `ConfigurationError` for a table that is not there, and for a column to be redacted that is not, or is
        one of the key.
        """
        shape = self._sql_dialect.describe(self._connection, schema, name)
        if shape is None:
            raise ConfigurationError(f"There is no table {name}.")
        known = {(table.schema, table.name): table for table in self.tables()}.get((schema, name))
        if redacted is None:
            redacted = set(known.redacted) & set(shape.columns) if known is not None else ()
        row = {
            "schema_name": schema,
            "table_name": name,
            "columns": list(shape.columns),
            "row_key": list(shape.key),
            "types": list(shape.types),
            "redacted": self._redacted(name, shape, redacted),
        }
        if known is None or row_of(known) != row:
            if known is not None:
                self.untrack(known)
            told = self._connection.execute(insert(audited), {**row, "created": now()})
            known = _table(told.inserted_primary_key[0], row)  # type: ignore[index]
        self._sql_dialect.begin(self._connection, known)
        return known

    @staticmethod
    def _redacted(name: str, shape: Shape, redacted: Collection[str]) -> list[str]:
        for column in redacted:
            if column in shape.key:
                told = f"Column {column} of table {name} cannot be redacted: its rows are known by it."
                raise ConfigurationError(told)
            if column not in shape.columns:
                raise ConfigurationError(f"There is no column {column} in table {name}, which is to be redacted there.")
        return [column for column in shape.columns if column in redacted]

    def track_all(
        self, *, redacted: Mapping[str, Collection[str]] | None = None, besides: Collection[str] = ()
    ) -> None:
        """Audit all tables `besides` some, and those no longer that are not there any more; see `track`.

        `redacted` has columns by their tables; the others are as they were.
        """
        names = [each for each in self._sql_dialect.names(self._connection) if each[0] or each[1] not in besides]
        for table in self.tables():
            if (table.schema, table.name) not in names:
                self.untrack(table)
        for schema, name in names:
            self.track(name, schema, redacted=(redacted or {}).get(name))

    def follow(self) -> None:
        """Audit the tables that are audited with the columns that they have by now, and those no longer that went."""
        names = self._sql_dialect.names(self._connection)
        for table in self.tables():
            if (table.schema, table.name) in names:
                self.track(table.name, table.schema)
            else:
                self.untrack(table)

    def lapsed(self) -> list[AuditedTable]:
        """The audited tables of which not all is seen: that went, whose columns changed, or whose triggers did."""
        return [table for table in self.tables() if not self._is_seen(table)]

    def _is_seen(self, table: AuditedTable) -> bool:
        shape = self._sql_dialect.describe(self._connection, table.schema, table.name)
        known = Shape(columns=table.columns, key=table.key, types=table.types)
        return shape == known and self._sql_dialect.is_begun(self._connection, table)

    def untrack(self, table: AuditedTable) -> None:
        """Audit a table no longer; its entries stay."""
        self._sql_dialect.end(self._connection, table)
        mine = update(audited).where(audited.c.id == table.number)
        self._connection.execute(mine.values(ended=now()))

    def tables(self, *, ended: bool = False) -> list[AuditedTable]:
        """The tables that are audited, in the order in which they were added; those too that were, if `ended`."""
        query = select(audited).order_by(audited.c.id)
        rows = self._connection.execute(query if ended else query.where(audited.c.ended.is_(None)))
        return [_table(row["id"], dict(row)) for row in rows.mappings()]

    def begin(self, extra: Mapping[str, Any] | None = None) -> Begun:
        """Have what this transaction changes be known by a token, with who it is and `extra`."""
        begun = Begun(token=uuid.uuid4().hex, after=self._sql_dialect.last(self._connection))
        who = {"host": host(), "user": user(), "extra": extra and dict(extra)}
        self._connection.execute(insert(transactions), {**asdict(begun), "created": now("microseconds"), **who})
        self._sql_dialect.set_token(self._connection, begun.token)
        return begun

    def end(self, begun: Begun) -> bool:
        """Seal what was changed, as the last thing before the transaction is committed.

        False if a transaction of its own is to `seal` it, as this one does not see what others have committed.
        """
        self._sql_dialect.set_token(self._connection, None)
        if not self._has_done(begun):
            self._connection.execute(delete(transactions).where(transactions.c.token == begun.token))
            return True
        may_seal = self._sql_dialect.may_seal(self._connection)
        if may_seal:
            self.seal()
        return may_seal

    def _has_done(self, begun: Begun) -> bool:
        """Whether a transaction has changed a row, or taken a snapshot."""
        if next(self.entries(begun.after, token=begun.token), None) is not None:
            return True
        taken = select(snapshots.c.number).where(snapshots.c.number > begun.after, snapshots.c.token == begun.token)
        return self._connection.execute(taken).first() is not None

    def entries(
        self,
        after: int = 0,
        upto: int | None = None,
        *,
        tables: Sequence[AuditedTable] | None = None,
        token: str | None = None,
    ) -> Iterator[Entry]:
        """The entries behind one, in their order: all, or those up to another, of some tables, or of a transaction."""
        chosen = self._touched(self.tables(ended=True) if tables is None else tables, after)
        each = [self._entries(table, after, upto, token) for table in chosen]
        return each[0] if len(each) == 1 else heapq.merge(*each, key=lambda entry: entry.number)

    def _entries(self, table: AuditedTable, after: int, upto: int | None, token: str | None) -> Iterator[Entry]:
        for rows in self._batches.pages(table, after, upto, token):
            yield from (Entry.of(table, row) for row in rows)

    def _touched(self, tables: Sequence[AuditedTable], after: int) -> list[AuditedTable]:
        """Those of some tables that have entries behind a number."""
        if len(tables) < _FEW:
            return list(tables)
        parts = (
            f"SELECT {table.number} WHERE EXISTS (SELECT 1 FROM {table.entries} WHERE number > {after:d})"  # noqa: S608
            for table in tables
        )
        numbers = set(self._connection.execute(text(" UNION ALL ".join(parts))).scalars())
        numbers |= self._batches.tables_behind(after)
        return [table for table in tables if table.number in numbers]

    def _hashed(self, before: str, windows: Sequence[tuple[int, int | None]], chosen: Callable[[int], bool]) -> Hashed:
        """The hash of the chosen entries of some stretches, of their tables, and of who made them."""
        found = Hashed(before)
        for table in self._touched(self.tables(ended=True), windows[0][0]):
            for after, upto in windows:
                for rows in self._batches.pages(table, after, upto, None):
                    found.add(table, [row for row in rows if chosen(row[0])])
        taken = select(snapshots).where(snapshots.c.number > windows[0][0]).order_by(snapshots.c.number)
        if windows[-1][1] is not None:
            taken = taken.where(snapshots.c.number <= windows[-1][1])
        for row in self._connection.execute(taken):
            if chosen(row.number):
                found.add_snapshot(list(row), row.number, row.token)
        found.tell(self._told(sorted(found.tokens)))
        return found

    def _told(self, tokens: Sequence[str]) -> list[list[Any]]:
        """Who made entries, by their tokens."""
        rows: list[list[Any]] = []
        for place in range(0, len(tokens), _MANY):
            some = transactions.c.token.in_(tokens[place : place + _MANY])
            rows += map(list, self._connection.execute(select(transactions).where(some).order_by(transactions.c.token)))
        return rows

    def newest(self, tables: Sequence[AuditedTable] | None = None) -> Iterator[Entry]:
        """The entries of all tables or of some, the last one first."""
        chosen = self.tables(ended=True) if tables is None else tables
        upto, width = max(map(self._last, chosen), default=0), _WIDTH
        while upto > 0:
            after = max(upto - width, 0)
            found = list(self.entries(after, upto, tables=chosen))
            yield from reversed(found)
            upto, width = after, _WIDTH if found else width * 2

    def _last(self, table: AuditedTable) -> int:
        """The number of a table's last entry; 0 if there is none."""
        query = text(f"SELECT max(number) FROM {table.entries}")  # noqa: S608 - our name
        return self._connection.execute(query).scalar() or self._batches.last(table)

    def transactions(self, tokens: Collection[str]) -> dict[str, Transaction]:
        """Who made entries, by their tokens."""
        return {row[0]: Transaction(*row) for row in self._told(sorted(set(tokens)))}

    def begun_with(self, token: str) -> list[Transaction]:
        """Those whose tokens begin so, in the order of their entries."""
        alike = transactions.c.token.startswith(token, autoescape=True)
        query = select(transactions).where(alike).order_by(transactions.c.after, transactions.c.token)
        return [Transaction(*row) for row in self._connection.execute(query)]

    def later_than(self, mark: int | str) -> set[str]:
        """The tokens of those that have an entry behind the one of a number, or behind a time in UTC."""
        found: set[str] = set()
        at = "number" if isinstance(mark, int) else self._sql_dialect.at_text
        for table in self.tables(ended=True):
            query = f"SELECT DISTINCT token FROM {table.entries} WHERE {at} > :mark"  # noqa: S608 - our names
            found.update(self._connection.execute(text(query), {"mark": mark}).scalars())
            found.update(self._batches.later_than(table, mark))
        return found

    def seals_of(self, entries: Iterable[Entry]) -> dict[int, Anchor | None]:
        """The seals that entries have, by their numbers; None for one that is not sealed."""
        found: dict[int, Anchor | None] = {entry.number: None for entry in entries}
        left = set(found)
        for seal in self._connection.execute(select(seals).order_by(seals.c.number.desc())):
            if not left:
                break
            ranges = Ranges(seal.ranges)
            if ranges.last < min(left) or ranges.first > max(left):
                continue
            for number in {number for number in left if number in ranges}:
                found[number] = Anchor(number=seal.number, hash=seal.hash)
                left.remove(number)
        return found

    def seal(self) -> int:
        """Seal all entries that are not; how many they were."""
        self._sql_dialect.lock(self._connection)
        last = self._connection.execute(select(head)).one()
        sealed = Ranges(last.beyond)
        settled, checkpoint = self._sql_dialect.checkpoint(self._connection, last.checkpoint)
        found = self._hashed(last.hash, sealed.windows(last.upto, _WINDOWS), lambda number: number not in sealed)
        if not found.ranges.count:
            return 0
        told = {"number": last.number + 1, "ranges": found.ranges.to_json(), "hash": found.hash()}
        self._connection.execute(insert(seals), {**told, "created": now()})
        upto, beyond = (sealed | found.ranges).split(max(settled, last.upto))
        where = {"upto": upto, "beyond": beyond.to_json(), "checkpoint": checkpoint}
        self._connection.execute(update(head).values(number=told["number"], hash=told["hash"], **where))
        return found.ranges.count

    def verify(self, anchors: Iterable[Anchor] = ()) -> Verified:
        """Compute the chain anew, and compare it with what is there, and with seals as they are known elsewhere."""
        known = {anchor.number: anchor.hash for anchor in anchors}
        before, count, number, sealed = _FIRST, 0, 0, Ranges()
        for seal in self._connection.execute(select(seals).order_by(seals.c.number)).all():
            number += 1
            ranges = Ranges(seal.ranges)
            broken = self._broken(seal, number, before, ranges)
            if broken is None and known.get(number, seal.hash) != seal.hash:
                broken = f"seal {number} of {seal.created} is another one than its anchor tells"
            if broken is not None:
                return Verified(seals=number - 1, entries=count, unsealed=0, hash=before, broken=broken)
            before, count, sealed = seal.hash, count + ranges.count, sealed | ranges
        last = self._connection.execute(select(head)).one()
        is_last = (last.number, last.hash) == (number, before) and (
            not sealed.first or Ranges([(sealed.first, last.upto)]) | Ranges(last.beyond) >= sealed
        )
        most = max([last.number, *known])
        is_whole = is_last and most == number
        broken = None if is_whole else f"seal {most} was the last one, and the last that is there is {number}"
        unsealed = self._hashed(before, [(0, None)], lambda number: number not in sealed).ranges.count
        return Verified(seals=number, entries=count, unsealed=unsealed, hash=before, broken=broken)

    def _broken(self, seal: Any, number: int, before: str, ranges: Ranges) -> str | None:
        """What is wrong with a seal, if anything is."""
        if seal.number != number:
            return f"seal {number} is not there"
        try:
            found = self._hashed(before, [(ranges.first - 1, ranges.last)], ranges.__contains__)
        except AuditError as error:
            return f"seal {number} of {seal.created}: {error}"
        if found.ranges != ranges:
            return f"seal {number} of {seal.created}: of its {ranges.count:,} entries {found.ranges.count:,} are there"
        if found.hash() != seal.hash:
            return f"seal {number} of {seal.created}: its entries are not those that were sealed"
        return None


def _table(number: int, row: Mapping[str, Any]) -> AuditedTable:
    """A table of its row."""
    return AuditedTable(
        number=number,
        schema=row["schema_name"],
        name=row["table_name"],
        columns=tuple(row["columns"]),
        key=tuple(row["row_key"]),
        types=tuple(row["types"]),
        redacted=tuple(row["redacted"]),
    )
