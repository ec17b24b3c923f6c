"""Watching CSV files from a plugin: `self.csv_watcher`."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from groundwork.patterns import GwThreadsPattern

from csv_manager.core.model import WatcherOptions
from csv_manager.core.retention import Retention
from csv_manager.framework.app import prepare, settings_of
from csv_manager.framework.errors import translated
from csv_manager.patterns.csv_watcher_application import CsvWatcher, CsvWatcherApplication
from csv_manager.patterns.known_paths import KnownPaths


class CsvWatcherPattern(GwThreadsPattern):
    """Gives a plugin `self.csv_watcher`: `register`, `unregister`, `get` and `on_change`."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        prepare(app)
        kwargs.setdefault("name", type(self).__name__)
        super().__init__(app, **kwargs)
        if not hasattr(app, "csv_watcher"):
            app.csv_watcher = CsvWatcherApplication(app)
        self.csv_watcher = CsvWatcherPlugin(self)

    def deactivate(self) -> None:
        """End the plugin; overwrite it where there is something to end."""


class CsvWatcherPlugin:
    """`self.csv_watcher`: the app's watchers, seen from one plugin."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        self._app: CsvWatcherApplication = plugin.app.csv_watcher
        plugin.signals.connect(
            receiver=f"{plugin.name}_csv_watcher_deactivation",
            signal="plugin_deactivate_post",
            function=self._deactivate,
            description=f"Stops the watchers of {plugin.name}",
            sender=plugin,
        )

    @property
    def store(self) -> Any:
        """The store: files, versions, row changes. Opened when it is first asked for."""
        return self._app.store

    def register(
        self,
        csv_file: str,
        interval: float = 10,
        description: str = "",
        options: WatcherOptions | None = None,
        watcher_id: int | None = None,
    ) -> CsvWatcher:
        """A watcher for a file; it watches once its `run` is called. `interval` is in seconds.

        With `options` that have a `feed`, `csv_file` is a folder or a glob; `watcher_id` is the number of a stored one.
        Raises `WatcherExistsError` if the file is registered already, `OptionError` for an interval of 0 or less.
        """
        return self._app.register(csv_file, interval, description, self._plugin, options, watcher_id)

    def unregister(self, csv_file: str) -> None:
        """Stop and forget a file's watcher."""
        self._app.unregister(csv_file, self._plugin)

    def get(self, csv_file: str | None = None) -> Any:
        """The plugin's watcher of a file or None; without a file, a dictionary of all of its watchers."""
        return self._app.get(csv_file, self._plugin)

    def on_change(
        self,
        function: Callable[[Any], object],
        *,
        files: str = "*",
        name: str | None = None,
        replay: bool = False,
    ) -> None:
        """Call `function(change)` for every version recorded of the files that the glob `files` matches.

        At least once and in the order of the versions: how far the receiver `name` is stands in the store, so what
        it missed while csv_manager was down, or while it raised, is told later. It starts with what is recorded from
        now on, or with `replay` with the oldest version.
        """
        self._app.on_change(name or f"{self._plugin.name}.{function.__name__}", function, files, self._plugin, replay)

    @property
    def embedded(self) -> bool:
        """Whether this app watches by itself: not on a command line, where a command decides."""
        return self._app.embedded

    def settings(self) -> Mapping[str, Any]:
        """The settings in force."""
        return settings_of(self._plugin.app)

    def load_store(self) -> None:
        """Open the store now, which makes or upgrades its tables."""
        _ = self._app.store

    def check_free(self, seconds: float) -> None:
        """Open the store, and raise `StoreBusyError` if another process writes to it for longer than so."""
        from csv_manager.store.patience import hurrying

        with hurrying(seconds):
            self._app.store.catalog.check_free()

    def check_databases(self) -> None:
        """Raise `StoreError` for a database in which plugins have tables, and that cannot be used as it is."""
        if self._plugin.app.databases.used():
            from csv_manager.framework.bind_upkeep import Upkeep

            self.load_store()
            Upkeep(self._plugin.app.databases).refuse_unusable()

    def check(self, csv_file: str, options: WatcherOptions) -> None:
        """Raise what makes a file's content unusable for a watcher; store nothing."""
        self._app.runtime.wait_settled(csv_file, options)
        self._app.store.recorder.check(csv_file, options)

    def known(self, paths: Sequence[str]) -> list[str]:
        """The files, watched or with a history, that paths, globs, folders or names of watchers stand for."""
        return self._app.known_paths().select(paths)

    def known_paths(self) -> KnownPaths:
        """What `known` asks, to be asked of many paths one by one."""
        return self._app.known_paths()

    def watched(self) -> dict[str, WatcherOptions]:
        """What is watched, or will be once watching starts: files, folders and globs, and how."""
        return dict(self._app.runtime.watched)

    def load(self) -> None:
        """Bring the watchers to what is stored; done by itself while files are watched."""
        self._app.runtime.tick()

    def start(self, only: Collection[str] = (), *, once: bool = False, poll: bool = False) -> None:
        """Start watching, or of all watchers `only` these: each file `once`, or on and on; `poll`: without events."""
        self._app.start(only, once=once, poll=poll)

    def stop(self) -> None:
        """Stop watching."""
        self._app.stop()

    def wait_at_rest(self, timeout: float | None = None) -> bool:
        """Wait until every file was looked at and what was new in it recorded; False after `timeout` seconds."""
        return self._app.runtime.wait_at_rest(timeout)

    def count_at_rest(self) -> int:
        """How many files were looked at, with what was new in them recorded."""
        return self._app.runtime.service.count_at_rest()

    def deliver(self) -> bool:
        """Tell receivers what they were not told yet; False if one failed, not if another process is telling it."""
        return self._app.runtime.deliver()

    def sync(self, paths: Sequence[str] = ()) -> list[Any]:
        """Bring the targets of these files, or of all, to their heads; those that failed, as warnings tell."""
        return self._app.runtime.syncing.sync(paths)

    @property
    def syncing(self) -> Any:
        """What brings targets to versions of their files."""
        return self._app.runtime.syncing

    def load_once(self, content: Any, target: Any, **how: Any) -> Any:
        """Load a content into a table once, as `csv_manager.pipeline.loading.load` does."""
        from csv_manager.pipeline.loading import load

        return load(self._app.target_databases, content, target, **how)

    def told_elsewhere(self) -> dict[str, str]:
        """The receivers that `deliver` left to another process, which was telling them; and which process."""
        return self._app.runtime.delivery.told_elsewhere()

    def consume(self) -> None:
        """Delete or move recorded files where watchers say so; done by itself while files are watched."""
        self._app.runtime.consume()

    def put_back(self, csv_file: str, options: WatcherOptions) -> None:
        """Give the files of a deleted watcher their names again, where `--done` of a killed process had hidden them."""
        self._app.runtime.put_back(csv_file, options)

    def prune(self) -> None:
        """Forget the versions that the watchers' retention does not keep, and old runs, as RUN_KEEP_WITHIN says.

        Done by itself while files are watched.
        """
        self._app.runtime.prune()

    def doomed(self, csv_file: str, retention: Retention) -> list[int]:
        """The numbers of the versions of a file that a retention does not keep, but for those still to be told."""
        return self._app.runtime.doomed(self.store.file(csv_file), retention)

    def failed(self) -> frozenset[str]:
        """The files that could not be recorded, or whose newest version is held."""
        return self._app.runtime.failed

    def add(
        self, csv_file: str, options: WatcherOptions, *, missing_ok: bool = False, feed_id: int | None = None
    ) -> Any:
        """Store a watcher and record the file's content as it is now, in one transaction.

        With `feed_id`, the number of a stored watcher of a folder or glob, the file is recorded as one that it has.
        Returns the latest version, None for a file that does not exist yet. Raises what makes the content unusable.
        """
        return self._app.add(csv_file, options, missing_ok=missing_ok, feed_id=feed_id)

    def verify(self, paths: Sequence[str] = ()) -> Iterator[Any]:
        """For each watched file, or those that paths stand for, what drifted from what is recorded, or None.

        What a running service is about to record comes last, and is given the time.
        """
        return self._app.verify(paths)

    def add_member(self, csv_file: str, dataset: str, options: WatcherOptions) -> Any:
        """Record a file of a series as the next version of its dataset, and return that."""
        return self._app.add_member(csv_file, dataset, options)

    def options_of(self, csv_file: str) -> WatcherOptions:
        """How a file is watched; of one that is not, how its head version was read."""
        watcher = self._app.store.catalog.watchers.of(csv_file)
        if watcher is not None:
            told: WatcherOptions = watcher.options
            return told
        file = self._app.store.find(csv_file)
        head = file.version() if file is not None and file.record.head else None
        return WatcherOptions(key=head.key, ignore=head.ignore) if head else WatcherOptions()

    def record(self, csv_file: str, *, cause: str = "change", member: str | None = None) -> Any:
        """Record what a file holds now, as it is watched or was read last; of a series, the file `member`.

        Returns the outcome, with no number if nothing is new. Raises what makes the content unreadable.
        """
        place = member or csv_file
        settled = self._app.runtime.wait_settled(place, self.options_of(csv_file))
        outcome = self._app.runtime.record(
            csv_file, self.options_of(csv_file), cause=cause, member=member, settled=settled
        )
        self.sync([csv_file])
        return outcome

    def processed(self, sha256: str, configuration: str) -> Any:
        """The newest run that succeeded on a content with a configuration, both by their hashes; None without one."""
        return self._app.store.catalog.ledger.processed(sha256, configuration)

    def configuration(self, csv_file: str) -> Any:
        """The configuration by which a file would be processed now: its `hash` and its `content`."""
        return self._app.store.runs.configuration(self.options_of(csv_file))

    def examine(
        self, csv_file: str, content: Any, base: Any = None, key: Sequence[str] = (), rules: Sequence[Any] = ()
    ) -> Any:
        """What the rules of a file's watcher, and these, find in a content whose version before is `base`: a verdict.

        Its `findings` and `results`, `bad_rows`, and whether the gate would hold it, `is_held`; nothing is recorded.
        """
        return self._app.store.recorder.judge.examine(csv_file, content, base, tuple(key), rules)

    def change_rules(self, watcher: Any, change: Callable[[Any], Any]) -> Any:
        """Have a watcher be checked by what `change` makes of its rule set, and tell of it; the rule set."""
        changed = self._app.store.catalog.rules.change(watcher, change)
        self._app.runtime.listening.tell(self._app.store)
        return changed

    def exit_code(self) -> int:
        """What a command ends with that did what it was asked: 1 if a listener of the event record was not told."""
        return 1 if self._app.runtime.listening.failed else 0

    def decide(self, csv_file: str, version: Any, *, accept: bool) -> Any:
        """Let a held version through, or close it; returns it as it is then. Raises `VersionNotFoundError`."""
        decider = self._app.store.decider
        decided = decider.accept(csv_file, version) if accept else decider.reject(csv_file, version)
        if accept:
            self.deliver()
            self.sync([csv_file])
        return decided

    def restore(
        self,
        csv_file: str,
        version: Any,
        done: Callable[[int], None] = lambda _: None,
        *,
        through_link: bool = False,
    ) -> Any:
        """Put a version back in place; returns what that was recorded as, with no number if the file held it already.

        `done` is told how many more bytes were written, again and again. Of a file that is read through a link, which
        leads to another file by now, that one is replaced only `through_link`.
        """
        options = self.options_of(csv_file)
        outcome = self._app.runtime.restore(csv_file, options, version, done=done, through_link=through_link)
        self.sync([csv_file])
        return outcome

    def each_tick(self, function: Callable[[], object]) -> None:
        """Call `function()` about twice a second while files are watched; it is to return soon."""
        self._app.runtime.ticks.append(translated(function, f"{self._plugin.name}, twice a second"))

    def after_recording(self, function: Callable[[], object]) -> None:
        """Call `function()` after recordings, and twice a second, while files are watched; it may take its time."""
        self._app.runtime.tellings.append(translated(function, f"{self._plugin.name}, after a recording"))

    def _deactivate(self, _plugin: Any, **_: Any) -> None:
        self._app.forget(self._plugin)
