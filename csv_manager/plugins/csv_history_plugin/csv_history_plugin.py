"""The commands csv_history_*: what files held, what changed, who set it, and the way back."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from csv_manager.core.errors import ArchiveError, OptionError, UnknownColumnError
from csv_manager.core.files import copy, writing_to
from csv_manager.core.paths import identity
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each, format_option, option, path_argument
from csv_manager.patterns.describe import (
    CHANGE_COLUMNS,
    comparison_lines,
    hint,
    limit_option,
    row_lines,
    short_path,
    version_line,
)
from csv_manager.patterns.retention_options import is_retention_given, parse_retention, retention_params

_VERSION_COLUMNS = (
    "version", "created", "cause", "status", "sha256", "size", "rows", "inserted", "updated", "deleted",
)  # fmt: skip
_BLAME_COLUMNS = ("csv_file", "line", "version", "created", "cause", "row")
_VERIFY_COLUMNS = ("csv_file", "version", "sha256", "problem")
_BLOCK = 1 << 20
_VERSION_HELP = "VERSION is a number, head, head~N, or an ISO time for what stood then."


class CsvHistoryPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Shows and gives back what files held."""

    def activate(self) -> None:
        """Register the commands."""
        path = click.Argument(["csv_file"], metavar="PATH")
        where = option(
            "--where", multiple=True, metavar="COLUMN=VALUE", help="Only rows with this cell. May be repeated."
        )
        self.commands.register(
            "csv_history_list",
            "List the versions of a file, newest first.\n\nWith --where, only those that touched a row with these "
            "cells, and what they did to it.\n\n\b\nExamples:\n  csv_manager csv_history_list prices.csv\n"
            "  csv_manager csv_history_list prices.csv --where id=7",
            self.csv_history_list,
            params=[path_argument(), where, format_option()],
        )
        self.commands.register(
            "csv_history_show",
            f"Show the row changes of a version, by default the newest.\n\n{_VERSION_HELP}\n\n\b\n"
            "Example:\n  csv_manager csv_history_show prices.csv 2",
            self.csv_history_show,
            params=[
                path,
                click.Argument(["version"], required=False, metavar="[VERSION]"),
                format_option(),
                limit_option(),
            ],
        )
        self.commands.register(
            "csv_history_diff",
            "Show the row changes between any two versions, by default those of the head.\n\n"
            f"{_VERSION_HELP} As V1 or V2, file is what is on the disk now.\n\n\b\n"
            "Examples:\n  csv_manager csv_history_diff prices.csv 1 head\n"
            "  csv_manager csv_history_diff prices.csv head file",
            self.csv_history_diff,
            params=[
                path,
                click.Argument(["old"], required=False, metavar="[V1"),
                click.Argument(["new"], required=False, metavar="V2]"),
                format_option(),
                limit_option(),
            ],
        )
        self.commands.register(
            "csv_history_export",
            f"Write the bytes of a version, exactly as the file came.\n\n{_VERSION_HELP}\n\n\b\n"
            "Example:\n  csv_manager csv_history_export prices.csv head~1 -o old.csv",
            self.csv_history_export,
            params=[
                path,
                click.Argument(["version"], metavar="VERSION"),
                option("-o", "--output", metavar="FILE", default="-", help="Write to this file; - is stdout."),
            ],
        )
        self.commands.register(
            "csv_history_restore",
            "Put a version back in place of the file.\n\nWhat the file holds now is recorded before, so nothing is "
            f"lost; what it holds then is its next version. {_VERSION_HELP}\n\n\b\n"
            "Example:\n  csv_manager csv_history_restore prices.csv head~1",
            self.csv_history_restore,
            params=[
                path,
                click.Argument(["version"], metavar="VERSION"),
                option("--yes", is_flag=True, help="Do not ask."),
                option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
            ],
        )
        self.commands.register(
            "csv_history_blame",
            "Tell for each row of the head which version last set it, and when.\n\nNothing stands there if that "
            "version was pruned.\n\n\b\n"
            "Example:\n  csv_manager csv_history_blame prices.csv --where id=7",
            self.csv_history_blame,
            params=[path, where, format_option()],
        )
        self.commands.register(
            "csv_history_prune",
            "Forget old versions of a file.\n\nA version is kept if one of the options keeps it; the head, the latest "
            "version and held ones always are. Without options, those of the watcher count.\n\n\b\nExample:\n"
            "  csv_manager csv_history_prune prices.csv --keep-within 7d --keep-monthly 12",
            self.csv_history_prune,
            params=[
                path_argument(),
                *retention_params(),
                option("--yes", is_flag=True, help="Do not ask."),
                option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing."),
            ],
        )
        self.commands.register(
            "csv_history_verify",
            "Read every version back, and compare it with what was recorded.\n\nWithout PATH, of all files. Exit code "
            "1 if something is damaged: each version that it touches is named. What has a copy is mended.\n\n\b\n"
            "Example:\n  csv_manager csv_history_verify",
            self.csv_history_verify,
            params=[path_argument(required=False), format_option()],
        )

    def csv_history_list(self, csv_file: str | Sequence[str], where: Sequence[str] = (), form: str = "table") -> None:
        """Write the versions of files, or those that touched the rows with some cells."""
        files = [self.csv_watcher.store.file(path) for path in self.csv_watcher.known(each(csv_file))]
        several = len(files) > 1
        first = ("csv_file",) if several else ()
        if where:
            self._list_touching(files, _cells(where), first, form)
            return
        rows = (
            ({"csv_file": file.path} if several else {}) | version.summary()
            for file in files
            for version in file.versions()
        )
        if form == "table":
            rows = (row | {"sha256": row["sha256"][:12]} for row in rows)
        self.answer(rows, first + _VERSION_COLUMNS, form)

    def csv_history_show(self, csv_file: str, version: str | None = None, form: str = "table", limit: int = 50) -> None:
        """Write the row changes of a version."""
        file = self._file(csv_file)
        found = file.version(version or file.record.latest)
        changes = file.changes(found.number)
        with self.progress(f"Comparing {os.path.basename(file.path)}"):
            if form != "table":
                rows = (_told(file, found.number, seq, change) for seq, change in enumerate(changes))
                self.answer(rows, CHANGE_COLUMNS, form)
                return
            click.echo(version_line(file.path, found, changes.counts, changes.columns, found.rows))
            for line in row_lines(changes, changes.columns, limit=limit, total=sum(changes.counts)):
                click.echo(line)

    def csv_history_diff(
        self, csv_file: str, old: str | None = None, new: str | None = None, form: str = "table", limit: int = 50
    ) -> None:
        """Write the row changes between two versions."""
        file = self._file(csv_file)
        if old is not None and new is None:
            raise OptionError(f"{old} is compared with what? Name two versions, or none for head~1 and head.")
        options = self.csv_watcher.options_of(file.path)
        with self.progress(f"Comparing {os.path.basename(file.path)}"):
            comparison = file.compare(old or "head~1", new or "head", options)
            if form != "table":
                rows = (_told(file, None, seq, change) for seq, change in enumerate(comparison.change_set))
                self.answer(rows, CHANGE_COLUMNS, form)
            else:
                for line in comparison_lines(comparison, limit=limit):
                    click.echo(line)
            suggested = None if options.key else hint(comparison)
            if suggested:
                self.say(suggested)

    def csv_history_export(self, csv_file: str, version: str, output: str = "-") -> None:
        """Write the bytes of a version."""
        file = self._file(csv_file)
        if output != "-" and identity(output) == file.path:
            raise OptionError(f"--output is the watched file {file.path} itself; csv_history_restore puts it back.")
        if os.path.isdir(output):
            raise OptionError(f"--output {output} is a folder; name a file in it.")
        found = file.version(version)
        with (
            self.progress(f"Exporting {os.path.basename(file.path)}", found.size) as done,
            file.open(found.number) as content,
        ):
            try:
                with writing_to(output) as target:
                    copy(content, target, done)
            except OSError as error:
                if output == "-":
                    raise
                raise OptionError(f"--output {output} cannot be written: {error.strerror}.") from error
        if output != "-":
            self.say(f"Wrote {output}.")

    def csv_history_restore(self, csv_file: str, version: str, yes: bool = False, dry_run: bool = False) -> int:
        """Put a version back in place; 1 if that was declined."""
        file = self._file(csv_file)
        found = file.version(version)
        name = short_path(file.path)
        what = f"version {found.number} of {name}, of {found.created.astimezone():%Y-%m-%d %H:%M:%S}"
        if dry_run:
            click.echo(f"Would put back {what}.")
            return 0
        if not self.agree(f"Put back {what}?", yes=yes):
            self.say("Nothing was changed.")
            return 1
        with self.progress(f"Putting back {os.path.basename(file.path)}", found.size) as done:
            outcome = self.csv_watcher.restore(file.path, found, done)
        made = f"; it is version {outcome.number} now" if outcome.number else "; the file held it already"
        held = ", which is held" if outcome.status == "held" else ""
        click.echo(f"Put back version {found.number} of {name}{made}{held}.")
        return 0

    def csv_history_blame(self, csv_file: str, where: Sequence[str] = (), form: str = "table") -> None:
        """Write for each row of the head the version that last set it."""
        file = self._file(csv_file)
        with self.progress(f"Reading the history of {os.path.basename(file.path)}"):
            self._blame(file, _cells(where), form)

    def _blame(self, file: Any, cells: Mapping[str, str], form: str) -> None:
        table = file.table()
        _check_columns(file.path, cells, table.columns)
        told = (
            {
                "csv_file": file.path,
                "line": row.line,
                "version": version.number if version else None,
                "created": version.created if version else None,
                "cause": version.cause if version else None,
                "row": table.mapping(row.cells),
            }
            for row, version in file.blame(where=cells)
        )
        if form != "table":
            self.answer(told, _BLAME_COLUMNS, form)
            return
        columns = [f"row.{name}" for name in table.columns]
        names = dict(zip(columns, table.columns, strict=True))
        rows = (row | {column: row["row"].get(name) for column, name in names.items()} for row in told)
        self.answer(rows, ["version", "created", "line", *columns], form, empty="No row has these cells.")

    def csv_history_prune(
        self, csv_file: str | Sequence[str], yes: bool = False, dry_run: bool = False, **given: Any
    ) -> int:
        """Forget old versions; 1 if that was declined."""
        store = self.csv_watcher.store
        said = parse_retention(given) if is_retention_given(given) else None
        doomed = {}
        for path in self.csv_watcher.known(each(csv_file)):
            retention = said or self.csv_watcher.options_of(path).retention or parse_retention(given)
            doomed[path] = store.doomed(store.file(path), retention)
        count = sum(map(len, doomed.values()))
        if dry_run or not count:
            for path, numbers in doomed.items():
                told = ", ".join(map(str, sorted(numbers))) or "none"
                name = short_path(path)
                click.echo(f"Would forget of {name}: {told}." if dry_run else f"{name}: nothing to forget.")
            if not dry_run:
                store.collect()
            return 0
        if not self.agree(f"Forget {count:,} version{'' if count == 1 else 's'}, for good?", yes=yes):
            self.say("Nothing was forgotten.")
            return 1
        with self.progress("Forgetting", len(doomed)) as done:
            for path, numbers in doomed.items():
                if numbers:
                    store.prune(store.file(path), numbers)
                click.echo(f"Forgot {len(numbers):,} version{'' if len(numbers) == 1 else 's'} of {short_path(path)}.")
                done(1)
        return 0

    def csv_history_verify(self, csv_file: str | Sequence[str] = (), form: str = "table") -> int:
        """Read every version back; 1 if one is not what was recorded."""
        store = self.csv_watcher.store
        paths = self.csv_watcher.known(each(csv_file)) if csv_file else None
        files = [store.file(path) for path in paths] if paths is not None else store.files()
        versions = [(file, version) for file in files for version in file.versions()]
        problems = []
        seen: dict[str, str | None] = {}
        with self.progress("Verifying", sum(version.size for _, version in versions)) as done:
            for file, version in versions:
                if version.sha256 in seen:
                    done(version.size)
                else:
                    seen[version.sha256] = _problem(file, version, done)
                if seen[version.sha256]:
                    told = (file.path, version.number, version.sha256, seen[version.sha256])
                    problems.append(dict(zip(_VERIFY_COLUMNS, told, strict=True)))
        if form != "table" or problems:
            self.answer(problems, _VERIFY_COLUMNS, form)
        told_files = f"{len(files):,} file{'' if len(files) == 1 else 's'}"
        many = f"{len(versions):,} version{'' if len(versions) == 1 else 's'} of {told_files}"
        self.say(f"Read back {many}: {f'{len(problems):,} damaged' if problems else 'all as they were recorded'}.")
        return 1 if problems else 0

    def _list_touching(self, files: Sequence[Any], cells: Mapping[str, str], first: Sequence[str], form: str) -> None:
        """Write the versions that touched rows with some cells, and how."""
        versions = []
        for file in files:
            found = file.versions()
            _check_columns(file.path, cells, [name for version in found for name in version.columns])
            versions += [(file, version) for version in found]
        with self.progress("Searching", len(versions)) as done:
            touching = _touching(versions, cells, done)
            if form == "table":
                for file, version, changes in touching:
                    counts = [sum(change.op == op for _, change in changes) for op in ("insert", "update", "delete")]
                    click.echo(version_line(file.path, version, counts, version.column_change, version.rows))
                    for line in row_lines((change for _, change in changes), version.column_change):
                        click.echo(line)
                return
            rows = (
                ({"csv_file": file.path} if first else {})
                | version.summary()
                | {"changes": [_told(file, version.number, seq, change) for seq, change in changes]}
                for file, version, changes in touching
            )
            self.answer(rows, (*first, *_VERSION_COLUMNS, "changes"), form)

    def _file(self, csv_file: str) -> Any:
        paths = self.csv_watcher.known([csv_file])
        if len(paths) > 1:
            raise OptionError(f"{csv_file} stands for {len(paths)} files; name one.")
        return self.csv_watcher.store.file(paths[0])


def _cells(where: Sequence[str]) -> dict[str, str]:
    """COLUMN=VALUE as a mapping."""
    cells = {}
    for text in where:
        column, mark, value = text.partition("=")
        if not mark or not column:
            raise OptionError(f"--where is COLUMN=VALUE, not {text!r}.")
        cells[column] = value
    return cells


def _check_columns(path: str, cells: Mapping[str, str], columns: Sequence[str]) -> None:
    for column in cells:
        if column not in columns:
            raise UnknownColumnError(f"{path}: there is no column {column!r}: {', '.join(dict.fromkeys(columns))}.")


def _touching(
    versions: Sequence[tuple[Any, Any]], cells: Mapping[str, str], done: Callable[[int], None]
) -> Iterator[tuple[Any, Any, list[tuple[int, Any]]]]:
    """Those of some files' versions that touched rows with some cells, and what they did; `done` is told of each."""
    from csv_manager.core.blaming import is_match

    for file, version in versions:
        if version.status != "held":
            changes = [
                (seq, change)
                for seq, change in enumerate(file.changes(version.number))
                if is_match(change.before, cells) or is_match(change.after, cells)
            ]
            if changes:
                yield file, version, changes
        done(1)


def _told(file: Any, version: int | None, seq: int, change: Any) -> Any:
    return change.to_json(csv_file=file.path, version=version, seq=seq)


def _problem(file: Any, version: Any, done: Callable[[int], None]) -> str | None:
    """Why a version does not come back, or what of it was damaged; `done` is told how many more bytes were read."""
    size = 0
    mended: str | None = file.mend(version.number)
    try:
        with file.open(version.number) as content:
            while block := content.read(_BLOCK):
                size += len(block)
                done(len(block))
    except ArchiveError as error:
        done(version.size - size)
        return str(error)
    return mended if size == version.size else f"{size:,} bytes came back where {version.size:,} were recorded."
