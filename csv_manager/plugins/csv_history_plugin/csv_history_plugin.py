"""The commands csv_history_list, csv_history_show and csv_history_export."""

import os
import shutil
from collections.abc import Sequence
from typing import Any

import click

from csv_manager.core.errors import OptionError
from csv_manager.core.files import writing_to
from csv_manager.core.paths import identity
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each, format_option, option, path_argument
from csv_manager.patterns.describe import CHANGE_COLUMNS, limit_option, row_lines, version_line

_VERSION_COLUMNS = (
    "version", "created", "cause", "status", "sha256", "size", "rows", "inserted", "updated", "deleted",
)  # fmt: skip


class CsvHistoryPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Shows and gives back what files held."""

    def activate(self) -> None:
        """Register the commands."""
        self.commands.register(
            "csv_history_list",
            "List the versions of a file, newest first.\n\n\b\nExample:\n  csv_manager csv_history_list prices.csv",
            self.csv_history_list,
            params=[path_argument(), format_option()],
        )
        self.commands.register(
            "csv_history_show",
            "Show the row changes of a version, by default the newest.\n\nVERSION is a number, head, head~N, or an "
            "ISO time for what stood then.\n\n\b\nExample:\n  csv_manager csv_history_show prices.csv 2",
            self.csv_history_show,
            params=[
                click.Argument(["csv_file"], metavar="PATH"),
                click.Argument(["version"], required=False, metavar="[VERSION]"),
                format_option(),
                limit_option(),
            ],
        )
        self.commands.register(
            "csv_history_export",
            "Write the bytes of a version, exactly as the file came.\n\nVERSION is a number, head, head~N, or an ISO "
            "time for what stood then.\n\n\b\nExample:\n  csv_manager csv_history_export prices.csv head~1 -o old.csv",
            self.csv_history_export,
            params=[
                click.Argument(["csv_file"], metavar="PATH"),
                click.Argument(["version"], metavar="VERSION"),
                option("-o", "--output", metavar="FILE", default="-", help="Write to this file; - is stdout."),
            ],
        )

    def csv_history_list(self, csv_file: str | Sequence[str], form: str = "table") -> None:
        """Write the versions of files."""
        files = [self.csv_watcher.store.file(path) for path in self.csv_watcher.known(each(csv_file))]
        several = len(files) > 1
        rows = (
            ({"csv_file": file.path} if several else {}) | version.summary()
            for file in files
            for version in file.versions()
        )
        columns = (("csv_file",) if several else ()) + _VERSION_COLUMNS
        if form == "table":
            rows = (row | {"sha256": row["sha256"][:12]} for row in rows)
        self.answer(rows, columns, form)

    def csv_history_show(self, csv_file: str, version: str | None = None, form: str = "table", limit: int = 50) -> None:
        """Write the row changes of a version."""
        file = self._file(csv_file)
        found = file.version(version or file.record.latest)
        changes = file.changes(found.number)
        if form == "table":
            click.echo(version_line(file.path, found, changes.counts, changes.columns, found.rows))
            for line in row_lines(changes, limit=limit, total=sum(changes.counts)):
                click.echo(line)
            return
        rows = (change.to_json(csv_file=file.path, version=found.number, seq=seq) for seq, change in enumerate(changes))
        self.answer(rows, CHANGE_COLUMNS, form)

    def csv_history_export(self, csv_file: str, version: str, output: str = "-") -> None:
        """Write the bytes of a version."""
        file = self._file(csv_file)
        if output != "-" and identity(output) == file.path:
            raise OptionError(f"--output is the watched file {file.path} itself; choose another name.")
        if os.path.isdir(output):
            raise OptionError(f"--output {output} is a folder; name a file in it.")
        with file.open(version) as content:
            try:
                with writing_to(output) as copy:
                    shutil.copyfileobj(content, copy)
            except OSError as error:
                if output == "-":
                    raise
                raise OptionError(f"--output {output} cannot be written: {error.strerror}.") from error
        if output != "-":
            self.say(f"Wrote {output}.")

    def _file(self, csv_file: str) -> Any:
        paths = self.csv_watcher.known([csv_file])
        if len(paths) > 1:
            raise OptionError(f"{csv_file} stands for {len(paths)} files; name one.")
        return self.csv_watcher.store.file(paths[0])
