"""Entries that are sealed, many in one row, compressed: they are read as they were, so that their seals hold."""

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, text

from csv_manager.audit.entries import AuditedTable, Row
from csv_manager.audit.packing import UNREADABLE, packed, unpacked
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.tables import batches, head
from csv_manager.audit.times import padded
from csv_manager.core.errors import AuditError

#: So many entries are in one batch, unless they need more bytes than a server takes at once.
_ROWS, _BYTES = 5000, 4_000_000
#: So many batches are kept as they were read: who goes through many short stretches reads each of them once.
_KEPT = 8


class Batches:
    """The batches of a connection's database, which come before all other entries of their tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql_dialect = sql_dialect_of(connection)
        self._kept: dict[tuple[int, int], list[Row]] = {}

    def pages(self, table: AuditedTable, after: int, upto: int | None, token: str | None) -> Iterator[Sequence[Row]]:
        """The entries of a table, those in batches and the others; see `SqlDialect.pages`.

        Who compacts meanwhile, where each statement sees what others have committed, makes no entry be passed by.
        """
        while True:
            known = self.last(table)
            for rows in self._compacted(table, after, upto, token) if known > after else ():
                yield rows
                after = rows[-1][0]
            for rows in self._sql_dialect.pages(self._connection, table, max(after, known), upto, token):
                if self.last(table) != known:
                    break
                yield rows
                after = rows[-1][0]
            else:
                if self.last(table) == known:
                    return

    def last(self, table: AuditedTable) -> int:
        """The number of the last entry in a batch of a table; 0 if there is none."""
        query = select(func.max(batches.c.last)).where(batches.c.table_id == table.number)
        return self._connection.execute(query).scalar() or 0

    def tables_behind(self, after: int) -> set[int]:
        """The numbers of the tables that have an entry in a batch behind the one of a number."""
        query = select(batches.c.table_id).where(batches.c.last > after).distinct()
        return set(self._connection.execute(query).scalars())

    def later_than(self, table: AuditedTable, mark: int | str) -> Iterator[str]:
        """The tokens of the entries in batches that are behind the one of a number, or behind a time."""
        is_later = batches.c.last > mark if isinstance(mark, int) else batches.c.at > mark
        for first in self._firsts(table, is_later):
            for row in self._read(table, first):
                if (row[0] > mark) if isinstance(mark, int) else (padded(row[3]) > mark):
                    yield row[2]

    def _compacted(
        self, table: AuditedTable, after: int, upto: int | None, token: str | None
    ) -> Iterator[Sequence[Row]]:
        wanted = [batches.c.last > after]
        if upto is not None:
            wanted.append(batches.c.first <= upto)
        if token is not None:
            wanted.append((batches.c.token == token) | batches.c.token.is_(None))
        for first in self._firsts(table, *wanted):
            rows = self._read(table, first)
            begin = bisect.bisect_right(rows, after, key=_number)
            end = len(rows) if upto is None else bisect.bisect_right(rows, upto, key=_number)
            if chosen := [row for row in rows[begin:end] if token is None or row[2] == token]:
                yield chosen

    def _firsts(self, table: AuditedTable, *wanted: Any) -> Sequence[int]:
        query = select(batches.c.first).where(batches.c.table_id == table.number, *wanted)
        return self._connection.execute(query.order_by(batches.c.first)).scalars().all()

    def _read(self, table: AuditedTable, first: int) -> list[Row]:
        """The entries of the batch that begins with one. Raises `AuditError` if it is not as it was written."""
        found = self._kept.pop((table.number, first), None)
        if found is None:
            query = select(batches).where(batches.c.table_id == table.number, batches.c.first == first)
            told = self._connection.execute(query).mappings().one()
            try:
                found = unpacked(told["content"])
                is_so = all(told[name] == value for name, value in _about(found).items())
            except UNREADABLE:
                is_so = False
            if not is_so or found is None:
                raise AuditError(f"the batch of entries of {table.name} from {first} on is not as it was written")
        self._kept[table.number, first] = found
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return found


def compact(connection: Connection, tables: Iterable[AuditedTable]) -> int:
    """Keep entries in batches that are sealed, and of which none before them is to come any more; how many.

    Nobody seals meanwhile. The transaction is one that sees what others have committed.
    """
    dialect = sql_dialect_of(connection)
    dialect.lock(connection)
    upto = connection.execute(select(head.c.upto)).scalar_one()
    count = 0
    for table in tables:
        entries = itertools.chain.from_iterable(dialect.pages(connection, table, 0, upto, None))
        while rows := list(itertools.islice(entries, _ROWS)):
            _add(connection, table, rows)
            count += len(rows)
            # One by one: MariaDB would lock what is behind a range of them, too, which others write just now.
            numbers = ", ".join(f"{row[0]:d}" for row in rows)
            connection.execute(text(f"DELETE FROM {table.entries} WHERE number IN ({numbers})"))  # noqa: S608 - ours
    return count


def are_many(connection: Connection, tables: Iterable[AuditedTable], count: int) -> bool:
    """Whether a table has so many entries that could be compacted."""
    upto = connection.execute(select(head.c.upto)).scalar_one()
    for table in tables:
        some = f"SELECT 1 FROM {table.entries} WHERE number <= :upto LIMIT :count"  # noqa: S608 - our name
        query = text(f"SELECT count(*) FROM ({some}) AS found")  # noqa: S608 - ours
        if connection.execute(query, {"upto": upto, "count": count}).scalar_one() == count:
            return True
    return False


def _add(connection: Connection, table: AuditedTable, rows: Sequence[Row]) -> None:
    content = packed(rows)
    if len(content) > _BYTES and len(rows) > 1:
        middle = len(rows) // 2
        _add(connection, table, rows[:middle])
        _add(connection, table, rows[middle:])
    else:
        connection.execute(insert(batches), {"table_id": table.number, **_about(rows), "content": content})


def _about(rows: Sequence[Row]) -> dict[str, Any]:
    """What a batch tells of its entries beside them."""
    tokens = {row[2] for row in rows}
    return {
        "first": rows[0][0],
        "last": rows[-1][0],
        "token": tokens.pop() if len(tokens) == 1 else None,
        "at": max(padded(row[3]) for row in rows),
    }


def _number(row: Row) -> int:
    return int(row[0])
