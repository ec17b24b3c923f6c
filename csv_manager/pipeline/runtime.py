"""Watching, recording and telling, put together: what runs while files are watched."""

import contextlib
import datetime as dt
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csv_manager.core.errors import (
    CsvManagerError,
    PathNotFoundError,
    StoreError,
    TornReadError,
    UnreadableError,
)
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import os_reason
from csv_manager.pipeline.delivery import Delivery
from csv_manager.watch import Processed, Watch, WatchService, wait_settled

if TYPE_CHECKING:  # they load SQLAlchemy, which a command without the store does without
    from csv_manager.core.model import Version
    from csv_manager.core.retention import Retention
    from csv_manager.pipeline.recording import Outcome
    from csv_manager.pipeline.store import File, Store, VersionChange

log = logging.getLogger("csv_manager.runtime")

_TICK_SECONDS = 0.5
_CHECKS_SECONDS = 10
_BEAT_SECONDS = 5
_PRUNE_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a watcher has that does not say otherwise, in seconds."""

    settle: float = 0.5
    max_wait: float = 60


class Runtime:
    """Records what settles and tells who wants to know.

    `opened` gives the store. `on_version` is called in the process that committed, once for each version;
    `on_state(path, state, reason)` when a file's state changes. `on_tick` is called twice a second and after each
    commit, by one thread.
    """

    def __init__(
        self,
        opened: "Callable[[], Store]",
        defaults: Defaults,
        *,
        on_version: "Callable[[VersionChange], None]",
        on_state: Callable[[str, str, str | None], None],
    ) -> None:
        self._opened = opened
        self._defaults = defaults
        self._on_version = on_version
        self._on_state = on_state
        self._options: dict[str, WatcherOptions] = {}
        self._failed: set[str] = set()
        self._checks: dict[str, dt.datetime] = {}
        self._last_flush = self._last_beat = dt.datetime.now(dt.UTC)
        self._last_prune: dt.datetime | None = None
        self._id = uuid.uuid4().hex
        self._bell = threading.Event()
        self._keeper: threading.Thread | None = None
        self._stopping = False
        self.delivery = Delivery()
        self.ticks: list[Callable[[], object]] = []
        self.service = WatchService(self._process, self._observe, self._checked)

    @property
    def running(self) -> bool:
        """Whether files are being watched."""
        return self.service.running

    @property
    def watched(self) -> Mapping[str, WatcherOptions]:
        """The files that are, or will be, watched, and how."""
        return self._options

    @property
    def failed(self) -> frozenset[str]:
        """The files whose last check failed or whose version is held."""
        return frozenset(self._failed)

    def watch(self, path: str, options: WatcherOptions) -> None:
        """Watch a file from now on, or from `start` on."""
        if self._options.get(path) == options:
            return
        self._options[path] = options
        if self.running:
            self._track(path, options)

    def unwatch(self, path: str) -> None:
        """Watch a file no longer."""
        if self._options.pop(path, None) is not None:
            self._failed.discard(path)
            self.service.remove(path)

    def start(self) -> None:
        """Start watching. Raises `StoreError` if the store cannot be used."""
        if self.running:
            return
        self._stopping = False
        self.delivery.register(self._opened())
        self._opened().archive.clean()
        files = self._opened().catalog.history.files()
        for path, options in list(self._options.items()):
            file = files.get(path)
            if file is not None and file.state == "held":
                self._failed.add(path)
            self.service.add(self._watch_of(path, options), file.signature if file else None)
        self._opened().catalog.services.beat(self._id)
        self.service.start()
        self._keeper = threading.Thread(target=self._keep, name="csv_manager-keeper", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Stop watching, within a second or two; what was not finished is done at the next start."""
        if self._keeper is None:
            return
        self._stopping = True
        self.service.stop()
        self._bell.set()
        self._keeper.join(1)
        self._keeper = None
        with contextlib.suppress(StoreError):
            self._flush(force=True)
            self._opened().catalog.services.end(self._id)

    def record(
        self,
        path: str,
        options: WatcherOptions,
        *,
        cause: str = "change",
        store_watcher: bool = False,
        stopping: Callable[[], bool] = lambda: False,
    ) -> "Outcome":
        """Record a file now and tell of it. Raises what `Recorder.record` raises."""
        store = self._opened()
        self.delivery.register(store)
        outcome = store.recorder.record(path, options, cause=cause, store_watcher=store_watcher, stopping=stopping)
        if outcome.number is not None:
            self._tell(store, outcome)
        return outcome

    def restore(self, path: str, options: WatcherOptions, version: "Version", done: Callable[[int], None]) -> "Outcome":
        """Put a version back in place of a file and tell of it. Raises what `Recorder.restore` raises."""
        store = self._opened()
        self.delivery.register(store)
        outcome = store.recorder.restore(path, options, version, done)
        if outcome.number is not None:
            self._tell(store, outcome)
        return outcome

    def wait_settled(self, path: str, options: WatcherOptions) -> None:
        """Wait until a file rests. Raises `PathNotFoundError`, `UnreadableError`."""
        watch = self._watch_of(path, options)
        try:
            wait_settled(path, settle=watch.settle, max_wait=watch.max_wait)
        except FileNotFoundError:
            raise PathNotFoundError(f"{path}: no such file.") from None
        except OSError as error:
            raise UnreadableError(f"{path}: {os_reason(error)}.") from error

    def tick(self) -> None:
        """Do now what is done twice a second while files are watched."""
        for tick in list(self.ticks):
            tick()

    def prune(self) -> None:
        """Forget the versions that the watchers' retention does not keep."""
        store, pruned = self._opened(), []
        for path, options in list(self._options.items()):
            file = store.find(path) if options.retention else None
            doomed = self.doomed(file, options.retention) if file and options.retention else []
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
        """Tell receivers what they were not told yet."""
        return self.delivery.deliver(self._opened()) if self.delivery.names() else True

    def _track(self, path: str, options: WatcherOptions) -> None:
        record = self._opened().catalog.history.file(path)
        self.service.add(self._watch_of(path, options), record.signature if record else None)

    def _watch_of(self, path: str, options: WatcherOptions) -> Watch:
        defaults = self._defaults
        return Watch(
            path=path,
            interval=options.interval,
            settle=defaults.settle if options.settle is None else options.settle,
            max_wait=defaults.max_wait if options.max_wait is None else options.max_wait,
            every=options.every or 0,
        )

    def _process(self, path: str) -> Processed:
        """One job: record a settled file; nothing it may meet ends the service."""
        options = self._options.get(path)
        if options is None:
            return Processed(signature=None, torn=True)
        try:
            outcome = self.record(path, options, stopping=lambda: self._stopping)
        except TornReadError:
            return Processed(signature=None, torn=True)
        except PathNotFoundError:
            return Processed(signature=None, torn=True)
        except UnreadableError as error:
            self._fail(path, "unreadable", str(error))
            return Processed(signature=None)
        except (CsvManagerError, OSError) as error:
            self._fail(path, "failing", str(error))
            return Processed(signature=None)
        except Exception as error:  # the service logs it
            self._fail(path, "failing", f"{path}: {type(error).__name__}: {error}")
            raise
        if outcome.status == "held":
            self._failed.add(path)
        else:
            self._failed.discard(path)
        self._bell.set()
        return Processed(signature=outcome.signature)

    def _tell(self, store: "Store", outcome: "Outcome") -> None:
        file = store.file(outcome.path)
        version = file.version(outcome.number or 0)
        self._on_version(file.version_change(version))
        if version.status == "held":
            self._on_state(outcome.path, "held", version.findings[0].message)

    def _fail(self, path: str, state: str, reason: str) -> None:
        self._failed.add(path)
        log.info("%s", reason)
        self._observe(path, state, reason)

    def _observe(self, path: str, state: str, reason: str | None) -> None:
        if state == "ok":
            self._failed.discard(path)
        elif state == "unreadable":
            self._failed.add(path)
        # The state is for people; a store that cannot be written now is told by what failed to be recorded.
        with contextlib.suppress(StoreError):
            self._opened().catalog.history.observe(path, state=state, reason=reason)
        self._on_state(path, state, reason)

    def _keep(self) -> None:
        failing: dict[Callable[[], object], str] = {}
        while not self._stopping:
            self._bell.wait(_TICK_SECONDS)
            self._bell.clear()
            for tick in (*self.ticks, self.deliver, self._beat, self._flush, self._prune):
                try:
                    tick()
                    failing.pop(tick, None)
                except Exception as error:
                    if failing.get(tick) != str(error) and not self._stopping:
                        log.warning("%s It is tried again.", error, exc_info=not isinstance(error, CsvManagerError))
                    failing[tick] = str(error)

    def _beat(self) -> None:
        now = dt.datetime.now(dt.UTC)
        if abs((now - self._last_beat).total_seconds()) >= _BEAT_SECONDS:
            self._last_beat = now
            self._opened().catalog.services.beat(self._id)

    def _prune(self) -> None:
        """Prune seldom, since nobody can record meanwhile."""
        now = dt.datetime.now(dt.UTC)
        if self._last_prune is None or abs((now - self._last_prune).total_seconds()) >= _PRUNE_SECONDS:
            self._last_prune = now
            self.prune()

    def _checked(self, path: str) -> None:
        self._checks[path] = dt.datetime.now(dt.UTC)

    def _flush(self, *, force: bool = False) -> None:
        """Note when files were checked, seldom, since it is one write for each."""
        now = dt.datetime.now(dt.UTC)
        if force or abs((now - self._last_flush).total_seconds()) >= _CHECKS_SECONDS:
            checks, self._checks = self._checks, {}
            self._last_flush = now
            if checks:
                self._opened().catalog.history.checked(checks)
