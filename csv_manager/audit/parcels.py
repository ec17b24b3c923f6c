"""The way of both logs into their database: with what they tell of, or into another one once it is committed.

Another database may be away at any moment, and a process may end between two commits. So what is to be written there is
known in the audited database, by a row that is committed with the changes, and stays until it is known to be written;
and what was written is known where it was, by a row too. What is met twice is told apart by these.
"""

import datetime as dt
import itertools
import logging
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from csv_manager.audit.log import AuditLog
from csv_manager.audit.models import Base, ChangeLog, Delivered, QueryLog
from csv_manager.audit.quiet import quiet
from csv_manager.audit.tables import outbox, parcels, statements
from csv_manager.core.errors import AuditError, clause

CHANGES, QUERIES = "changes", "queries"
#: What happens while the database of a log is away: the write fails, or the log waits in the audited database.
WhenAway = Literal["fail", "buffer"]
_TABLES: Mapping[str, type[Base]] = {CHANGES: ChangeLog, QUERIES: QueryLog}
_BATCH = 1000
_T = TypeVar("_T")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What one logger tells of one transaction: of `CHANGES` its token, of `QUERIES` the statements themselves."""

    log: str
    executed_at: dt.datetime
    extra: dict[str, Any] | None
    token: str | None = None
    after: int = 0
    rows: Sequence[Mapping[str, Any]] = ()
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def row(self) -> dict[str, Any]:
        """The parcel as its row has it, without its destination."""
        told = {"id": self.id, "log": self.log, "executed_at": self.executed_at.isoformat()}
        return {**told, "token": self.token, "after": self.after, "extra": self.extra}

    def told(self, connection: Connection) -> Iterator[dict[str, Any]]:
        """The rows for the log's table; `connection` is one of the audited database."""
        if self.log == QUERIES:
            yield from ({**row, "executed_at": _time(row["executed_at"]), "extra": self.extra} for row in self.rows)
            return
        shared = {"executed_at": self.executed_at, "extra": self.extra}
        for entry in AuditLog(connection).entries(self.after, token=self.token):
            told = {"diff": entry.diff(), "primary_key": entry.primary_key}
            yield {**shared, **told, "table_name": entry.table.name, "type": entry.type}

    def write(self, connection: Connection, audited: Connection) -> None:
        """Write the rows to the log's table."""
        for batch in _batched(self.told(audited)):
            connection.execute(insert(_TABLES[self.log]), batch)


class Destination:
    """The database that a log is written to."""

    def __init__(self, engine: Engine, when_away: WhenAway) -> None:
        self._engine = engine
        self._when_away = when_away
        self.name = self._name_of(engine) or f"memory of {uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._delivered: set[str] = set()
        self._forgotten: set[str] = set()
        #: Whether there may be parcels of others, or of before, that are not delivered.
        self.is_behind = True
        self._has_tables = False

    @staticmethod
    def _name_of(engine: Engine) -> str | None:
        """What a database is known by, without who uses it; None for one that is of this process alone."""
        url = engine.url
        if url.get_backend_name() == "sqlite":
            return str(Path(url.database).resolve()) if url.database and url.database != ":memory:" else None
        return f"{url.get_backend_name()}://{url.host or ''}:{url.port or ''}/{url.database or ''}"[:255]

    def is_in(self, connection: Connection) -> bool:
        """Whether this is the database of a connection."""
        other = connection.engine
        return other is self._engine or other.pool is self._engine.pool or self._name_of(other) == self.name

    def prepare(self, connection: Connection) -> None:
        """Make the tables that the audited database needs for it."""
        (Base.metadata if self.is_in(connection) else outbox).create_all(connection)

    def forget(self, connection: Connection) -> list[str]:
        """Remove from the audited database what is known to be delivered."""
        with self._lock:
            delivered = list(self._delivered)
        for ids in _batched(delivered):
            connection.execute(delete(statements).where(statements.c.parcel.in_(ids)))
            connection.execute(delete(parcels).where(parcels.c.id.in_(ids)))
        return delivered

    def forgotten(self, ids: Iterable[str]) -> None:
        """Take note of parcels that the audited database has no more."""
        with self._lock:
            self._delivered.difference_update(ids)
            self._forgotten.update(ids)

    def clean(self, connection: Connection) -> None:
        """Remove from the database of the log what tells parcels apart that come no more."""
        with self._lock:
            forgotten, self._forgotten = list(self._forgotten), set()
        for ids in _batched(forgotten):
            connection.execute(delete(Delivered).where(Delivered.parcel.in_(ids)))

    def keep(self, connection: Connection, parcel: Parcel) -> None:
        """Write a parcel, or if the log is in the audited database its rows, as part of the transaction."""
        if self.is_in(connection):
            parcel.write(connection, connection)
            return
        connection.execute(insert(parcels), {**parcel.row, "destination": self.name})
        rows = ({"parcel": parcel.id, "number": number, "row": row} for number, row in enumerate(parcel.rows))
        for batch in _batched(rows):
            connection.execute(insert(statements), batch)

    def send(self, connection: Connection, parcel: Parcel, shipments: "Shipments") -> None:
        """Write the rows of a parcel that is kept, to be committed once the transaction is.

        Raises `AuditError` if the other database is away and the write is to fail then.
        """
        if self.is_in(connection):
            return
        try:
            shipments.of(self).add(self, parcel, connection)
        except SQLAlchemyError as error:
            shipments.drop(self)
            if self._when_away == "fail":
                raise AuditError(self._away(error, "nothing was committed")) from error
            self.lost(error)

    def catch_up(self, connection: Connection) -> int:
        """Deliver what earlier transactions left; how many parcels. `connection` is one of the audited database."""
        if not self.is_behind or self.is_in(connection):
            return 0
        count = 0
        for parcel in self._left(connection):
            try:
                shipment = Shipment(self)
                shipment.add(self, parcel, connection)
            except SQLAlchemyError as error:  # also if another process writes it now; it is known to be there then
                self.lost(error)
                return count
            shipment.commit()
            count += 1
        self.is_behind = False
        return count

    def _left(self, connection: Connection) -> list[Parcel]:
        """The parcels of this destination that are not known to be delivered, in their order."""
        mine = select(parcels).where(parcels.c.destination == self.name).order_by(parcels.c.executed_at)
        with self._lock:
            left = [row for row in connection.execute(mine).mappings().all() if row["id"] not in self._delivered]
        found = []
        for row in left:
            told = select(statements.c.row).where(statements.c.parcel == row["id"]).order_by(statements.c.number)
            own = {name: row[name] for name in ("id", "log", "token", "after", "extra")}
            rows = connection.execute(told).scalars().all() if row["log"] == QUERIES else ()
            found.append(Parcel(**own, executed_at=_time(row["executed_at"]), rows=rows))
        return found

    def delivered(self, parcel: Parcel) -> None:
        """Take note of a parcel that was written, and committed."""
        with self._lock:
            self._delivered.add(parcel.id)

    def lost(self, error: SQLAlchemyError) -> None:
        """Take note of a parcel that could not be written."""
        self.is_behind = True
        _logger.warning("%s", self._away(error, "the log waits in the audited database"))

    def connect(self) -> Connection:
        """A connection to the database, whose tables are there."""
        if not self._has_tables:
            with self._engine.begin() as connection, quiet(connection):
                Base.metadata.create_all(connection)
            self._has_tables = True
        return self._engine.connect()

    def _away(self, error: SQLAlchemyError, so: str) -> str:
        cause = clause(getattr(error, "orig", None) or error)
        return f"The log's database {self._engine.url.render_as_string()} cannot be written to: {cause}; {so}."


class Shipment:
    """The rows of parcels in one database, written and not committed."""

    def __init__(self, destination: Destination) -> None:
        self._parcels: list[tuple[Destination, Parcel]] = []
        self._there = destination.connect()

    def add(self, destination: Destination, parcel: Parcel, audited: Connection) -> None:
        """Write a parcel, unless it is there already. Raises `SQLAlchemyError` if it cannot be; then nothing is."""
        self._parcels.append((destination, parcel))
        try:
            with quiet(self._there):
                self._add(destination, parcel, audited)
        except BaseException:
            self._there.close()
            raise

    def _add(self, destination: Destination, parcel: Parcel, audited: Connection) -> None:
        known = select(Delivered.parcel).where(Delivered.parcel == parcel.id)
        if self._there.execute(known).first() is None:
            self._there.execute(insert(Delivered), {"parcel": parcel.id})
            destination.clean(self._there)
            parcel.write(self._there, audited)

    def commit(self) -> None:
        """Have the rows be there. Errors are noted, for the transaction that they tell of is there already."""
        try:
            self._there.commit()
        except SQLAlchemyError as error:
            for destination, _ in self._parcels:
                destination.lost(error)
        else:
            for destination, parcel in self._parcels:
                destination.delivered(parcel)
        finally:
            self._there.close()

    def rollback(self) -> None:
        """Have none of it be there."""
        for destination, _ in self._parcels:
            destination.is_behind = True
        self._there.close()


class Shipments:
    """What goes to each database with one transaction."""

    def __init__(self) -> None:
        self._shipments: dict[str, Shipment] = {}

    def of(self, destination: Destination) -> Shipment:
        """The one to a database."""
        if destination.name not in self._shipments:
            self._shipments[destination.name] = Shipment(destination)
        return self._shipments[destination.name]

    def drop(self, destination: Destination) -> None:
        """Leave what was to go to a database for later."""
        shipment = self._shipments.pop(destination.name, None)
        if shipment is not None:
            shipment.rollback()

    def commit(self) -> None:
        """Have all of it be there."""
        for shipment in self._shipments.values():
            shipment.commit()

    def rollback(self) -> None:
        """Have none of it be there."""
        for shipment in self._shipments.values():
            shipment.rollback()


def _time(told: str) -> dt.datetime:
    return dt.datetime.fromisoformat(told)


def _batched(rows: Iterable[_T]) -> Iterator[list[_T]]:
    rows = iter(rows)
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch
