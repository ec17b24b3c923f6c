"""From an arrival to COMMIT: snapshot, csv format, change set, findings, one transaction."""

import itertools
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from csv_manager.archive import Archive, Content, FileLocks, Snapshot, open_snapshot
from csv_manager.core.changes import Counts
from csv_manager.core.detecting import detect
from csv_manager.core.diff import diff, find_windows, whole_windows
from csv_manager.core.errors import (
    CsvManagerError,
    DamagedError,
    DuplicateKeyError,
    LostRaceError,
    NotCsvError,
    PathNotFoundError,
    UnknownColumnError,
    UnreadableError,
)
from csv_manager.core.files import copy, writing_to
from csv_manager.core.keys import check_key
from csv_manager.core.model import (
    ColumnChange,
    CsvFormat,
    Finding,
    RowChange,
    Signature,
    Version,
    WatcherOptions,
)
from csv_manager.core.paths import os_reason, stat_regular
from csv_manager.core.plain import PlainStream
from csv_manager.core.ranges import Window
from csv_manager.core.reading import Table, check_names
from csv_manager.pipeline.pinning import pinned_format, with_delimiter
from csv_manager.pipeline.stopping import Stoppable
from csv_manager.store.catalog import Catalog
from csv_manager.store.history import FileRecord, NewVersion, Reread

log = logging.getLogger("csv_manager.recording")

_ATTEMPTS = 10
#: The hashes of the keys of contents beyond so many bytes are kept: smaller ones are read as quickly.
_LARGE = 1 << 20
_Used = TypeVar("_Used")
#: The head's SHA-256 and content, and the windows in which the snapshot differs from it; None where there are none.
_Compared = tuple[tuple[str, Content] | None, Iterable[Window] | None]
_CODES: dict[type[CsvManagerError], str] = {
    NotCsvError: "source-error",
    UnknownColumnError: "missing-label",
    DuplicateKeyError: "primary-key",
}
_UNREADABLE = tuple(_CODES)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one recording came to: the number of the new version, or None if the content is the latest one."""

    path: str
    number: int | None
    status: str
    signature: Signature


class Recorder:
    """Records settled contents. `row_limit` is the largest number of row changes of a version kept in SQL."""

    def __init__(self, catalog: Catalog, archive: Archive, locks: FileLocks, row_limit: int) -> None:
        self._history = catalog.history
        self._archive = archive
        self._locks = locks
        self._row_limit = row_limit

    def record(
        self,
        path: str,
        options: WatcherOptions,
        *,
        cause: str = "change",
        store_watcher: bool = False,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Read a file once and record what it holds, unless that is its latest version.

        With `store_watcher` the watcher is stored in the same transaction, and a content that cannot be read as CSV
        raises and stores nothing; without, such a content is recorded as held, with its finding.
        Raises `TornReadError` if the file moves, or once `stopping` says so, and `UnreadableError`.
        """
        with self._locks.hold(path), open_snapshot(path) as snapshot:
            snapshot.plain = Stoppable(snapshot.plain, path, stopping)
            return self._record_settled(path, options, snapshot, cause=cause, store_watcher=store_watcher)

    def restore(self, path: str, options: WatcherOptions, version: Version, done: Callable[[int], None]) -> Outcome:
        """Put a version's bytes back in place of a file; what the file holds until then is recorded before.

        The file is replaced at once or not at all, and what it holds then is the next version. `done` is told how many
        more bytes were written, again and again. Raises `TornReadError` if somebody else writes to the file meanwhile.
        """

        def record_present() -> None:
            if os.path.exists(path):
                with open_snapshot(path) as snapshot:
                    self._record_settled(path, options, snapshot, cause="change", store_watcher=False)
                    snapshot.check()

        with self._locks.hold(path):
            try:
                with self._archive.open(version.sha256) as content, writing_to(path, record_present) as file:
                    copy(content, file, done)
            except OSError as error:
                raise UnreadableError(f"{path} cannot be written: {os_reason(error)}.") from error
            try:
                with open_snapshot(path) as snapshot:
                    cause = f"restore:{version.number}"
                    return self._record_settled(path, options, snapshot, cause=cause, store_watcher=False)
            except KeyboardInterrupt:
                said = f"{path} holds version {version.number} again, which the next check records"
                raise KeyboardInterrupt(said) from None

    def table(self, path: str, options: WatcherOptions) -> Table:
        """What a file holds now, read as its next version would be."""
        _, head = self._last(path)
        try:
            stat_regular(path)
            return self._checked(path, options, lambda: open(path, "rb"), head)
        except FileNotFoundError:
            raise PathNotFoundError(f"{path}: no such file.") from None
        except OSError as error:
            raise UnreadableError(f"{path}: {os_reason(error)}.") from error

    def check(self, path: str, options: WatcherOptions) -> None:
        """Raise what `record` would raise of a file's content for a watcher about to be stored; store nothing."""
        with open_snapshot(path) as snapshot:
            check_names(self._checked(path, options, snapshot.open, self._last(path)[1]))

    def reread(self, file: FileRecord, options: WatcherOptions) -> Reread | None:
        """How the head version is read with other options, so that the next one is compared with it as it is meant."""
        head = self._version(file, file.head)
        if head is None:
            return None
        open_raw = self._opener(head.sha256)
        table = Table(open_raw, detect(open_raw, Path(file.path).name, options.format), file.path)
        check_key(table, options.key)
        _check_ignored(table, options.ignore)
        check_names(table)
        return _reread(head, table)

    def _record_settled(
        self, path: str, options: WatcherOptions, snapshot: Snapshot, *, cause: str, store_watcher: bool
    ) -> Outcome:
        """Record a snapshot, anew if another host recorded a version meanwhile."""
        for _ in range(_ATTEMPTS):
            try:
                return self._record(path, options, snapshot, cause=cause, store_watcher=store_watcher)
            except LostRaceError:
                snapshot.check()
        raise LostRaceError(f"{path}: other processes kept recording versions of it; try again.")

    def _record(
        self, path: str, options: WatcherOptions, snapshot: Snapshot, *, cause: str, store_watcher: bool
    ) -> Outcome:
        file, head = self._last(path)
        latest = self._version(file, file.latest) if file else None
        known = latest is not None and latest.sha256 == snapshot.sha256
        if head is not None and known and latest == head:
            return self._record_again(path, options, snapshot, head, store_watcher=store_watcher)

        def compare(table: Table) -> tuple[Table, NewVersion, _Compared]:
            if store_watcher:
                check_names(table)
            return table, *self._compare(table, options, snapshot, head, cause)

        try:
            # A held content that is still there is judged anew: the options may have changed.
            table, new, compared = self._read(path, options, snapshot.open, head, compare)
        except _UNREADABLE as error:
            if store_watcher:
                raise
            if known:
                self._history.observe(path, state="held", reason=str(error), signature=snapshot.signature)
                return Outcome(path=path, number=None, status="held", signature=snapshot.signature)
            new = _held(error, options, snapshot, head, cause)
            self._archive.keep(snapshot)
        else:
            self._keep(table, options, snapshot, compared)
        number = self._history.commit(
            path,
            new,
            expected=file.latest if file else 0,
            signature=snapshot.signature,
            watcher=options if store_watcher else None,
        )
        if head and new.status == "ok" and not self._history.is_head(head.sha256):
            self._archive.forget_aids(head.sha256)
        return Outcome(path=path, number=number, status=new.status, signature=snapshot.signature)

    def _record_again(
        self, path: str, options: WatcherOptions, snapshot: Snapshot, head: Version, *, store_watcher: bool
    ) -> Outcome:
        """Note that a file holds its head version still; the watcher may be a new one."""
        if store_watcher:
            table = self._checked(path, options, snapshot.open, head)
            check_names(table)
            self._history.add_watcher(path, options, snapshot.signature, _reread(head, table))
        else:
            self._history.observe(path, state="ok", signature=snapshot.signature)
        return Outcome(path=path, number=None, status="ok", signature=snapshot.signature)

    def _keep(self, table: Table, options: WatcherOptions, snapshot: Snapshot, compared: "_Compared") -> None:
        """Make a content safe, and what helps to compare the next one with it."""
        records = table.records if table.plain is snapshot.plain else None
        self._archive.keep(snapshot, records, *compared, start=table.start)
        hashes = table.unique.get(options.key)
        if hashes is not None and snapshot.size > _LARGE:
            self._archive.keep_keys(snapshot.sha256, options.key, table.csv_format.to_text(), hashes)

    def _compare(
        self, table: Table, options: WatcherOptions, snapshot: Snapshot, head: Version | None, cause: str
    ) -> tuple[NewVersion, "_Compared"]:
        """The new version, and what it can be stored as a delta to."""
        if head is not None:
            try:
                return self._compare_with(head, table, options, snapshot, cause)
            except DamagedError as error:
                # What is new can be kept all the same, as if it were the first version.
                log.warning("%s Version %d cannot be compared with.", error, head.number)
        check_key(table, options.key)
        counts = Counts(inserted=table.count())
        return _new_version(table, options, snapshot, cause, None, counts, ColumnChange()), (None, None)

    def _compare_with(
        self, head: Version, table: Table, options: WatcherOptions, snapshot: Snapshot, cause: str
    ) -> tuple[NewVersion, "_Compared"]:
        content = self._archive.content(head.sha256)
        old = Table(lambda: PlainStream(content), head.csv_format, table.csv_file)
        # It was recorded with this key.
        old.unique[head.key] = self._archive.keys(head.sha256, head.key, head.csv_format.to_text())
        windows = find_windows(old, table)
        change_set = diff(old, table, key=options.key, ignore=options.ignore, windows=windows)
        first = tuple(itertools.islice(change_set, self._row_limit + 1))
        changes = first if len(first) <= self._row_limit else None
        new = _new_version(table, options, snapshot, cause, head, change_set.counts, change_set.columns, changes)
        if windows is None or table.plain is not snapshot.plain:
            return new, (None, None)
        return new, ((head.sha256, content), whole_windows(old, table, windows))

    def _checked(
        self, path: str, options: WatcherOptions, open_raw: Callable[[], BinaryIO], head: Version | None
    ) -> Table:
        """A content as a table; it is read as a whole if its key is to be unique."""

        def check(table: Table) -> Table:
            check_key(table, options.key)
            return table

        return self._read(path, options, open_raw, head, check)

    def _read(
        self,
        path: str,
        options: WatcherOptions,
        open_raw: Callable[[], BinaryIO],
        head: Version | None,
        use: Callable[[Table], _Used],
    ) -> _Used:
        """What `use` makes of a content as a table: in the pinned csv format, unless that proves wrong."""
        name = Path(path).name
        pinned = pinned_format(head, options.format, open_raw, name)
        try:
            table = Table(open_raw, pinned or detect(open_raw, name, options.format), path)
            if pinned and head:
                table = with_delimiter(table, head, options.format, open_raw, name)
            _check_ignored(table, options.ignore if head is None else ())
            return use(table)
        except NotCsvError as error:
            if not pinned:
                raise error.of(path) from error
            try:
                return use(Table(open_raw, detect(open_raw, name, options.format), path))
            except NotCsvError as again:
                raise again.of(path) from again

    def _opener(self, sha256: str) -> Callable[[], BinaryIO]:
        return lambda: PlainStream(self._archive.content(sha256))

    def _last(self, path: str) -> tuple[FileRecord | None, Version | None]:
        file = self._history.file(path)
        return file, self._version(file, file.head) if file else None

    def _version(self, file: FileRecord, number: int) -> Version | None:
        return self._history.version(file.id, number) if number else None


def _reread(version: Version, table: Table) -> Reread | None:
    """How a version is to be read anew, or None if that is how it is read."""
    if table.csv_format == version.csv_format:
        return None
    return Reread(number=version.number, csv_format=table.csv_format, columns=table.columns, rows=table.count())


def _new_version(
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


def _held(
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
        findings=(Finding(code=_CODES[type(error)], message=str(error)),),
        changes=None,
    )


def _check_ignored(table: Table, ignore: tuple[str, ...]) -> None:
    for column in ignore:
        if table.columns and column not in table.columns:
            raise UnknownColumnError(
                f"{table.csv_file}: ignored column {column!r} is not in the header: {', '.join(table.columns)}."
            )
