"""The commands csv_sync_* and csv_load: SQL tables that follow files."""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from csv_manager.core.errors import CsvManagerError, OptionError, PathNotFoundError, StoreError
from csv_manager.core.model import FormatOptions
from csv_manager.core.targets import Mode, Target, schema_and_name
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each
from csv_manager.patterns.describe import short_path, typed_path
from csv_manager.patterns.format_options import parse_format
from csv_manager.patterns.watcher_paths import find, find_one
from csv_manager.plugins.csv_sync_plugin import commands, words

_COLUMNS = (
    "csv_file", "database", "table", "mode", "key", "state", "version", "head", "rows", "synced", "reason",
)  # fmt: skip
_NONE = "No table follows a file here; csv_manager csv_sync_add makes one do so."
_SPARE = ("synced", "key", "rows", "mode")


class CsvSyncPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Has tables of databases follow files, and loads files into tables."""

    def activate(self) -> None:
        """Register the commands."""
        commands.register(self)

    def csv_sync_add(
        self,
        csv_file: str,
        database: str,
        table: str | None = None,
        key: Sequence[str] = (),
        mode: Mode = "mirror",
        meta: bool = False,
        shared: bool = False,
        evolution: Any = "evolve",
        types: Sequence[str] = (),
        rename: Sequence[str] = (),
        adopt: bool = False,
        no_run: bool = False,
        form: str = "table",
    ) -> int:
        """Store a target and load what its files hold; the exit code: 1 if some of several files could not be."""
        watcher = self._watcher(csv_file)
        schema, name = schema_and_name(self._name_of(watcher) if table is None else table)
        target = Target(
            id=uuid.uuid4().hex,
            database=self.csv_watcher.syncing.named(database),
            table=name,
            schema=schema,
            mode=mode,
            key=() if mode == "append" else tuple(key) or watcher.options.key,
            meta=meta,
            shared=shared or watcher.options.feed == "files",
            evolution=evolution,
            adopted=adopt,
            types=words.types(types),
            renames=words.pairs(rename, "--rename OLD=NEW"),
        )
        self._refuse_twice(watcher, target)
        files = [file for file in self.csv_watcher.syncing.add(target, watcher) if file.head]
        if no_run:
            self.say(f"{target.name} follows {short_path(watcher.csv_file)}; csv_sync_run loads it, or the service.")
            return 0
        done: list[Any] = []
        try:
            failures = self._load_first(files, done, form)
        except BaseException:
            if not done:  # else the next csv_sync_run goes on
                self.csv_watcher.syncing.take_back(target)
            raise
        if failures and not done:
            self.csv_watcher.syncing.take_back(target)
            return 2
        self._answer(done, form, failures)
        if not done:
            self.say(f"{target.name} follows {short_path(watcher.csv_file)}, of which there is no version yet.")
        return 1 if failures else 0

    def _load_first(self, files: Sequence[Any], done: list[Any], form: str) -> list[words.Failure]:
        """Load what files hold, and add to `done` what was; which of several could not be."""
        failures: list[words.Failure] = []
        for file in files:
            try:
                with self._progress(file) as read:
                    for synced in self.csv_watcher.syncing.bring(file, done=read, planned=words.shown(form)):
                        done.append(synced)  # noqa: PERF402 - those before one that fails count
            except CsvManagerError as error:
                if len(files) == 1:
                    raise
                failures.append(self._failure(file, error))
        return failures

    def csv_sync_list(self, csv_file: str | Sequence[str] = (), form: str = "table") -> None:
        """Write the targets of files, or all."""
        rows = (
            {
                "csv_file": short_path(file.path) if form == "table" else file.path,
                "database": words.place(file.target.database) if form == "table" else file.target.database,
                "table": file.target.table_name,
                "mode": file.target.mode,
                "key": list(file.target.key),
                "state": file.state,
                "version": file.version,
                "head": file.head or None,
                "rows": file.rows,
                "synced": file.synced,
                "reason": file.error or file.left_out,
            }
            for file in self._files(csv_file)
        )
        self.answer(rows, _COLUMNS, form, empty=_NONE, spare=_SPARE)

    def csv_sync_run(
        self,
        csv_file: str | Sequence[str] = (),
        database: str | None = None,
        table: str | None = None,
        plan: bool = False,
        verify: bool = False,
        repair: bool = False,
        rename: Sequence[str] = (),
        form: str = "table",
    ) -> int:
        """Bring targets to their heads, or say what is to be done; the exit code: 1 if anything is not as it should."""
        if plan + verify + repair > 1:
            raise OptionError("--plan, --verify and --repair are three things to do; choose one.")
        syncing = self.csv_watcher.syncing
        done: list[Any] = []
        failures: list[words.Failure] = []
        differs = False
        files = self._files(csv_file, database, table)
        if rename:
            files = self._rename(
                files, words.pairs(rename, "--rename OLD=NEW"), lambda: self._files(csv_file, database, table)
            )
        for file in files:
            try:
                with self._progress(file) as read:
                    if verify:
                        found = [syncing.verify(file, done=read)]
                        differs = differs or found != [None]
                        done += filter(None, found)
                    elif plan:
                        done += self._plan(file, read, form)
                    else:
                        at_head = bool(rename) and file.version == file.head  # it is loaded anew then
                        done += self._run(file, read, repair=repair or at_head)
            except CsvManagerError as error:
                failures.append(self._failure(file, error))
        failed = differs or bool(failures)
        if not failed and len(rename) > sum(len(synced.renamed) for synced in done):
            self.say("A column was not renamed: the table lacks the old name, or has the new one already.")
        self._answer(done, form, failures, verb="is not as " if verify else "would be at " if plan else "")
        if plan and done:
            self.say("Nothing was done.")
        elif not done and not failed:
            what = "as its version is" if verify else "at the newest version of its file"
            self.say(f"Every table is {what}." if files else _NONE)
        return 1 if failed else 0

    def csv_sync_rollback(
        self,
        csv_file: str,
        version: str,
        database: str | None = None,
        table: str | None = None,
        yes: bool = False,
        form: str = "table",
    ) -> int:
        """Bring targets to an older version of a file; the exit code: 1 if one could not be."""
        files = self._files(csv_file, database, table)
        if not files:
            raise OptionError(f"No table follows {csv_file}; csv_sync_list shows those that follow files.")
        paths = dict.fromkeys(file.path for file in files)
        if len(paths) > 1:
            raise OptionError(f"{csv_file} has {len(paths)} files with versions of their own; name one of them.")
        number = self.csv_watcher.store.file(files[0].path).version(version).number
        names = ", ".join(file.target.name for file in files)
        if not self.agree(f"Bring {names} to version {number} of {short_path(files[0].path)}?", yes=yes):
            return 1
        done: list[Any] = []
        failures: list[words.Failure] = []
        for file in files:
            try:
                with self._progress(file) as read:
                    done.append(self.csv_watcher.syncing.roll_back(file, number, done=read))
            except CsvManagerError as error:
                if len(files) == 1:
                    raise
                failures.append(self._failure(file, error))
        self._answer(done, form, failures)
        if done:
            self.say(f"Pinned there until csv_sync_run {typed_path(files[0].path)}.")
        return 1 if failures else 0

    def csv_sync_delete(
        self,
        csv_file: str,
        database: str | None = None,
        table: str | None = None,
        drop: bool = False,
        yes: bool = False,
    ) -> int:
        """Forget targets; the exit code: 1 if nobody agreed."""
        watcher = self._watcher(csv_file)
        found = [
            stored.target
            for stored in self._stored()
            if stored.watcher_id == watcher.id and self._is_meant(stored.target, database, table)
        ]
        if not found:
            raise OptionError(f"No table follows {csv_file}; csv_sync_list shows those that follow files.")
        names = ", ".join(target.name for target in found)
        if drop and not self.agree(f"Drop {names} with all rows?", yes=yes):
            return 1
        for target in found:
            try:
                self.csv_watcher.syncing.forget(target, drop=drop)
            except StoreError as error:
                if drop or any(stored.target.id == target.id for stored in self._stored()):
                    raise
                self.say(f"{error} It still has the watermark of the target, which csv_sync_add --adopt takes over.")
            what = "was dropped" if drop else "stays as it is, and follows the file no longer"
            click.echo(f"{target.name} {what}.")
        return 0

    def csv_load(
        self,
        file: str,
        database: str,
        table: str | None = None,
        key: Sequence[str] = (),
        mode: Mode | None = None,
        ignore: Sequence[str] = (),
        types: Sequence[str] = (),
        form: str = "table",
        **given: Any,
    ) -> None:
        """Load a file into a table once."""
        from csv_manager.core.sources import open_table
        from csv_manager.sync.formation import name_of

        content = open_table(file, parse_format(FormatOptions(), given))
        schema, name = schema_and_name(name_of(file) if table is None else table)
        target = Target(
            id="",
            database=database,
            table=name,
            schema=schema,
            key=tuple(key),
            evolution="freeze",
            types=words.types(types),
        )
        with self.progress(f"Loading {os.path.basename(file)}", content.plain.size, words.about(content)) as read:
            loaded = self.csv_watcher.load_once(
                content, target, mode=mode, ignore=ignore, done=read, planned=words.shown(form)
            )
        counts = loaded.counts
        row = {
            "csv_file": file,
            "database": database,
            "table": target.table_name,
            "inserted": counts.inserted,
            "updated": counts.updated,
            "deleted": counts.deleted,
            "seconds": round(loaded.seconds, 3),
        }
        if form == "table":
            told = f"{counts.inserted:,} inserted, {counts.updated:,} updated, {counts.deleted:,} deleted"
            click.echo(f"{words.place(database)}: {target.table_name}  {told}")
        else:
            self.answer([row], tuple(row), form)

    def _rename(
        self, files: Sequence[Any], renames: tuple[tuple[str, str], ...], again: Callable[[], list[Any]]
    ) -> list[Any]:
        """Have the one target that is meant know of columns under another name; its files anew."""
        targets = {file.target.id: file.target for file in files}
        if len(targets) != 1:
            raise OptionError("--rename is for one table; name its file, and --table or --database.")
        [target] = targets.values()
        self.csv_watcher.syncing.alter(
            replace(target, renames=tuple({**dict(target.renames), **dict(renames)}.items()))
        )
        return again()

    def _plan(self, file: Any, read: Callable[[int], None], form: str) -> list[Any]:
        """What would be done, if anything, with its statements shown."""
        found = self.csv_watcher.syncing.plan(file, done=read) if file.head else None
        if found is None:
            return []
        words.shown(form)(found)
        return [found]

    def _run(self, file: Any, read: Callable[[int], None], *, repair: bool) -> Iterator[Any]:
        syncing = self.csv_watcher.syncing
        if repair and file.version is not None and file.target.mode != "append":
            yield syncing.repair(file, done=read)
        if file.pinned is not None and not repair:
            syncing.unpin(file)
        if file.head and not (repair and file.pinned is not None):
            yield from syncing.bring(file, done=read)

    def _watcher(self, csv_file: str) -> Any:
        """The stored watcher that a path stands for. Raises `PathNotFoundError`, `OptionError`."""
        return find_one(
            self.csv_watcher,
            csv_file,
            unwatched="so no table can follow it; csv_watcher_add watches it, and csv_load loads it once.",
            inside="; a table follows all of those.",
        )

    @staticmethod
    def _name_of(watcher: Any) -> str:
        from csv_manager.sync.formation import name_of

        return name_of(watcher.options.name or watcher.csv_file)

    def _files(
        self, csv_file: str | Sequence[str] = (), database: str | None = None, table: str | None = None
    ) -> list[Any]:
        """Each target with each of its files, or of these files. Raises `OptionError` if none is so called."""
        targets = self.csv_watcher.store.catalog.targets
        found = targets.files()
        if csv_file:
            told = each(csv_file)
            known = find(self.csv_watcher, told)
            feeds = {one.watcher.id for one in known if one.is_feed}
            paths = {one.path for one in known}
            if not known:
                raise PathNotFoundError(f"{told[0]} is not watched; csv_watcher_list shows what is.")
            found = [file for file in found if file.path in paths or file.stored.watcher_id in feeds]
        meant = [file for file in found if self._is_meant(file.target, database, table)]
        if found and not meant:
            raise OptionError("No such table follows a file; csv_sync_list shows those that do.")
        return meant

    def _is_meant(self, target: Target, database: str | None, table: str | None) -> bool:
        named = None if database is None else self.csv_watcher.syncing.named(database)
        return named in (None, target.database) and table in (None, target.table, target.table_name)

    def _stored(self) -> list[Any]:
        stored: list[Any] = self.csv_watcher.store.catalog.targets.all()
        return stored

    def _refuse_twice(self, watcher: Any, target: Target) -> None:
        for stored in self.csv_watcher.store.catalog.targets.all():
            same = stored.target.database == target.database and stored.target.table_name == target.table_name
            if same and stored.watcher_id == watcher.id:
                raise OptionError(
                    f"{target.name} follows {short_path(watcher.csv_file)} already; csv_sync_delete ends that."
                )

    def _progress(self, file: Any) -> Any:
        version = self.csv_watcher.store.catalog.history.version(file.file_id, file.head) if file.head else None
        size, rows = (version.size, version.rows) if version else (None, None)
        return self.progress(f"Loading {os.path.basename(file.path)}", size, rows)

    def _failure(self, file: Any, error: CsvManagerError) -> words.Failure:
        """Say why a target is not brought where it is to be; the others may be."""
        failure = words.Failure(file, str(error))
        self.say(str(failure))
        return failure

    def _answer(
        self, done: Sequence[Any], form: str, failures: Sequence[words.Failure] = (), *, verb: str = ""
    ) -> None:
        """Write what targets were brought to: a line each for people, who were told of failures."""
        if form == "table":
            for synced in done:
                click.echo(words.line(synced, verb))
            return
        self.answer(map(words.row, [*done, *failures]), words.COLUMNS, form)
