"""What is to be told, in the order of the commits, and how far each receiver is."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Engine, bindparam, func, insert, or_, select, update

from csv_manager.core import clock
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import counters, files, outbox, receivers

#: A receiver that does not come back within this time may be taken over by another process.
LEASE = dt.timedelta(seconds=60)
#: A failure that is older is nobody's: whoever has the receiver would have told it again, and failed again.
_FORGOTTEN = dt.timedelta(days=7)
_BEYOND = bindparam("the_position", type_=BigInteger) + 1
#: The entry that the position lies in, if there is one, may be told in part: it is found by the index.
_WITHIN = select(func.max(outbox.c.position)).where(outbox.c.position <= _BEYOND).scalar_subquery()
_SINCE = (
    select(outbox, files.c.path)
    .join(files, files.c.id == outbox.c.file_id)
    .where(outbox.c.position >= func.coalesce(_WITHIN, 0))
    .where(outbox.c.position + outbox.c.positions > _BEYOND)
    .order_by(outbox.c.position)
    .limit(bindparam("the_limit"))
)
#: How many versions a receiver was not told yet.
_BEHIND = (
    select(func.count())
    .select_from(outbox)
    .where(outbox.c.position + outbox.c.positions > receivers.c.position + 1, outbox.c.kind != "held")
    .correlate(receivers)
    .scalar_subquery()
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to tell: that a version was recorded; `position` is the one of its first row change."""

    position: int
    positions: int
    file_id: int
    path: str
    version: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A receiver that could not be told: why, when that was last, and how many versions it is behind."""

    name: str
    error: str
    failed: dt.datetime
    behind: int


class Outbox:
    """The tables csv_outbox and csv_receivers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def end(self) -> int:
        """The last position that was given out, 0 if none was."""
        with reading(self._engine) as connection:
            query = select(counters.c.value).where(counters.c.name == "position")
            return int(connection.execute(query).scalar_one())

    def since(self, position: int, limit: int = 1000) -> list[Entry]:
        """The entries whose last position is beyond `position`, in order."""
        with reading(self._engine) as connection:
            found = connection.execute(_SINCE, {"the_position": position, "the_limit": limit})
            return [Entry(**_named(row)) for row in found]

    def register(self, name: str, *, replay: bool) -> None:
        """Make a receiver known; a new one starts at the end of the outbox, or with `replay` at its start."""
        with writing(self._engine) as connection:
            if connection.execute(select(receivers.c.name).where(receivers.c.name == name)).first():
                return
            end = select(func.coalesce(func.max(counters.c.value), 0)).where(counters.c.name == "position")
            position = 0 if replay else connection.execute(end).scalar_one()
            connection.execute(insert(receivers).values(name=name, position=position))

    def lowest(self, names: Collection[str]) -> int | None:
        """How far everybody of these receivers was told; None without any."""
        with reading(self._engine) as connection:
            query = select(func.min(receivers.c.position)).where(receivers.c.name.in_(names))
            return connection.execute(query).scalar()

    def owner(self, name: str) -> str | None:
        """Who has the lease of a receiver."""
        with reading(self._engine) as connection:
            query = select(receivers.c.lease_owner).where(receivers.c.name == name)
            owner: str | None = connection.execute(query).scalar()
        return owner

    def claim(self, name: str, owner: str, dead: str | None = None) -> int | None:
        """Take the lease of a receiver and return its watermark.

        None while another process has it, unless that is `dead`.
        """
        now = clock.now()
        mine = receivers.c.lease_owner.in_([owner, dead or owner])
        free = or_(receivers.c.lease_owner.is_(None), mine, receivers.c.lease_until < now)
        with writing(self._engine) as connection:
            taken = connection.execute(
                update(receivers)
                .where(receivers.c.name == name, free)
                .values(lease_owner=owner, lease_until=now + LEASE)
            )
            if taken.rowcount != 1:
                return None
            return int(connection.execute(select(receivers.c.position).where(receivers.c.name == name)).scalar_one())

    def advance(self, name: str, owner: str, position: int) -> None:
        """Move a receiver's watermark, if the lease is still ours: it was told."""
        told = {"position": position, "lease_until": clock.now() + LEASE, "error": None, "failed": None}
        self._set(name, owner, told)

    def release(self, name: str, owner: str, error: str | None = None) -> None:
        """Give the lease back, if it is still ours; `error` is why the receiver could not be told everything."""
        told = {"error": error, "failed": clock.now()} if error is not None else {}
        self._set(name, owner, {"lease_owner": None, "lease_until": None, **told})

    def failures(self) -> list[Failure]:
        """The receivers that could not be told what they are to be told yet, in the order of their names."""
        recent = receivers.c.failed > clock.now() - _FORGOTTEN
        query = select(receivers.c.name, receivers.c.error, receivers.c.failed, _BEHIND.label("behind"))
        query = query.where(receivers.c.error.is_not(None), recent).order_by(receivers.c.name)
        with reading(self._engine) as connection:
            found = [Failure(**row) for row in connection.execute(query).mappings()]
        return [failure for failure in found if failure.behind]

    def _set(self, name: str, owner: str, values: dict[str, Any]) -> None:
        with writing(self._engine) as connection:
            mine = receivers.c.name == name, receivers.c.lease_owner == owner
            connection.execute(update(receivers).where(*mine).values(**values))


def _named(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("position", "positions", "file_id", "path", "version", "kind")}
