"""What is to be stored of a content: a version that was compared, one that is held, or another way to read the head."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

from csv_manager.archive import Keepable
from csv_manager.core.changes import ChangeSet, Counts
from csv_manager.core.errors import (
    CsvManagerError,
    DuplicateKeyError,
    LateError,
    NotCsvError,
    UnknownColumnError,
)
from csv_manager.core.findings import Finding
from csv_manager.core.model import ColumnChange, Compared, CsvFormat, RowChange, Version, WatcherOptions
from csv_manager.core.reading import Table
from csv_manager.store.records import NewVersion, Reread

CODES: dict[type[CsvManagerError], str] = {
    NotCsvError: "source-error",
    UnknownColumnError: "missing-label",
    DuplicateKeyError: "primary-key",
    LateError: "series-order",
}
#: What makes a content one that is held.
UNREADABLE = tuple(CODES)
#: The most characters of a version's row changes that are kept in SQL.
_MOST = 1 << 26
#: So many characters are taken by any database: in JSON, in a statement, each has up to 14 bytes.
_ANY = 1 << 16
#: The most characters of the beginning of a finding, and of its end.
_MOST_WORDS = 1_000
#: Whether the store takes values, each in a row of its own.
Takes = Callable[[Iterable[Any]], bool]


def kept(changes: Iterable[RowChange], row_limit: int, takes: Takes) -> tuple[RowChange, ...] | None:
    """The row changes to keep in SQL; None where they are too many for that, or too large, and stay in the archive."""
    told, large, size = [], [], 0
    for change in itertools.islice(changes, row_limit + 1):
        own = change.size
        size += own
        if size > _MOST:
            return None
        told.append(change)
        if own > _ANY:
            large.append(change)
    is_kept = len(told) <= row_limit and (not large or takes((one.key, one.before, one.after) for one in large))
    return tuple(told) if is_kept else None


def is_kept(value: Any, size: int, takes: Takes) -> bool:
    """Whether a value of so many bytes or characters is kept in SQL."""
    return size <= _ANY or takes([[value]])


def check_header(table: Table, change: ColumnChange, takes: Takes) -> None:
    """Raise `NotCsvError` for names of columns, and what happened to them, that the store does not take."""
    names = (*table.columns, *change.added, *change.removed, *change.renamed, *change.renamed.values())
    if len(names) + sum(map(len, names)) > _ANY and not takes([[table.columns, change.to_json()]]):
        raise NotCsvError(
            f"{table.csv_file}: the names of its columns have {sum(map(len, table.columns)):,} characters, more than "
            "the server of the store takes at once; name them with --header, or raise its max_allowed_packet."
        )


def reread(version: Version, table: Table, csv_format: CsvFormat, takes: Takes) -> Reread | None:
    """How a version is to be read anew, its file in this format, or None if that is how. Raises as `check_header`."""
    if csv_format == version.csv_format:
        return None
    check_header(table, ColumnChange(), takes)
    return Reread(number=version.number, csv_format=csv_format, columns=table.columns, rows=table.count())


def new_version(
    table: Table,
    options: WatcherOptions,
    snapshot: Keepable,
    cause: str,
    head: Version | None,
    counts: Counts,
    columns: ColumnChange,
    changes: tuple[RowChange, ...] | None = None,
) -> NewVersion:
    """A version that differs from the head in these counts of rows."""
    known = head.rows if head else 0
    rows = table.count() if known is None else known + counts.inserted - counts.deleted
    return NewVersion(
        base=head.number if head else None,
        cause=cause,
        status="ok",
        sha256=snapshot.sha256,
        size=snapshot.size,
        rows=rows,
        inserted=counts.inserted,
        updated=counts.updated,
        deleted=counts.deleted,
        columns=table.columns,
        column_change=columns,
        csv_format=table.csv_format,
        key=options.key,
        ignore=options.ignore,
        findings=(),
        changes=changes,
    )


def accepted(
    version: Version, head: Version | None, change_set: ChangeSet, changes: tuple[RowChange, ...] | None
) -> NewVersion:
    """A held version as it is against the head of now."""
    counts = change_set.counts
    told = {each.name: getattr(version, each.name) for each in fields(Compared)}
    told |= {"base": head.number if head else None, "column_change": change_set.columns}
    told |= {"inserted": counts.inserted, "updated": counts.updated, "deleted": counts.deleted}
    return NewVersion(**told, changes=changes)


def held(
    error: CsvManagerError, options: WatcherOptions, snapshot: Keepable, head: Version | None, cause: str
) -> NewVersion:
    """A content that cannot be compared: a version all the same, that nothing follows until it is replaced."""
    return NewVersion(
        base=head.number if head else None,
        cause=cause,
        status="held",
        sha256=snapshot.sha256,
        size=snapshot.size,
        rows=None,
        inserted=0,
        updated=0,
        deleted=0,
        columns=(),
        column_change=ColumnChange(),
        csv_format=head.csv_format if head else CsvFormat(sure=False),
        key=options.key,
        ignore=options.ignore,
        findings=(Finding(code=CODES[type(error)], message=_shortened(str(error))),),
        changes=None,
    )


def _shortened(message: str) -> str:
    """A message that may quote a cell of any length."""
    return message if len(message) <= 2 * _MOST_WORDS else f"{message[:_MOST_WORDS]}…{message[-_MOST_WORDS:]}"


def check_ignored(table: Table, ignore: tuple[str, ...]) -> None:
    """Raise `UnknownColumnError` for an ignored column that a table lacks."""
    for column in ignore:
        if table.columns and column not in table.columns:
            raise UnknownColumnError(
                f"{table.csv_file}: ignored column {column!r} is not in the header: {', '.join(table.columns)}."
            )
