"""Files and versions as values, to and from the rows of their tables."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from csv_manager.core.findings import Finding, QuarantinedRow
from csv_manager.core.model import ColumnChange, Compared, CsvFormat, RowChange, Signature, Version


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """What the store knows of one file; `latest` and `head` are version numbers, 0 for none."""

    id: int
    path: str
    latest: int
    head: int
    state: str
    reason: str | None
    signature: Signature | None
    last_check: dt.datetime | None
    last_change: dt.datetime | None
    link: str | None
    feed_id: int | None

    @property
    def source(self) -> str:
        """Where the file is read."""
        return self.link or self.path


@dataclass(frozen=True, kw_only=True)
class NewVersion(Compared):
    """A version that is about to be recorded, and the row changes to keep in SQL (None: they stay in the archive).

    `quarantine` are the rows that it is recorded without, as far as they are told.
    """

    changes: tuple[RowChange, ...] | None
    quarantine: tuple[QuarantinedRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reread:
    """How a version, by its number, is to be read from now on; its bytes stay."""

    number: int
    csv_format: CsvFormat
    columns: tuple[str, ...]
    rows: int


def cause_of(number: int, cause: str) -> str:
    """What a version says that it comes from: the first one of a file is what that was added with, whoever read it."""
    return "add" if number == 1 and cause == "change" else cause


def version_values(
    new: NewVersion, file_id: int, number: int, now: dt.datetime, position: int, run_id: int | None
) -> dict[str, Any]:
    """The row of csv_versions.

    The first version of a file is what it was added with, whoever recorded it: csv_watcher_add, or a service that runs.
    """
    cause = cause_of(number, new.cause)
    return {
        "file_id": file_id,
        "number": number,
        "base": new.base,
        "created": now,
        "cause": cause,
        "status": new.status,
        "sha256": new.sha256,
        "size": new.size,
        "rows": new.rows,
        "inserted": new.inserted,
        "updated": new.updated,
        "deleted": new.deleted,
        "columns": list(new.columns),
        "column_change": new.column_change.to_json() if new.column_change else None,
        "csv_format": new.csv_format.to_json(),
        "row_key": list(new.key),
        "ignored": list(new.ignore),
        "findings": [finding.to_json() for finding in new.findings],
        "position": position,
        "stored": new.changes is not None,
        "run_id": run_id,
        "rule_set": new.rule_set,
        "checks": list(new.checks) or None,
        "bad_rows": new.bad_rows,
        "quarantined": new.quarantined or None,
        "clean": new.clean,
    }


def change_values(rows: tuple[RowChange, ...], file_id: int, number: int, position: int) -> list[dict[str, Any]]:
    """The rows of csv_changes; `position` is that of the first."""
    return [
        {
            "position": position + seq,
            "file_id": file_id,
            "version": number,
            "seq": seq,
            "op": row.op,
            "row_key": row.key,
            "row_before": row.before,
            "row_after": row.after,
            "line": row.line,
        }
        for seq, row in enumerate(rows)
    ]


def quarantine_values(rows: tuple[QuarantinedRow, ...], file_id: int, number: int) -> list[dict[str, Any]]:
    """The rows of csv_quarantine."""
    return [
        {
            "file_id": file_id,
            "version": number,
            "line": row.line,
            "row_cells": row.cells,
            "reasons": row.to_json()["reasons"],
        }
        for row in rows
    ]


def to_record(row: Row[Any]) -> FileRecord:
    """What a row of csv_files tells."""
    return FileRecord(
        id=row.id,
        path=row.path,
        latest=row.latest,
        head=row.head,
        state=row.state,
        reason=row.reason,
        signature=Signature.parse(row.signature) if row.signature else None,
        last_check=row.last_check,
        last_change=row.last_change,
        link=row.link,
        feed_id=row.feed_id,
    )


def to_quarantined(row: Row[Any]) -> QuarantinedRow:
    """What a row of csv_quarantine tells."""
    return QuarantinedRow(
        line=row.line, cells=row.row_cells, findings=tuple(Finding(**reason) for reason in row.reasons)
    )


def to_version(row: Row[Any]) -> Version:
    """What a row of csv_versions tells."""
    told = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Version(
        number=row.number,
        base=row.base,
        created=row.created,
        cause=row.cause,
        status=row.status,
        sha256=row.sha256,
        size=row.size,
        rows=told["rows"],
        inserted=row.inserted,
        updated=row.updated,
        deleted=row.deleted,
        columns=tuple(told["columns"]),
        column_change=ColumnChange.from_json(row.column_change),
        csv_format=CsvFormat.from_json(row.csv_format),
        key=tuple(row.row_key),
        ignore=tuple(row.ignored),
        findings=tuple(Finding(**finding) for finding in row.findings or ()),
        position=row.position,
        stored=row.stored,
        run_id=row.run_id,
        rule_set=row.rule_set,
        checks=tuple(row.checks or ()),
        bad_rows=row.bad_rows,
        quarantined=row.quarantined or 0,
        clean=row.clean,
        decided=row.decided,
        decided_by=row.decided_by,
    )
