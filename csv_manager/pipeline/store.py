"""The store as people and plugins use it: files, their versions, their bytes and their row changes."""

import datetime as dt
import functools
import itertools
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from sqlalchemy.engine import URL

from csv_manager.archive import Archive, FileLocks, SideFiles
from csv_manager.core import clock
from csv_manager.core.binds import Bind
from csv_manager.core.blaming import blame, without
from csv_manager.core.changes import ChangeSet, Counts
from csv_manager.core.comparing import Comparison
from csv_manager.core.configurations import configuration_of, effective
from csv_manager.core.diff import diff
from csv_manager.core.errors import VersionNotFoundError
from csv_manager.core.findings import QuarantinedRow
from csv_manager.core.model import ColumnChange, RowChange, Version, WatcherOptions
from csv_manager.core.paths import identity
from csv_manager.core.reading import Row, Table
from csv_manager.core.retention import Retention, parse_duration
from csv_manager.core.versions import find_version
from csv_manager.pipeline.contents import table_in
from csv_manager.pipeline.deciding import Decider
from csv_manager.pipeline.recording import Recorder
from csv_manager.pipeline.runs import Runs
from csv_manager.store.catalog import Catalog
from csv_manager.store.outbox import Entry
from csv_manager.store.records import FileRecord
from csv_manager.store.urls import url_of

log = logging.getLogger("csv_manager.store")


@dataclass(frozen=True, kw_only=True)
class VersionChange:
    """A version that was recorded, as receivers get it: a past fact. `updated` and its like yield row changes."""

    csv_file: str
    version: int
    base: int | None
    created: dt.datetime
    cause: str
    status: str
    position: int
    change_set: ChangeSet

    @property
    def inserted(self) -> Iterator[RowChange]:
        """The rows that came."""
        return self.change_set.inserted

    @property
    def updated(self) -> Iterator[RowChange]:
        """The rows that changed, with `before` and `after`; there are some only with key columns."""
        return self.change_set.updated

    @property
    def deleted(self) -> Iterator[RowChange]:
        """The rows that went."""
        return self.change_set.deleted


class Store:
    """The catalog and the archive as one. `url` is the catalog's, `admin` that of who makes its tables.

    `settings` are what runs say was in force; runs older than `runs_within` seconds are forgotten by `prune_runs`. The
    folders are made when they are needed.
    """

    def __init__(
        self,
        *,
        url: str | URL,
        archive: Path,
        row_limit: int,
        admin: URL | None = None,
        settings: Mapping[str, Any] | None = None,
        runs_within: float | None = None,
        most_findings: int = 100,
        quarantine: Path | None = None,
    ) -> None:
        self.catalog = Catalog(url, admin)
        in_force = effective(settings or {})
        self.runs = Runs(self.catalog.ledger, functools.cache(lambda options: configuration_of(in_force, options)))
        self._runs_within = runs_within
        self.archive = Archive(archive)
        # Who shares the archive has to share the locks.
        self.locks = FileLocks(archive / "locks")
        self.listener_locks = FileLocks(archive / "locks" / "listeners")
        self.side_files = SideFiles(archive / "quarantine" if quarantine is None else quarantine)
        self.recorder = Recorder(self.catalog, self.archive, self.locks, self.runs, self.side_files, row_limit)
        self.recorder.judge.most_findings = most_findings
        self.decider = Decider(self.catalog, self.archive, self.locks, row_limit)

    @classmethod
    def of(cls, settings: Mapping[str, Any], bind: Bind) -> Self:
        """The store that settings tell of, in the database `bind`."""
        return cls(
            url=url_of(bind),
            admin=url_of(bind, "admin"),
            archive=Path(settings["ARCHIVE_PATH"]).expanduser(),
            row_limit=settings["HISTORY_ROW_LIMIT"],
            most_findings=settings["CHECK_FINDINGS"],
            quarantine=Path(settings["QUARANTINE_PATH"]).expanduser(),
            settings=settings,
            runs_within=parse_duration(settings["RUN_KEEP_WITHIN"]) if settings["RUN_KEEP_WITHIN"] else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, path: str) -> "File | None":
        """The file of an absolute path, if it has a history."""
        record = self.catalog.history.file(path)
        return File(self, record) if record else None

    def find_version(self, path: str, number: int) -> "tuple[File, Version] | None":
        """The file of an absolute path and one of its versions, if that is there."""
        record, version = self.catalog.history.with_version(path, number)
        return (File(self, record), version) if record and version else None

    def latest(self, path: str) -> Version | None:
        """The version of an absolute path's file that was recorded last, held or not."""
        return self.catalog.history.with_latest(path)[1]

    def last_state(self, path: str) -> tuple[str, str | None]:
        """The state that the last version of a file leaves it in, and why: `ok`, or `held`."""
        version = self.latest(path)
        if version is None or version.status != "held":
            return "ok", None
        return "held", version.reason

    def held_members(self, path: str) -> dict[str, str | None]:
        """The files of a series that are held, and still there, each with why."""
        history, record = self.catalog.history, self.catalog.history.file(path)
        held = {place: found for place, found in self.catalog.series.taken(path).items() if found.is_held}
        told: dict[str, str | None] = {}
        for place, found in held.items():
            if record is not None and os.path.lexists(place):
                version = history.version(record.id, found.version)
                told[place] = version.reason if version else None
        return told

    def file(self, path: str | os.PathLike[str]) -> "File":
        """The history of a file, by its path or its watcher's name. Raises `VersionNotFoundError` if it has none."""
        told = os.fspath(path)
        found = self.find(os.path.abspath(told)) or self.find(identity(told)) or self._named(told)
        if found is None:
            raise VersionNotFoundError(f"{told} has no history; csv_watcher_add begins one.")
        return found

    def files(self) -> list["File"]:
        """Every file with a history, in the order of their names."""
        return [File(self, record) for record in self.catalog.history.files().values() if record.latest]

    def told(self, entry: Entry) -> VersionChange | None:
        """What an entry of the outbox tells; None if the version was forgotten since, or what it changed."""
        found = self.find_version(entry.path, entry.version)
        if found is None:
            return None
        file, version = found
        if not file.has_changes(version):
            log.warning("%s", file.forgotten(version))
            return None
        return file.version_change(version)

    def doomed(self, file: "File", retention: Retention, receivers: Collection[str] = ()) -> list[int]:
        """The numbers of the versions of a file that a retention does not keep now.

        Those that one of the `receivers`, or a target, was not told yet are kept, and those without which they could
        not be told.
        """
        now, record, versions = clock.now(), file.record, file.versions()
        doomed = retention.doomed(versions, now, head=record.head, latest=record.latest)
        told = self.catalog.outbox.lowest(receivers)
        untold = [version for version in versions if told is not None and version.position > told]
        stands = self.catalog.targets.needed(file.path)
        if stands is not None:
            untold += [version for version in versions if version.number > stands]
        needed = {version.number for version in untold} | {found.base for found in untold if not found.stored}
        return [number for number in doomed if number not in needed and number != stands]

    def prune(self, doomed: Iterable[tuple["File", Collection[int]]]) -> None:
        """Forget some versions of files, and the contents that no other version has."""
        with self.locks.hold_all():
            for file, numbers in doomed:
                self.catalog.history.prune(file.record, numbers)
                self.side_files.remove(file.path, numbers)
            self.archive.collect(self.catalog.history.contents())

    def prune_runs(self) -> int:
        """Forget old runs, but for the newest of each file; how many. The settings say which are old, if any."""
        if self._runs_within is None:
            return 0
        return self.catalog.ledger.prune(clock.now() - dt.timedelta(seconds=self._runs_within))

    def collect(self) -> None:
        """Remove the contents that no version has, which a process that was killed may have left."""
        with self.locks.hold_all():
            self.archive.collect(self.catalog.history.contents())

    def purge(self, file: "File") -> None:
        """Forget a file's history, and the contents that no other version has."""
        with self.locks.hold_all():
            self.catalog.history.purge(file.record)
            self.side_files.remove(file.path)
            self.archive.collect(self.catalog.history.contents())

    def _named(self, name: str) -> "File | None":
        """The file of a watcher's name."""
        watchers = self.catalog.watchers.all()
        return next((self.find(watcher.csv_file) for watcher in watchers if watcher.options.name == name), None)

    def close(self) -> None:
        """Note what is to be noted yet, and let go of every connection."""
        self.runs.close()
        self.catalog.close()


class File:
    """One file's history."""

    def __init__(self, store: Store, record: FileRecord) -> None:
        self._store = store
        self.record = record

    @property
    def path(self) -> str:
        """The file's absolute path, which is its identity."""
        return self.record.path

    def versions(self) -> list[Version]:
        """Its versions, newest first."""
        return self._store.catalog.history.versions(self.record)

    def version(self, which: int | str = "head") -> Version:
        """One version, by a number, `head`, `head~N` or an ISO time. Raises `VersionNotFoundError`."""
        told = str(which).strip()
        number = self.record.head if told.lower() == "head" else int(told) if told.isdecimal() else 0
        known = 0 < number <= self.record.latest
        found = self._store.catalog.history.version(self.record.id, number) if known else None
        return found or find_version(str(which), self.versions(), self.record.head, self.path)

    def latest(self) -> Version | None:
        """The version that was recorded last, held or not."""
        return self._store.catalog.history.version(self.record.id, self.record.latest)

    def open(self, which: int | str = "head") -> BinaryIO:
        """The bytes of a version, as the file came."""
        return self._store.archive.open(self.version(which).sha256)

    def open_left(self, which: int | str = "head") -> BinaryIO:
        """The bytes that the rows of a version are read from, which lack those that are quarantined."""
        return self._store.archive.open(self.version(which).content)

    def mend(self, which: int | str = "head") -> str | None:
        """Write what holds a version anew where it is damaged and there twice; what was damaged, if anything was."""
        version = self.version(which)
        found = [self._store.archive.mend(sha256) for sha256 in dict.fromkeys((version.sha256, version.content))]
        return "; ".join(filter(None, found)) or None

    def quarantine(self, which: int | str = "head") -> Iterator[QuarantinedRow]:
        """The rows that a version was recorded without, in the order of the file; at most as many as are kept."""
        return self._store.catalog.history.quarantine(self.record.id, self.version(which).number)

    def quarantine_file(self, which: int | str = "head") -> Path | None:
        """The file with the rows that a version was recorded without, if there are any."""
        version = self.version(which)
        return self._store.side_files.place(self.path, version.number) if version.quarantined else None

    def table(self, which: int | str = "head") -> Table:
        """The columns and rows of a version, without those that are quarantined."""
        return self._table(self.version(which))

    def whole(self, which: int | str = "head") -> Table:
        """The columns and all rows of a version's file, quarantined or not."""
        version = self.version(which)
        return table_in(self._store.archive, replace(version, clean=None), self.path)

    def changes(self, which: int | str = "head") -> ChangeSet:
        """The row changes of a version against the one before it; read from SQL, or from the archive."""
        return self._change_set(self.version(which))

    def compare(self, old: int | str, new: int | str, options: WatcherOptions) -> Comparison:
        """The row changes between any two versions; `file` is what is on the disk. The key is that of `options`."""
        before, after = self._side(old, options), self._side(new, options)
        return Comparison(old=before, new=after, change_set=diff(before, after, key=options.key, ignore=options.ignore))

    def _side(self, which: int | str, options: WatcherOptions) -> Table:
        if str(which).strip().lower() == "file":
            return self._store.recorder.table(self.path, options)
        version = self.version(which)
        if not version.columns and not version.is_through:
            why = (version.reason or "it is no CSV").removeprefix(f"{self.path}: ")
            raise VersionNotFoundError(f"{self.path}: version {version.number} is held, so it has no rows: {why}")
        return self._table(version)

    def blame(
        self, which: int | str = "head", where: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Row, Version | None]]:
        """Each row of a version, or those with these cells, and the version that last set it; None if it was pruned."""
        version = self.version(which)
        return blame(self._table(version), self._line(version), key=version.key, ignore=version.ignore, where=where)

    def _line(self, version: Version) -> Iterator[tuple[Version | None, Iterable[RowChange] | None, ColumnChange]]:
        """A version and those that it came from, newest first, as `blame` wants them."""
        known = {found.number: found for found in self.versions() if found.is_through}
        found: Version | None = version
        while found is not None and found.base is not None:
            own = self._change_set(found) if self.has_changes(found) else None
            if found.base in known:
                yield found, own or (), found.column_change
                found = known[found.base]
                continue
            if own is not None:
                yield found, own, ColumnChange()
            before = next((known[number] for number in known if number < found.number), None)
            if before is not None and before.key != found.key:
                return  # nothing tells which rows of both belong together
            if before is not None:
                # What came since then, and not with this version, came with one that is gone.
                since = diff(self._table(before), self._table(found), key=found.key, ignore=found.ignore)
                yield None, without(since, own or ()), since.columns
            found = before
        if found is not None:
            yield found, None, ColumnChange()

    def has_changes(self, version: Version) -> bool:
        """Whether the row changes of a version can be told still: they are kept, or the version before it is."""
        counts = version.inserted, version.updated, version.deleted
        known = self._store.catalog.history.version
        return (
            version.stored or not any(counts) or version.base is None or known(self.record.id, version.base) is not None
        )

    def forgotten(self, version: Version) -> str:
        """What to say of a version whose row changes cannot be told any more."""
        return (
            f"{self.path}: the row changes of version {version.number} were against version {version.base}, "
            "which was pruned; csv_history_diff compares it with another one."
        )

    def version_change(self, version: Version) -> VersionChange:
        """A version as receivers get it."""
        return VersionChange(
            csv_file=self.path,
            version=version.number,
            base=version.base,
            created=version.created,
            cause=version.cause,
            status=version.status,
            position=version.position,
            change_set=self._change_set(version),
        )

    def _change_set(self, version: Version) -> ChangeSet:
        counts = Counts(version.inserted, version.updated, version.deleted)
        iterate: Callable[[], Iterator[RowChange]]
        if version.stored or not any(counts):
            history = self._store.catalog.history
            iterate = lambda: history.rows(self.record.id, version)  # noqa: E731 - two ways of one thing
        else:
            iterate = lambda: itertools.islice(self._compare(version), sum(counts))  # noqa: E731 - as above
        return ChangeSet(iterate, version.column_change, counts)

    def _compare(self, version: Version) -> Iterator[RowChange]:
        try:
            base = None if version.base is None else self.table(version.base)
        except VersionNotFoundError:
            raise VersionNotFoundError(self.forgotten(version)) from None
        return iter(diff(base, self._table(version), key=version.key, ignore=version.ignore))

    def _table(self, version: Version) -> Table:
        table = table_in(self._store.archive, version, self.path)
        if version.key and version.is_through:  # it was recorded with this key
            table.unique[version.key] = None
        return table
