"""Files, their versions and their row changes."""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from csv_manager.core.errors import LostRaceError
from csv_manager.core.model import (
    ColumnChange,
    CsvFormat,
    Finding,
    RowChange,
    Signature,
    Version,
    WatcherOptions,
)
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import changes, counters, files, outbox, versions, watchers
from csv_manager.store.watchers import StoredWatcher, add_watcher, update_watcher

_PAGE = 1000


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


@dataclass(frozen=True, kw_only=True)
class NewVersion:
    """A version that is about to be recorded, and the row changes to keep in SQL (None: they stay in the archive)."""

    base: int | None
    cause: str
    status: str
    sha256: str
    size: int
    rows: int | None
    inserted: int
    updated: int
    deleted: int
    columns: tuple[str, ...]
    column_change: ColumnChange
    csv_format: CsvFormat
    key: tuple[str, ...]
    ignore: tuple[str, ...]
    findings: tuple[Finding, ...]
    changes: tuple[RowChange, ...] | None


@dataclass(frozen=True, kw_only=True)
class Reread:
    """How a version, by its number, is to be read from now on; its bytes stay."""

    number: int
    csv_format: CsvFormat
    columns: tuple[str, ...]
    rows: int


class History:
    """The tables csv_files, csv_versions and csv_changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def file(self, path: str) -> FileRecord | None:
        """The record of a file, by its absolute path."""
        with reading(self._engine) as connection:
            row = connection.execute(select(files).where(files.c.path_sha == _sha(path))).first()
        return _record(row) if row else None

    def file_by_id(self, file_id: int) -> FileRecord:
        """The record of a file that is known to exist."""
        with reading(self._engine) as connection:
            return _record(connection.execute(select(files).where(files.c.id == file_id)).one())

    def files(self) -> dict[str, FileRecord]:
        """Every file, by its path."""
        with reading(self._engine) as connection:
            return {row.path: _record(row) for row in connection.execute(select(files).order_by(files.c.path))}

    def rows_of_latest(self) -> dict[str, int | None]:
        """The number of rows of each file's latest version, by the file's path."""
        latest = (versions.c.file_id == files.c.id) & (versions.c.number == files.c.latest)
        with reading(self._engine) as connection:
            query = select(files.c.path, versions.c["rows"]).join(versions, latest)
            return {row[0]: row[1] for row in connection.execute(query)}

    def versions(self, file: FileRecord) -> list[Version]:
        """The versions of a file, newest first."""
        query = select(versions).where(versions.c.file_id == file.id).order_by(versions.c.number.desc())
        with reading(self._engine) as connection:
            return [_version(row) for row in connection.execute(query)]

    def version(self, file_id: int, number: int) -> Version | None:
        """One version of a file."""
        with reading(self._engine) as connection:
            return _find_version(connection, file_id, number)

    def rows(self, file_id: int, version: Version) -> Iterator[RowChange]:
        """The row changes of a version that are kept in SQL, in order, a page at a time."""
        place = version.position
        mine = changes.c.file_id == file_id, changes.c.version == version.number
        with reading(self._engine) as connection:
            end = place + _positions(connection, place)
        while place < end:
            query = (
                select(changes)
                .where(changes.c.position >= place, changes.c.position < end, *mine)
                .order_by(changes.c.position)
                .limit(_PAGE)
            )
            with reading(self._engine) as connection:
                page = connection.execute(query).all()
            for row in page:
                yield RowChange(op=row.op, key=row.row_key, before=row.row_before, after=row.row_after, line=row.line)
            place = page[-1].position + 1 if page else end

    def is_head(self, sha256: str) -> bool:
        """Whether a content is the head of a file."""
        head = (versions.c.file_id == files.c.id) & (versions.c.number == files.c.head)
        with reading(self._engine) as connection:
            query = select(files.c.id).join(versions, head).where(versions.c.sha256 == sha256).limit(1)
            return connection.execute(query).first() is not None

    def commit(
        self,
        path: str,
        new: NewVersion,
        *,
        expected: int,
        signature: Signature,
        watcher: WatcherOptions | None = None,
    ) -> int:
        """Record a version, its row changes and the outbox in one transaction, and return its number.

        `expected` is the latest version that the change set was made against; if another process recorded one
        meanwhile, nothing is written and `LostRaceError` raised. `watcher` is stored in the same transaction.
        """
        number = expected + 1
        now = dt.datetime.now(dt.UTC)
        held = new.status == "held"
        with writing(self._engine) as connection:
            file_id = _ensure_file(connection, path)
            if watcher is not None:
                add_watcher(connection, path, file_id, watcher)
            moved = {"latest": number, "signature": str(signature), "last_check": now, "last_change": now}
            if not held:
                moved["head"] = number
            moved["state"] = "held" if held else "ok"
            moved["reason"] = new.findings[0].message if held else None
            result = connection.execute(
                update(files).where(files.c.id == file_id, files.c.latest == expected).values(**moved)
            )
            if result.rowcount != 1:
                raise LostRaceError(f"{path}: another process recorded version {number} first.")
            told = new.inserted + new.updated + new.deleted
            position = _take_positions(connection, max(told, 1))
            connection.execute(insert(versions).values(**_version_values(new, file_id, number, now, position)))
            if new.changes:
                connection.execute(insert(changes), _change_values(new.changes, file_id, number, position))
            connection.execute(
                insert(outbox).values(
                    position=position,
                    file_id=file_id,
                    version=number,
                    kind=new.status,
                    positions=max(told, 1),
                )
            )
        return number

    def add_watcher(
        self, path: str, options: WatcherOptions, signature: Signature | None, reread: Reread | None = None
    ) -> None:
        """Store a watcher for a file whose content is recorded already, or is yet to come; `reread` as below."""
        with writing(self._engine) as connection:
            file_id = _ensure_file(connection, path)
            add_watcher(connection, path, file_id, options)
            if signature is not None:
                connection.execute(
                    update(files).where(files.c.id == file_id).values(signature=str(signature), state="ok", reason=None)
                )
            _set_reread(connection, file_id, reread)

    def change_watcher(
        self, watcher: StoredWatcher, options: WatcherOptions, file: FileRecord | None, reread: Reread | None
    ) -> None:
        """Replace a watcher's options, and how its file's head is read; a held content is read at the next check."""
        with writing(self._engine) as connection:
            update_watcher(connection, watcher, options)
            if file is not None:
                _set_reread(connection, file.id, reread)
                held = update(files).where(files.c.id == file.id, files.c.latest != files.c.head)
                connection.execute(held.values(signature=None))

    def observe(self, path: str, *, state: str, reason: str | None = None, signature: Signature | None = None) -> None:
        """Note what a check of a file found, where it recorded no version."""
        values: dict[str, Any] = {"state": state, "reason": reason, "last_check": dt.datetime.now(dt.UTC)}
        if signature is not None:
            values["signature"] = str(signature)
        with writing(self._engine) as connection:
            file_id = _ensure_file(connection, path)
            connection.execute(update(files).where(files.c.id == file_id).values(**values))

    def checked(self, checks: Mapping[str, dt.datetime]) -> None:
        """Note when files were last checked, many at once."""
        with writing(self._engine) as connection:
            for path, when in checks.items():
                connection.execute(update(files).where(files.c.path_sha == _sha(path)).values(last_check=when))

    def contents(self) -> set[str]:
        """The SHA-256 of every content that a version refers to."""
        with reading(self._engine) as connection:
            return set(connection.execute(select(versions.c.sha256).distinct()).scalars())

    def prune(self, file: FileRecord, numbers: Collection[int]) -> None:
        """Forget some versions of a file, which must be neither its head nor its latest."""
        with writing(self._engine) as connection:
            for number in sorted(numbers):
                mine = versions.c.file_id == file.id, versions.c.number == number
                position = connection.execute(select(versions.c.position).where(*mine)).scalar()
                if position is None:
                    continue
                end = position + _positions(connection, position)
                for table in (changes, outbox):
                    within = table.c.position >= position, table.c.position < end
                    connection.execute(
                        delete(table).where(*within, table.c.file_id == file.id, table.c.version == number)
                    )
                connection.execute(delete(versions).where(*mine))

    def purge(self, file: FileRecord) -> None:
        """Forget a file and its versions."""
        with writing(self._engine) as connection:
            connection.execute(update(watchers).where(watchers.c.file_id == file.id).values(file_id=None))
            for table in (changes, outbox, versions):
                connection.execute(delete(table).where(table.c.file_id == file.id))
            connection.execute(delete(files).where(files.c.id == file.id))


def _sha(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def _ensure_file(connection: Connection, path: str) -> int:
    found: int | None = connection.execute(select(files.c.id).where(files.c.path_sha == _sha(path))).scalar()
    if found is not None:
        return found
    key = connection.execute(insert(files).values(path=path, path_sha=_sha(path))).inserted_primary_key
    if key is None:
        raise LostRaceError(f"{path}: the store gave no number for it.")
    return int(key[0])


def _take_positions(connection: Connection, count: int) -> int:
    """The first of `count` new positions; the row lock makes their order the order of the commits."""
    mine = counters.c.name == "position"
    connection.execute(update(counters).where(mine).values(value=counters.c.value + count))
    return int(connection.execute(select(counters.c.value).where(mine)).scalar_one()) - count + 1


def _positions(connection: Connection, position: int) -> int:
    """How many positions were taken by the version that begins at one; 0 if it was forgotten."""
    return connection.execute(select(outbox.c.positions).where(outbox.c.position == position)).scalar() or 0


def _find_version(connection: Connection, file_id: int, number: int) -> Version | None:
    query = select(versions).where(versions.c.file_id == file_id, versions.c.number == number)
    row = connection.execute(query).first()
    return _version(row) if row else None


def _version_values(new: NewVersion, file_id: int, number: int, now: dt.datetime, position: int) -> dict[str, Any]:
    return {
        "file_id": file_id,
        "number": number,
        "base": new.base,
        "created": now,
        "cause": new.cause,
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
    }


def _change_values(rows: tuple[RowChange, ...], file_id: int, number: int, position: int) -> list[dict[str, Any]]:
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


def _record(row: Row[Any]) -> FileRecord:
    return FileRecord(
        id=row.id,
        path=row.path,
        latest=row.latest,
        head=row.head,
        state=row.state,
        reason=row.reason,
        signature=Signature.parse(row.signature),
        last_check=row.last_check,
        last_change=row.last_change,
    )


def _version(row: Row[Any]) -> Version:
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
    )


def _set_reread(connection: Connection, file_id: int, reread: Reread | None) -> None:
    if reread is None:
        return
    version = update(versions).where(versions.c.file_id == file_id, versions.c.number == reread.number)
    told = {"csv_format": reread.csv_format.to_json(), "columns": list(reread.columns), "rows": reread.rows}
    connection.execute(version.values(**told))
    connection.execute(version.where(versions.c.base.is_(None)).values(inserted=reread.rows))
