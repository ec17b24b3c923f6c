"""Watching, recording and telling, put together: what runs while files are watched."""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from csv_manager.core import clock
from csv_manager.core.errors import (
    BusyError,
    CsvManagerError,
    PathNotFoundError,
    StaleWatcherError,
    StoreError,
    TornReadError,
    UnreadableError,
)
from csv_manager.core.model import Signature, WatcherOptions
from csv_manager.core.paths import os_reason, stat_regular
from csv_manager.pipeline.delivery import Delivery
from csv_manager.pipeline.ending import end_watching
from csv_manager.pipeline.finishing import PATIENCE_SECONDS, Finisher
from csv_manager.pipeline.listening import Listening
from csv_manager.pipeline.repeating import Repeating
from csv_manager.pipeline.states import States
from csv_manager.pipeline.syncing import Syncing
from csv_manager.pipeline.watched import Defaults, Records, Settled, Watched
from csv_manager.watch import Processed, WatchService, wait_settled

if TYPE_CHECKING:  # they load SQLAlchemy, which a command without the store does without
    import datetime as dt

    from csv_manager.core.model import Version
    from csv_manager.core.retention import Retention
    from csv_manager.core.sightings import FolderCheck
    from csv_manager.pipeline.arrivals import Outcome
    from csv_manager.pipeline.store import File, Store, VersionChange

log = logging.getLogger("csv_manager.runtime")

#: Seconds between two notes of what was checked, and the part of the time that they may take.
_CHECKS_SECONDS = 10
_CHECKS_SHARE = 0.003
#: Seconds between two notes where something in a folder cannot be watched any more, or can again.
_NEWS_SECONDS = 1
_BEAT_SECONDS = 5
_PRUNE_SECONDS = 3600


class Runtime:
    """Records what settles and tells who wants to know.

    `opened` gives the store, `check` raises if its listeners cannot be told. `on_version` is called in the process that
    committed, once for each version; `on_state(path, state, reason)` when a file's state changes. While files are
    watched, one thread keeps: it calls the `ticks` twice a second, which return soon. Another one tells: it calls
    `tellings` after each commit too, and they may take their time, as receivers may.
    """

    def __init__(
        self,
        opened: "Callable[[], Store]",
        defaults: Defaults,
        syncing: Syncing,
        listening: Listening,
        *,
        check: Callable[[], None],
        on_version: "Callable[[VersionChange], None]",
        on_state: Callable[[str, str, str | None], None],
    ) -> None:
        self._opened = opened
        self._on_version = on_version
        self._on_state = on_state
        self.syncing = syncing
        self.listening = listening
        self._check = check
        self._watched = Watched(opened, defaults)
        self._last_beat = clock.now()
        self._checks: dict[str, FolderCheck] = {}
        self._has_news = False
        self._next_flush = self._next_news = 0.0
        self._last_prune: dt.datetime | None = None
        self._id = uuid.uuid4().hex
        self._is_checked = False
        #: Also until it starts.
        self._stopping = True
        self._keeper = Repeating(
            "csv_manager-keeper", lambda: (*self.ticks, self._beat, self._flush, self._keep_states, self._note_runs)
        )
        self._teller = Repeating(
            "csv_manager-teller", lambda: (self._states.tell, *self.tellings, self.deliver, self.consume, self._prune)
        )
        self._syncer = Repeating("csv_manager-syncer", lambda: (self.syncing.sync_due,))
        self._states = States(opened, self._watched, self._keeper.ring, on_state)
        self.delivery = Delivery()
        self.ticks: list[Callable[[], object]] = []
        self.tellings: list[Callable[[], object]] = []
        self.service = WatchService(self._process, self._states.see, self._see_folder)
        self._finisher = Finisher(opened, self._watched, self._states, self.delivery, self.service)

    @property
    def running(self) -> bool:
        """Whether files are being watched."""
        return self.service.running

    @property
    def watched(self) -> Mapping[str, WatcherOptions]:
        """The files that are, or will be, watched, and how."""
        return self._watched.options

    @property
    def failed(self) -> frozenset[str]:
        """The files that could not be recorded when they were checked last, or whose version is held."""
        return self._states.failed()

    def watch(self, path: str, options: WatcherOptions, watcher_id: int | None = None, *, again: bool = False) -> None:
        """Watch a file, folder or glob from now on, or from `start` on; `watcher_id` is a stored watcher's.

        `again` it is looked at as if it were new, though it is watched in the same way already.
        """
        yielding = self._watched.yielding(path)
        if (self._watched.put(path, options, watcher_id) or again) and self.running:
            self._states.forget(path)
            self._finisher.remove(path)
            try:
                for one in dict.fromkeys([path, *yielding, *self._watched.yielding(path)]):
                    self._track(one)
            except BaseException:  # it is to be asked for again
                self.unwatch(path)
                raise

    def unwatch(self, path: str) -> None:
        """Watch a file, folder or glob no longer."""
        yielding = self._watched.yielding(path)
        if self._watched.remove(path):
            self._states.forget(path)
            self._finisher.remove(path)
            self.service.remove(path)
            for one in yielding if self.running else ():
                self._track(one)

    def start(self, *, once: bool = False, poll: bool = False) -> None:
        """Start watching; with `once` each file is dealt with once, and with `poll` there are no file events.

        Raises `StoreError` if the store cannot be used.
        """
        if self.running:
            return
        self._watched.poll = poll
        self._check_listeners()
        self.delivery.register(self._opened())
        self._opened().archive.clean()
        files = Records(self._opened().catalog.history.files())
        for path in list(self.watched):
            self._track(path, files)
        self._opened().catalog.services.beat(self._id, once=once)
        self._opened().runs.ledger.finish_dead()
        self._opened().runs.ring = self._keeper.ring
        self._stopping, self._has_news = False, True  # what was noted of folders may not hold any more
        self._next_news = time.monotonic() + _NEWS_SECONDS
        self.service.start(once=once)
        self.syncing.stopping = lambda: self._stopping
        self._keeper.start()
        self._teller.start()
        if not once:  # else who asked brings targets to their heads at the end
            self._syncer.start()

    def stop(self) -> None:
        """Stop watching, within a few seconds at most; what was not finished is done at the next start."""
        if self._stopping:
            return
        self._stopping = True
        self.service.stop()
        self._keeper.stop()
        self._teller.stop()
        self._syncer.stop()
        self.syncing.stopping = lambda: False
        end_watching(
            lambda: self._opened().catalog.services.end(self._id),
            self._states.store,
            lambda: self._flush(force=True),
            self._end_runs,
            self._states.tell,
        )

    def _end_runs(self) -> None:
        self._opened().runs.ring = None
        self._opened().runs.flush()

    def _note_runs(self) -> None:
        self._opened().runs.tick()

    def wait_at_rest(self, timeout: float | None = None) -> bool:
        """Wait until every file was looked at, and what was found is stored; False after `timeout` seconds."""
        at_rest = self.service.wait_at_rest(timeout)
        if at_rest:
            with contextlib.suppress(StoreError):  # which the keeper tells
                self._states.store()
                self._opened().runs.flush()
        return at_rest

    def _keep_states(self) -> None:
        if self._states.store():
            self._teller.ring()

    def record(self, path: str, options: WatcherOptions, **told: Any) -> "Outcome":
        """Record a file now and tell of it. Takes what `Recorder.record` takes, and raises what that raises."""
        store = self._opened()
        self._check_listeners()
        self.delivery.register(store)
        outcome = store.recorder.record(path, options, **told)
        if outcome.number is not None:
            self._tell(store, outcome)
        return outcome

    def restore(self, path: str, options: WatcherOptions, version: "Version", **told: Any) -> "Outcome":
        """Put a version back in place of a file and tell of it. Takes and raises what `Recorder.restore` does."""
        store = self._opened()
        self._check_listeners()
        self.delivery.register(store)
        outcome = store.recorder.restore(path, options, version, **told)
        if outcome.number is not None:
            self._tell(store, outcome)
        return outcome

    def wait_settled(self, path: str, options: WatcherOptions) -> Signature | None:
        """Wait until a file rests; what it looks like then, if it does.

        Raises `PathNotFoundError`, `UnreadableError`.
        """
        settle, max_wait = self._watched.times(options)
        try:
            return wait_settled(path, settle=settle, max_wait=max_wait)
        except (FileNotFoundError, NotADirectoryError):
            raise PathNotFoundError(f"{path}: no such file.") from None
        except OSError as error:
            raise UnreadableError(f"{path}: {os_reason(error)}.") from error

    def tick(self) -> None:
        """Do the `ticks` now."""
        for tick in list(self.ticks):
            tick()

    def prune(self) -> None:
        """Forget the versions that the watchers' retention does not keep, and the runs that the settings do not."""
        store, pruned = self._opened(), []
        forgotten = store.prune_runs()
        if forgotten:
            log.info("Forgot %d old runs.", forgotten)
        for record, retention in self._watched.kept():
            file = store.find(record.path)
            doomed = self.doomed(file, retention) if file else []
            if file and doomed:
                pruned.append((file, doomed))
        if pruned:
            store.prune(pruned)
        for file, doomed in pruned:
            log.info("%s: forgot %d old versions.", file.path, len(doomed))

    def doomed(self, file: "File", retention: "Retention") -> list[int]:
        """The numbers of the versions of a file that a retention does not keep and that were told to every receiver."""
        return self._opened().doomed(file, retention, self.delivery.names())

    def deliver(self) -> bool:
        """Tell listeners and receivers what they were not told yet; False if one failed."""
        heard = self.listening.tell(self._opened())
        return (self.delivery.deliver(self._opened()) if self.delivery.names() else True) and heard

    def _check_listeners(self) -> None:
        """Raise `ConfigurationError`, once at the most, if the event record cannot be where it is to be."""
        if not self._is_checked:
            self._opened()
            self._check()
            self._is_checked = True

    def _track(self, path: str, files: "Records | None" = None) -> None:
        options = self.watched[path]
        finished = self._finisher.recover(path, options)
        told = self._watched.watch(path, files)
        if told is None:
            self.service.remove(path)
            return
        watch, known = told
        self.service.add(watch, known)
        self._states.hold(path, [place for place, found in known.items() if found.state == "held"])
        self._finisher.begin(path, options, known, finished)

    def _process(self, place: str, watch_id: str, signature: Signature | None) -> Processed:
        """One job: record the settled file that is read at `place`; nothing it may meet ends the service."""
        try:
            settled = self._watched.settled(place, watch_id)
            if settled is None:
                return Processed(signature=Signature.of(stat_regular(place)), ours=False)
            return self._record(settled, place, watch_id, signature)
        except (TornReadError, BusyError, StaleWatcherError, PathNotFoundError):
            return Processed(signature=None, torn=True)
        except UnreadableError as error:
            self._fail(place, watch_id, "unreadable", str(error))
        except (CsvManagerError, OSError) as error:
            if isinstance(error, FileNotFoundError) and error.filename == place:
                return Processed(signature=None, torn=True)
            self._fail(place, watch_id, "failing", str(error))
        except Exception as error:  # the service logs it
            self._fail(place, watch_id, "failing", f"{place}: {type(error).__name__}: {error}")
            raise
        return Processed(signature=None)

    def _record(self, settled: Settled, place: str, watch_id: str, signature: Signature | None) -> Processed:
        path = settled.path
        outcome = self.record(
            path,
            settled.options,
            cause=settled.cause,
            origin=settled.origin,
            member=settled.member,
            watcher_id=settled.watcher_id,
            settled=signature,
            stopping=lambda: self._stopping,
            patience=PATIENCE_SECONDS,
        )
        if outcome.status == "held":
            self._states.hold(watch_id, [place])
        else:
            self._states.recorded(place, watch_id)
            self._finisher.add(watch_id, place, outcome.signature)
        self._teller.ring()
        self.syncing.ring()
        self._syncer.ring()
        return Processed(signature=outcome.signature, is_open=outcome.is_open)

    def consume(self) -> None:
        """Delete or move the files that are recorded and told to every receiver, where that is asked for."""
        self._finisher.finish()

    def put_back(self, path: str, options: WatcherOptions) -> None:
        """Give the files their names again that killed processes took aside for a watcher that is no more."""
        self._finisher.recover(path, replace(options, done="keep", paused=False))

    def _tell(self, store: "Store", outcome: "Outcome") -> None:
        found = store.find_version(outcome.path, outcome.number or 0)
        if found is None:
            return  # it was purged at once
        file, version = found
        self._on_version(file.version_change(version))
        if version.status == "held":
            self._on_state(outcome.path, "held", version.reason)

    def _see_folder(self, path: str, state: str, reason: str | None) -> None:
        self._has_news = True
        self._states.see_folder(path, state, reason)

    def _fail(self, place: str, watch_id: str, state: str, reason: str) -> None:
        log.info("%s", reason)
        self._states.see(place, watch_id, state, reason)

    def _beat(self) -> None:
        now = clock.now()
        if self.service.running and abs((now - self._last_beat).total_seconds()) >= _BEAT_SECONDS:
            self._last_beat = now
            service = self.service
            self._opened().catalog.services.beat(self._id, files=service.count, overflows=service.overflows)
            if self._stopping:  # it waited for the store while watching ended
                self._opened().catalog.services.end(self._id)

    def _prune(self) -> None:
        """Prune seldom, since nobody can record meanwhile."""
        now = clock.now()
        if self._last_prune is None or abs((now - self._last_prune).total_seconds()) >= _PRUNE_SECONDS:
            self._last_prune = now
            self.prune()

    def _flush(self, *, force: bool = False) -> None:
        """Note when files were checked: seldom, a folder at a time, and of very many folders more seldom still.

        Where that is news of what cannot be watched, soon.
        """
        now = time.monotonic()
        if force or now >= (self._next_news if self._has_news else self._next_flush):
            self._has_news = False
            self._checks |= self.service.take_checks()  # beside what could not be noted before
            try:
                if self._checks:
                    self._opened().catalog.folders.checked(self._checks)
            except BaseException:
                self._has_news = True
                raise
            self._checks = {}
            took = time.monotonic() - now
            self._next_news = now + _NEWS_SECONDS
            self._next_flush = now + max(_CHECKS_SECONDS, took / _CHECKS_SHARE)
