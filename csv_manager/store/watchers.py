"""Stored watchers: what is to be watched, and how."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from csv_manager.core.errors import WatcherExistsError
from csv_manager.core.model import FormatOptions, WatcherOptions
from csv_manager.core.retention import Retention
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import watchers


@dataclass(frozen=True, kw_only=True)
class StoredWatcher:
    """One row of csv_watchers; `csv_file` is an absolute path, or what the tutorial stored."""

    id: int
    csv_file: str
    options: WatcherOptions


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

    def state(self) -> tuple[int, int, int]:
        """A value that differs once a watcher was added, changed or deleted; cheap enough to ask twice a second."""
        columns = (
            func.count(),
            func.coalesce(func.max(watchers.c.id), 0),
            func.coalesce(func.sum(watchers.c.revision), 0),
        )
        with reading(self._engine) as connection:
            count, newest, revisions = connection.execute(select(*columns).select_from(watchers)).one()
        return int(count), int(newest), int(revisions)

    def delete(self, watcher: StoredWatcher) -> None:
        """Forget a watcher; its file's history stays."""
        with writing(self._engine) as connection:
            connection.execute(delete(watchers).where(watchers.c.id == watcher.id))


def add_watcher(connection: Connection, csv_file: str, file_id: int, options: WatcherOptions) -> None:
    """Store a watcher inside the caller's transaction. Raises `WatcherExistsError`."""
    known = connection.execute(select(watchers.c.id).where(watchers.c.csv_file == csv_file)).first()
    if known:
        raise WatcherExistsError(f"{csv_file} is watched already; csv_watcher_set changes a watcher.")
    _refuse_name(connection, csv_file, options.name)
    connection.execute(insert(watchers).values(csv_file=csv_file, file_id=file_id, **_values(options)))


def update_watcher(connection: Connection, watcher: StoredWatcher, options: WatcherOptions) -> None:
    """Replace a watcher's options inside the caller's transaction. Raises `WatcherExistsError` for a name in use."""
    _refuse_name(connection, watcher.csv_file, options.name)
    connection.execute(
        update(watchers).where(watchers.c.id == watcher.id).values(**_values(options), revision=watchers.c.revision + 1)
    )


def _refuse_name(connection: Connection, csv_file: str, name: str | None) -> None:
    if name is None:
        return
    other = connection.execute(select(watchers.c.csv_file).where(watchers.c.name == name)).scalar()
    if other not in (None, csv_file):
        raise WatcherExistsError(f"The name {name!r} belongs to {other}; choose another --name.")


def _values(options: WatcherOptions) -> dict[str, Any]:
    told = asdict(options)
    return {"interval": told.pop("interval"), "name": told.pop("name"), "options": told}


def _stored(row: Row[Any]) -> StoredWatcher:
    told = dict(row.options or {})
    form = dict(told.pop("format", {}))
    if form.get("names") is not None:
        form["names"] = tuple(form["names"])
    for name in ("key", "ignore"):
        told[name] = tuple(told.get(name, ()))
    retention = told.pop("retention", None)
    told["retention"] = Retention(**retention) if retention else None
    interval = row.interval if row.interval and row.interval > 0 else 10
    options = WatcherOptions(interval=interval, name=row.name, format=FormatOptions(**form), **told)
    return StoredWatcher(id=row.id, csv_file=row.csv_file, options=options)
