"""Stored watchers: what is to be watched, and how."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from csv_manager.core.errors import LostRaceError, StaleWatcherError, WatcherExistsError
from csv_manager.core.model import FormatOptions, WatcherOptions
from csv_manager.core.paths import identity
from csv_manager.core.retention import Retention
from csv_manager.store import counters
from csv_manager.store.columns import path_sha
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import files, rule_sets, targets, watchers
from csv_manager.store.targets import forget_targets

_STATE = select(
    func.count(), func.coalesce(func.max(watchers.c.id), 0), func.coalesce(func.max(watchers.c.revision), 0)
).select_from(watchers)
_FILE_ID = select(files.c.id).where(files.c.path_sha == bindparam("the_path_sha"))


@dataclass(frozen=True, kw_only=True)
class StoredWatcher:
    """One row of csv_watchers; `csv_file` is an absolute path, or what the tutorial stored.

    It `is_ours` if csv_manager stored it, with its identity. `revision` differs once it, or its rules, were changed.
    """

    id: int
    csv_file: str
    options: WatcherOptions
    is_ours: bool = True
    revision: int = 0

    @property
    def path(self) -> str:
        """The identity of what is watched. What is a link by now is still what it was when it was added."""
        return self.csv_file if self.is_ours else identity(self.csv_file)


class Watchers:
    """The table csv_watchers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[StoredWatcher]:
        """Every watcher, in the order of the files' names."""
        with reading(self._engine) as connection:
            return [_stored(row) for row in connection.execute(select(watchers).order_by(watchers.c.csv_file))]

    def find(self, path_or_name: str) -> StoredWatcher | None:
        """The watcher of a file, by its path or its name."""
        with reading(self._engine) as connection:
            found = connection.execute(
                select(watchers).where((watchers.c.csv_file == path_or_name) | (watchers.c.name == path_or_name))
            ).first()
        return _stored(found) if found else None

    def of(self, path: str) -> StoredWatcher | None:
        """The watcher that a file has: one of its own, or that of its feed."""
        with reading(self._engine) as connection:
            feed = select(files.c.feed_id).where(files.c.path_sha == path_sha(path)).scalar_subquery()
            found = connection.execute(select(watchers).where(watchers.c.csv_file == path)).first()
            found = found or connection.execute(select(watchers).where(watchers.c.id == feed)).first()
        return _stored(found) if found else None

    def state(self) -> tuple[int, int, int]:
        """A value that differs once a watcher was added, changed or deleted; cheap enough to ask twice a second.

        Revisions alone would do, but that a plugin of the tutorial writes to the table too, and gives none.
        """
        with reading(self._engine) as connection:
            count, newest, revision = connection.execute(_STATE).one()
        return int(count), int(newest), int(revision)

    def add_feed(self, path: str, options: WatcherOptions) -> StoredWatcher:
        """Store the watcher of a folder or glob. Raises `WatcherExistsError`."""
        with writing(self._engine) as connection:
            file_id = ensure_file(connection, path) if options.feed == "series" else None
            add_watcher(connection, path, file_id, options)
            found = connection.execute(select(watchers).where(watchers.c.csv_file == path)).one()
        return _stored(found)

    def delete(self, watcher: StoredWatcher) -> None:
        """Forget a watcher, its targets and its rules; its files' history stays, and so do their tables."""
        with writing(self._engine) as connection:
            connection.execute(update(files).where(files.c.feed_id == watcher.id).values(feed_id=None))
            forget_targets(connection, targets.c.watcher_id == watcher.id)
            connection.execute(delete(rule_sets).where(rule_sets.c.watcher_id == watcher.id))
            connection.execute(delete(watchers).where(watchers.c.id == watcher.id))


def ensure_file(connection: Connection, path: str) -> int:
    """The number of a file's row, inside the caller's transaction. Raises `LostRaceError`: all of that is undone."""
    found = find_file(connection, path)
    return add_file(connection, path) if found is None else found


def find_file(connection: Connection, path: str) -> int | None:
    """The number of a file's row, if it has one, inside the caller's transaction."""
    found: int | None = connection.execute(_FILE_ID, {"the_path_sha": path_sha(path)}).scalar()
    return found


def add_file(connection: Connection, path: str, **told: Any) -> int:
    """Add a file's row inside the caller's transaction, with what is told of it, and return its number.

    Raises `LostRaceError`: all of the transaction is undone.
    """
    try:
        row = {"path": path, "path_sha": path_sha(path), **told}
        key = connection.execute(insert(files), row).inserted_primary_key
    except IntegrityError:
        raise LostRaceError(f"{path}: another process recorded it first.") from None
    if key is None:
        raise LostRaceError(f"{path}: the store gave no number for it.")
    return int(key[0])


def add_watcher(connection: Connection, csv_file: str, file_id: int | None, options: WatcherOptions) -> None:
    """Store a watcher inside the caller's transaction. Raises `WatcherExistsError`."""
    known = connection.execute(select(watchers.c.id).where(watchers.c.csv_file == csv_file)).first()
    if known:
        raise WatcherExistsError(f"{csv_file} is watched already; csv_watcher_set changes a watcher.")
    _refuse_name(connection, csv_file, options.name)
    told = _values(connection, options)
    connection.execute(insert(watchers).values(csv_file=csv_file, file_id=file_id, **told))


def check_watcher(connection: Connection, watcher_id: int, options: WatcherOptions) -> None:
    """Raise `StaleWatcherError`, inside the caller's transaction, if a watcher is not what it was, or is no more."""
    query = select(watchers).where(watchers.c.id == watcher_id).with_for_update(read=True)
    found = connection.execute(query).first()
    if found is None or _stored(found).options != options:
        raise StaleWatcherError


def update_watcher(connection: Connection, watcher: StoredWatcher, options: WatcherOptions) -> None:
    """Replace a watcher's options inside the caller's transaction. Raises `WatcherExistsError` for a name in use."""
    _refuse_name(connection, watcher.csv_file, options.name)
    connection.execute(update(watchers).where(watchers.c.id == watcher.id).values(**_values(connection, options)))


def _refuse_name(connection: Connection, csv_file: str, name: str | None) -> None:
    if name is None:
        return
    other = connection.execute(select(watchers.c.csv_file).where(watchers.c.name == name)).scalar()
    if other not in (None, csv_file):
        raise WatcherExistsError(f"The name {name!r} belongs to {other}; choose another --name.")


def _values(connection: Connection, options: WatcherOptions) -> dict[str, Any]:
    told = asdict(options)
    revision = counters.take(connection, "watchers")
    return {"interval": told.pop("interval"), "name": told.pop("name"), "options": told, "revision": revision}


def _stored(row: Row[Any]) -> StoredWatcher:
    told = dict(row.options or {})
    form = dict(told.pop("format", {}))
    if form.get("names") is not None:
        form["names"] = tuple(form["names"])
    for name in ("key", "ignore", "exclude"):
        told[name] = tuple(told.get(name, ()))
    retention = told.pop("retention", None)
    told["retention"] = Retention(**retention) if retention else None
    interval = row.interval if row.interval and row.interval > 0 else 10
    options = WatcherOptions(interval=interval, name=row.name, format=FormatOptions(**form), **told)
    is_ours = row.file_id is not None or options.feed is not None
    return StoredWatcher(id=row.id, csv_file=row.csv_file, options=options, is_ours=is_ours, revision=row.revision)
