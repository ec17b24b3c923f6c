"""The ledger of runs and their tasks, on a connection of its own: it stands whatever becomes of the version."""

import contextlib
import datetime as dt
import os
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import DataError, IntegrityError

from csv_manager.core import clock
from csv_manager.core.configurations import Configuration
from csv_manager.core.errors import StoreError
from csv_manager.core.events import Event, failed
from csv_manager.core.hosts import host, is_process_gone, process_age, user
from csv_manager.core.model import THROUGH
from csv_manager.core.runs import STAGES, RunRecord, TaskRecord
from csv_manager.store.columns import path_sha, prose
from csv_manager.store.engine import noting, reading
from csv_manager.store.event_record import EventRecord
from csv_manager.store.schema import configurations, files, runs, tasks, versions

#: Seconds after which a run without a heartbeat is one of a process that died, on another host and on this one, where
#: a process that is there may be another of the same number; and by how much ages may seem to differ.
_DEAD_SECONDS, _OLD_SECONDS, _SLACK_SECONDS = 600, 86400, 2
#: Runs that are changed at once.
_PAGE = 500
_DIED = "ended without a word while it worked on this; what was not recorded is recorded by the next run."
#: As in `history`, built once.
_BY_ID = runs.c.id == bindparam("the_id")
_BEGIN, _STAND, _TASKS = insert(runs), update(runs).where(_BY_ID), insert(tasks)


@dataclass(kw_only=True)
class RunNote:
    """What is to be noted of a run; `id` is None until it is in the ledger."""

    csv_file: str
    cause: str
    configuration: Configuration
    started: dt.datetime
    member: str | None = None
    state: str = "running"
    id: int | None = None
    sha256: str | None = None
    version: int | None = None
    rows: int | None = None
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    error: str | None = None
    ended: dt.datetime | None = None
    tasks: list[TaskRecord] = field(default_factory=list)
    #: What it is known by in the event record, and what is to be told there with it.
    uuid: str = field(default_factory=lambda: uuid.uuid4().hex)
    events: list[Event] = field(default_factory=list)

    @property
    def is_started(self) -> bool:
        """Whether the event record was told that it started."""
        return self.sha256 is not None

    def told(self) -> dict[str, Any]:
        """What may change of it: columns of csv_runs."""
        names = ("cause", "state", "sha256", "version", "rows", "inserted", "updated", "deleted", "error", "ended")
        return {name: getattr(self, name) for name in names}


class Ledger:
    """The tables csv_runs, csv_tasks and csv_configurations."""

    def __init__(self, engine: Engine, events: EventRecord) -> None:
        self._engine = engine
        self._events = events
        self._configured: set[str] = set()

    def note(self, notes: Collection[RunNote], forgotten: Collection[RunNote] = ()) -> None:
        """Note how runs stand, in one transaction; those that are not in the ledger yet get their `id`.

        One that was forgotten meanwhile stays so. `forgotten` are runs that came to nothing. Their events are recorded
        with them. Raises `StoreError`, and nothing is noted then.
        """
        new = {note.configuration.hash: note.configuration for note in notes}
        events: list[tuple[RunNote, int]] = []
        with noting(self._engine) as connection:
            for sha in new.keys() - self._configured:
                _add_configuration(connection, new[sha])
            told = [(_note(connection, note), note) for note in notes]
            noted = [(run_id, note) for run_id, note in told if run_id is not None]
            _note_tasks(connection, noted)
            _delete(connection, [note.id for note in forgotten if note.id is not None])
            for run_id, note in [*told, *((None, note) for note in forgotten)]:
                some = list(note.events)  # its run may go on, and have more
                self._events.put(connection, some, run_id)
                events.append((note, len(some)))
        for run_id, note in noted:
            note.id = run_id
        for note, count in events:
            del note.events[:count]
        self._configured |= new.keys()

    def repeat(self, note: RunNote) -> bool:
        """Count a failure to the file's run before it, if that failed on the same content with the same words.

        Whether it did: the run itself is forgotten then.
        """
        mine = runs.c.path_sha == path_sha(note.csv_file)
        query = select(runs).where(mine, runs.c.id < note.id) if note.id is not None else select(runs).where(mine)
        with noting(self._engine) as connection:
            before = connection.execute(query.order_by(runs.c.id.desc()).limit(1)).first()
            told = {name: getattr(note, name) for name in ("state", "sha256", "member")}
            told |= {"configuration": note.configuration.hash, "error": note.error and prose(note.error)}
            if before is None or any(getattr(before, name) != value for name, value in told.items()):
                return False
            repeated = {"attempts": runs.c.attempts + 1, "ended": note.ended, "heartbeat": note.ended}
            connection.execute(update(runs).where(runs.c.id == before.id).values(**repeated))
            _delete(connection, [note.id] if note.id is not None else [])
            self._events.put(connection, note.events if note.is_started else (), before.id)
        note.events.clear()
        return True

    def finish_dead(self) -> list[int]:
        """Finish the runs of processes that are gone: as successes if their version is recorded, else as failures."""
        with reading(self._engine) as connection:
            found = connection.execute(select(runs).where(runs.c.state.in_(("pending", "running")))).all()
        dead = [row for row in found if _is_dead(row)]
        if dead:
            with noting(self._engine) as connection:
                for row in dead:
                    _finish(connection, row)
                    if row.uuid is not None and row.sha256 is not None:  # it was told as started
                        self._events.put(connection, [failed(row.uuid, row.heartbeat)], row.id)
        return [row.id for row in dead]

    def note_target(self, run_id: int, task: TaskRecord) -> None:
        """Note what became of a target of a run, behind its stages; a run fails with a target."""
        mine = tasks.c.run_id == run_id, tasks.c.number > len(STAGES)
        with noting(self._engine) as connection:
            run = connection.execute(select(runs).where(_BY_ID), {"the_id": run_id}).first()
            if run is None:
                return
            connection.execute(delete(tasks).where(*mine, tasks.c.name == task.name))
            last = connection.execute(select(func.max(tasks.c.number)).where(*mine)).scalar()
            connection.execute(_TASKS, [{"run_id": run_id, "number": (last or len(STAGES)) + 1, **vars(task)}])
            failures = select(tasks.c.exception).where(*mine, tasks.c.state == "failed").order_by(tasks.c.number)
            failed = connection.execute(failures).first()
            if failed is not None and run.state in ("success", "failed"):
                connection.execute(update(runs).where(runs.c.id == run_id).values(state="failed", error=failed[0]))
            elif run.state == "failed" and run.version is not None:
                connection.execute(update(runs).where(runs.c.id == run_id).values(state="success", error=None))

    def prune(self, before: dt.datetime) -> int:
        """Forget the runs that ended and began before a time, but for the newest of each file; how many."""
        newer = runs.alias()
        has_newer = select(newer.c.id).where(newer.c.path_sha == runs.c.path_sha, newer.c.id > runs.c.id).exists()
        old = select(runs.c.id).where(runs.c.started < before, runs.c.ended.is_not(None), has_newer).limit(_PAGE)
        count = 0
        while True:  # a page at a time: others write in between
            with noting(self._engine) as connection:
                page = connection.execute(old).scalars().all()
                _delete(connection, page)
            count += len(page)
            if len(page) < _PAGE:
                return count

    def all(
        self,
        *,
        paths: Collection[str] = (),
        states: Collection[str] = (),
        since: dt.datetime | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        """Runs, the newest first: of these files, in these states, that ended since then or did not end yet."""
        query = select(runs).order_by(runs.c.id.desc()).limit(limit)
        if paths:
            query = query.where(runs.c.path_sha.in_([path_sha(path) for path in paths]))
        if states:
            query = query.where(runs.c.state.in_(states))
        if since is not None:
            query = query.where(or_(runs.c.ended >= since, runs.c.ended.is_(None), runs.c.started >= since))
        with reading(self._engine) as connection:
            return [_to_run(row) for row in connection.execute(query)]

    def recorded_as(self, found: Iterable[RunRecord]) -> dict[int, int]:
        """Of runs that failed or whose version is held, the version that their content has been recorded as since."""
        query = (
            select(runs.c.id, func.max(versions.c.number))
            .join(files, files.c.path_sha == runs.c.path_sha)
            .join(versions, and_(versions.c.file_id == files.c.id, versions.c.sha256 == runs.c.sha256))
            .where(versions.c.created >= runs.c.started, versions.c.status.in_(THROUGH))
            .group_by(runs.c.id)
        )
        numbers: dict[int, int] = {}
        with reading(self._engine) as connection:
            for page in _pages(run.id for run in found if run.state in ("failed", "held")):
                rows = connection.execute(query.where(runs.c.id.in_(page)))
                numbers |= dict(rows.tuples().all())
        return numbers

    def find(self, run_id: int) -> RunRecord | None:
        """One run."""
        with reading(self._engine) as connection:
            row = connection.execute(select(runs).where(_BY_ID), {"the_id": run_id}).first()
        return _to_run(row) if row else None

    def tasks(self, run_id: int) -> list[TaskRecord]:
        """The tasks of a run, in their order."""
        query = select(tasks).where(tasks.c.run_id == run_id).order_by(tasks.c.number)
        with reading(self._engine) as connection:
            return [_to_task(row) for row in connection.execute(query)]

    def configuration(self, sha: str) -> Any:
        """The settings and options behind a hash; None if it is not known."""
        with reading(self._engine) as connection:
            return connection.execute(select(configurations.c.content).where(configurations.c.hash == sha)).scalar()

    def processed(self, sha256: str, configuration: str) -> RunRecord | None:
        """The newest run that succeeded on a content with a configuration."""
        query = select(runs).where(
            runs.c.sha256 == sha256, runs.c.configuration == configuration, runs.c.state == "success"
        )
        with reading(self._engine) as connection:
            row = connection.execute(query.order_by(runs.c.id.desc()).limit(1)).first()
        return _to_run(row) if row else None

    @staticmethod
    def is_refusal(error: Exception) -> bool:
        """Whether something was refused for what it is, and not for how the store is now."""
        return not isinstance(error, StoreError) or isinstance(error.__cause__, (IntegrityError, DataError))


def forget_runs(connection: Connection, path: str) -> None:
    """Forget the runs of a file, inside the caller's transaction."""
    _delete(connection, connection.execute(select(runs.c.id).where(runs.c.path_sha == path_sha(path))).scalars().all())


def _add_configuration(connection: Connection, new: Configuration) -> None:
    known = select(configurations.c.hash).where(configurations.c.hash == new.hash)
    if connection.execute(known).first() is None:
        row = {"hash": new.hash, "content": new.content, "created": clock.now()}
        with contextlib.suppress(IntegrityError), connection.begin_nested():  # another process may be here with it
            connection.execute(insert(configurations), row)


def _note(connection: Connection, note: RunNote) -> int | None:
    """Note how a run stands, without its tasks, and return its number; None if it was forgotten, with its file."""
    now = clock.now()
    if note.id is not None:
        changed = connection.execute(_STAND, {"the_id": note.id, "heartbeat": now, **note.told()})
        return note.id if changed.rowcount else None
    row = {
        "path": note.csv_file,
        "path_sha": path_sha(note.csv_file),
        "member": note.member,
        "configuration": note.configuration.hash,
        "host": host(),
        "user": user(),
        "pid": os.getpid(),
        "started": note.started,
        "heartbeat": now,
        "uuid": note.uuid,
        **note.told(),
    }
    key: Any = connection.execute(_BEGIN, row).inserted_primary_key
    return int(key[0])


def _note_tasks(connection: Connection, noted: Collection[tuple[int, RunNote]]) -> None:
    """Note how the tasks of runs stand, all at once: a server is far away."""
    for page in _pages(note.id for _, note in noted if note.id is not None):
        connection.execute(delete(tasks).where(tasks.c.run_id.in_(page), tasks.c.number <= len(STAGES)))
    rows = [
        {"run_id": run_id, "number": number, **vars(task)}
        for run_id, note in noted
        for number, task in enumerate(note.tasks, 1)
    ]
    if rows:
        connection.execute(_TASKS, rows)


def _delete(connection: Connection, ids: Iterable[int]) -> None:
    for page in _pages(ids):
        connection.execute(delete(tasks).where(tasks.c.run_id.in_(page)))
        connection.execute(delete(runs).where(runs.c.id.in_(page)))


def _pages(ids: Iterable[int]) -> Iterator[list[int]]:
    """Numbers of runs in their order, as many at a time as one statement is to have."""
    some = sorted(ids)
    for start in range(0, len(some), _PAGE):
        yield some[start : start + _PAGE]


def _is_dead(row: Row[Any]) -> bool:
    """Whether the process of a run is gone: elsewhere, if its heartbeat is old.

    Here, if there is none of its number, or one that began after the heartbeat: the first process of a container has
    the same number each time.
    """
    rested: float = abs((clock.now() - row.heartbeat).total_seconds())
    if row.host != host():
        return rested >= _DEAD_SECONDS
    age = process_age(row.pid)
    is_another = age is not None and age + _SLACK_SECONDS < rested
    return rested >= _OLD_SECONDS or is_process_gone(row.pid) or is_another


def _finish(connection: Connection, row: Row[Any]) -> None:
    """Say what became of a run whose process died; its last task may have been done, and not noted."""
    mine = and_(files.c.id == versions.c.file_id, files.c.path_sha == row.path_sha)
    recorded = connection.execute(
        select(versions).join(files, mine).where(versions.c.run_id == row.id).limit(1)
    ).first()
    now = clock.now()
    told: dict[str, Any] = {"ended": row.heartbeat, "heartbeat": now}
    if recorded is not None:
        counts = {name: recorded._mapping[name] for name in ("rows", "inserted", "updated", "deleted", "sha256")}  # noqa: SLF001 - public
        told |= {"state": "held" if recorded.status == "held" else "success", "version": recorded.number, **counts}
        ended = update(tasks).where(tasks.c.run_id == row.id, tasks.c.state.in_(("pending", "running")))
        connection.execute(ended.values(state="success"))
    else:
        died = f"The process {row.pid} on {row.host} {_DIED}"
        told |= {"state": "failed", "error": died}
        running = update(tasks).where(tasks.c.run_id == row.id, tasks.c.state == "running")
        connection.execute(running.values(state="failed", exception_type="ProcessDied", exception=died))
        pending = update(tasks).where(tasks.c.run_id == row.id, tasks.c.state == "pending")
        connection.execute(pending.values(state="skipped"))
    connection.execute(update(runs).where(runs.c.id == row.id, runs.c.state == row.state).values(**told))


def _to_run(row: Row[Any]) -> RunRecord:
    told = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    del told["path_sha"], told["uuid"]
    told["csv_file"] = told.pop("path")
    return RunRecord(**told)


def _to_task(row: Row[Any]) -> TaskRecord:
    told = dict(row._mapping)  # noqa: SLF001 - as above
    del told["run_id"], told["number"]
    return TaskRecord(**told)
