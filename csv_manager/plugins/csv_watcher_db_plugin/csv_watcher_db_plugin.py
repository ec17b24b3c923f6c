"""Watchers that are stored: csv_watcher_add, list, show, set, pause, resume and delete."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from csv_manager.core.errors import OptionError, WatcherExistsError, WatcherNotFoundError
from csv_manager.core.feeds import Feed, resolve
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import leads_elsewhere
from csv_manager.core.sightings import Origin
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each
from csv_manager.patterns.describe import short_path, typed_path, version_line
from csv_manager.patterns.output import one_line
from csv_manager.patterns.rules import rule_lines
from csv_manager.patterns.watcher_paths import Found, find
from csv_manager.patterns.watcher_states import COLUMNS, WatchedFile, WatcherStates, relative
from csv_manager.plugins.csv_watcher_db_plugin import commands
from csv_manager.plugins.csv_watcher_db_plugin import options as watcher_options
from csv_manager.plugins.csv_watcher_db_plugin.adding import Adding
from csv_manager.plugins.csv_watcher_db_plugin.deleting import Deleting
from csv_manager.plugins.csv_watcher_db_plugin.models import map_watchers
from csv_manager.plugins.csv_watcher_db_plugin.names import check_name, refuse_names

_LIST_SPARE = ("feed", "last_check", "interval", "rows", "last_change", "name", "key")
_LAST_VERSIONS = 5
_DOING = {"Changed": "Changing", "Paused": "Pausing", "Resumed": "Resuming"}
_SHOWN_IF_THERE = ("rules", "targets", "feed", "files", "link", "polled", "exclude", "recursive", "poll")


class CsvWatcherDbPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Keeps watchers in the store and restarts them on activation."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._db: Any = None
        self._watcher: Any = None
        self._seen: Any = None
        #: The revisions of the stored watchers, by their paths, as they were seen last.
        self._revisions: dict[str, int] = {}

    def activate(self) -> None:
        """Register the commands; in an app that watches by itself, load every stored watcher and restart it."""
        commands.register(self)
        self.csv_watcher.each_tick(self.load_watchers)
        if self.csv_watcher.embedded:
            self.setup_db()
            self.load_watchers()

    @property
    def db(self) -> Any:
        """The store as a database of groundwork-database, set up when it is first asked for."""
        if self._db is None:
            self.setup_db()
        return self._db

    @property
    def Watcher(self) -> Any:  # noqa: N802 - the tutorial's name
        """The mapped class of csv_watchers."""
        if self._watcher is None:
            self.setup_db()
        return self._watcher

    def setup_db(self) -> None:
        """Register the store as a database and map the table csv_watchers."""
        if self._db is not None:
            return
        self.csv_watcher.load_store()
        settings = self.csv_watcher.settings()
        self._db = self.app.databases.register(
            settings["WATCHER_DATABASE_NAME"],
            self.app.databases.bind().engine.url,
            settings["WATCHER_DATABASE_DESCRIPTION"],
            self,
        )
        self._watcher = self._db.classes.register(map_watchers(self._db.Base))
        self._db.create_all()

    def load_watchers(self) -> None:
        """Bring the running watchers to what is stored: new ones start, changed ones change, deleted ones stop."""
        store = self.csv_watcher.store
        state = store.catalog.watchers.state()
        if state == self._seen:
            return
        stored = {}
        for watcher in store.catalog.watchers.all():
            if os.path.isabs(watcher.csv_file):
                stored[watcher.path] = watcher.options, watcher.id, watcher.revision
            else:
                self.log.warning("%s", relative(watcher.csv_file))
        for path in self.csv_watcher.get().keys() - stored.keys():
            self.csv_watcher.unregister(path)
            self.log.info("Watcher ended for %s", path)
        for path, (told, watcher_id, revision) in stored.items():
            running = self.csv_watcher.get().get(path)
            if running is None:
                self.activate_watcher(path, told.interval, told, watcher_id)
            elif (running.options, running.watcher_id) != (told, watcher_id) or self._revisions.get(path) != revision:
                running.change(told, watcher_id)
                self.log.info("Watcher changed for %s", path)
            self._revisions[path] = revision
        self._seen = state  # what failed is done again

    def activate_watcher(
        self,
        csv_file: str,
        interval: float,
        options: WatcherOptions | None = None,
        watcher_id: int | None = None,
    ) -> None:
        """Register and start the watcher of one file, or with options that say so of a folder or glob."""
        watcher = self.csv_watcher.register(csv_file, interval, f"Watcher for {csv_file}", options, watcher_id)
        try:
            watcher.run()
        except BaseException:
            self.csv_watcher.unregister(csv_file)
            raise
        self.log.info("Watcher started for %s", csv_file)

    def csv_watcher_add(
        self, csv_file: str | Sequence[str], interval: float = 10, missing_ok: bool = False, **options: Any
    ) -> int:
        """Store watchers and record what the files hold now; nothing is stored of a file that cannot be used."""
        told = watcher_options.parse(WatcherOptions(interval=interval), options)
        watchers = self.csv_watcher.store.catalog.watchers.all()
        refuse_names(each(csv_file), watchers)
        if told.name:
            check_name(told.name, self.csv_watcher.known_paths())
        named = resolve(each(csv_file), missing_ok=missing_ok, is_feed=options.get("feed") is not None)
        stored = {name for watcher in watchers for name in (watcher.path, watcher.options.link) if name}
        feeds = [Feed.of(watcher.path, watcher.options) for watcher in watchers if watcher.options.feed is not None]
        new = [one for one in named if not {one.path, one.link} & stored]
        if not new:
            self._refuse_what_a_link_left(named[0].path)
            raise WatcherExistsError(f"{named[0].path} is watched already; csv_watcher_set changes a watcher.")
        if told.name and len(new) > 1:
            raise OptionError(f"--name {told.name} can stand for one file, folder or glob; these are {len(new)}.")
        Adding(self, told, stored, feeds).add(new, missing_ok=missing_ok)
        for one in named:
            if one not in new:
                self.say(f"{short_path(one.path)} is watched already.")
        self._end_of_write()
        return self.csv_watcher.exit_code()

    def _refuse_what_a_link_left(self, path: str) -> None:
        """Raise for a file whose history is that of a link that led to it first, and leads to another one now."""
        file = self.csv_watcher.store.find(path)
        link = file.record.source if file else path
        elsewhere = leads_elsewhere(link, path)
        if elsewhere is not None:
            raise WatcherExistsError(
                f"{path}: its history is that of the link {link}, which led to it first and leads to {elsewhere} now; "
                f"delete that watcher first: csv_watcher_delete {typed_path(link)}"
            )

    def csv_watcher_list(self, form: str = "table") -> None:
        """Write every watched file with its state."""
        empty = "No watchers; csv_watcher_add FILE adds one."
        rows: Iterable[dict[str, Any]] = (told.row() for told in self._states().all())
        columns: Sequence[str] = COLUMNS
        if form == "table":
            rows = list(rows)
            columns = [name for name in COLUMNS if name != "feed" or any(row["feed"] for row in rows)]
        self.answer(rows, columns, form, empty=empty, spare=_LIST_SPARE)
        self._say_if_unwatched()

    def csv_watcher_show(self, csv_file: str, form: str = "table") -> None:
        """Write everything that is known of one watcher, or of one file of a folder's or glob's."""
        [found] = self._find([csv_file], one=True)
        stored, file = found.watcher, self.csv_watcher.store.find(found.watcher.path if found.is_own else found.path)
        told = self._how(found).row()
        versions = file.versions() if file else []
        head = next((version for version in versions if version.columns), None)
        told |= watcher_options.to_json(stored.options)
        told |= {
            "kind": stored.options.feed if found.is_feed else "file",
            "files": self._count(stored) if found.is_feed else None,
            "link": stored.options.link or (file.record.link if file else None),
            "polled": self._polled(file.record.source if file else found.path),
            "columns": list(head.columns) if head else [],
            "csv_format": head.csv_format.to_json() if head else None,
            "head": file.record.head if file else None,
            "rules": rule_lines(self.csv_watcher.store.catalog.rules.of(stored)) if stored else [],
            "targets": self._targets(stored),
            "versions": [version.summary() for version in versions[:_LAST_VERSIONS]],
        }
        if form != "table":
            self.answer([told], list(told), form)
            return
        told["csv_format"] = head.csv_format.describe() if head else None
        if stored.options.retention:
            told["keep"] = stored.options.retention.describe()
        nothing_yet = {name for name in _SHOWN_IF_THERE if told[name] is False or told[name] in (None, [])}
        self.answer_one({name: value for name, value in told.items() if name not in {"versions", *nothing_yet}})
        for version in versions[:_LAST_VERSIONS]:
            counts = (version.inserted, version.updated, version.deleted)
            click.echo(version_line(found.path, version, counts, version.column_change, version.rows))

    def _targets(self, watcher: Any) -> list[str]:
        """The tables that follow a watcher's files, by their databases and names."""
        found = self.csv_watcher.store.catalog.targets.all()
        return [stored.target.name for stored in found if stored.watcher_id == watcher.id]

    def csv_watcher_set(self, csv_file: str | Sequence[str], **options: Any) -> None:
        """Change watchers; their history stays, and the head version is read anew with the new options."""
        found = self._find(each(csv_file))
        if all(value is None or value == () or value is False for value in options.values()):
            raise OptionError("Nothing to change; see csv_watcher_set --help for what can be.")
        if options.get("name") and len(found) > 1:
            raise OptionError(f"--name {options['name']} can stand for one watcher; these are {len(found)}.")
        if options.get("name") not in (None, "", found[0].watcher.options.name):
            check_name(options["name"], self.csv_watcher.known_paths())
        self._change(found, lambda before: watcher_options.parse(before, options), "Changed")

    def csv_watcher_pause(self, csv_file: str | Sequence[str]) -> None:
        """Do not look at files until they are resumed; what they hold then is the next version."""
        self._change(self._find(each(csv_file)), lambda before: dataclasses.replace(before, paused=True), "Paused")

    def csv_watcher_resume(self, csv_file: str | Sequence[str]) -> None:
        """Look at files again."""
        self._change(self._find(each(csv_file)), lambda before: dataclasses.replace(before, paused=False), "Resumed")

    def csv_watcher_delete(
        self, csv_file: str | Sequence[str], purge: bool = False, yes: bool = False, dry_run: bool = False
    ) -> int:
        """Stop and forget watchers; with `purge` their files' history too. The exit code: 1 if that was declined."""
        deleting = Deleting(self, self._find(each(csv_file), purge=purge), purge=purge)
        if dry_run:
            deleting.say()
            return 0
        if purge and not self.agree(f"Delete the whole history of {deleting.what}?", yes=yes):
            self.say("Nothing was deleted.")
            return 1
        deleting.delete()
        self._end_of_write()
        return 0

    def _change(
        self, found: "Sequence[Found]", changing: Callable[[WatcherOptions], WatcherOptions], word: str
    ) -> None:
        """Replace watchers' options; one file of a folder's or glob's gets a watcher of its own."""
        with self.progress(_DOING[word], len(found)) as done:
            for one in found:
                told = changing(one.watcher.options)
                changed = watcher_options.describe_changes(one.watcher.options, told)
                if one.is_own:
                    changed += self._change_own(one, told)
                elif told != one.watcher.options:
                    self._make_own(one, told)
                    changed.append(f"on its own from now on, no more with {short_path(one.watcher.csv_file)}")
                click.echo(f"{word} {short_path(one.path)}: {one_line('; '.join(changed)) or 'nothing is different'}.")
                done(1)
        self._end_of_write()

    def _change_own(self, one: "Found", told: WatcherOptions) -> list[str]:
        store, before = self.csv_watcher.store, one.watcher.options
        if told.feed != before.feed:
            now = f"as {before.feed}" if before.feed else "as one file"
            raise OptionError(f"{short_path(one.path)} is watched {now}; csv_watcher_delete it and add it anew.")
        if not one.is_feed:
            watcher_options.refuse_for_file(one.path, before, told)
        elif told.done != before.done:
            watcher_options.check_done(one.path, told)
        if told.feed == "files":
            return self._change_feed(one.watcher, told)
        file = store.find(one.watcher.path)
        held = self._held_of_series(one.watcher, told) if one.is_feed else []
        reread = store.recorder.reread(file.record, told) if file else None
        store.catalog.history.change_watcher(one.watcher, told, file.record if file else None, reread)
        newest = file and (file.version() if one.is_feed and file.record.head else file.latest())
        changed = _read_as(newest, is_other=told.format != before.format or reread is not None)
        return [*changed, *_read_anew(len(held), "held file")]

    def _held_of_series(self, watcher: Any, told: WatcherOptions) -> list[str]:
        """The held files of a series that are there and belong to it with these options."""
        taken, feed = self.csv_watcher.store.catalog.series.taken(watcher.path), Feed.of(watcher.csv_file, told)
        return [
            place for place, found in taken.items() if found.is_held and feed.wants(place) and os.path.lexists(place)
        ]

    def _change_feed(self, watcher: Any, told: WatcherOptions) -> list[str]:
        """Change a folder's or glob's watcher, and which files it has; those that it keeps may be read otherwise."""
        history, recorder = self.csv_watcher.store.catalog.history, self.csv_watcher.store.recorder
        history.change_watcher(watcher, told, None, None)
        feed = Feed.of(watcher.csv_file, told)
        members = history.members(watcher.id)
        gone = [file for file in members if not feed.wants(file.source)]
        history.adopt([file.id for file in gone], None)
        changed = [f"{len(gone):,} file{'' if len(gone) == 1 else 's'} of it watched no longer"] if gone else []
        if not watcher_options.reads_differently(watcher.options, told):
            return changed
        kept = [file for file in members if feed.wants(file.source)]
        for file in kept:
            history.reread(file, recorder.reread(file, told))
        return [*changed, *_read_anew(len(kept), "file")]

    def _make_own(self, one: "Found", told: WatcherOptions) -> None:
        store = self.csv_watcher.store
        file = store.find(one.path)
        watcher_options.refuse_for_file(one.path, one.watcher.options, told)
        own = told.alone()
        own = dataclasses.replace(own, name=None) if own.name == one.watcher.options.name else own
        reread = store.recorder.reread(file.record, own)
        store.catalog.history.add_watcher(one.path, own, None, reread, Origin(link=file.record.link))

    def _find(self, paths: Sequence[str], *, one: bool = False, purge: bool = False) -> "list[Found]":
        """What these paths stand for: watchers, files of folders' and globs'; with `purge`, histories too."""
        found = find(self.csv_watcher, paths, purge=purge)
        if not found:
            raise WatcherNotFoundError(f"{paths[0]} is not watched; csv_watcher_list shows what is.")
        if one and len(found) > 1:
            raise OptionError(f"{paths[0]} stands for {len(found)} files; name one.")
        return found

    def _how(self, found: "Found") -> WatchedFile:
        """How a watched file, folder or glob is."""
        if found.is_feed and found.watcher.options.feed == "files":
            return self._states().of_feed(found.watcher)
        return next(told for told in self._states().all() if told.path == found.path)

    def _count(self, watcher: Any) -> int:
        """How many files a folder's or glob's watcher has, or of a series has taken."""
        catalog = self.csv_watcher.store.catalog
        if watcher.options.feed == "series":
            return len(catalog.series.taken(watcher.path))
        return len(catalog.history.members(watcher.id))

    def _polled(self, place: str) -> str | None:
        """Why there are no file events where a file is read."""
        check = self.csv_watcher.store.catalog.folders.all().get(os.path.dirname(place))
        return check.polled if check else None

    def _states(self) -> WatcherStates:
        others = {path: watcher.options for path, watcher in self.app.csv_watcher.get().items()}
        return WatcherStates(self.csv_watcher.store, others)

    def _say_if_unwatched(self) -> None:
        store = self.csv_watcher.store
        if store.catalog.watchers.all() and not self.app.csv_watcher.running and not store.catalog.services.alive():
            self.say(
                "Nothing is watching now: `csv_manager csv_watch` watches, `csv_manager csv_watch --once` checks once."
            )

    def _end_of_write(self) -> None:
        """Let this thread's session see what was written; start what is to run; say it if nothing watches."""
        if self._db is not None and not self._db.session.new and not self._db.session.dirty:
            self._db.close()
        if self.csv_watcher.embedded:
            self.load_watchers()
        self._say_if_unwatched()


def _read_anew(count: int, what: str) -> list[str]:
    """How many files are read at the next check, in words, if any."""
    if not count:
        return []
    files = f"{what} is" if count == 1 else f"{what}s are"
    return [f"{count:,} {files} read anew at the next check"]


def _read_as(latest: Any, *, is_other: bool) -> list[str]:
    """How a file's newest version is read now, in words, if that is another way or a new attempt."""
    if latest is None:
        return []
    if latest.status == "held":
        return ["it is held, and read anew at the next check"]
    if not is_other:
        return []
    columns = len(latest.columns)
    return [f"{latest.csv_format.describe()}, {columns} column{'' if columns == 1 else 's'}"]
