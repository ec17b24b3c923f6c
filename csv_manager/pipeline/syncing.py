"""Targets are brought to the versions of their files: each by itself, whatever becomes of the others."""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from csv_manager.core import clock
from csv_manager.core.errors import CsvManagerError
from csv_manager.core.runs import TaskRecord

if TYPE_CHECKING:  # they load SQLAlchemy, which a command without the store does without
    import datetime as dt

    from csv_manager.core.targets import Target
    from csv_manager.pipeline.store import File, Store
    from csv_manager.pipeline.target_session import Synced, TargetSession
    from csv_manager.pipeline.target_tables import Databases
    from csv_manager.store.targets import TargetFile
    from csv_manager.store.watchers import StoredWatcher

log = logging.getLogger("csv_manager.targets")

#: Seconds until a target that failed is tried again with the same version, and how they grow, up to how many.
_RETRY_SECONDS, _RETRY_FACTOR, _RETRY_MOST = 5.0, 2.0, 600.0
#: Seconds between two looks for what other processes recorded.
_LOOK_SECONDS = 5.0


class Syncing:
    """Brings targets to their files' heads. `on_synced` is called once for each version that one was brought to."""

    def __init__(
        self, opened: "Callable[[], Store]", databases: "Databases", on_synced: "Callable[[Synced], None]"
    ) -> None:
        self._opened, self._databases, self._on_synced = opened, databases, on_synced
        #: For each target and file that failed: the head then, the seconds to wait, and until when.
        self._waits: dict[tuple[str, int], tuple[int, float, float]] = {}
        self._next_look = 0.0
        self.stopping: Callable[[], bool] = lambda: False

    def ring(self) -> None:
        """Look for what is due at the next opportunity."""
        self._next_look = 0.0

    def sync_due(self) -> None:
        """Bring every target to its files' heads that is not there, but for those that failed a moment ago."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        store = self._opened()
        for file in store.catalog.targets.files(due=True):
            if self.stopping():
                return
            head, _, until = self._waits.get((file.target.id, file.file_id), (0, 0.0, 0.0))
            if head == file.head and now < until:
                self._next_look = min(self._next_look, until)
            else:
                self._sync(store, file)

    def sync(self, paths: Collection[str] = ()) -> "list[TargetFile]":
        """Bring every target of these files, or of all, to their heads now; those that failed, each with a warning."""
        store = self._opened()
        due = store.catalog.targets.files(paths=paths, due=True)
        failed = {(file.target.id, file.file_id) for file in due if not self._sync(store, file, is_told_again=True)}
        left = store.catalog.targets.files(paths=paths, due=True) if failed else []
        return [file for file in left if (file.target.id, file.file_id) in failed]

    def bring(self, told: "TargetFile", **how: Any) -> "Iterator[Synced]":
        """Bring one target to a file's head, and note it. Raises what keeps it from that, which is noted, too."""
        store, began = self._opened(), clock.now()
        file = self._file(store, told)
        try:
            number = told.version
            how.setdefault("is_wanted", lambda: self._is_wanted(store, told))
            for synced in self.session(store, told, file, **how).bring(told.head):
                number = synced.version
                self._note(store, told, synced, began)
                began = clock.now()
                yield synced
            if number == told.version:  # its own database knew better
                self.note_at(store, told, told.head)
        except CsvManagerError as error:
            self._fail(store, told, error, began)
            raise

    @staticmethod
    def _is_wanted(store: "Store", told: "TargetFile") -> bool:
        """Whether a target is still to follow its file."""
        found = store.catalog.targets.files(paths=[told.path])
        return any(file.target.id == told.target.id and file.pinned is None for file in found)

    def session(self, store: "Store", told: "TargetFile", file: "File", **how: Any) -> "TargetSession":
        """What brings a target to versions of a file."""
        from csv_manager.pipeline.target_session import TargetSession

        return TargetSession(store, self._databases, told.target, file, **how)

    def add(self, target: "Target", watcher: "StoredWatcher") -> "list[TargetFile]":
        """Store a target of a watcher, and say what files it has. Raises what keeps its database from being used."""
        from csv_manager.pipeline.target_tables import refuse_own
        from csv_manager.store.targets import StoredTarget

        refuse_own(target)
        self._databases.engine(target.database)
        store = self._opened()
        stored = StoredTarget(target=target, watcher_id=watcher.id, watcher_path=watcher.csv_file, created=clock.now())
        store.catalog.targets.add(stored)
        return [file for file in store.catalog.targets.files() if file.target.id == target.id]

    def named(self, database: str) -> str:
        """A name or URL of a database as targets have it. Raises `ConfigurationError`."""
        return self._databases.named(database)

    def alter(self, target: "Target") -> None:
        """Have a target be as it is told now."""
        self._opened().catalog.targets.alter(target)

    def forget(self, target: "Target", *, drop: bool = False) -> None:
        """Forget a target, here and in its database; its table stays unless `drop`. Raises `StoreError`."""
        from csv_manager.pipeline.target_tables import forget, refuse_drop

        if drop:
            refuse_drop(self._databases, target)
        self._databases.engine(target.database)
        self._opened().catalog.targets.delete(target.id)  # first, so that nobody brings it anywhere any more
        forget(self._databases, target, drop=drop)

    def take_back(self, target: "Target") -> None:
        """Forget a target that could not be loaded even once; one that was, just before it failed, stays."""
        from csv_manager.pipeline.target_tables import is_loaded

        try:
            if not is_loaded(self._databases, target):
                self.forget(target)
        except CsvManagerError:  # its database may not be there
            self._opened().catalog.targets.delete(target.id)

    def roll_back(self, told: "TargetFile", number: int, **how: Any) -> "Synced":
        """Bring a target to an older version of a file, and pin it there."""
        store = self._opened()
        session = self.session(store, told, self._file(store, told), **how)
        session.check_rollback(number)
        # Until the target is there nobody else may bring it to the head again.
        store.catalog.targets.note(told.target.id, told.file_id, pinned=number)
        try:
            synced = session.roll_back(number)
        except BaseException:
            store.catalog.targets.note(told.target.id, told.file_id, pinned=told.pinned)
            raise
        self.note_at(store, told, number)
        self._on_synced(synced)
        return synced

    def verify(self, told: "TargetFile", **how: Any) -> "Synced | None":
        """What would have a target's table be again as its version is; None if it is."""
        store = self._opened()
        return self.session(store, told, self._file(store, told), **how).verify()

    def repair(self, told: "TargetFile", **how: Any) -> "Synced":
        """Have a target's table be again as its version is."""
        store = self._opened()
        synced = self.session(store, told, self._file(store, told), **how).repair()
        if synced.is_new:  # the table was gone, with the rows of its other files
            for other in store.catalog.targets.files():
                if other.target.id == told.target.id and other.file_id != told.file_id:
                    store.catalog.targets.note(told.target.id, other.file_id, version=None)
        self.note_at(store, told, synced.version, left_out=synced.left_out)
        self._on_synced(synced)
        return synced

    def plan(self, told: "TargetFile", **how: Any) -> "Synced | None":
        """What bringing a target to its file's head would do; None if that is nothing."""
        store = self._opened()
        return self.session(store, told, self._file(store, told), **how).plan(told.head)

    def unpin(self, told: "TargetFile") -> None:
        """Let a target follow its file again."""
        self._opened().catalog.targets.note(told.target.id, told.file_id, pinned=None)

    def note_at(self, store: "Store", told: "TargetFile", number: int, **more: Any) -> None:
        """Note that a target is at a version."""
        is_counted = told.target.deletes and not told.target.discards
        rows = self._file(store, told).version(number).rows if is_counted else None
        store.catalog.targets.note(
            told.target.id, told.file_id, version=number, rows=rows, synced=clock.now(), error=None, failed=None,
            attempts=0, **{"left_out": None, **more},
        )  # fmt: skip

    def _sync(self, store: "Store", told: "TargetFile", *, is_told_again: bool = False) -> bool:
        """Bring a target to its file's head, or leave it to who does; what fails is noted and told, and False."""
        from csv_manager.sync.loading import BusyTargetError

        version = store.catalog.history.version(told.file_id, told.head)
        if version is not None and version.run_id is not None and store.runs.is_active(version.run_id):
            self.ring()  # its end is noted first
            return True
        key = (told.target.id, told.file_id)
        try:
            for synced in self.bring(told, stopping=self.stopping):
                log.info("%s: version %d of %s.", synced.target.name, synced.version, synced.csv_file)
                if synced.left_out is not None:
                    log.warning("%s: %s.", synced.target.name, synced.left_out)
            self._waits.pop(key, None)
            if told.error is not None:
                log.warning("%s follows %s again.", told.target.name, told.path)
        except BusyTargetError as error:
            log.info("%s", error)
        except CsvManagerError as error:
            if not self.stopping():
                self._wait(key, told.head)
                if str(error) != told.error or is_told_again:
                    log.warning("%s %s is tried again.", error, told.target.name)
            return False
        except Exception as error:
            self._wait(key, told.head)
            self._fail(store, told, error, clock.now())
            log.exception("%s failed; it is tried again.", told.target.name)
            return False
        return True

    def _wait(self, key: tuple[str, int], head: int) -> None:
        known, seconds, _ = self._waits.get(key, (0, 0.0, 0.0))
        seconds = min(seconds * _RETRY_FACTOR, _RETRY_MOST) if known == head else _RETRY_SECONDS
        self._waits[key] = head, seconds, time.monotonic() + seconds

    def _note(self, store: "Store", told: "TargetFile", synced: "Synced", began: "dt.datetime") -> None:
        self.note_at(store, told, synced.version, left_out=synced.left_out)
        counts = synced.counts
        rows = counts.inserted + counts.updated + counts.deleted
        task = TaskRecord(name=told.target.name, state="success", started=began, ended=clock.now(), rows=rows)
        self._note_task(store, told, synced.version, task)
        self._on_synced(synced)

    def _fail(self, store: "Store", told: "TargetFile", error: Exception, began: "dt.datetime") -> None:
        from csv_manager.pipeline.runs import failure
        from csv_manager.sync.loading import BusyTargetError

        if isinstance(error, BusyTargetError) or self.stopping():
            return
        store.catalog.targets.fail(told.target.id, told.file_id, str(error))
        task = TaskRecord(name=told.target.name, started=began, ended=clock.now(), **failure(error))
        self._note_task(store, told, told.head, task)

    @staticmethod
    def _note_task(store: "Store", told: "TargetFile", number: int, task: TaskRecord) -> None:
        version = store.catalog.history.version(told.file_id, number)
        if version is not None and version.run_id is not None:
            store.runs.note_target(version.run_id, task)

    @staticmethod
    def _file(store: "Store", told: "TargetFile") -> "File":
        return store.file(told.path)
