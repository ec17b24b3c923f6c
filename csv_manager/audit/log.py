"""The audit log of one database: which tables are audited, their entries, and the chain that seals these."""

import datetime as dt
import functools
import hashlib
import heapq
import json
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update

from csv_manager.audit.anchors import Anchor
from csv_manager.audit.entries import AuditedTable, Entry, Row
from csv_manager.audit.ranges import Ranges
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.sql_dialects.interface import Shape
from csv_manager.audit.tables import audited, context, head, metadata, seals, transactions
from csv_manager.core import clock
from csv_manager.core.errors import ConfigurationError
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
        if known is None or _row(known) != row:
            if known is not None:
                self.untrack(known)
            told = self._connection.execute(insert(audited), {**row, "created": _now()})
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

    def untrack(self, table: AuditedTable) -> None:
        """Audit a table no longer; its entries stay."""
        self._sql_dialect.end(self._connection, table)
        mine = update(audited).where(audited.c.id == table.number)
        self._connection.execute(mine.values(ended=_now()))

    def tables(self, *, ended: bool = False) -> list[AuditedTable]:
        """The tables that are audited, in the order in which they were added; those too that were, if `ended`."""
        query = select(audited).order_by(audited.c.id)
        rows = self._connection.execute(query if ended else query.where(audited.c.ended.is_(None)))
        return [_table(row["id"], dict(row)) for row in rows.mappings()]

    def begin(self, extra: Mapping[str, Any] | None = None) -> Begun:
        """Have what this transaction changes be known by a token, with who it is and `extra`."""
        begun = Begun(token=uuid.uuid4().hex, after=self._sql_dialect.last(self._connection))
        who = {"host": host(), "user": user(), "extra": extra and dict(extra)}
        self._connection.execute(insert(transactions), {**asdict(begun), "created": _now("microseconds"), **who})
        self._sql_dialect.set_token(self._connection, begun.token)
        return begun

    def end(self, begun: Begun) -> bool:
        """Seal what was changed, as the last thing before the transaction is committed.

        False if a transaction of its own is to `seal` it, as this one does not see what others have committed.
        """
        self._sql_dialect.set_token(self._connection, None)
        if next(self.entries(begun.after, token=begun.token), None) is None:
            self._connection.execute(delete(transactions).where(transactions.c.token == begun.token))
            return True
        may_seal = self._sql_dialect.may_seal(self._connection)
        if may_seal:
            self.seal()
        return may_seal

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
        for rows in self._sql_dialect.pages(self._connection, table, after, upto, token):
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
        return [table for table in tables if table.number in numbers]

    def _hashed(
        self, before: str, windows: Sequence[tuple[int, int | None]], chosen: Callable[[int], bool]
    ) -> "_Hashed":
        """The hash of the chosen entries of some stretches, of their tables, and of who made them."""
        found = _Hashed(before)
        for table in self._touched(self.tables(ended=True), windows[0][0]):
            for after, upto in windows:
                for rows in self._sql_dialect.pages(self._connection, table, after, upto, None):
                    found.add(table, [row for row in rows if chosen(row[0])])
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
        parts = [f"SELECT max(number) AS n FROM {table.entries}" for table in chosen]  # noqa: S608 - our names
        numbers = self._connection.execute(text(" UNION ALL ".join(parts))).scalars().all() if parts else []
        upto, width = max((number for number in numbers if number), default=0), _WIDTH
        while upto > 0:
            after = max(upto - width, 0)
            found = list(self.entries(after, upto, tables=chosen))
            yield from reversed(found)
            upto, width = after, _WIDTH if found else width * 2

    def transactions(self, tokens: Collection[str]) -> dict[str, Transaction]:
        """Who made entries, by their tokens."""
        return {row[0]: Transaction(*row) for row in self._told(sorted(set(tokens)))}

    def seal_of(self, number: int) -> Anchor | None:
        """The seal that an entry has, if it has one."""
        for seal in self._connection.execute(select(seals).order_by(seals.c.number.desc())):
            if number in Ranges(seal.ranges):
                return Anchor(number=seal.number, hash=seal.hash)
        return None

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
        self._connection.execute(insert(seals), {**told, "created": _now()})
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
            found = self._hashed(before, [(ranges.first - 1, ranges.last)], ranges.__contains__)
            broken = self._broken(seal, number, found, ranges)
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

    def _broken(self, seal: Any, number: int, found: "_Hashed", ranges: Ranges) -> str | None:
        """What is wrong with a seal, if anything is."""
        if seal.number != number:
            return f"seal {number} is not there"
        if found.ranges != ranges:
            return f"seal {number} of {seal.created}: of its {ranges.count:,} entries {found.ranges.count:,} are there"
        if found.hash() != seal.hash:
            return f"seal {number} of {seal.created}: its entries are not those that were sealed"
        return None


class _Hashed:
    """The hash of entries behind that of the seal before; `tokens` are those of their transactions."""

    def __init__(self, before: str) -> None:
        self._digest = hashlib.sha256(before.encode())
        self._tables: set[int] = set()
        self._numbers: list[int] = []
        self.tokens: set[str] = set()

    @functools.cached_property
    def ranges(self) -> Ranges:
        """The numbers of the entries, once all are added."""
        return Ranges.of(sorted(self._numbers))

    def add(self, table: AuditedTable, rows: Sequence[Row]) -> None:
        """Add entries of a table, and before the first ones what it is."""
        if not rows:
            return
        if table.number not in self._tables:
            self.tell((table.number, _row(table)))
            self._tables.add(table.number)
        self._digest.update("\n".join(map(ascii, rows)).encode() + b"\n")
        self._numbers += [row[0] for row in rows]
        self.tokens.update({row[2] for row in rows} - {None})

    def tell(self, told: Any) -> None:
        """Add anything that JSON has."""
        self._digest.update(json.dumps(told, sort_keys=True).encode() + b"\n")

    def hash(self) -> str:
        """The hash of all of them."""
        return self._digest.hexdigest()


def _now(precision: str = "milliseconds") -> str:
    return clock.now().astimezone(dt.UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _row(table: AuditedTable) -> dict[str, Any]:
    """A table as its row has it."""
    told = {"columns": table.columns, "row_key": table.key, "types": table.types, "redacted": table.redacted}
    return {"schema_name": table.schema, "table_name": table.name, **{name: list(told[name]) for name in told}}


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
