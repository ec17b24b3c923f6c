"""What is to be stored of a content: a version that was compared, one that is held, or another way to read the head."""

from csv_manager.archive import Snapshot
from csv_manager.core.changes import Counts
from csv_manager.core.errors import (
    CsvManagerError,
    DuplicateKeyError,
    LateError,
    NotCsvError,
    UnknownColumnError,
)
from csv_manager.core.model import ColumnChange, CsvFormat, Finding, RowChange, Version, WatcherOptions
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


def reread(version: Version, table: Table) -> Reread | None:
    """How a version is to be read anew, or None if that is how it is read."""
    if table.csv_format == version.csv_format:
        return None
    return Reread(number=version.number, csv_format=table.csv_format, columns=table.columns, rows=table.count())


def new_version(
    table: Table,
    options: WatcherOptions,
    snapshot: Snapshot,
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


def held(
    error: CsvManagerError, options: WatcherOptions, snapshot: Snapshot, head: Version | None, cause: str
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
        findings=(Finding(code=CODES[type(error)], message=str(error)),),
        changes=None,
    )


def check_ignored(table: Table, ignore: tuple[str, ...]) -> None:
    """Raise `UnknownColumnError` for an ignored column that a table lacks."""
    for column in ignore:
        if table.columns and column not in table.columns:
            raise UnknownColumnError(
                f"{table.csv_file}: ignored column {column!r} is not in the header: {', '.join(table.columns)}."
            )
