"""The command csv_diff."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from csv_manager.core.errors import OptionError
from csv_manager.core.model import FormatOptions
from csv_manager.patterns import CsvCommandsPattern
from csv_manager.patterns.csv_commands_pattern import format_option, one_path_argument
from csv_manager.patterns.describe import CHANGE_COLUMNS, comparison_lines, hint, limit_option
from csv_manager.patterns.format_options import comparison_params, format_params, parse_format

if TYPE_CHECKING:
    from csv_manager.core.comparing import Source


class CsvDiffPlugin(CsvCommandsPattern):
    """Compares two files that need not be watched."""

    def activate(self) -> None:
        """Register the command."""
        self.commands.register(
            "csv_diff",
            "Show which rows differ between two files; no store is needed.\n\nRows are compared as a multiset: their "
            "order does not count. With --key, rows are paired by it and updates are told. - is stdin. Exit code 0: no "
            "row and no column differs, 1: some do, 2: they cannot be compared.\n\n\b\nExample:\n"
            "  csv_manager csv_diff old.csv new.csv --key id",
            self.csv_diff,
            params=[
                one_path_argument("old", "OLD"),
                one_path_argument("new", "NEW"),
                *comparison_params(),
                *format_params(),
                format_option(),
                limit_option(),
            ],
        )

    def csv_diff(self, old: str, new: str, form: str = "table", limit: int = 50, **given: Any) -> int:
        """Write the row changes between two files; 1 if there are any."""
        if old == new == "-":
            raise OptionError("OLD and NEW cannot both be stdin; name a file.")
        if "-" in (old, new) and sys.stdin is not None and sys.stdin.isatty():
            return self._diff(old, new, form, limit, given)  # nothing is drawn over what somebody types
        with self.progress(f"Comparing {os.path.basename(old if new == '-' else new)}"):
            return self._diff(old, new, form, limit, given)

    def _diff(self, old: str, new: str, form: str, limit: int, given: Mapping[str, Any]) -> int:
        from csv_manager.core.comparing import compare

        key, ignore = (tuple(given.get(name) or ()) for name in ("key", "ignore"))
        options = parse_format(FormatOptions(), given)
        comparison = compare(_source(old), _source(new), key=key, ignore=ignore, options=options)
        changes = comparison.change_set
        if form == "table":
            for line in comparison_lines(comparison, limit=limit, is_whole=not ignore):
                click.echo(line)
        else:
            rows = (change.to_json(csv_file=new, version=None, seq=seq) for seq, change in enumerate(changes))
            self.answer(rows, CHANGE_COLUMNS, form)
        if not key:
            told = hint(comparison)
            if told:
                self.say(told)
        return 1 if changes else 0


def _source(name: str) -> "Source":
    if name != "-":
        return name
    if sys.stdin is None:
        raise OptionError("stdin is closed; name a file.")
    return sys.stdin.buffer
