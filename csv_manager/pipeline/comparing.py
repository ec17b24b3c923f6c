"""A content as rows, and what changed in it since the head."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from csv_manager.archive import Archive, Content, Keepable
from csv_manager.core.changes import Counts
from csv_manager.core.detecting import detect
from csv_manager.core.diff import diff, find_windows, whole_windows
from csv_manager.core.errors import DamagedError, DuplicateKeyError, NotCsvError
from csv_manager.core.keys import check_key
from csv_manager.core.model import ColumnChange, Version, WatcherOptions
from csv_manager.core.omitting import table_of
from csv_manager.core.plain import PlainStream
from csv_manager.core.ranges import Window
from csv_manager.core.reading import Table
from csv_manager.pipeline.checking import Candidate
from csv_manager.pipeline.contents import table_in
from csv_manager.pipeline.new_versions import check_ignored, held, kept, new_version
from csv_manager.pipeline.pinning import pinned_format, with_delimiter
from csv_manager.store.history import History
from csv_manager.store.records import NewVersion

log = logging.getLogger("csv_manager.recording")

_Used = TypeVar("_Used")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A version that was compared, and what it can be stored as a delta to, if to anything.

    `base` has the head's SHA-256 and content, `windows` are those in which the snapshot differs from it. With an
    `error` it was not: two rows share a key, and maybe do not once bad rows are left out.
    """

    new: NewVersion
    candidate: Candidate
    base: tuple[str, Content] | None = None
    windows: Iterable[Window] | None = None
    error: DuplicateKeyError | None = None


class Comparer:
    """Reads contents, and compares them with heads. `row_limit` is the largest number of row changes kept in SQL."""

    def __init__(self, archive: Archive, history: History, row_limit: int) -> None:
        self._archive = archive
        self._takes = history.takes
        self._row_limit = row_limit

    def compare(
        self, table: Table, options: WatcherOptions, snapshot: Keepable, head: Version | None, cause: str
    ) -> Compared:
        """The new version, and what it can be stored as a delta to."""
        if head is not None:
            try:
                return self._compare_with(head, table, options, snapshot, cause)
            except DamagedError as error:
                # What is new can be kept all the same, as if it were the first version.
                log.warning("%s Version %d cannot be compared with.", error, head.number)
        check_key(table, options.key)
        counts = Counts(inserted=table.count())
        new = new_version(table, options, snapshot, cause, None, counts, ColumnChange())
        return Compared(new=new, candidate=Candidate(table=table, rows=counts.inserted))

    def uncompared(
        self,
        table: Table,
        options: WatcherOptions,
        snapshot: Keepable,
        head: Version | None,
        cause: str,
        error: DuplicateKeyError,
    ) -> Compared:
        """What is known of a content that cannot be compared as it is."""
        old = None if head is None else table_in(self._archive, head, table.csv_file)
        candidate = Candidate(table=table, rows=table.count(), head=head, old=old)
        return Compared(new=held(error, options, snapshot, head, cause), candidate=candidate, error=error)

    def _compare_with(
        self, head: Version, table: Table, options: WatcherOptions, snapshot: Keepable, cause: str
    ) -> Compared:
        content = self._archive.content(head.content)
        old = table_of(head, lambda: PlainStream(content), table.csv_file)
        # It was recorded with this key.
        old.unique[head.key] = self._archive.keys(head.content, head.key, old.csv_format.to_text())
        windows = find_windows(old, table)
        change_set = diff(old, table, key=options.key, ignore=options.ignore, windows=windows)
        changes = kept(change_set, self._row_limit, self._takes)
        new = new_version(table, options, snapshot, cause, head, change_set.counts, change_set.columns, changes)
        candidate = Candidate(
            table=table,
            rows=table.count() if new.rows is None else new.rows,
            head=head,
            old=old,
            change_set=change_set,
            changes=changes,
            has_key=bool(options.key),
            restored=cause.startswith("restore:"),
        )
        if windows is None or table.plain is not snapshot.plain:
            return Compared(new=new, candidate=candidate)
        base = head.content, content
        return Compared(new=new, candidate=candidate, base=base, windows=whole_windows(old, table, windows))

    def checked(
        self, path: str, options: WatcherOptions, open_raw: Callable[[], BinaryIO], head: Version | None
    ) -> Table:
        """A content as a table; it is read as a whole if its key is to be unique."""

        def check(table: Table) -> Table:
            check_key(table, options.key)
            return table

        return self.read(path, options, open_raw, head, check)

    def read(
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
            check_ignored(table, options.ignore if head is None else ())
            return use(table)
        except NotCsvError as error:
            if not pinned:
                raise error.of(path) from error
            try:
                return use(Table(open_raw, detect(open_raw, name, options.format), path))
            except NotCsvError as again:
                raise again.of(path) from again
