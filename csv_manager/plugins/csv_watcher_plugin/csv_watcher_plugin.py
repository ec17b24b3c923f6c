"""The files of CSV_FILES, and the command csv_watch."""

import contextlib
import dataclasses
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

from csv_manager.core.errors import OptionError, PathNotFoundError, StoreBusyError, WatcherExistsError
from csv_manager.core.feeds import Feed, Named, resolve
from csv_manager.core.model import WatcherOptions
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each, format_option, option, path_argument
from csv_manager.patterns.describe import nothing_watched, short_path, typed_path
from csv_manager.patterns.known_paths import series_of
from csv_manager.patterns.output import one_line
from csv_manager.plugins.csv_watcher_plugin.printing import Only, Printer, Printing
from csv_manager.plugins.csv_watcher_plugin.stopping import Stopping, until_unread

_Made = TypeVar("_Made")
_KINDS = ("file", "folder", "glob")
#: Seconds after which a check looks how far it is and whether it is to end, and who waits whether the store is free.
_LOOK_SECONDS = 0.2
#: Seconds for what is to be printed: before receivers are told of it, and at the end of the service.
_SOON_SECONDS, _LAST_SECONDS = 0.2, 1.0


class CsvWatcherPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Watches the files of the setting CSV_FILES, and everything stored while csv_watch runs."""

    def activate(self) -> None:
        """Register the command and the files of the settings."""
        self.commands.register(
            "csv_watch",
            "Watch all stored watchers, or only PATHs, and print each version as it is recorded.\n\n"
            "Runs until Ctrl-C or SIGTERM. A PATH without a stored watcher is watched while this runs; its history "
            "stays. New files in a folder, or that match a quoted glob, are watched as they come. Watchers that are "
            "added, changed or deleted meanwhile are followed.\n\n"
            "\b\nExamples:\n  csv_manager csv_watch --rows\n  csv_manager csv_watch prices.csv -i 5\n"
            "  csv_manager csv_watch --once        (from cron; exit 1 if a version was held)",
            self.csv_watch,
            params=[
                path_argument(required=False),
                option(
                    "-i",
                    "--interval",
                    type=float,
                    default=10.0,
                    help="Seconds between two checks of a PATH without a stored watcher.",
                ),
                option("--once", is_flag=True, help="Check everything once and end."),
                option("--rows", is_flag=True, help="Print the row changes too."),
                option(
                    "--limit",
                    type=click.IntRange(0),
                    default=50,
                    help="Rows to print for a version; 0 prints all.",
                ),
                option("--missing-ok", is_flag=True, help="Watch a PATH that does not exist yet."),
                option("--poll", is_flag=True, help="Ask for no file events; look at each interval."),
                format_option("table", "jsonl"),
                option(
                    "--from",
                    "position",
                    type=click.IntRange(0),
                    help="Print what was recorded after this position first (the position of a jsonl line).",
                ),
            ],
        )
        for csv_file in self.app.config.get("CSV_FILES", []):
            self.csv_watcher.register(csv_file, self.app.config.get("CSV_INTERVAL", 10), "Watcher of CSV_FILES").run()

    def csv_watch(
        self,
        csv_file: str | Sequence[str] = (),
        interval: float = 10,
        once: bool = False,
        rows: bool = False,
        limit: int = 50,
        missing_ok: bool = False,
        form: str = "table",
        position: int | None = None,
        poll: bool = False,
    ) -> int:
        """Watch until told to stop; the exit code."""
        options = WatcherOptions(interval=interval)  # it refuses what is none
        paths, states, gone = each(csv_file), _States(self.say), threading.Event()
        self.signals.connect(f"{self.name}_states", "csv_watcher_state", states.say, "Says why a file is not ok")
        try:
            # A check that is cut off is no check: Ctrl-C ends it as it ends any other command.
            with Stopping(with_ctrl_c=not once) as stop:

                def prepare() -> tuple[int, list[Named], dict[str, WatcherOptions]]:
                    return self._prepare(paths, options, position, missing_ok=missing_ok, once=once)

                prepared = prepare() if once else self._when_free(prepare, stop)
                if prepared is not None:
                    start, named, watched = prepared
                    states.say_paused(named, watched)
                    printer = Printer(self.csv_watcher.store, start, Only(watched), rows=rows, limit=limit, form=form)
                    self._watch_until(stop, gone, printer, states, watched, once=once, poll=poll)
        finally:
            self.signals.disconnect(f"{self.name}_states")
        if once:
            return self._end_check(stop, gone, states)
        with contextlib.suppress(OSError):  # the terminal may be gone
            self.say("Stopped.")
        return 0

    def _prepare(
        self,
        paths: Sequence[str],
        options: WatcherOptions,
        position: int | None,
        *,
        missing_ok: bool,
        once: bool,
    ) -> tuple[int, list[Named], dict[str, WatcherOptions]]:
        """The position to print from, what is named, and the watchers that watch it; may be called again."""
        self.csv_watcher.check_databases()
        named = self._named(paths, missing_ok=missing_ok, once=once)
        start = _start(self.csv_watcher.store.catalog.outbox.end(), position)
        self.csv_watcher.load()
        return start, named, self._watch(named, options)

    def _when_free(self, function: Callable[[], _Made], stop: Stopping) -> _Made | None:
        """What a function makes as soon as no other process keeps writing to the store; None if told to stop before."""
        is_said = False
        while not stop.is_set:
            try:
                self.csv_watcher.check_free(_LOOK_SECONDS)
                return function()
            except StoreBusyError as error:
                if not is_said:
                    self.say(f"{error} It is tried again until it can be done. Ctrl-C stops.")
                is_said = True
                stop.wait(_LOOK_SECONDS)
        return None

    def _watch_until(
        self,
        stop: Stopping,
        gone: threading.Event,
        printer: Printer,
        states: "_States",
        watched: Mapping[str, WatcherOptions],
        *,
        once: bool,
        poll: bool,
    ) -> None:
        """Watch and print until every file was checked `once`, or until told to stop, also as the reader is `gone`."""

        def start() -> bool:
            self.csv_watcher.start(watched, once=once, poll=poll)
            return True

        with Printing(printer) as printing:
            self.csv_watcher.after_recording(until_unread(lambda: printing.ask(_SOON_SECONDS), stop.set, gone.set))
            try:
                if once:
                    start()
                    printing.start()
                    self._wait_at_rest(stop)
                elif self._when_free(start, stop):
                    self._say_start()
                    states.say_rest(self.csv_watcher.store, self.csv_watcher.failed(), "held")
                    printing.start()
                    stop.wait()
            finally:  # a second signal does not cut it off
                self.csv_watcher.stop()
            if stop.is_set:
                until_unread(lambda: printing.end(_LAST_SECONDS), stop.set, gone.set)()
            else:
                printing.ask(None)

    def _end_check(self, stop: Stopping, gone: threading.Event, states: "_States") -> int:
        """Tell receivers, do with files what is to be done with them, and say what is not as it should be; the code."""
        if gone.is_set():
            raise BrokenPipeError  # not everything was checked
        if stop.is_set:
            self.say("Stopped before everything was checked; the next check goes on with what is left.")
            return 128 + stop.number
        if not self.csv_watcher.watched():
            self.say(nothing_watched(self.csv_watcher.store))
        states.say_rest(self.csv_watcher.store, self.csv_watcher.failed())
        delivered = self.csv_watcher.deliver()
        behind = self.csv_watcher.sync()
        self.csv_watcher.consume()
        self.csv_watcher.prune()
        for receiver, process in self.csv_watcher.told_elsewhere().items():
            self.say(f"Receiver {receiver} is being told by {process}; what that leaves is told at the next check.")
        if not delivered:
            self.say("A receiver or listener could not be told everything; it is told at the next check. -v says more.")
        return 1 if self.csv_watcher.failed() or behind or not delivered else 0

    def _wait_at_rest(self, stop: Stopping) -> None:
        """Wait until every file was checked."""
        told = 0
        with self.progress("Checking", len(self.csv_watcher.watched())) as done:
            while not stop.is_set and not self.csv_watcher.wait_at_rest(_LOOK_SECONDS):
                checked = self.csv_watcher.count_at_rest()
                done(checked - told)
                told = checked

    def _named(self, paths: Sequence[str], *, missing_ok: bool, once: bool) -> list[Named]:
        """What the command line names: stored watchers by their names, files, folders and globs as they are on disk.

        Raises `PathNotFoundError` for a folder or glob without a file, `WatcherExistsError` for a file of a series.
        """
        stored = self.csv_watcher.store.catalog.watchers.all()
        own = {watcher.csv_file: watcher for watcher in stored}
        names = {watcher.options.name: watcher for watcher in stored}
        links = {watcher.options.link: watcher for watcher in stored if watcher.options.link}
        found: list[Named] = []
        for path in paths:
            watcher = links.get(os.path.abspath(path))
            if watcher is None and not os.path.exists(path):
                watcher = own.get(os.path.realpath(path)) or names.get(path)
            if watcher is not None:
                told = watcher.options
                is_feed = told.feed is not None
                found.append(Named(path=watcher.csv_file, link=told.link, is_feed=is_feed, is_glob=told.is_glob))
                continue
            [named] = resolve([path], missing_ok=missing_ok)
            found.append(named)
            if named.path in own:
                continue
            files = self._files(named)
            if not files and not missing_ok:
                why = "no file matches" if named.is_glob else "the folder holds no CSV file"
                raise PathNotFoundError(f"{path}: {why}. With --missing-ok it is watched for files to come.")
            self._refuse_of_series(files, stored, "csv_watch --once" if once else "csv_watch")
        return found

    def _files(self, named: Named) -> list[Named]:
        """The files that are named, as far as they are there."""
        if not named.is_feed:
            return [named]
        try:
            return [Named(path=path) for path in Feed.of(named.path, self._as(named, WatcherOptions())).files()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _refuse_of_series(self, files: Iterable[Named], stored: Sequence[Any], command: str) -> None:
        """Raise `WatcherExistsError` for a file of a series, which has no history of its own, unless it is watched."""
        if not any(watcher.options.feed == "series" for watcher in stored):
            return
        watchers = self.csv_watcher.store.catalog.watchers
        for file in files:
            series = series_of(stored, file.path, file.link)
            if series is None or self.app.csv_watcher.get(file.path) or watchers.of(file.path):
                continue
            raise WatcherExistsError(
                f"{short_path(file.path)} is a file of the series {short_path(series.csv_file)}, which is watched as "
                f"a whole: {command} {typed_path(series.csv_file)}."
            )

    def _watch(self, named: Sequence[Named], options: WatcherOptions) -> dict[str, WatcherOptions]:
        """See to it that what is named is watched; the watchers that watch it, by their paths."""
        found: dict[str, WatcherOptions] = {}
        for one in named:
            watcher = self.app.csv_watcher.get(one.path)
            if watcher is None:
                watcher = self.csv_watcher.register(
                    one.path, options.interval, "Watcher of csv_watch", self._as(one, options)
                )
                watcher.run()
            found[watcher.csv_file] = watcher.options
            if one.is_feed:  # a file in it may have a watcher of its own
                feed = Feed.of(one.path, watcher.options)
                found |= {path: told for path, told in self.csv_watcher.watched().items() if feed.wants(path)}
        return found

    def _as(self, one: Named, options: WatcherOptions) -> WatcherOptions:
        """How something without a watcher of its own is watched: a file of a watched folder or glob as that is."""
        if one.is_feed:
            return options.of_feed(is_glob=one.is_glob, link=one.link)
        stored = self.csv_watcher.store.catalog.watchers.of(one.path)
        if stored is None:
            return options
        told: WatcherOptions = stored.options
        return dataclasses.replace(told.alone(), name=None)

    def _say_start(self) -> None:
        watched = self.csv_watcher.watched().values()
        if not watched:
            self.say("No file is watched yet; csv_watcher_add FILE in another terminal adds one. Ctrl-C stops.")
            return
        kinds = Counter("file" if told.feed is None else "glob" if told.is_glob else "folder" for told in watched)
        counts = [f"{kinds[kind]:,} {kind}{'' if kinds[kind] == 1 else 's'}" for kind in _KINDS if kinds[kind]]
        told = " and ".join([*([", ".join(counts[:-1])] if counts[1:] else []), counts[-1]])
        self.say(f"Watching {told}. Ctrl-C stops.")


class _States:
    """Says why a file is not ok: when that changes, and once more at the end of a check for those that were not."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()

    def say(self, _app: Any, *, csv_file: str, state: str, reason: str | None, **_: Any) -> None:
        """Say that a file's state changed; that a version is held is printed with the version."""
        self._told.add(csv_file)
        if state != "held":
            self._say_state(csv_file, state, reason)

    def say_rest(self, store: Any, failed: Iterable[str], *states: str) -> None:
        """Say it of files that were not ok before and still are not, or are in one of these states."""
        for path in sorted(set(failed) - self._told):
            file = store.find(path)
            if file is not None and (not states or file.record.state in states):
                self._say_state(path, file.record.state, file.record.reason)

    def say_paused(self, named: Iterable[Named], watched: Mapping[str, WatcherOptions]) -> None:
        """Say of what is named on the command line that it is not looked at."""
        for path in dict.fromkeys(one.path for one in named):
            if path in watched and watched[path].paused:
                self._say_state(path, "paused", "It is not looked at until csv_watcher_resume.")

    def _say_state(self, csv_file: str, state: str, reason: str | None) -> None:
        told = one_line(reason or "").removeprefix(f"{one_line(csv_file)}: ")
        self._say(f"{short_path(csv_file)} is {state}{f' ({told})' if told else ''}")


def _start(end: int, position: int | None) -> int:
    """The position to print from: the end of the store, or another one that it has. Raises `OptionError`."""
    if position and not end:
        raise OptionError(f"--from {position}: nothing is recorded in this store yet; --from 0 waits for it.")
    if position is not None and position > end:
        raise OptionError(
            f"--from {position}: the store's last position is {end}; it is another store, or was restored from an "
            f"older copy. --from {end} goes on from its end, --from 0 begins with the oldest change."
        )
    return end if position is None else position
