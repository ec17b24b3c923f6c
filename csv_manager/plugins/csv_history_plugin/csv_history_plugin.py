"""The commands csv_history_*: what files held, what changed, who set it, and the way back."""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import click

from csv_manager.core.errors import OptionError, PathNotFoundError, UnreadableError, VersionNotFoundError
from csv_manager.core.files import copy, writing_to
from csv_manager.core.paths import identity, os_reason, stat_regular
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each
from csv_manager.patterns.describe import (
    CHANGE_COLUMNS,
    comparison_lines,
    counts_of,
    finding_lines,
    hint,
    row_lines,
    short_path,
    version_line,
)
from csv_manager.patterns.output import local_time
from csv_manager.patterns.retention_options import is_retention_given, parse_retention
from csv_manager.patterns.unchanged import version_ways
from csv_manager.plugins.csv_history_plugin import commands, quarantined
from csv_manager.plugins.csv_history_plugin.searching import check_columns, parse_where, pruned, touching
from csv_manager.plugins.csv_history_plugin.verifying import find_problem

_VERSION_COLUMNS = (
    "version", "created", "cause", "status", "sha256", "size", "rows", "inserted", "updated", "deleted",
)  # fmt: skip
_VERSION_SPARE = ("sha256", "size", "cause", "rows", "status")
_BLAME_COLUMNS = ("csv_file", "line", "version", "created", "cause", "row")
_VERIFY_COLUMNS = ("csv_file", "version", "sha256", "problem")


class CsvHistoryPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Shows and gives back what files held."""

    def activate(self) -> None:
        """Register the commands."""
        commands.register(self)

    def csv_history_list(self, csv_file: str | Sequence[str], where: Sequence[str] = (), form: str = "table") -> None:
        """Write the versions of files, or those that touched the rows with some cells."""
        files = [self.csv_watcher.store.file(path) for path in self.csv_watcher.known(each(csv_file))]
        several = len(files) > 1
        first = ("csv_file",) if several else ()
        if where:
            self._list_touching(files, parse_where(where), first, form)
            return
        versions = [(file, version) for file in files for version in file.versions()]
        last = ("quarantined",) if any(version.quarantined for _, version in versions) else ()
        rows: Iterable[Any] = (
            ({"csv_file": file.path} if several else {}) | version.summary() | dict.fromkeys(last, version.quarantined)
            for file, version in versions
        )
        if form == "table":
            rows = (row | {"sha256": row["sha256"][:12]} for row in rows)
        self.answer(rows, (*first, *_VERSION_COLUMNS, *last), form, spare=_VERSION_SPARE)

    def csv_history_show(
        self,
        csv_file: str,
        version: str | None = None,
        form: str = "table",
        limit: int = 50,
        quarantine: bool = False,
    ) -> None:
        """Write the row changes of a version, or of what is on the disk against the head, or its quarantined rows."""
        if _is_file(version):
            if quarantine:
                raise OptionError("What is on the disk is no version yet; csv_check_run says what is wrong with it.")
            self.csv_history_diff(csv_file, "head", version, form, limit)
            return
        file = self._file(csv_file)
        found = file.version(version or file.record.latest)
        if quarantine:
            self._show_quarantine(file, found, form, limit)
            return
        changes = file.changes(found.number)
        with self.progress(f"Comparing {os.path.basename(file.path)}"):
            if form != "table":
                rows = (_told(file, found.number, seq, change) for seq, change in enumerate(changes))
                self.answer(rows, CHANGE_COLUMNS, form)
                return
            ways = version_ways(file, found)
            click.echo(version_line(file.path, found, changes.counts, changes.columns, found.rows, ways))
            for line in finding_lines(found, limit=limit):
                click.echo(line)
            if found.quarantined:
                click.echo(quarantined.place_line(file, found))
            for line in row_lines(changes, changes.columns, limit=limit, total=sum(changes.counts)):
                click.echo(line)

    def _show_quarantine(self, file: Any, version: Any, form: str, limit: int) -> None:
        if form != "table":
            self.answer(quarantined.rows(file, version), quarantined.COLUMNS, form)
        elif version.quarantined:
            click.echo(quarantined.place_line(file, version))
            for line in quarantined.lines(file, version, limit):
                click.echo(line)
        else:
            self.say(f"{short_path(file.path)}: version {version.number} has all rows of its file.")

    def csv_history_accept(self, csv_file: str, version: str | None = None) -> None:
        """Let a held version through."""
        decided = self._decide(csv_file, version, accept=True)
        file = self._file(csv_file)
        click.echo(version_line(file.path, decided, counts_of(decided), decided.column_change, decided.rows))

    def csv_history_reject(self, csv_file: str, version: str | None = None) -> None:
        """Close a held version."""
        decided = self._decide(csv_file, version, accept=False)
        file = self._file(csv_file)
        head = f"the head is version {file.record.head}" if file.record.head else "there is no head yet"
        click.echo(f"{short_path(file.path)}: version {decided.number} is rejected; {head}.")

    def _decide(self, csv_file: str, version: str | None, *, accept: bool) -> Any:
        file = self._file(csv_file)
        if version is None:
            found = next((each for each in file.versions() if each.status == "held"), None)
            if found is None:
                raise VersionNotFoundError(f"{short_path(file.path)} has no held version; csv_history_list shows them.")
        else:
            found = file.version(version)
        return self.csv_watcher.decide(file.path, found, accept=accept)

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
                number = None if _is_file(new) else file.version(new or "head").number
                rows = (_told(file, number, seq, change) for seq, change in enumerate(comparison.change_set))
                self.answer(rows, CHANGE_COLUMNS, form)
            else:
                for line in comparison_lines(comparison, limit=limit, is_whole=not options.ignore):
                    click.echo(line)
            suggested = None if options.key else hint(comparison)
            if suggested:
                self.say(suggested)

    def csv_history_export(self, csv_file: str, version: str, output: str = "-") -> None:
        """Write the bytes of a version, or of the file as it is on the disk."""
        file = self._file(csv_file)
        if not output:
            raise OptionError("--output is empty; name a file, or - for stdout.")
        if output != "-" and identity(output) == file.path:
            raise OptionError(f"--output is the watched file {file.path} itself; csv_history_restore puts it back.")
        if os.path.isdir(output):
            raise OptionError(f"--output {output} is a folder; name a file in it.")
        size, opened = _bytes(file, version)
        with self.progress(f"Exporting {os.path.basename(file.path)}", size) as done, opened() as content:
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
        """Put a version back in place; what the file holds is recorded before, so nobody is asked."""
        del yes
        if _is_file(version):
            raise OptionError(
                f"{csv_file} on the disk is as it is; name a recorded version: a number, head, head~N or a time."
            )
        file = self._file(csv_file)
        found = file.version(version)
        name = short_path(file.path)
        if dry_run:
            click.echo(f"Would put back version {found.number} of {name}, of {local_time(found.created)}.")
            return 0
        was_there = os.path.exists(file.path)
        with self.progress(f"Putting back {os.path.basename(file.path)}", found.size) as done:
            is_link = os.path.abspath(csv_file) == file.record.source
            outcome = self.csv_watcher.restore(file.path, found, done, through_link=is_link)
        held = "; it is held" if outcome.status == "held" else ""
        if outcome.number:
            click.echo(f"Put back version {found.number} of {name}; it is version {outcome.number} now{held}.")
        elif was_there:
            click.echo(f"{name} holds version {found.number} already{held}.")
        else:
            click.echo(f"Put back version {found.number} of {name}, which was missing{held}.")
        return self.csv_watcher.exit_code()

    def csv_history_blame(self, csv_file: str, where: Sequence[str] = (), form: str = "table", limit: int = 50) -> None:
        """Write for each row of the head the version that last set it."""
        file = self._file(csv_file)
        with self.progress(f"Reading the history of {os.path.basename(file.path)}"):
            self._blame(file, parse_where(where), form, limit)

    def _blame(self, file: Any, cells: Mapping[str, str], form: str, limit: int) -> None:
        table = file.table()
        check_columns(file.path, cells, table.columns)
        blamed = file.blame(where=cells)
        told = (
            {
                "csv_file": file.path,
                "line": row.line,
                "version": version.number if version else None,
                "created": version.created if version else None,
                "cause": version.cause if version else None,
                "row": table.mapping(row.cells),
            }
            for row, version in (blamed if form != "table" else itertools.islice(blamed, limit or None))
        )
        if form != "table":
            self.answer(told, _BLAME_COLUMNS, form)
            return
        columns = [f"row.{name}" for name in table.columns]
        names = dict(zip(columns, table.columns, strict=True))
        shown = (row | {column: row["row"].get(name) for column, name in names.items()} for row in told)
        empty = "No row has these cells." if cells else "There is no row."
        self.answer(shown, ["version", "created", "line", *columns], form, empty=empty, spare=["line"])
        more = sum(1 for _ in blamed)
        if more:
            click.echo(f"… and {more:,} more")

    def csv_history_prune(
        self, csv_file: str | Sequence[str], yes: bool = False, dry_run: bool = False, **given: Any
    ) -> int:
        """Forget old versions; 1 if that was declined."""
        store = self.csv_watcher.store
        said = parse_retention(given) if is_retention_given(given) else None
        doomed = {}
        for path in self.csv_watcher.known(each(csv_file)):
            retention = said or self.csv_watcher.options_of(path).retention or parse_retention(given)
            doomed[path] = self.csv_watcher.doomed(path, retention)
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
        with self.progress("Forgetting"):
            store.prune((store.file(path), numbers) for path, numbers in doomed.items() if numbers)
        for path, numbers in doomed.items():
            click.echo(f"Forgot {len(numbers):,} version{'' if len(numbers) == 1 else 's'} of {short_path(path)}.")
        return 0

    def csv_history_verify(self, csv_file: str | Sequence[str] = (), form: str = "table") -> int:
        """Read every version back; 1 if one is not what was recorded."""
        store = self.csv_watcher.store
        paths = self.csv_watcher.known(each(csv_file)) if csv_file else None
        files = [store.file(path) for path in paths] if paths is not None else store.files()
        versions = [(file, version) for file in files for version in file.versions()]
        problems = []
        count = 0
        seen: dict[tuple[str, str], str | None] = {}
        with self.progress("Verifying", sum(version.size for _, version in versions)) as done:
            for file, version in versions:
                content = version.sha256, version.content
                if content in seen:
                    done(version.size)
                else:
                    try:
                        seen[content] = find_problem(file, version, done)
                    except VersionNotFoundError:  # pruned meanwhile
                        continue
                count += 1
                if seen[content]:
                    told = (file.path, version.number, version.sha256, seen[content])
                    problems.append(dict(zip(_VERIFY_COLUMNS, told, strict=True)))
        if form == "table":
            problems = [problem | {"sha256": problem["sha256"][:12]} for problem in problems]
        if form != "table" or problems:
            self.answer(problems, _VERIFY_COLUMNS, form, spare=["sha256"])
        told_files = f"{len(files):,} file{'' if len(files) == 1 else 's'}"
        many = f"{count:,} version{'' if count == 1 else 's'} of {told_files}"
        self.say(f"Read back {many}: {f'{len(problems):,} damaged' if problems else 'all as they were recorded'}.")
        return 1 if problems else 0

    def _list_touching(self, files: Sequence[Any], cells: Mapping[str, str], first: Sequence[str], form: str) -> None:
        """Write the versions that touched rows with some cells, and how."""
        histories = [(file, file.versions()) for file in files]
        for file, versions in histories:
            check_columns(file.path, cells, [name for version in versions for name in version.columns])
        each_version = [(file, version) for file, versions in histories for version in versions]
        with self.progress("Searching", len(each_version)) as done:
            found = touching(each_version, cells, done)
            if form != "table":
                rows = (
                    ({"csv_file": file.path} if first else {})
                    | version.summary()
                    | {"changes": [_told(file, version.number, seq, change) for seq, change in changes]}
                    for file, version, changes in found
                )
                self.answer(rows, (*first, *_VERSION_COLUMNS, "changes"), form)
                return
            is_found = False
            for file, version, changes in found:
                is_found = True
                counts = [sum(change.op == op for _, change in changes) for op in ("insert", "update", "delete")]
                click.echo(version_line(file.path, version, counts, version.column_change, version.rows))
                for line in row_lines((change for _, change in changes), version.column_change):
                    click.echo(line)
        if not is_found:
            self.say("No version touched a row with these cells.")
        for file, versions in histories:
            gone = pruned(versions)
            if gone:
                self.say(f"{short_path(file.path)}: pruned, so not searched: {gone}.")

    def _file(self, csv_file: str) -> Any:
        paths = self.csv_watcher.known([csv_file])
        if len(paths) > 1:
            raise OptionError(f"{csv_file} stands for {len(paths)} files; name one.")
        return self.csv_watcher.store.file(paths[0])


def _told(file: Any, version: int | None, seq: int, change: Any) -> Any:
    return change.to_json(csv_file=file.path, version=version, seq=seq)


def _is_file(which: str | None) -> bool:
    """Whether a VERSION is what is on the disk."""
    return which is not None and which.strip().lower() == "file"


def _bytes(file: Any, which: str) -> tuple[int, Callable[[], BinaryIO]]:
    """The size of a VERSION, and what opens its bytes."""
    if not _is_file(which):
        version = file.version(which)
        return version.size, lambda: file.open(version.number)
    try:
        size = stat_regular(file.path).st_size
        open(file.path, "rb").close()
    except FileNotFoundError:
        raise PathNotFoundError(f"{file.path}: no such file.") from None
    except OSError as error:
        raise UnreadableError(f"{file.path}: {os_reason(error)}.") from error
    return size, lambda: open(file.path, "rb")
