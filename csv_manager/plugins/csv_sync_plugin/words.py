"""What people write of targets, and what they are told of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from csv_manager.core.errors import OptionError
from csv_manager.patterns.describe import short_path

#: Bytes from which it is told how many rows a file has.
_BLOCK = 1 << 16
#: What programs are told of a target that was brought to a version.
COLUMNS = (
    "csv_file", "database", "table", "version", "inserted", "updated", "deleted", "rows", "seconds", "changes",
    "left_out", "error",
)  # fmt: skip


class Failure(NamedTuple):
    """A target that was not brought to its file's head, or not looked at, and why not."""

    file: Any
    error: str

    def __str__(self) -> str:
        target = self.file.target
        return f"{place(target.database)}: {target.table_name}: {self.error}"


def row(told: Any) -> dict[str, Any]:
    """What a target was brought to, or why it was not, for programs."""
    return _failure_row(told) if isinstance(told, Failure) else _row(told)


def _failure_row(failure: Failure) -> dict[str, Any]:
    file = failure.file
    return dict.fromkeys(COLUMNS) | {
        "csv_file": file.path,
        "database": file.target.database,
        "table": file.target.table_name,
        "version": file.version,
        "error": failure.error,
    }


def _row(synced: Any) -> dict[str, Any]:
    return {
        "csv_file": synced.csv_file,
        "database": synced.target.database,
        "table": synced.target.table_name,
        "version": synced.version,
        "inserted": synced.counts.inserted,
        "updated": synced.counts.updated,
        "deleted": synced.counts.deleted,
        "rows": synced.rows,
        "seconds": round(synced.seconds, 3),
        "changes": list(synced.told),
        "left_out": synced.left_out,
        "error": None,
    }


def line(synced: Any, verb: str) -> str:
    """One line for a target that was brought to a version, or would be."""
    counts = synced.counts
    told = f"+{counts.inserted:,} ~{counts.updated:,} -{counts.deleted:,}"
    rows = "" if synced.rows is None else f"  {synced.rows:,} row{'' if synced.rows == 1 else 's'}"
    changes = () if synced.is_new else synced.told
    more = "".join(f"; {each}" for each in (*changes, synced.left_out) if each)
    where = f"{place(synced.target.database)}: {synced.target.table_name}"
    return f"{where}  {verb}version {synced.version} of {short_path(synced.csv_file)}  {told}{rows}{more}"


def place(database: str) -> str:
    """A database for people: its name, or the path of a file."""
    return short_path(database.removeprefix("sqlite:///")) if database.startswith("sqlite:///") else database


def shown(form: str) -> Callable[[Any], None]:
    """What shows the statements that change a table before they are executed; beside an answer that programs read."""

    def show(plan: Any) -> None:
        for statement in plan.statements:
            click.echo(f"{statement};", err=form != "table")

    return show


def pairs(told: Sequence[str], option: str) -> tuple[tuple[str, str], ...]:
    """Texts such as A=B, in two. Raises `OptionError`."""
    pairs = [text.partition("=") for text in told]
    wrong = next((text for text, (one, _, other) in zip(told, pairs, strict=True) if not (one and other)), None)
    if wrong is not None:
        raise OptionError(f"{wrong!r} is not as {option}.")
    return tuple((one.strip(), other.strip()) for one, _, other in pairs)


def types(told: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Columns and their types, which are told. Raises `OptionError`."""
    from csv_manager.sync.types import parse_type

    told_pairs = pairs(told, "--type COLUMN=TYPE")
    for _, text in told_pairs:
        parse_type(text)
    return told_pairs


def about(content: Any) -> int | None:
    """About how many rows a content has, by those at its begin."""
    block = content.plain.read(content.start, _BLOCK)
    rows = block.count(b"\n")
    return rows * content.plain.size // len(block) if rows else None
