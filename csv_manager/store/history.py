"""Files, their versions and their row changes."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, delete, insert, or_, select, union, update

from csv_manager.core import clock
from csv_manager.core.errors import LostRaceError
from csv_manager.core.events import Event
from csv_manager.core.findings import QuarantinedRow
from csv_manager.core.model import RowChange, Signature, Version, WatcherOptions
from csv_manager.core.sightings import Member, Origin, Seen
from csv_manager.store import counters
from csv_manager.store.columns import path_sha
from csv_manager.store.engine import reading, writing
from csv_manager.store.event_record import EventRecord
from csv_manager.store.ledger import forget_runs
from csv_manager.store.records import (
    FileRecord,
    NewVersion,
    Reread,
    change_values,
    quarantine_values,
    to_quarantined,
    to_record,
    to_version,
    version_values,
)
from csv_manager.store.schema import changes, files, outbox, quarantine, series, target_files, versions, watchers
from csv_manager.store.series import reread_held, take
from csv_manager.store.sql_dialects import sql_dialect_of
from csv_manager.store.watchers import (
    StoredWatcher,
    add_file,
    add_watcher,
    check_watcher,
    ensure_file,
    find_file,
    update_watcher,
)

_PAGE = 1000


_BY_PATH = files.c.path_sha == bindparam("the_path_sha")


def _with_version(number: ColumnElement[int]) -> Select[Any]:
    """A file by its path, with one of its versions, if that is there."""
    mine = (versions.c.file_id == files.c.id) & (versions.c.number == number)
    return select(files, versions).outerjoin(versions, mine).where(_BY_PATH)


# What each recording asks and says, built once: to build a statement takes longer than to have SQLite do it.
_FILE = select(files).where(_BY_PATH)
_HEAD, _LATEST = _with_version(files.c.head), _with_version(files.c.latest)
_NUMBERED = _with_version(bindparam("the_number"))
_VERSION = select(versions).where(
    versions.c.file_id == bindparam("the_file_id"), versions.c.number == bindparam("the_number")
)
_CREATED = _VERSION.with_only_columns(versions.c.created)
_MOVE = update(files).where(files.c.id == bindparam("the_id"), files.c.latest == bindparam("the_latest"))


class History:
    """The tables csv_files, csv_versions and csv_changes."""

    def __init__(self, engine: Engine, events: EventRecord) -> None:
        self._engine = engine
        self._events = events

    def file(self, path: str) -> FileRecord | None:
        """The record of a file, by its absolute path."""
        with reading(self._engine) as connection:
            row = connection.execute(_FILE, {"the_path_sha": path_sha(path)}).first()
        return to_record(row) if row else None

    def with_head(self, path: str) -> tuple[FileRecord | None, Version | None]:
        """The record of a file, and its head version."""
        return self._with_version(_HEAD, path)

    def with_latest(self, path: str) -> tuple[FileRecord | None, Version | None]:
        """The record of a file, and the version that was recorded last."""
        return self._with_version(_LATEST, path)

    def with_version(self, path: str, number: int) -> tuple[FileRecord | None, Version | None]:
        """The record of a file, and one of its versions."""
        return self._with_version(_NUMBERED, path, the_number=number)

    def files(self) -> dict[str, FileRecord]:
        """Every file, by its path."""
        with reading(self._engine) as connection:
            return {row.path: to_record(row) for row in connection.execute(select(files).order_by(files.c.path))}

    def members(self, feed_id: int) -> list[FileRecord]:
        """The files that a feed has, by its watcher, in the order of their paths."""
        query = select(files).where(files.c.feed_id == feed_id).order_by(files.c.path)
        with reading(self._engine) as connection:
            return [to_record(row) for row in connection.execute(query)]

    def rows_of_latest(self) -> dict[str, int | None]:
        """The number of rows of each file's latest version, by the file's path."""
        latest = (versions.c.file_id == files.c.id) & (versions.c.number == files.c.latest)
        with reading(self._engine) as connection:
            query = select(files.c.path, versions.c["rows"]).join(versions, latest)
            return {row[0]: row[1] for row in connection.execute(query)}

    def versions(self, file: FileRecord) -> list[Version]:
        """The versions of a file, newest first."""
        query = select(versions).where(versions.c.file_id == file.id).order_by(versions.c.number.desc())
        with reading(self._engine) as connection:
            return [to_version(row) for row in connection.execute(query)]

    def version(self, file_id: int, number: int) -> Version | None:
        """One version of a file."""
        with reading(self._engine) as connection:
            return _find_version(connection, file_id, number)

    def rows(self, file_id: int, version: Version) -> Iterator[RowChange]:
        """The row changes of a version that are kept in SQL, in order, a page at a time."""
        place = version.position
        mine = changes.c.file_id == file_id, changes.c.version == version.number
        with reading(self._engine) as connection:
            end = place + _positions(connection, place)
        while place < end:
            query = (
                select(changes)
                .where(changes.c.position >= place, changes.c.position < end, *mine)
                .order_by(changes.c.position)
                .limit(_PAGE)
            )
            with reading(self._engine) as connection:
                page = connection.execute(query).all()
            for row in page:
                yield RowChange(op=row.op, key=row.row_key, before=row.row_before, after=row.row_after, line=row.line)
            place = page[-1].position + 1 if page else end

    def quarantine(self, file_id: int, number: int) -> Iterator[QuarantinedRow]:
        """The rows that a version was recorded without, in the order of the file, a page at a time."""
        line = 0
        mine = quarantine.c.file_id == file_id, quarantine.c.version == number
        while True:
            query = select(quarantine).where(*mine, quarantine.c.line > line).order_by(quarantine.c.line).limit(_PAGE)
            with reading(self._engine) as connection:
                page = connection.execute(query).all()
            for row in page:
                yield to_quarantined(row)
            if len(page) < _PAGE:
                return
            line = page[-1].line

    def is_head(self, sha256: str) -> bool:
        """Whether a content is the head of a file."""
        head = (versions.c.file_id == files.c.id) & (versions.c.number == files.c.head)
        with reading(self._engine) as connection:
            is_its = or_(versions.c.sha256 == sha256, versions.c.clean == sha256)
            query = select(files.c.id).join(versions, head).where(is_its).limit(1)
            return connection.execute(query).first() is not None

    def takes(self, told: Iterable[Any]) -> bool:
        """Whether the database takes each of these values, as JSON, in a row of its own."""
        with reading(self._engine) as connection:
            return sql_dialect_of(self._engine).takes(connection, told)

    def commit(
        self,
        path: str,
        new: NewVersion,
        *,
        expected: int,
        signature: Signature | None,
        watcher: WatcherOptions | None = None,
        origin: Origin | None = None,
        member: Member | None = None,
        watched_by: tuple[int, WatcherOptions] | None = None,
        run_id: int | None = None,
        events: Sequence[Event] = (),
    ) -> int:
        """Record a version, its row changes, events and the outbox in one transaction, and return its number.

        `expected` is the latest version that the change set was made against; if another process recorded one
        meanwhile, nothing is written and `LostRaceError` raised. `watcher` is stored in the same transaction. No
        version is older than the one before it, whatever the clock says. Of a series, `member` is the file that was
        read. `watched_by` is the number of a stored watcher and its options; if it is not that any more, nothing is
        written and `StaleWatcherError` raised. `run_id` is the run in the ledger that came to it.
        """
        number = expected + 1
        now = clock.now()
        held = new.status == "held"
        with writing(self._engine) as connection:
            if watched_by is not None:
                check_watcher(connection, *watched_by)
            moved = {"latest": number, "signature": signature and str(signature), "last_check": now, "last_change": now}
            if not held:
                moved["head"] = number
            moved |= _told_origin(origin)
            moved["state"] = "held" if held else "ok"
            moved["reason"] = new.reason if held else None
            if origin is not None and expected and _has_own_watcher(connection, path):
                del moved["link"], moved["feed_id"]
            file_id = _move(connection, path, expected, moved)
            if watcher is not None:
                add_watcher(connection, path, file_id, watcher)
            if expected:  # the clock may have been set back; what stood at a time is found by these times
                before = connection.execute(_CREATED, {"the_file_id": file_id, "the_number": expected}).scalar()
                now = max(now, before or now)
            if member is not None:
                take(connection, file_id, member, number)
            told = new.inserted + new.updated + new.deleted
            position = counters.take(connection, "position", max(told, 1))
            connection.execute(insert(versions), version_values(new, file_id, number, now, position, run_id))
            if new.changes:
                connection.execute(insert(changes), change_values(new.changes, file_id, number, position))
            if new.quarantine:
                connection.execute(insert(quarantine), quarantine_values(new.quarantine, file_id, number))
            connection.execute(
                insert(outbox),
                {
                    "position": position,
                    "file_id": file_id,
                    "version": number,
                    "kind": new.status,
                    "positions": max(told, 1),
                },
            )
            self._events.put(connection, events, run_id)
        self._events.committed(events)
        return number

    def add_watcher(
        self,
        path: str,
        options: WatcherOptions,
        signature: Signature | None,
        reread: Reread | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Store a watcher for a file whose content is recorded already, or is yet to come; `reread` as below."""
        with writing(self._engine) as connection:
            file_id = ensure_file(connection, path)
            add_watcher(connection, path, file_id, options)
            told = _told_origin(origin)
            if signature is not None:
                told |= {"signature": str(signature), "state": "ok", "reason": None}
            if told:
                connection.execute(update(files).where(files.c.id == file_id).values(**told))
            _set_reread(connection, file_id, reread)

    def change_watcher(
        self, watcher: StoredWatcher, options: WatcherOptions, file: FileRecord | None, reread: Reread | None
    ) -> None:
        """Replace a watcher's options, and how its file's head is read; held contents are read at the next check.

        Of a series, `file` is the dataset's.
        """
        with writing(self._engine) as connection:
            update_watcher(connection, watcher, options)
            if file is not None:
                _reread_file(connection, file, reread)

    def reread(self, file: FileRecord, reread: Reread | None) -> None:
        """Read a file's head anew; a held content is read at the next check."""
        with writing(self._engine) as connection:
            _reread_file(connection, file, reread)

    def observe(self, seen: Iterable[Seen]) -> None:
        """Note what checks of files found, but for those whose watcher was deleted meanwhile."""
        now = clock.now()
        with writing(self._engine) as connection:
            for one in seen:
                if one.watcher_id is not None and not _is_stored(connection, one.watcher_id):
                    continue
                values: dict[str, Any] = {"state": one.state, "reason": one.reason, "last_check": now}
                if one.signature is not None:
                    values["signature"] = str(one.signature)
                file_id = ensure_file(connection, one.path)
                if one.origin is not None and not _has_own_watcher(connection, one.path):
                    values |= _told_origin(one.origin)
                connection.execute(update(files).where(files.c.id == file_id).values(**values))

    def forget(self, paths: Iterable[str]) -> None:
        """Forget files that were seen, and never recorded; others stay."""
        with writing(self._engine) as connection:
            for path in paths:
                mine = files.c.path_sha == path_sha(path), files.c.latest == 0
                file_id = connection.execute(select(files.c.id).where(*mine)).scalar()
                watched = select(watchers.c.id).where(watchers.c.file_id == file_id)
                if file_id is not None and connection.execute(watched).first() is None:
                    connection.execute(delete(files).where(files.c.id == file_id))

    def adopt(self, file_ids: Collection[int], feed_id: int | None) -> None:
        """Note that files are watched by a feed, by its watcher; None: by none any more."""
        with writing(self._engine) as connection:
            for file_id in file_ids:
                connection.execute(update(files).where(files.c.id == file_id).values(feed_id=feed_id))

    def contents(self) -> set[str]:
        """The SHA-256 of every content that a version refers to."""
        with reading(self._engine) as connection:
            found = union(select(versions.c.sha256), select(versions.c.clean).where(versions.c.clean.is_not(None)))
            return set(connection.execute(found).scalars())

    def prune(self, file: FileRecord, numbers: Collection[int]) -> None:
        """Forget some versions of a file, which must be neither its head nor its latest."""
        with writing(self._engine) as connection:
            for number in sorted(numbers):
                mine = versions.c.file_id == file.id, versions.c.number == number
                position = connection.execute(select(versions.c.position).where(*mine)).scalar()
                if position is None:
                    continue
                end = position + _positions(connection, position)
                for table in (changes, outbox):
                    within = table.c.position >= position, table.c.position < end
                    connection.execute(
                        delete(table).where(*within, table.c.file_id == file.id, table.c.version == number)
                    )
                told = quarantine.c.file_id == file.id, quarantine.c.version == number
                connection.execute(delete(quarantine).where(*told))
                connection.execute(delete(versions).where(*mine))

    def purge(self, file: FileRecord) -> None:
        """Forget a file and its versions."""
        with writing(self._engine) as connection:
            connection.execute(update(watchers).where(watchers.c.file_id == file.id).values(file_id=None))
            for table in (changes, outbox, quarantine, versions, series, target_files):
                connection.execute(delete(table).where(table.c.file_id == file.id))
            forget_runs(connection, file.path)
            connection.execute(delete(files).where(files.c.id == file.id))

    def _with_version(self, query: Select[Any], path: str, **told: Any) -> tuple[FileRecord | None, Version | None]:
        with reading(self._engine) as connection:
            row = connection.execute(query, {"the_path_sha": path_sha(path), **told}).first()
        if row is None:
            return None, None
        return to_record(row), None if row.number is None else to_version(row)


def _told_origin(origin: Origin | None) -> dict[str, Any]:
    return {} if origin is None else {"link": origin.link, "feed_id": origin.feed_id}


def _is_stored(connection: Connection, watcher_id: int) -> bool:
    return connection.execute(select(watchers.c.id).where(watchers.c.id == watcher_id)).first() is not None


def _has_own_watcher(connection: Connection, path: str) -> bool:
    """Whether a file is watched on its own by now: then it is no feed's, and is read where its watcher says."""
    own = select(watchers.c.id).join(files, files.c.id == watchers.c.file_id)
    return connection.execute(own.where(_BY_PATH), {"the_path_sha": path_sha(path)}).first() is not None


def _move(connection: Connection, path: str, expected: int, told: dict[str, Any]) -> int:
    """Have a file at its next version, if it is at the expected one, and return the number of its row."""
    file_id = find_file(connection, path)
    if file_id is None and not expected:
        return add_file(connection, path, **told)
    if connection.execute(_MOVE, {**told, "the_id": file_id, "the_latest": expected}).rowcount != 1 or file_id is None:
        raise LostRaceError(f"{path}: another process recorded version {told['latest']} first.")
    return file_id


def _positions(connection: Connection, position: int) -> int:
    """How many positions were taken by the version that begins at one; 0 if it was forgotten."""
    return connection.execute(select(outbox.c.positions).where(outbox.c.position == position)).scalar() or 0


def _find_version(connection: Connection, file_id: int, number: int) -> Version | None:
    row = connection.execute(_VERSION, {"the_file_id": file_id, "the_number": number}).first()
    return to_version(row) if row else None


def _reread_file(connection: Connection, file: FileRecord, reread: Reread | None) -> None:
    _set_reread(connection, file.id, reread)
    held = update(files).where(files.c.id == file.id, files.c.latest != files.c.head)
    connection.execute(held.values(signature=None))
    reread_held(connection, file.id)


def _set_reread(connection: Connection, file_id: int, reread: Reread | None) -> None:
    if reread is None:
        return
    version = update(versions).where(versions.c.file_id == file_id, versions.c.number == reread.number)
    told = {"csv_format": reread.csv_format.to_json(), "columns": list(reread.columns), "rows": reread.rows}
    told["rule_set"] = None  # its rules have not seen it as it is read now
    connection.execute(version.values(**told))
    connection.execute(version.where(versions.c.base.is_(None)).values(inserted=reread.rows))
