"""`app.csv_watcher`: the watchers of every plugin, the store, and what runs while files are watched."""

import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from groundwork.util import gw_get

from csv_manager.core.binds import DEFAULT
from csv_manager.core.errors import OptionError, TornReadError, WatcherExistsError
from csv_manager.core.feeds import Feed, any_wants
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import identity, link_of
from csv_manager.core.sightings import Origin
from csv_manager.framework import signals
from csv_manager.framework.app import settings_of
from csv_manager.framework.bind_settings import binds_of
from csv_manager.framework.errors import translated
from csv_manager.framework.target_databases import TargetDatabases
from csv_manager.patterns.csv_event_pattern import csv_events_of
from csv_manager.patterns.known_paths import KnownPaths

_TORN_READS = 5
_SIGNALS = {
    "csv_watcher_change": "A version was recorded: csv_file, new_rows, missing_rows, change_set, version.",
    "csv_version_held": "A version was held: csv_file, version, reason.",
    "csv_watcher_state": "A file's state changed: csv_file, state, reason.",
    "csv_target_synced": "A target was brought to a version: csv_file, version, target, counts.",
}


class CsvWatcher:
    """One registered watcher; `csv_file` is the file's resolved absolute path, `interval` is in seconds."""

    def __init__(
        self,
        csv_file: str,
        options: WatcherOptions,
        description: str,
        plugin: Any,
        app: "CsvWatcherApplication",
        watcher_id: int | None = None,
    ) -> None:
        self.csv_file = csv_file
        self.options = options
        self.description = description
        self.plugin = plugin
        self.watcher_id = watcher_id
        self.wanted = False
        self._app = app

    @property
    def interval(self) -> float:
        """Seconds between two checks, the safety net under file events."""
        return self.options.interval

    @property
    def running(self) -> bool:
        """Whether the file is being watched now."""
        return self.wanted and self._app.running

    def run(self) -> None:
        """Watch the file from now on; under CSV_MANAGER_APP, once every plugin is active."""
        self.wanted = True
        self._app.run(self)

    def change(self, options: WatcherOptions, watcher_id: int | None) -> None:
        """Watch the file otherwise, or look at it anew, without a moment in which it is not watched."""
        before = self.options, self.watcher_id
        self.options, self.watcher_id = options, watcher_id
        if self.wanted:
            try:
                self._app.run(self, again=True)
            except BaseException:  # it is to be asked for again
                self.options, self.watcher_id = before
                raise

    def stop(self) -> None:
        """Watch the file no longer."""
        self.wanted = False
        if self._app.counts(self):
            self._app.runtime.unwatch(self.csv_file)


class CsvWatcherApplication:
    """`app.csv_watcher`: the watchers of every plugin, the store, and what runs while files are watched.

    In a bare groundwork App a watcher watches as soon as it is run. Under CSV_MANAGER_APP watching starts when every
    plugin is active, and for a command line only when the command asks for it.
    """

    def __init__(self, app: Any) -> None:
        from csv_manager.pipeline.runtime import Runtime
        from csv_manager.pipeline.syncing import Syncing
        from csv_manager.pipeline.watched import Defaults

        self._app = app
        self._watchers: dict[str, CsvWatcher] = {}
        #: The watchers of plugins whose paths have a stored one too, which is the one that counts while it is there.
        self._covered: dict[str, CsvWatcher] = {}
        self._only: frozenset[str] = frozenset()
        self._store: Any = None
        self._opening = threading.Lock()
        settings = settings_of(app)
        self.target_databases = TargetDatabases(lambda: settings_of(app))
        self.runtime = Runtime(
            lambda: self.store,
            Defaults(settle=settings["CSV_SETTLE"], max_wait=settings["CSV_MAX_WAIT"]),
            Syncing(lambda: self.store, self.target_databases, self._tell_synced),
            csv_events_of(app).listening,
            check=csv_events_of(app).check,
            on_version=self._tell_version,
            on_state=self._tell_state,
        )
        signals.own(app, _SIGNALS)
        if getattr(app, "csv_watching", False):
            app.signals.connect(
                "csv_watcher_start", "plugin_activate_post", self._start_when_complete, app, "Starts watching"
            )

    @property
    def store(self) -> Any:
        """The store, opened when it is first asked for. Raises `StoreError`."""
        with self._opening:
            if self._store is None:
                from csv_manager.pipeline.store import Store

                settings = settings_of(self._app)
                self._store = Store.of(settings, binds_of(settings)[DEFAULT])
                self._store.recorder.judge.checks = self._checks
                csv_events_of(self._app).attach(self._store)
            return self._store

    def _checks(self) -> dict[str, Any]:
        """The checks that plugins have."""
        checks: dict[str, Any] = self._app.csv_checks.checks() if hasattr(self._app, "csv_checks") else {}
        return checks

    @property
    def running(self) -> bool:
        """Whether files are being watched."""
        return self.runtime.running

    @property
    def embedded(self) -> bool:
        """Whether this app watches by itself: not on a command line, where a command decides."""
        return bool(getattr(self._app, "csv_watching", True))

    def start(self, only: Collection[str] = (), *, once: bool = False, poll: bool = False) -> None:
        """See `CsvWatcherPlugin.start`."""
        self._only = frozenset(only)
        self.runtime.tick()
        for path in list(self.runtime.watched):
            if self._only and path not in self._only:
                self.runtime.unwatch(path)
        self.runtime.start(once=once, poll=poll)

    def stop(self) -> None:
        """Stop watching; what was not finished is done at the next start."""
        self.runtime.stop()

    def close(self) -> None:
        """Let go of the store."""
        with self._opening:
            if self._store is not None:
                self._store.close()
                self._store = None
        self.target_databases.close()
        csv_events_of(self._app).close()

    def register(
        self,
        csv_file: str,
        interval: float = 10,
        description: str = "",
        plugin: Any = None,
        options: WatcherOptions | None = None,
        watcher_id: int | None = None,
    ) -> CsvWatcher:
        """A watcher for a file on behalf of a plugin, or of the app; a stored one stands before one that is not.

        Raises `WatcherExistsError`, `OptionError`.
        """
        path = str(csv_file) if watcher_id is not None else self._path_of(csv_file, options)
        known = self._watchers.get(path)
        if known is not None and (watcher_id is None or known.watcher_id is not None):
            raise WatcherExistsError(f"{path} is registered by {known.plugin.name} already.")
        if interval is None:
            raise OptionError("--interval must be more than 0 seconds.")
        told = options or WatcherOptions(interval=interval)
        watcher = CsvWatcher(path, told, description, plugin or self._app, self, watcher_id)
        if known is not None:
            self._covered[path] = known
        self._watchers[path] = watcher
        return watcher

    def unregister(self, csv_file: str, plugin: Any = None) -> None:
        """Stop and forget a file's watcher; of another plugin's, nothing happens."""
        watcher = self.get(csv_file, plugin)
        if watcher is None:
            self._uncover(csv_file, plugin)
            return
        watcher.stop()
        self._watchers.pop(watcher.csv_file, None)  # the service may have seen that it is gone
        covered = self._covered.pop(watcher.csv_file, None)
        if covered is not None:
            self._watchers[covered.csv_file] = covered
            if covered.wanted:
                covered.run()

    def get(self, csv_file: str | None = None, plugin: Any = None) -> Any:
        """The watcher of a file or None; without a file, a dictionary of all, or of all of a plugin."""
        if csv_file is not None and str(csv_file) not in self._watchers:
            csv_file = identity(str(csv_file))
        return gw_get(dict(self._watchers), csv_file, plugin)

    def run(self, watcher: CsvWatcher, *, again: bool = False) -> None:
        """Watch a file now, or as soon as watching starts; `again` as if nothing were known of it."""
        if not self.counts(watcher) or (self._only and not self._is_of_only(watcher)):
            return
        self.runtime.watch(watcher.csv_file, watcher.options, watcher.watcher_id, again=again)
        if not self.running and not hasattr(self._app, "csv_watching"):
            self.runtime.start()

    def _is_of_only(self, watcher: CsvWatcher) -> bool:
        """Whether a watcher is one of those to be started, or one that a file of theirs was given meanwhile."""
        if watcher.csv_file in self._only:
            return True
        told = {path: self.runtime.watched[path] for path in self._only if path in self.runtime.watched}
        feeds = [Feed.of(path, options) for path, options in told.items() if options.feed is not None]
        return any_wants(feeds, watcher.options.link or watcher.csv_file)

    def counts(self, watcher: CsvWatcher) -> bool:
        """Whether a watcher is the one of its path: a stored one stands before a plugin's."""
        return self._watchers.get(watcher.csv_file) is watcher

    def _uncover(self, csv_file: str, plugin: Any) -> None:
        """Forget a plugin's watcher that a stored one stands before."""
        for path in {str(csv_file), identity(str(csv_file))} & self._covered.keys():
            if self._covered[path].plugin is plugin:
                del self._covered[path]

    def known_paths(self) -> KnownPaths:
        """See `CsvWatcherPlugin.known_paths`."""
        running = [path for path, watcher in self._watchers.items() if watcher.options.feed is None]
        return KnownPaths(self.store, running)

    def add(
        self, csv_file: str, options: WatcherOptions, *, missing_ok: bool = False, feed_id: int | None = None
    ) -> Any:
        """See `CsvWatcherPlugin.add`."""
        path, link = identity(csv_file), link_of(csv_file)
        if missing_ok and not os.path.exists(path):
            self.store.catalog.history.add_watcher(path, options, None)
            return None
        if feed_id is not None:
            link = csv_file if csv_file != path else None
        origin = Origin(link=link, feed_id=feed_id)
        self._record(path, path, options, cause="add", store_watcher=feed_id is None, origin=origin)
        return self.store.latest(path)

    def add_member(self, csv_file: str, dataset: str, options: WatcherOptions) -> Any:
        """See `CsvWatcherPlugin.add_member`."""
        from csv_manager.pipeline.series import cause_of

        cause = cause_of(csv_file, Feed.of(dataset, options).root)
        self._record(csv_file, dataset, options, cause=cause, member=csv_file)
        return self.store.latest(dataset)

    def _record(self, place: str, path: str, options: WatcherOptions, **told: Any) -> None:
        """Record what is read at a place once it rests."""
        for attempt in range(_TORN_READS):
            settled = self.runtime.wait_settled(place, options)
            try:
                self.runtime.record(path, options, settled=settled, **told)
                break
            except TornReadError:
                if attempt == _TORN_READS - 1:
                    raise
        self.runtime.deliver()
        self.runtime.syncing.sync([path])

    def verify(self, paths: Sequence[str]) -> Iterator[Any]:
        """See `CsvWatcherPlugin.verify`."""
        from csv_manager.patterns.verifying import verify

        return verify(self.store, paths, settings_of(self._app)["CSV_SETTLE"])

    def on_change(self, name: str, function: Callable[[Any], object], files: str, plugin: Any, replay: bool) -> None:
        """Add a receiver with a watermark. Raises `OptionError` for a name that is taken."""
        from csv_manager.pipeline.delivery import Receiver

        if name in self.runtime.delivery.names():
            raise OptionError(f"A receiver {name} exists already; give this one another name.")
        told = translated(function, f"Receiver {name}")
        self.runtime.delivery.add(Receiver(name=name, function=told, files=files, replay=replay))
        self._receivers_of(plugin).append(name)

    def forget(self, plugin: Any) -> None:
        """Stop a plugin's watchers and receivers."""
        self._covered = {path: watcher for path, watcher in self._covered.items() if watcher.plugin is not plugin}
        for path in list(self.get(plugin=plugin)):
            self.unregister(path, plugin)
        for name in self._receivers_of(plugin):
            self.runtime.delivery.remove(name)

    def _path_of(self, path: str, options: WatcherOptions | None) -> str:
        """What identifies a watcher: the file's identity, the folder's, or the glob as it is."""
        is_glob = options is not None and options.is_glob
        return path if is_glob else identity(str(path))

    def _receivers_of(self, plugin: Any) -> list[str]:
        names: list[str] = plugin.__dict__.setdefault("_csv_receivers", [])
        return names

    def _start_when_complete(self, _plugin: Any, **_: Any) -> None:
        plugins = self._app.plugins
        if not self.running and all(plugins.exist(name) and plugins.get(name).active for name in self._app.csv_plugins):
            self.start()

    def _tell_version(self, change: Any) -> None:
        if change.status == "held":
            return
        signals.send(
            self._app,
            "csv_watcher_change",
            csv_file=change.csv_file,
            new_rows=change.change_set.new_rows,
            missing_rows=change.change_set.missing_rows,
            change_set=change.change_set,
            version=change.version,
        )

    def _tell_state(self, path: str, state: str, reason: str | None) -> None:
        if state == "held":
            file = self.store.find(path)
            version = file.record.latest if file else None
            signals.send(self._app, "csv_version_held", csv_file=path, version=version, reason=reason)
        signals.send(self._app, "csv_watcher_state", csv_file=path, state=state, reason=reason)

    def _tell_synced(self, synced: Any) -> None:
        signals.send(
            self._app,
            "csv_target_synced",
            csv_file=synced.csv_file,
            version=synced.version,
            target=synced.target.name,
            counts=synced.counts,
        )
