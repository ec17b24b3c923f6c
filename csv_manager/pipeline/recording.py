"""From an arrival to COMMIT: snapshot, csv format, change set, findings, one transaction."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from csv_manager.archive import Archive, FileLocks, Keepable, SideFiles, Snapshot, open_snapshot
from csv_manager.core.detecting import detect
from csv_manager.core.errors import (
    DuplicateKeyError,
    LostRaceError,
    OptionError,
    PathNotFoundError,
    TornReadError,
    UnreadableError,
)
from csv_manager.core.feeds import Feed
from csv_manager.core.files import copy, writing_to
from csv_manager.core.keys import check_key
from csv_manager.core.model import Signature, Version, WatcherOptions
from csv_manager.core.paths import leads_elsewhere, os_reason, stat_regular
from csv_manager.core.plain import PlainStream, is_ascii_superset
from csv_manager.core.reading import Table, check_names
from csv_manager.core.sightings import Origin, Seen
from csv_manager.pipeline.arrivals import Arrival, Outcome, arriving
from csv_manager.pipeline.comparing import Compared, Comparer
from csv_manager.pipeline.contents import table_in
from csv_manager.pipeline.events import events_of, processing_of
from csv_manager.pipeline.judging import Judge, Judged
from csv_manager.pipeline.new_versions import UNREADABLE, check_header, check_ignored, held, reread
from csv_manager.pipeline.quarantining import Left
from csv_manager.pipeline.runs import Runs
from csv_manager.pipeline.series import check_order, find_late, name_of
from csv_manager.pipeline.stopping import stoppable
from csv_manager.store.catalog import Catalog
from csv_manager.store.records import FileRecord, Reread
from csv_manager.store.rules import NO_RULES, InForce

log = logging.getLogger("csv_manager.recording")

_ATTEMPTS = 10
#: The hashes of the keys of contents beyond so many bytes are kept: smaller ones are read as quickly.
_LARGE = 1 << 20


class Recorder:
    """Records settled contents. `row_limit` is the largest number of row changes of a version kept in SQL."""

    def __init__(
        self, catalog: Catalog, archive: Archive, locks: FileLocks, runs: Runs, side_files: SideFiles, row_limit: int
    ) -> None:
        self._history = catalog.history
        self._series = catalog.series
        self._archive = archive
        self._locks = locks
        self._runs = runs
        self._side_files = side_files
        self._comparer = Comparer(archive, catalog.history, row_limit)
        self.judge = Judge(catalog, archive, self._comparer, row_limit)

    def record(
        self,
        path: str,
        options: WatcherOptions,
        *,
        cause: str = "change",
        store_watcher: bool = False,
        origin: Origin | None = None,
        member: str | None = None,
        watcher_id: int | None = None,
        settled: Signature | None = None,
        stopping: Callable[[], bool] = lambda: False,
        patience: float | None = None,
    ) -> Outcome:
        """Read a file once and record what it holds, unless that is its latest version.

        With `store_watcher` the watcher is stored in the same transaction, and a content that cannot be read as CSV
        raises and stores nothing; without, such a content is recorded as held, with its finding. `origin` is how the
        file comes to be watched, if that may be new; `member` is the file of a series that is read, whose dataset
        `path` is.
        Raises `TornReadError` if the file moves, or is not as it was when it `settled`, or once `stopping` says so,
        `BusyError` if somebody else has its lock for more than `patience` seconds, `StaleWatcherError` if the stored
        watcher `watcher_id` has no longer these options, and `UnreadableError`.
        """
        source = member or (self._source(path) if origin is None else origin.link or path)
        told = {"path": path, "options": options, "cause": cause}
        noted = self._runs.run(path, options, cause=cause, member=member, eager=not store_watcher)
        with (
            noted as run,
            self._locks.hold(path, patience),
            arriving(
                run,
                source,
                **told,
                store_watcher=store_watcher,
                origin=origin,
                is_member=member is not None,
                watcher_id=watcher_id,
                stopping=stopping,
            ) as arrival,
        ):
            snapshot = arrival.snapshot
            if settled not in (None, snapshot.signature):
                raise TornReadError(f"{source} changed since it rested; it is read once it rests again.")
            snapshot.plain = stoppable(snapshot.plain, path, stopping)
            return replace(self._record_settled(arrival), is_open=snapshot.is_open)

    def restore(
        self,
        path: str,
        options: WatcherOptions,
        version: Version,
        done: Callable[[int], None] = lambda _: None,
        *,
        through_link: bool = False,
    ) -> Outcome:
        """Put a version's bytes back in place of a file; what the file holds until then is recorded before.

        The file is replaced at once or not at all, and what it holds then is the next version. `done` is told how many
        more bytes were written, again and again. Raises `TornReadError` if somebody else writes to the file meanwhile,
        and `OptionError` if the file is read through a link that leads to another one by now, unless that is the one
        to replace: `through_link`.
        """
        source = self._source(path)
        elsewhere = None if through_link else leads_elsewhere(source, path)
        if elsewhere is not None:
            raise OptionError(
                f"{path} is read through the link {source}, which leads to {elsewhere} now, and that is another file; "
                "name the link to put the version there, or csv_history_export writes it to where -o says."
            )

        def record_as(cause: str) -> Outcome:
            noted = self._runs.run(path, options, cause=cause)
            with noted as run, arriving(run, source, path=path, options=options, cause=cause) as arrival:
                outcome = self._record_settled(arrival)
                arrival.snapshot.check()
                return outcome

        def record_present() -> None:
            if os.path.exists(source):
                record_as("change")

        with self._locks.hold(path):
            try:
                # Of a file that is read through a link, what the link leads to is replaced, not the link.
                place = os.path.realpath(source)
                with self._archive.open(version.sha256) as content, writing_to(place, record_present) as file:
                    copy(content, file, done)
            except OSError as error:
                raise UnreadableError(f"{path} cannot be written: {os_reason(error)}.") from error
            try:
                return record_as(f"restore:{version.number}")
            except KeyboardInterrupt:
                said = f"{path} holds version {version.number} again, which the next check records"
                raise KeyboardInterrupt(said) from None

    def table(self, path: str, options: WatcherOptions) -> Table:
        """What a file holds now, read as its next version would be."""
        _, head = self._history.with_head(path)
        source = self._source(path)
        try:
            stat_regular(source)
            return self._comparer.checked(path, options, lambda: open(source, "rb"), head)
        except (FileNotFoundError, NotADirectoryError):
            raise PathNotFoundError(f"{path}: no such file.") from None
        except OSError as error:
            raise UnreadableError(f"{path}: {os_reason(error)}.") from error

    def check(self, path: str, options: WatcherOptions) -> None:
        """Raise what `record` would raise of a file's content for a watcher about to be stored; store nothing."""
        with open_snapshot(path) as snapshot:
            check_names(self._comparer.checked(path, options, snapshot.open, self._history.with_head(path)[1]))

    def reread(self, file: FileRecord, options: WatcherOptions) -> Reread | None:
        """How the head version is read with other options, so that the next one is compared with it as it is meant."""
        head = self._version(file, file.head)
        if head is None:
            return None
        open_raw = self._opener(head.sha256)
        whole = Table(open_raw, detect(open_raw, name_of(file.path, head.cause), options.format), file.path)
        check_ignored(whole, options.ignore)
        check_names(whole)
        check_key(self._read_as(head, whole), options.key)
        return self._reread(head, whole)

    def _reread(self, head: Version, whole: Table) -> Reread | None:
        """How a version is to be read from now on, whose file is read as `whole`, or None if that is how it is."""
        return reread(head, self._read_as(head, whole), whole.csv_format, self._history.takes)

    def _read_as(self, head: Version, whole: Table) -> Table:
        """The rows of a version whose file is read as `whole`. Raises `OptionError` if nothing is left to be so."""
        if head.clean is None:
            return whole
        now, then = whole.csv_format, head.csv_format
        if is_ascii_superset(now.encoding) != is_ascii_superset(then.encoding):
            raise OptionError(
                f"{whole.csv_file}: {head.quarantined:,} of its rows are quarantined as {then.encoding}, so it cannot "
                f"be read as {now.encoding}; record a version without such rows before."
            )
        return table_in(self._archive, replace(head, csv_format=now, columns=whole.columns), whole.csv_file)

    def _record_settled(self, arrival: Arrival) -> Outcome:
        """Record an arrival, anew if another host recorded a version meanwhile."""
        for _ in range(_ATTEMPTS):
            try:
                return self._record(arrival)
            except LostRaceError:
                arrival.snapshot.check()
        raise LostRaceError(f"{arrival.path}: other processes kept recording versions of it; try again.")

    def _record(self, arrival: Arrival) -> Outcome:
        run, path, options, snapshot = arrival.run, arrival.path, arrival.options, arrival.snapshot
        file, head = self._history.with_head(path)
        known = self._known(arrival, file, head) if file is not None else None
        if known is not None and known.status != "held":
            return self._record_same(arrival, known)
        run.expect()

        in_force = self._in_force(arrival)
        run.processing = run.processing or processing_of(arrival, in_force, self._archive)
        judged, reason = self._findings(arrival, file, head, in_force)
        new = judged.new
        if new.status == "held":
            if file is not None and known is not None:
                run.held_again(known, reason)
                return self._hold_again(arrival, known, reason, is_latest=known.number == file.latest)
            run.held(reason)
        with run.task("archive"):
            self._keep(judged, options, snapshot)
        number = self._commit(arrival, judged, file, in_force)
        if head and new.status == "ok":
            self._forget_aids(head)
        return Outcome(path=path, number=number, status=new.status, signature=snapshot.signature)

    def _findings(
        self, arrival: Arrival, file: FileRecord | None, head: Version | None, in_force: InForce
    ) -> tuple[Judged, str]:
        """The version that an arrival would be, and why it is held, if it is.

        A held content that is still there is judged anew: the options, or the rules, may have changed.
        """
        run, options, snapshot = arrival.run, arrival.options, arrival.snapshot

        def compare(table: Table) -> Compared:
            if arrival.store_watcher:
                check_names(table)
            try:
                compared = self._comparer.compare(table, options, snapshot, head, arrival.cause)
            except DuplicateKeyError as error:
                if not in_force.rule_set.gate.quarantines:
                    raise
                return self._comparer.uncompared(table, options, snapshot, head, arrival.cause, error)
            check_header(table, compared.new.column_change, self._history.takes)
            return compared

        try:
            with run.task("compare"):
                if file is not None and arrival.is_member:
                    feed = Feed.of(arrival.path, options)
                    check_order(arrival.place, feed, self._series.newest(arrival.path, feed.wants))
                compared = self._comparer.read(arrival.place, options, snapshot.open, head, compare)
            with run.task("check"):
                judged = self.judge.judge(arrival, compared, in_force)
        except UNREADABLE as error:
            if arrival.store_watcher:
                raise
            return Judged(new=held(error, options, snapshot, head, arrival.cause), compared=None), str(error)
        return judged, str(judged.new.reason)

    def _commit(self, arrival: Arrival, judged: Judged, file: FileRecord | None, in_force: InForce) -> int:
        """Record a version, and return its number."""
        run, options, new = arrival.run, arrival.options, judged.new
        run.begin(new.sha256)
        with run.task("commit"):
            events = events_of(run, new, (file.latest if file else 0) + 1, in_force)
            self._set_aside(arrival.path, (file.latest if file else 0) + 1, judged.left)
            number = self._history.commit(
                arrival.path,
                new,
                expected=file.latest if file else 0,
                signature=arrival.signature,
                watcher=options if arrival.store_watcher else None,
                origin=arrival.origin,
                member=arrival.member,
                watched_by=None if arrival.watcher_id is None else (arrival.watcher_id, options),
                run_id=run.id,
                events=events,
            )
        run.recorded(number, new)
        return number

    def _forget_aids(self, version: Version) -> None:
        """Let go of what helped to compare with a version, unless another file has its content as its head."""
        for sha256 in {version.sha256, version.content}:
            if self._archive.has_aids(sha256) and not self._history.is_head(sha256):
                self._archive.forget_aids(sha256)

    def _known(self, arrival: Arrival, file: FileRecord, head: Version | None) -> Version | None:
        """The version that an arrival's content is already, held or not: the latest, or what its file became before."""
        latest = head if file.latest == file.head else self._version(file, file.latest)
        latest = latest if latest is not None and latest.sha256 == arrival.snapshot.sha256 else None
        if arrival.member is None:
            return latest
        before = self._series.find(arrival.path, arrival.place)
        version = self._version(file, before.version) if before else None
        version = version if version is not None and version.sha256 == arrival.snapshot.sha256 else None
        if (version is not None and version.status != "held") or latest is None or latest.status == "held":
            return version
        feed = Feed.of(arrival.path, arrival.options)
        return version if find_late(arrival.place, feed, self._series.newest(arrival.path, feed.wants)) else latest

    def _record_same(self, arrival: Arrival, version: Version) -> Outcome:
        """Note that a file holds a version still; of a series, the head may have its content too."""
        if arrival.member is None:
            return self._record_again(arrival, version)
        self._series.take(arrival.path, arrival.member, version.number)
        return Outcome(path=arrival.path, number=None, status=version.status, signature=arrival.snapshot.signature)

    def _hold_again(self, arrival: Arrival, version: Version, reason: str, *, is_latest: bool) -> Outcome:
        """Note that a content is held still, maybe for another reason."""
        if arrival.member is not None:
            self._series.take(arrival.path, arrival.member, version.number)
        if is_latest:
            self._see(arrival, "held", reason)
        return Outcome(path=arrival.path, number=None, status="held", signature=arrival.snapshot.signature)

    def _record_again(self, arrival: Arrival, head: Version) -> Outcome:
        """Note that a file holds its head version still; the watcher may be a new one."""
        path, options, snapshot = arrival.path, arrival.options, arrival.snapshot
        if arrival.store_watcher:
            table = self._comparer.checked(path, options, snapshot.open, head)
            check_names(table)
            anew = None if head.csv_format == table.csv_format else self._reread(head, table)
            self._history.add_watcher(path, options, arrival.signature, anew, arrival.origin)
        else:
            self._see(arrival, "ok")
        return Outcome(path=path, number=None, status="ok", signature=snapshot.signature)

    def _see(self, arrival: Arrival, state: str, reason: str | None = None) -> None:
        """Note that a file was read, and what came of it without a version."""
        seen = Seen(
            path=arrival.path,
            state=state,
            reason=reason,
            signature=arrival.signature,
            origin=arrival.origin,
            watcher_id=arrival.watcher_id,
        )
        self._history.observe([seen])

    def _in_force(self, arrival: Arrival) -> InForce:
        """What an arrival is checked by: the rules of its watcher, of which a new one has none."""
        if arrival.store_watcher:
            return NO_RULES
        feed = arrival.origin.feed_id if arrival.origin is not None else None
        return self.judge.in_force(arrival.path, feed if arrival.watcher_id is None else arrival.watcher_id)

    def _keep(self, judged: Judged, options: WatcherOptions, snapshot: Snapshot) -> None:
        """Make contents safe, and what helps to compare the next one with the one that has the rows."""
        if judged.compared is None:
            self._archive.keep(snapshot)
            return
        table = self._keep_compared(judged.compared, snapshot)
        content: Keepable = snapshot
        if judged.left_compared is not None and judged.rest is not None:
            content = judged.rest
            table = self._keep_compared(judged.left_compared, content)
        hashes = table.unique.get(options.key)
        if hashes is not None and content.size > _LARGE:
            self._archive.keep_keys(content.sha256, options.key, table.csv_format.to_text(), hashes)

    def _keep_compared(self, compared: Compared, content: Keepable) -> Table:
        """Make a content safe; what it is as a table."""
        table = compared.candidate.table
        records = table.records if table.plain is content.plain else None
        self._archive.keep(content, records, compared.base, compared.windows, start=table.start)
        return table

    def _set_aside(self, path: str, number: int, left: Left | None) -> None:
        """Write the rows that a version is without beside it, or see to it that nothing is there.

        A process that was killed before it committed a version of this number may have left something.
        """
        if left is None:
            self._side_files.remove(path, [number])
        else:
            self._side_files.write(path, number, left.blocks())

    def _opener(self, sha256: str) -> Callable[[], BinaryIO]:
        return lambda: PlainStream(self._archive.content(sha256))

    def _source(self, path: str) -> str:
        """Where a file is read."""
        file = self._history.file(path)
        return file.source if file else path

    def _version(self, file: FileRecord, number: int) -> Version | None:
        return self._history.version(file.id, number) if number else None
