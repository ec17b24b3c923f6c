"""Watchers that are stored: csv_watcher_add, list, show, set and delete."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import click

from csv_manager.core.errors import (
    CsvManagerError,
    OptionError,
    WatcherExistsError,
    WatcherNotFoundError,
)
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import expand, identity
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each, format_option, one_path_argument, option, path_argument
from csv_manager.patterns.describe import short_path, version_line
from csv_manager.patterns.output import one_line
from csv_manager.plugins.csv_watcher_db_plugin import options as watcher_options
from csv_manager.plugins.csv_watcher_db_plugin.models import map_watchers

_LIST_COLUMNS = (
    "csv_file", "name", "interval", "key", "state", "reason", "version", "rows", "last_change", "last_check",
)  # fmt: skip
_LIST_SPARE = ("last_check", "interval", "rows", "last_change", "name", "key")
_LAST_VERSIONS = 5


class CsvWatcherDbPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Keeps watchers in the store and restarts them on activation."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._db: Any = None
        self._watcher: Any = None
        self._seen: Any = None

    def activate(self) -> None:
        """Register the commands; in an app that watches by itself, load every stored watcher and restart it."""
        self._register_commands()
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
            settings["WATCHER_DATABASE_CONNECTION"],
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
        self._seen = state
        stored = {}
        for watcher in store.catalog.watchers.all():
            if os.path.isabs(watcher.csv_file):
                stored[identity(watcher.csv_file)] = watcher.options
            else:
                self.log.warning("%s", _relative(watcher.csv_file))
        for path, running in self.csv_watcher.get().items():
            if stored.get(path) != running.options:
                self.csv_watcher.unregister(path)
        for path, told in stored.items():
            if self.app.csv_watcher.get(path) is None:
                self.activate_watcher(path, told.interval, told)

    def activate_watcher(self, csv_file: str, interval: float, options: WatcherOptions | None = None) -> None:
        """Register and start the watcher of one file."""
        self.csv_watcher.register(csv_file, interval, f"Watcher for {csv_file}", options).run()
        self.log.info("Watcher started for %s", csv_file)

    def csv_watcher_add(
        self, csv_file: str | Sequence[str], interval: float = 10, missing_ok: bool = False, **options: Any
    ) -> None:
        """Store watchers and record what the files hold now; nothing is stored of a file that cannot be used."""
        told = watcher_options.parse(WatcherOptions(interval=interval), options)
        paths = expand(each(csv_file), missing_ok=missing_ok)
        stored = {identity(watcher.csv_file) for watcher in self.csv_watcher.store.catalog.watchers.all()}
        new = [path for path in paths if path not in stored]
        if not new:
            raise WatcherExistsError(f"{paths[0]} is watched already; csv_watcher_set changes a watcher.")
        if told.name and len(new) > 1:
            raise OptionError(f"--name {told.name} can stand for one file; these are {len(new)}.")
        self._add(new, told, missing_ok=missing_ok)
        for path in paths:
            if path in stored:
                self.say(f"{short_path(path)} is watched already.")
        self._end_of_write()

    def csv_watcher_list(self, form: str = "table") -> None:
        """Write every watcher with its state."""
        empty = "No watchers; csv_watcher_add FILE adds one."
        self.answer(self._list(), _LIST_COLUMNS, form, empty=empty, spare=_LIST_SPARE)
        self._say_if_unwatched()

    def csv_watcher_show(self, csv_file: str, form: str = "table") -> None:
        """Write everything that is known of one watcher."""
        [path] = self._watched([csv_file], one=True)
        told = next(row for row in self._list() if row["csv_file"] == path)
        stored = self.csv_watcher.store.catalog.watchers.find(path)
        file = self.csv_watcher.store.find(identity(path))
        versions = file.versions() if file else []
        head = next((version for version in versions if version.columns), None)
        told |= watcher_options.to_json(stored.options) if stored else {}
        told |= {
            "columns": list(head.columns) if head else [],
            "csv_format": head.csv_format.to_json() if head else None,
            "head": file.record.head if file else None,
            "rules": [],
            "targets": [],
            "versions": [version.summary() for version in versions[:_LAST_VERSIONS]],
        }
        if form != "table":
            self.answer([told], list(told), form)
            return
        told["csv_format"] = head.csv_format.describe() if head else None
        if stored and stored.options.retention:
            told["keep"] = stored.options.retention.describe()
        nothing_yet = {name for name in ("rules", "targets") if not told[name]}
        self.answer_one({name: value for name, value in told.items() if name not in {"versions", *nothing_yet}})
        for version in versions[:_LAST_VERSIONS]:
            counts = (version.inserted, version.updated, version.deleted)
            click.echo(version_line(path, version, counts, version.column_change, version.rows))

    def csv_watcher_set(self, csv_file: str | Sequence[str], **options: Any) -> None:
        """Change watchers; their history stays, and the head version is read anew with the new options."""
        store = self.csv_watcher.store
        paths = self._watched(each(csv_file))
        if all(value is None or value == () or value is False for value in options.values()):
            raise OptionError("Nothing to change; see csv_watcher_set --help for what can be.")
        if options.get("name") and len(paths) > 1:
            raise OptionError(f"--name {options['name']} can stand for one file; these are {len(paths)}.")
        with self.progress("Changing", len(paths)) as done:
            for path in paths:
                watcher = store.catalog.watchers.find(path)
                told = watcher_options.parse(watcher.options, options)
                file = store.find(identity(path))
                reread = store.recorder.reread(file.record, told) if file else None
                store.catalog.history.change_watcher(watcher, told, file.record if file else None, reread)
                changed = watcher_options.describe_changes(watcher.options, told)
                changed += _read_as(file, is_other=told.format != watcher.options.format or reread is not None)
                click.echo(f"Changed {short_path(path)}: {one_line('; '.join(changed)) or 'nothing is different'}.")
                done(1)
        self._end_of_write()

    def csv_watcher_delete(
        self, csv_file: str | Sequence[str], purge: bool = False, yes: bool = False, dry_run: bool = False
    ) -> int:
        """Stop and forget watchers; with `purge` their files' history too. The exit code: 1 if that was declined."""
        store = self.csv_watcher.store
        paths = self._watched(each(csv_file), purge=purge)
        if dry_run:
            for path in paths:
                click.echo(f"Would delete the watcher {'and the history ' if purge else ''}of {short_path(path)}.")
            return 0
        if purge:
            many = short_path(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
            if not self.agree(f"Delete the whole history of {many}?", yes=yes):
                self.say("Nothing was deleted.")
                return 1
        with self.progress("Deleting", len(paths)) as done:
            for path in paths:
                watcher = store.catalog.watchers.find(path)
                if watcher is not None:
                    store.catalog.watchers.delete(watcher)
                self.csv_watcher.unregister(path)
                file = store.find(identity(path)) if purge else None
                if file is not None:
                    store.purge(file)
                kept = "" if purge or store.find(identity(path)) is None else "; its history stays"
                click.echo(f"Deleted the watcher of {short_path(path)}{' and its history' if purge else kept}.")
                done(1)
        self._end_of_write()
        return 0

    def _add(self, paths: Sequence[str], options: WatcherOptions, *, missing_ok: bool) -> None:
        """Add watchers, once it is known that the contents of all can be used."""
        checked = [path for path in paths if os.path.exists(path)] if len(paths) > 1 else []
        what = os.path.basename(paths[0]) if len(paths) == 1 else f"{len(paths):,} files"
        with self.progress(f"Adding {what}", len(checked) + len(paths)) as done:
            for path in checked:
                self.csv_watcher.check(path, options)
                done(1)
            for path in paths:
                version = self.csv_watcher.add(path, options, missing_ok=missing_ok)
                click.echo(f"Added {short_path(path)}: {_first(version)}.")
                done(1)

    def _watched(self, paths: Sequence[str], *, one: bool = False, purge: bool = False) -> list[str]:
        """The stored watchers' files that these paths stand for; with `purge`, files that only have a history too."""
        stored = {watcher.csv_file for watcher in self.csv_watcher.store.catalog.watchers.all()}
        found = self.csv_watcher.known(paths) if stored or purge else []
        watched = [path for path in found if path in stored or purge]
        if not watched:
            raise WatcherNotFoundError(f"{paths[0]} is not watched; csv_watcher_list shows what is.")
        if one and len(watched) > 1:
            raise OptionError(f"{paths[0]} stands for {len(watched)} files; name one.")
        return watched

    def _list(self) -> Iterator[dict[str, Any]]:
        store = self.csv_watcher.store
        files = store.catalog.history.files()
        rows = store.catalog.history.rows_of_latest()
        stored = {watcher.csv_file: watcher.options for watcher in store.catalog.watchers.all()}
        others = {path: watcher.options for path, watcher in self.app.csv_watcher.get().items() if path not in stored}
        for path, told in sorted({**stored, **others}.items()):
            file = files.get(identity(path)) if os.path.isabs(path) else None
            state, reason = _state(path, file)
            yield {
                "csv_file": path,
                "name": told.name,
                "interval": int(told.interval) if float(told.interval).is_integer() else told.interval,
                "key": list(told.key),
                "state": state,
                "reason": reason,
                "version": file.latest or None if file else None,
                "rows": rows.get(identity(path)),
                "last_change": file.last_change if file else None,
                "last_check": file.last_check if file else None,
            }

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

    def _register_commands(self) -> None:
        self.commands.register(
            "csv_watcher_add",
            "Watch files from now on, and record what they hold as version 1.\n\nPATH is a file, a folder (its CSV "
            "files) or a glob. What the file's csv format is, is found out and shown; the options say otherwise.\n\n"
            "\b\nExamples:\n  csv_manager csv_watcher_add prices.csv --key id\n"
            "  csv_manager csv_watcher_add /data/exports --interval 60\n"
            "  csv_manager csv_watcher_add log.txt --delimiter ';' --skip-lines 12",
            self.csv_watcher_add,
            params=[
                path_argument(),
                *watcher_options.params(interval=10.0),
                option("--missing-ok", is_flag=True, help="Add a file that does not exist yet."),
            ],
        )
        self.commands.register(
            "csv_watcher_list",
            "List the watchers, with state, version and last change.\n\n"
            "\b\nExample:\n  csv_manager csv_watcher_list --format json",
            self.csv_watcher_list,
            params=[format_option()],
        )
        self.commands.register(
            "csv_watcher_show",
            "Show everything about one watcher: csv format, state and why, last versions.\n\n"
            "\b\nExample:\n  csv_manager csv_watcher_show prices.csv",
            self.csv_watcher_show,
            params=[one_path_argument(), format_option()],
        )
        self.commands.register(
            "csv_watcher_set",
            "Change a watcher and keep its history.\n\nOnly the options that are given change; an empty --key, "
            "--ignore or --name takes it away.\n\n"
            "\b\nExample:\n  csv_manager csv_watcher_set prices.csv --key id --key day",
            self.csv_watcher_set,
            params=[
                path_argument(),
                *watcher_options.params(interval=None),
                option("--keep-all", is_flag=True, help="Keep every version."),
            ],
        )
        self.commands.register(
            "csv_watcher_delete",
            "Stop watching files. Their history stays, unless --purge.\n\n"
            "\b\nExample:\n  csv_manager csv_watcher_delete prices.csv",
            self.csv_watcher_delete,
            params=[
                path_argument(),
                option("--purge", is_flag=True, help="Delete the history too, every version of it."),
                option("--yes", is_flag=True, help="Do not ask before a purge."),
                option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing."),
            ],
        )


def _state(path: str, file: Any) -> tuple[str, str | None]:
    """A watcher's state and reason now: as it was recorded, unless the file came or went since."""
    if not os.path.isabs(path):
        return "missing", _relative(path)
    try:
        exists = os.path.exists(path)
    except OSError as error:
        raise CsvManagerError(f"{path}: {error.strerror}.") from error
    if not exists:
        return "missing", f"{path}: no such file; it is watched again as soon as it is there."
    if file is None or file.state == "missing":
        return "waiting", "The next check reads it."
    return file.state, file.reason


def _read_as(file: Any, *, is_other: bool) -> list[str]:
    """How a file's newest version is read now, in words, if that is another way or a new attempt."""
    latest = file.latest() if file else None
    if latest is None:
        return []
    if latest.status == "held":
        return ["it is held, and read anew at the next check"]
    if not is_other:
        return []
    columns = len(latest.columns)
    return [f"{latest.csv_format.describe()}, {columns} column{'' if columns == 1 else 's'}"]


def _first(version: Any) -> str:
    """What the first version is, for the end of a sentence."""
    if version is None:
        return "it does not exist yet"
    rows = f"{version.rows:,} row{'' if version.rows == 1 else 's'}"
    return f"version {version.number}, {rows} ({version.csv_format.describe()})"


def _relative(path: str) -> str:
    return (
        f"{path!r} is a relative path, as the tutorial stored it; in its folder run: "
        f"csv_manager csv_watcher_delete {path} && csv_manager csv_watcher_add {path}"
    )
