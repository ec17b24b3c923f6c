"""From an arrival to COMMIT: snapshot, csv format, change set, findings, one transaction."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from csv_manager.archive import Archive, FileLocks, Snapshot, open_snapshot
from csv_manager.core.detecting import detect
from csv_manager.core.diff import diff
from csv_manager.core.errors import (
    LostRaceError,
    OptionError,
    PathNotFoundError,
    TornReadError,
    UnreadableError,
)
from csv_manager.core.feeds import Feed
from csv_manager.core.files import copy, writing_to
from csv_manager.core.keys import check_key
from csv_manager.core.model import Origin, Seen, Signature, Version, WatcherOptions
from csv_manager.core.paths import leads_elsewhere, os_reason, stat_regular
from csv_manager.core.plain import PlainStream
from csv_manager.core.reading import Table, check_names
from csv_manager.core.rules import Rule
from csv_manager.pipeline.arrivals import Arrival, Outcome, arriving
from csv_manager.pipeline.checking import Candidate, Verdict, examine
from csv_manager.pipeline.comparing import Compared, Comparer
from csv_manager.pipeline.new_versions import UNREADABLE, check_header, check_ignored, held, reread
from csv_manager.pipeline.runs import Runs
from csv_manager.pipeline.series import check_order, find_late, name_of
from csv_manager.pipeline.stopping import stoppable
from csv_manager.store.catalog import Catalog
from csv_manager.store.records import FileRecord, NewVersion, Reread

if TYPE_CHECKING:
    from csv_manager.checks.running import Check
    from csv_manager.store.rules import InForce

log = logging.getLogger("csv_manager.recording")

_ATTEMPTS = 10
#: The hashes of the keys of contents beyond so many bytes are kept: smaller ones are read as quickly.
_LARGE = 1 << 20


class Recorder:
    """Records settled contents. `row_limit` is the largest number of row changes of a version kept in SQL."""

    def __init__(self, catalog: Catalog, archive: Archive, locks: FileLocks, runs: Runs, row_limit: int) -> None:
        self._history = catalog.history
        self._series = catalog.series
        self._archive = archive
        self._locks = locks
        #: What tells the rules in force for a file, by its path, and by the watcher that has it, if that is known.
        self.in_force: Callable[[str, int | None], InForce] = catalog.rules.in_force
        self._runs = runs
        self._comparer = Comparer(archive, catalog.history, row_limit)
        #: The checks that plugins have, and how many findings of each rule are kept.
        self.checks: Callable[[], Mapping[str, Check]] = dict
        self.most_findings = 100

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

    def examine(
        self, path: str, table: Table, base: Version | None, key: tuple[str, ...], rules: Sequence[Rule] = ()
    ) -> Verdict:
        """What the rules of a file's watcher, and further ones, say of a content, beside the version before it."""
        in_force = self.in_force(path, None)
        in_force = replace(in_force, rule_set=replace(in_force.rule_set, rules=(*in_force.rule_set.rules, *rules)))
        if rules:
            in_force = replace(in_force, rule_set=replace(in_force.rule_set, uuid=None))
        old = None if base is None else Table(self._opener(base.sha256), base.csv_format, path)
        change_set = None if old is None else diff(old, table, key=key, ignore=base.ignore if base else ())
        candidate = Candidate(table=table, head=base, old=old, change_set=change_set, has_key=bool(key))
        return examine(candidate, in_force, self.checks(), most=self.most_findings)

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
        table = Table(open_raw, detect(open_raw, name_of(file.path, head.cause), options.format), file.path)
        check_key(table, options.key)
        check_ignored(table, options.ignore)
        check_names(table)
        return reread(head, table, self._history.takes)

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

        new, compared, reason = self._findings(arrival, file, head)
        if new.status == "held":
            if file is not None and known is not None:
                run.held_again(known, reason)
                return self._hold_again(arrival, known, reason, is_latest=known.number == file.latest)
            run.held(reason)
        with run.task("archive"):
            self._keep(compared, options, snapshot)
        number = self._commit(arrival, new, file)
        if head and new.status == "ok":
            self._forget_aids(head)
        return Outcome(path=path, number=number, status=new.status, signature=snapshot.signature)

    def _findings(
        self, arrival: Arrival, file: FileRecord | None, head: Version | None
    ) -> tuple[NewVersion, Compared | None, str]:
        """The version that an arrival would be, how it was compared, if it can be read, and why it is held, if it is.

        A held content that is still there is judged anew: the options, or the rules, may have changed.
        """
        run, options, snapshot = arrival.run, arrival.options, arrival.snapshot

        def compare(table: Table) -> Compared:
            if arrival.store_watcher:
                check_names(table)
            compared = self._comparer.compare(table, options, snapshot, head, arrival.cause)
            check_header(table, compared.new.column_change, self._history.takes)
            return compared

        try:
            with run.task("compare"):
                if file is not None and arrival.is_member:
                    feed = Feed.of(arrival.path, options)
                    check_order(arrival.place, feed, self._series.newest(arrival.path, feed.wants))
                compared = self._comparer.read(arrival.place, options, snapshot.open, head, compare)
        except UNREADABLE as error:
            if arrival.store_watcher:
                raise
            return held(error, options, snapshot, head, arrival.cause), None, str(error)
        with run.task("check"):
            new = self._judged(arrival, compared)
        return new, compared, str(new.reason)

    def _commit(self, arrival: Arrival, new: NewVersion, file: FileRecord | None) -> int:
        """Record a version, and return its number."""
        run, options = arrival.run, arrival.options
        run.begin(new.sha256)
        with run.task("commit"):
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
            )
        run.recorded(number, new)
        return number

    def _forget_aids(self, version: Version) -> None:
        """Let go of what helped to compare with a version, unless another file has its content as its head."""
        if self._archive.has_aids(version.sha256) and not self._history.is_head(version.sha256):
            self._archive.forget_aids(version.sha256)

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
            anew = reread(head, table, self._history.takes)
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

    def _judged(self, arrival: Arrival, compared: Compared) -> NewVersion:
        """The version with what the rules of its watcher found, held if it is to wait."""
        new = compared.new
        if arrival.store_watcher:
            return new
        feed = arrival.origin.feed_id if arrival.origin is not None else None
        in_force = self.in_force(arrival.path, feed if arrival.watcher_id is None else arrival.watcher_id)
        stopping, most = arrival.stopping, self.most_findings
        verdict = examine(compared.candidate, in_force, self.checks(), most=most, stopping=stopping)
        return replace(
            new,
            status="held" if verdict.is_held else new.status,
            changes=None if verdict.is_held else new.changes,
            findings=verdict.findings,
            rule_set=in_force.rule_set.uuid,
            checks=tuple(result.to_json() for result in verdict.results),
            bad_rows=verdict.bad_rows,
        )

    def _keep(self, compared: Compared | None, options: WatcherOptions, snapshot: Snapshot) -> None:
        """Make a content safe, and what helps to compare the next one with it, if it was compared."""
        if compared is None:
            self._archive.keep(snapshot)
            return
        table = compared.candidate.table
        records = table.records if table.plain is snapshot.plain else None
        self._archive.keep(snapshot, records, compared.base, compared.windows, start=table.start)
        hashes = table.unique.get(options.key)
        if hashes is not None and snapshot.size > _LARGE:
            self._archive.keep_keys(snapshot.sha256, options.key, table.csv_format.to_text(), hashes)

    def _opener(self, sha256: str) -> Callable[[], BinaryIO]:
        return lambda: PlainStream(self._archive.content(sha256))

    def _source(self, path: str) -> str:
        """Where a file is read."""
        file = self._history.file(path)
        return file.source if file else path

    def _version(self, file: FileRecord, number: int) -> Version | None:
        return self._history.version(file.id, number) if number else None
