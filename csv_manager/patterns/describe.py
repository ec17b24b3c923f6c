"""Versions and row changes in words, for people."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from csv_manager.core.model import EXTRA, ColumnChange, RowChange
from csv_manager.patterns.output import local_time, one_line, styled

_SIGNS = {"insert": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
_LONGEST = 60


def short_path(path: str) -> str:
    """A path as people type it, on one line: relative where it lies below the working folder."""
    relative = os.path.relpath(path)
    return one_line(path if relative.startswith("..") else relative)


def version_line(path: str, version: Any, counts: Iterable[int], columns: ColumnChange, rows: int | None) -> str:
    """One line for one version: when, which file, which number, what happened to its rows and columns."""
    inserted, updated, deleted = counts
    if version.status == "held":
        told = styled("held", fg="red") + ": " + one_line(version.findings[0].message.removeprefix(f"{path}: "))
    else:
        told = " ".join(
            styled(f"{_SIGNS[op][0]}{count:,}", fg=_SIGNS[op][1] if count else None)
            for op, count in (("insert", inserted), ("update", updated), ("delete", deleted))
        )
        told += f"  {rows:,} row{'' if rows == 1 else 's'}" if rows is not None else ""
        told += f"  {one_line(columns.describe())}" if columns else ""
    return f"{local_time(version.created)}  {short_path(path)}  version {version.number}  {told}"


def row_lines(changes: Iterable[RowChange], *, limit: int = 0, total: int = 0) -> Iterator[str]:
    """One line for each row change, at most `limit` (0: all) of `total`."""
    for number, change in enumerate(changes):
        if limit and number >= limit:
            yield f"  … and {total - limit:,} more"
            return
        yield row_line(change)


def row_line(change: RowChange) -> str:
    """One row change: its sign, its key, and its cells or, of an update, those that changed."""
    sign, colour = _SIGNS[change.op]
    if change.op == "update" and change.before is not None and change.after is not None:
        told = f"{_cells(change.key or {})}: " + ", ".join(_updated(change.before, change.after))
    else:
        told = _cells(change.after if change.before is None else change.before)
    return "  " + styled(f"{sign} {told}", fg=colour)


def _updated(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name, value in after.items():
        absent = None if name == EXTRA else ""
        was = before.get(name, absent if value else value)
        if was != value:
            yield f"{one_line(name)} {_cell(was)} → {_cell(value)}"


def _cells(cells: Mapping[str, Any] | None) -> str:
    return "  ".join(f"{one_line(name)}={_cell(value)}" for name, value in (cells or {}).items())


def _cell(value: Any) -> str:
    if value is None:
        return "(missing)"
    text = one_line(value if isinstance(value, str) else str(value))
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return text if text and not text.isspace() else repr(text)
