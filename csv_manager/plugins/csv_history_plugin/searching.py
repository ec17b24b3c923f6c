"""What --where asks for, and the versions that touched such rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from csv_manager.core.errors import OptionError, UnknownColumnError
from csv_manager.core.versions import ranges


def parse_where(where: Sequence[str]) -> dict[str, str]:
    """COLUMN=VALUE as a mapping. Raises `OptionError`."""
    cells = {}
    for text in where:
        column, mark, value = text.partition("=")
        if not mark or not column:
            raise OptionError(f"--where is COLUMN=VALUE, not {text!r}.")
        cells[column] = value
    return cells


def check_columns(path: str, cells: Mapping[str, str], columns: Sequence[str]) -> None:
    """Raise `UnknownColumnError` for a cell whose column there is not."""
    for column in cells:
        if column not in columns:
            raise UnknownColumnError(f"{path}: there is no column {column!r}: {', '.join(dict.fromkeys(columns))}.")


def touching(
    versions: Sequence[tuple[Any, Any]], cells: Mapping[str, str], done: Callable[[int], None]
) -> Iterator[tuple[Any, Any, list[tuple[int, Any]]]]:
    """Those of some files' versions that touched rows with some cells, and what they did; `done` is told of each."""
    from csv_manager.core.blaming import is_match

    for file, version in versions:
        if not file.has_changes(version):
            click.echo(file.forgotten(version), err=True)
        elif version.is_through:
            changes = [
                (seq, change)
                for seq, change in enumerate(file.changes(version.number))
                if is_match(change.before, cells) or is_match(change.after, cells)
            ]
            if changes:
                yield file, version, changes
        done(1)


def pruned(versions: Sequence[Any]) -> str:
    """Which of a file's versions, of which these are left, were pruned; empty if none was."""
    numbers = {version.number for version in versions}
    return ranges(set(range(1, max(numbers, default=0))) - numbers)
