"""Versions and row changes in words, for people."""

import itertools
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from csv_manager.core.model import EXTRA, ColumnChange, RowChange
from csv_manager.patterns.csv_commands_pattern import option
from csv_manager.patterns.output import local_time, one_line, styled
from csv_manager.patterns.terminal import line_width, text_width
from csv_manager.patterns.unchanged import OTHERWISE, ways

if TYPE_CHECKING:  # what compares is loaded by the commands that do
    from csv_manager.core.changes import ChangeSet
    from csv_manager.core.comparing import Comparison

_SIGNS = {"insert": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
_LONGEST = 60
#: Characters that a shell knows by a shorter name than their bytes, and those that end or escape its quoting.
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "'": "\\'"}
_UNCHANGED = ColumnChange()
#: The fields of a row change, in the order of a table.
CHANGE_COLUMNS = ("csv_file", "version", "seq", "op", "key", "before", "after", "line")
#: So many rows stand in common columns, if these are not wider than a terminal, or than this where there is none.
_GROUP, _PLAIN_WIDTH = 200, 120


def limit_option() -> click.Option:
    """--limit of a command that shows rows."""
    return option("--limit", type=click.IntRange(0), default=50, help="Rows in a table; 0 shows all.")


def hint(comparison: "Comparison", path: str | None = None, *, is_stored: bool = True) -> str | None:
    """What to say of changes that were told without a key, where one would make updates of most of them.

    Of a watched file's `path`, the command too that sets the key: for a watcher that is stored, or is to be.
    """
    from csv_manager.core.suggesting import suggest_key

    suggested = suggest_key(comparison.old, comparison.new, comparison.change_set)
    if suggested is None:
        return None
    options = " ".join(f"--key {shell_word(column)}" for column in suggested.key)
    most = "most" if suggested.updates is None else f"{suggested.updates:,}"
    if_unique = "" if suggested.is_proven else ", if it is unique in all rows,"
    told = f"Hint: {options}{if_unique} would tell {most} of these changes as updates."
    if path is None:
        return told
    typed = typed_path(path)
    command = f"csv_watcher_set {typed}" if is_stored else f"csv_watcher_add {typed} {options}"
    return f"{told} {command} sets it."


def short_path(path: str) -> str:
    """A path as people read it, on one line: relative where it lies below the working folder."""
    return one_line(_below_here(path))


def typed_path(path: str) -> str:
    """A path as it is typed in a shell, in a command to be copied: no option, whatever it begins with, and one word."""
    told = _below_here(path)
    return shell_word(os.path.join(os.curdir, told) if told.startswith("-") else told)


def shell_word(text: str) -> str:
    """A text as one word of a shell on one line; what is not printed is written as its bytes, in $'…'."""
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(mark: str) -> str:
    """A character as it stands between $' and '."""
    if mark in _ESCAPES:
        return _ESCAPES[mark]
    return mark if mark.isprintable() else "".join(f"\\{byte:03o}" for byte in os.fsencode(mark))


def _below_here(path: str) -> str:
    """A path, relative where it lies below the working folder."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def nothing_watched(store: Any) -> str:
    """What to say where no file is watched: which store was asked, since it may be the wrong one."""
    return f"No file is watched: the store {store.catalog.name} has no watcher; csv_watcher_add FILE adds one."


def version_line(
    path: str, version: Any, counts: Iterable[int], columns: ColumnChange, rows: int | None, written: Sequence[str] = ()
) -> str:
    """One line for one version: when, which file, which number, what happened to its rows and columns.

    `written` says how else it is written, if neither a row nor a column changed.
    """
    if not version.is_through:
        told = styled(version.status, fg="red") + ": " + one_line((version.reason or "").removeprefix(f"{path}: "))
    else:
        told = " ".join(_counts(counts))
        told += f"  {rows:,} row{'' if rows == 1 else 's'}" if rows is not None else ""
        told += f"  {one_line(columns.describe())}" if columns else ""
        told += f"  {styled(_quarantined(version.quarantined), fg='yellow')}" if version.quarantined else ""
        told += f"  {one_line('; '.join(written))}" if written else ""
    return f"{local_time(version.created)}  {short_path(path)}  version {version.number}  {told}"


def _quarantined(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'} quarantined"


def counts_of(version: Any) -> tuple[int, int, int]:
    """How many rows a version inserted, updated and deleted."""
    return version.inserted, version.updated, version.deleted


def finding_lines(version: Any, *, limit: int = 0) -> Iterator[str]:
    """One line for each finding of a version, at most `limit` (0: all), and who decided about it."""
    if version.decided is not None:
        yield f"  {version.status} {local_time(version.decided)} by {one_line(version.decided_by or '?')}"
    findings = version.findings
    for finding in findings[: limit or None]:
        mark = styled("!", fg="red" if finding.level == "error" else "yellow")
        rule = f"{finding.rule}: " if finding.rule else ""
        yield f"  {mark} {one_line(rule + finding.told)}"
    hidden = len(findings) - limit if limit else 0
    if hidden > 0:
        yield f"  … and {hidden:,} more findings."


def row_lines(
    changes: Iterable[RowChange], columns: ColumnChange = _UNCHANGED, *, limit: int = 0, total: int = 0
) -> Iterator[str]:
    """One line for each row change, at most `limit` (0: all) of `total`, in columns where they are not too wide.

    `columns` is what happened to the columns between what was before and after.
    """
    shown = iter(changes)
    names = {now: was for was, now in columns.renamed.items()}
    left = limit or None
    while group := list(itertools.islice(shown, _GROUP if left is None else min(left, _GROUP))):
        yield from _grid([_pieces(change, names) for change in group])
        left = None if left is None else left - len(group)
        if left == 0:
            break
    if limit and total > limit:
        yield f"  … and {total - limit:,} more"


def comparison_lines(comparison: "Comparison", *, limit: int, is_whole: bool = True) -> Iterator[str]:
    """The row changes of a comparison, their summary, and how else the rows are written if none of them changed.

    `is_whole` if no column was left out of the comparison.
    """
    changes = comparison.change_set
    yield from row_lines(changes.unnumbered(), changes.columns, limit=limit, total=sum(changes.counts))
    yield summary_line(changes)
    if not any(changes.counts):
        for told in ways(comparison, is_whole=is_whole):
            yield told if told == OTHERWISE else f"{OTHERWISE}: {told}"


def summary_line(change_set: "ChangeSet") -> str:
    """How many rows were inserted, updated and deleted, and what happened to the columns and the order."""
    told = " ".join(_counts(change_set.counts)) if any(change_set.counts) else "no row differs"
    told += f"  {one_line(change_set.columns.describe())}" if change_set.columns else ""
    return told + ("  rows reordered" if change_set.reordered else "")


class _Piece(NamedTuple):
    """A part of a line: the column of the grid that it stands in, its text, and the text with its colours.

    The first one is the sign, and its slot tells which grid the line is part of.
    """

    slot: tuple[str, str]
    text: str
    styled: str


def _pieces(change: RowChange, names: Mapping[str, str]) -> list[_Piece]:
    """A row change: its sign, its key, and its cells or, of an update, those that changed.

    `names` are the names that renamed columns had before.
    """
    sign, colour = _SIGNS[change.op]
    # An update tells other columns than an insert or a delete does.
    pieces = [_Piece(("sign", "update" if change.op == "update" else "row"), sign, styled(sign, fg=colour))]
    if change.op != "update" or change.before is None or change.after is None:
        row = change.after if change.before is None else change.before
        return pieces + [_Piece(("cell", name), text, styled(text, fg=colour)) for name, text in _cells(row)]
    pieces += [_Piece(("cell", name), text, styled(text, fg=colour)) for name, text in _cells(change.key)]
    for name, was, value in _updated(change.before, change.after, names):
        told = one_line(name), _cell(was), _cell(value)
        marked = f"{told[0]} {styled(told[1], fg='red')} → {styled(told[2], fg='green')}"
        pieces.append(_Piece(("change", name), "{} {} → {}".format(*told), marked))
    return pieces


def _grid(lines: list[list[_Piece]]) -> Iterator[str]:
    """The lines with what belongs together one below the other, if that is not too wide."""
    widths: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
    for sign, *pieces in lines:
        column = widths.setdefault(sign.slot, {})
        for piece in pieces:
            column[piece.slot] = max(column.get(piece.slot, 0), text_width(piece.text))
    room = line_width(_PLAIN_WIDTH) or _PLAIN_WIDTH
    aligned = {slot for slot, column in widths.items() if sum(column.values()) + 2 * len(column) + 4 <= room}
    for sign, *pieces in lines:
        told = {piece.slot: piece for piece in pieces}
        padded = (
            told[slot].styled + " " * (width - text_width(told[slot].text)) if slot in told else " " * width
            for slot, width in widths[sign.slot].items()
        )
        parts = padded if sign.slot in aligned else (piece.styled for piece in pieces)
        yield f"  {sign.styled} {'  '.join(parts)}".rstrip()


def _counts(counts: Iterable[int]) -> Iterator[str]:
    """+inserted ~updated -deleted."""
    for op, count in zip(("insert", "update", "delete"), counts, strict=True):
        sign, colour = _SIGNS[op]
        yield styled(f"{sign}{count:,}", fg=colour if count else None)


def _updated(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Mapping[str, str]
) -> Iterator[tuple[str, Any, Any]]:
    """The cells that changed: name, before, after."""
    for name, value in after.items():
        absent = None if name == EXTRA else ""
        was = before.get(names.get(name, name), absent if value else value)
        if was != value:
            yield name, was, value


def cells_line(cells: Mapping[str, Any] | None) -> str:
    """The cells of a row on one line."""
    return "  ".join(text for _, text in _cells(cells)) or "(not kept)"


def _cells(cells: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    return ((name, f"{one_line(name)}={_cell(value)}") for name, value in (cells or {}).items())


def _cell(value: Any) -> str:
    if value is None:
        return "(missing)"
    text = one_line(value if isinstance(value, str) else str(value))
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return text if text and not text.isspace() else repr(text)
