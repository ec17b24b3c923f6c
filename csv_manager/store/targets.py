"""Stored targets, and how far each is with its files."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, delete, func, insert, or_, select, update

from csv_manager.core import clock
from csv_manager.core.errors import StaleWatcherError
from csv_manager.core.targets import Target
from csv_manager.store.columns import path_sha
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import files, target_files, targets, watchers


@dataclass(frozen=True, kw_only=True)
class StoredTarget:
    """A target, and the watcher whose files it follows."""

    target: Target
    watcher_id: int
    watcher_path: str
    created: dt.datetime


@dataclass(frozen=True, kw_only=True)
class TargetFile:
    """How far a target is with a file: the `version` that it has, None for none yet; `head` is the file's.

    A `pinned` one stays at its version. `error` is why it could not be brought to its head, `failed` when that was
    last, and `attempts` counts how often since it last could. `left_out` is what the table has not of its version.
    """

    stored: StoredTarget
    file_id: int
    path: str
    head: int
    version: int | None = None
    pinned: int | None = None
    rows: int | None = None
    synced: dt.datetime | None = None
    error: str | None = None
    failed: dt.datetime | None = None
    attempts: int = 0
    left_out: str | None = None

    @property
    def target(self) -> Target:
        """The target itself."""
        return self.stored.target

    @property
    def state(self) -> str:
        """`ok`, `pinned`, `failed`, `behind`; `waiting` while the file has no version to load."""
        if self.pinned is not None:
            return "pinned"
        if self.error is not None:
            return "failed"
        if self.head == 0:
            return "waiting"
        return "ok" if self.version == self.head else "behind"


#: A watcher of the same number may be another one than that which the target was made for.
_OF_WATCHER = and_(watchers.c.id == targets.c.watcher_id, watchers.c.csv_file == targets.c.watcher_path)
_STATES = ("version", "pinned", "rows", "synced", "error", "failed", "left_out")


class Targets:
    """The tables csv_targets and csv_target_files."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, stored: StoredTarget) -> None:
        """Store a target. Raises `StaleWatcherError` if its watcher was deleted meanwhile."""
        target = stored.target
        mine = watchers.c.id == stored.watcher_id, watchers.c.csv_file == stored.watcher_path
        with writing(self._engine) as connection:
            if connection.execute(select(watchers.c.id).where(*mine)).first() is None:
                raise StaleWatcherError(f"The watcher of {stored.watcher_path} was deleted meanwhile.")
            row = {
                "id": target.id,
                "watcher_id": stored.watcher_id,
                "watcher_path": stored.watcher_path,
                "database": target.database,
                "schema_name": target.schema,
                "table_name": target.table,
                "mode": target.mode,
                "options": target.to_json(),
                "created": stored.created,
            }
            connection.execute(insert(targets).values(**row))

    def all(self) -> list[StoredTarget]:
        """Every target of a watcher that is there, in the order in which they were made."""
        with reading(self._engine) as connection:
            return _all(connection)

    def files(self, *, paths: Collection[str] = (), due: bool = False) -> list[TargetFile]:
        """Each target with each of its files that is known, or of these files, or with those that are `due`."""
        told = [target_files.c[name].label(f"file_{name}") for name in _STATES]
        attempts = func.coalesce(target_files.c.attempts, 0).label("attempts")
        found = []
        with reading(self._engine) as connection:
            for stored in _all(connection):
                state = and_(target_files.c.target_id == stored.target.id, target_files.c.file_id == files.c.id)
                mine = files.c.feed_id == stored.watcher_id, files.c.path_sha == path_sha(stored.watcher_path)
                query = (
                    select(files.c.id, files.c.path, files.c.head, attempts, *told)
                    .outerjoin(target_files, state)
                    .where(or_(*mine))
                    .order_by(files.c.path)
                )
                if paths:
                    query = query.where(files.c.path_sha.in_([path_sha(path) for path in paths]))
                if due:
                    is_new = or_(target_files.c.version.is_(None), target_files.c.version != files.c.head)
                    query = query.where(target_files.c.pinned.is_(None), files.c.head > 0, is_new)
                found += [_to_file(stored, row) for row in connection.execute(query)]
        return found

    def note(self, target_id: str, file_id: int, **told: Any) -> None:
        """Note how far a target is with a file: columns of csv_target_files."""
        mine = target_files.c.target_id == target_id, target_files.c.file_id == file_id
        with writing(self._engine) as connection:
            if not connection.execute(select(target_files.c.version).where(*mine)).first():
                there = select(targets.c.id).where(targets.c.id == target_id)
                file = select(files.c.id).where(files.c.id == file_id)
                if connection.execute(there).first() is None or connection.execute(file).first() is None:
                    return  # it was deleted meanwhile
                connection.execute(insert(target_files).values(target_id=target_id, file_id=file_id))
            connection.execute(update(target_files).where(*mine).values(**told))

    def alter(self, target: Target) -> None:
        """Have a target be as it is told now, in what is kept of it beside its id and place."""
        with writing(self._engine) as connection:
            changed = update(targets).where(targets.c.id == target.id)
            connection.execute(changed.values(options=target.to_json()))

    def fail(self, target_id: str, file_id: int, error: str) -> None:
        """Note that a target could not be brought to a file's head."""
        self.note(target_id, file_id, error=error, failed=clock.now(), attempts=target_files.c.attempts + 1)

    def delete(self, target_id: str) -> None:
        """Forget a target; its table stays."""
        with writing(self._engine) as connection:
            forget_targets(connection, targets.c.id == target_id)

    def needed(self, path: str) -> int | None:
        """The oldest version that a target stands at which has to know what came since; None without any."""
        told = [file.version for file in self.files(paths=[path]) if file.target.mode != "mirror"]
        return min((version for version in told if version is not None), default=None)


def _all(connection: Connection) -> list[StoredTarget]:
    query = select(targets).join(watchers, _OF_WATCHER).order_by(targets.c.created, targets.c.id)
    return [_stored(row) for row in connection.execute(query)]


def forget_targets(connection: Connection, which: Any) -> None:
    """Forget targets inside the caller's transaction."""
    ids = connection.execute(select(targets.c.id).where(which)).scalars().all()
    connection.execute(delete(target_files).where(target_files.c.target_id.in_(ids)))
    connection.execute(delete(targets).where(targets.c.id.in_(ids)))


def _stored(row: Row[Any]) -> StoredTarget:
    target = Target.from_json(
        row.options, id=row.id, database=row.database, schema=row.schema_name, table=row.table_name, mode=row.mode
    )
    return StoredTarget(target=target, watcher_id=row.watcher_id, watcher_path=row.watcher_path, created=row.created)


def _to_file(stored: StoredTarget, row: Row[Any]) -> TargetFile:
    told = {name: getattr(row, f"file_{name}") for name in _STATES}
    return TargetFile(
        stored=stored,
        file_id=row.id,
        path=row.path,
        head=row.head,
        attempts=row.attempts,
        **told,
    )
