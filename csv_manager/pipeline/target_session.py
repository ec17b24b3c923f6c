"""One target and one of its files: what the target has, and the steps that bring it to another version."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from csv_manager.core import clock
from csv_manager.core.errors import ConfigurationError, VersionNotFoundError
from csv_manager.core.model import Version
from csv_manager.core.targets import Target
from csv_manager.pipeline.audited import changing, follow
from csv_manager.pipeline.store import File, Store
from csv_manager.pipeline.target_tables import Databases, There, look, make_table, schema_of
from csv_manager.pipeline.target_versions import TargetVersions
from csv_manager.store.engine import loading, looking
from csv_manager.sync import Table, watermarks
from csv_manager.sync.applying import Applier, Changes, DriftError, Step
from csv_manager.sync.checking import Sifting
from csv_manager.sync.evolving import Plan, Planner
from csv_manager.sync.loading import Counts, MisfitError, TargetError, loader_of
from csv_manager.sync.schema_changes import AlterError, alter

#: How often a step is begun anew because another process took one meanwhile.
_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Synced:
    """A target that was brought to a version of a file; `told` are the changes of its table, a sentence each.

    Of a plan, nothing was done yet. `left_out` says what of the version the table has no place for.
    """

    target: Target
    csv_file: str
    version: int
    counts: Counts
    rows: int | None
    told: tuple[str, ...] = ()
    seconds: float = 0.0
    is_new: bool = False
    statements: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    left_out: str | None = None


class _UndoneError(Exception):
    """Around a transaction that is rolled back though nothing is wrong."""


class TargetSession:
    """Brings one target to versions of one file. What raises leaves the target as it was.

    `done` is told how many more bytes of a content were read, `planned` how the table is to change before that is done;
    `stopping` says whether to end.
    """

    def __init__(
        self,
        store: Store,
        databases: Databases,
        target: Target,
        file: File,
        *,
        done: Callable[[int], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
        planned: Callable[[Plan], object] = lambda _: None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store, self._target, self._file = store, target, file
        self._is_wanted = is_wanted
        self._tell_plan = planned
        self._engine, self._admin = databases.engine(target.database), databases.admin(target.database)
        self._stopping = stopping
        self._versions = TargetVersions(target, file, self._go_on, done)

    @functools.cached_property
    def _planner(self) -> Planner:
        """What knows the kind of the database, which is known once it was connected to."""
        return Planner(self._target, self._engine.dialect)

    def bring(self, number: int) -> Iterator[Synced]:
        """Bring the target to a version that is newer than its own: at once, or version by version."""
        for _ in range(_ATTEMPTS):
            there = self._look()
            steps = self._steps(there, number)
            if not steps:
                return
            for step in steps:
                try:
                    yield self._take(there, step)
                except _MovedError:
                    break
                there = self._look()
            else:
                return
        raise TargetError(f"{self._target.name}: other processes kept writing to it; try again.")

    def plan(self, number: int) -> Synced | None:
        """What bringing the target to a version would do, found by doing it and undoing it; None if that is nothing.

        Where the table would have to be changed, its rows are not counted.
        """
        there = self._look()
        steps = self._steps(there, number)
        if not steps:
            return None
        version = self._file.version(steps[-1])
        plan, changes = self._planned(there, version, whole=False)
        counts = Counts(inserted=version.rows or 0) if plan.is_new else Counts()
        if not plan.statements and len(steps) == 1:
            try:
                counts = self._dry(there, plan, version, changes)
            except MisfitError:
                if self._target.evolution != "evolve":
                    raise
                plan, _ = self._planned(there, version, whole=False, widen=True)
        return self._synced(version, counts, plan, 0.0)

    def verify(self) -> Synced | None:
        """The differences of the table from the version that it should have, as what would mend them; None without."""
        there = self._look()
        if there.mark is None:
            return None
        version = self._file.version(there.mark.version)
        if there.table is None:
            raise self._gone()
        if self._target.mode == "append":
            return None  # nothing tells which other rows there may be
        plan, _ = self._planned(there, version, whole=True)
        if plan.statements:
            told = f"its columns are not those of version {version.number}; csv_sync_run --repair adds them"
            raise DriftError(f"{self._target.name} is not as csv_manager left it: {told}.")
        counts = self._dry(there, plan, version, None)
        return self._synced(version, counts, plan, 0.0) if counts != Counts() else None

    def repair(self) -> Synced:
        """Have the table have again what the version says that it should have."""
        there = self._look()
        head = self._file.record.head
        number = there.mark.version if there.mark and self._versions.kept(there.mark.version) else head
        if self._target.mode == "append":
            raise ConfigurationError(
                f"{self._target.name} appends rows, and nothing tells which of them are still due."
            )
        if not number:
            raise TargetError(f"{self._file.path} has no version yet.")
        if there.table is None:
            self._forget_marks()
            return list(self.bring(number))[-1]
        return self._take(there, number, whole=True)

    def check_rollback(self, number: int) -> None:
        """Raise what keeps the target from going back to a version: `VersionNotFoundError`, `TargetError`."""
        there = self._look()
        version = self._file.version(number)
        if not version.is_through:
            raise VersionNotFoundError(f"{self._file.path}: version {number} is {version.status}, so no table had it.")
        if there.mark is None or there.table is None:
            raise TargetError(f"{self._target.name} has no version of {self._file.path} yet.")
        if number > there.mark.version:
            raise VersionNotFoundError(
                f"{self._target.name} is at version {there.mark.version}, which is older; csv_sync_run brings it to "
                "the newest."
            )

    def roll_back(self, number: int) -> Synced:
        """Bring the target to an older version than its own."""
        self.check_rollback(number)
        there, version = self._look(), self._file.version(number)
        if self._target.mode in ("mirror", "upsert"):
            return self._take(there, version.number, whole=True)
        return self._rewind(there, version)

    def _look(self) -> There:
        with looking(self._engine) as connection:
            return look(connection, self._admin, self._target, self._file.path, self._live)

    def _live(self) -> set[str]:
        """The ids of the targets that the store has."""
        return {stored.target.id for stored in self._store.catalog.targets.all()}

    def _steps(self, there: There, number: int) -> list[int]:
        """The versions to bring the target to, one by one."""
        if there.mark is not None and there.table is None:
            raise self._gone()
        return self._versions.steps(there.mark, number)

    def _rewind(self, there: There, version: Version) -> Synced:
        began = clock.now()
        with self._transaction(there, version) as connection:
            applier = Applier(connection, self._target, self._known_table(there), self._file.path)
            counts = applier.rewind(version.number)
            self._put_mark(connection, version, applier.count())
        plan = Plan(table=self._known_table(there), columns=())
        return self._synced(version, counts, plan, (clock.now() - began).total_seconds())

    def _take(self, there: There, number: int, *, whole: bool = False) -> Synced:
        """Bring the target to a version in one transaction."""
        try:
            return self._try(there, number, whole=whole)
        except MisfitError:
            if self._target.evolution == "freeze" or (there.table is None and not self._target.discards):
                raise
        again = self._look()
        if again.mark != there.mark:
            raise _MovedError(f"{self._target.name} was written to by another process; try again.")
        if self._target.discards:
            return self._try(again, number, whole=whole, sift=True)
        try:
            return self._try(again, number, whole=whole, widen=True)
        except AlterError:
            if self._target.mode != "mirror":
                raise
            return self._try(again, number, whole=whole, widen=True, careful=True)

    def _try(
        self,
        there: There,
        number: int,
        *,
        whole: bool,
        widen: bool = False,
        careful: bool = False,
        sift: bool = False,
    ) -> Synced:
        began, version = clock.now(), self._file.version(number)
        plan, changes = self._planned(there, version, whole=whole, widen=widen, careful=careful)
        self._tell_plan(plan)
        step = self._loaded(version, plan, sift=sift)
        with (
            make_table(self._engine, self._admin, self._target, plan, there) as statements,
            self._transaction(there, version) as connection,
        ):
            made = [] if there.is_known else watermarks.missing(connection)
            alter(connection, self._target, [*made, *statements])
            if statements:
                follow(connection)
            counts = self._apply(connection, there, plan, version, step, changes, whole=whole)
            watermarks.put_table(connection, self._target, {**there.types, **plan.types})
        synced = self._synced(version, counts, plan, (clock.now() - began).total_seconds())
        return synced if step.sifting is None else replace(synced, left_out=step.sifting.told)

    def _apply(
        self,
        connection: Connection,
        there: There,
        plan: Plan,
        version: Version,
        step: Step,
        changes: Changes | None,
        *,
        whole: bool,
    ) -> Counts:
        applier = Applier(connection, self._target, plan.table, self._file.path)
        mark = there.mark
        if mark is None and self._target.mode == "append" and there.is_known and not applier.is_empty():
            raise TargetError(
                f"{self._target.name} has rows, and nothing tells any more of which versions; empty it, or delete the "
                "target by csv_sync_delete."
            )
        if mark is not None and not whole and not self._versions.is_of_another(mark):
            applier.check_count(mark)
        if plan.rewritten and not plan.is_new:
            self._rewrite(connection, plan)
        if whole and self._target.mode == "history" and mark is not None:
            applier.rewind(version.number - 1)
        counts = applier.load(step) if changes is None else applier.change(step, changes)
        if mark is None or mark.rows is None or whole:
            rows = applier.count()
        else:
            rows = mark.rows + counts.inserted - counts.deleted
        self._put_mark(connection, version, rows)
        return counts

    def _rewrite(self, connection: Connection, plan: Plan) -> None:
        """Have rows that are there have the texts of their files in columns whose types changed.

        Those of this file's version are loaded anyway, and of a mirror no others are there.
        """
        for path, mark in watermarks.marked_files(connection, self._target):
            file = self._store.find(path)
            if file is None or (path == self._file.path and self._target.mode == "mirror"):
                continue
            applier = Applier(connection, self._target, plan.table, path)
            of_file = TargetVersions(self._target, file, self._go_on)
            versions = of_file.loaded(mark.version)
            for version in versions[-1:] if self._target.mode == "mirror" else versions:
                applier.rewrite(of_file.step(version), plan.rewritten)

    def _dry(self, there: There, plan: Plan, version: Version, changes: Changes | None) -> Counts:
        """What applying a version would change; it is undone."""
        counts = Counts()
        with contextlib.suppress(_UndoneError), self._transaction(there, version) as connection:
            applier = Applier(connection, self._target, plan.table, self._file.path)
            step = self._loaded(version, plan, sift=self._target.discards)
            if changes is not None and there.mark is not None and not self._versions.is_of_another(there.mark):
                applier.check_count(there.mark)
            counts = applier.load(step) if changes is None else applier.change(step, changes)
            raise _UndoneError
        return counts

    def _loaded(self, version: Version, plan: Plan, *, sift: bool) -> Step:
        """A version as it is loaded once the table is as planned."""
        refused = plan.refused if self._target.discards else ()
        by_row = self._target.evolution == "discard_row"
        sifting = Sifting(by_row=by_row, refused=refused) if sift or refused else None
        return self._versions.step(version, plan.columns, is_checked=plan.is_checked, sifting=sifting)

    def _planned(
        self, there: There, version: Version, *, whole: bool, widen: bool = False, careful: bool = False
    ) -> tuple[Plan, Changes | None]:
        """How the table has to change for a version, and the row changes if those are enough."""
        step = self._versions.step(version)
        if there.table is None:
            return self._planner.create(step), None
        is_appended = self._target.mode == "append"  # of which each row is loaded but once
        changes = None if whole or (widen and not is_appended) else self._versions.changes(there.mark, version)
        reach = functools.partial(looking, self._engine)
        plan = self._planner.adapt(reach, step, there.table, there.types, widen=widen, careful=careful)
        return plan, None if plan.is_whole and not is_appended else changes

    @contextlib.contextmanager
    def _transaction(self, there: There, version: Version) -> Iterator[Connection]:
        """A transaction alone with the table. Raises `_MovedError` if another process brought it elsewhere."""
        told = {"run": version.run_id, "csv_file": self._file.path, "version": version.number}
        with changing(self._engine, self._admin, told) as connection:
            loader_of(connection).lock(connection, self._target.table_name)
            if not self._is_wanted():
                raise TargetError(f"{self._target.name} was pinned or deleted meanwhile; nothing was written.")
            mark = watermarks.look(connection, self._target, self._file.path).mark
            if mark != there.mark or schema_of(connection) != there.schema:
                raise _MovedError(f"{self._target.name} was written to by another process; try again.")
            yield connection

    def _put_mark(self, connection: Connection, version: Version, rows: int) -> None:
        mark = self._versions.mark(version, rows)
        watermarks.put_mark(connection, self._target, self._file.path, mark, clock.now())

    def _forget_marks(self) -> None:
        with loading(self._engine) as connection:
            watermarks.forget_marks(connection, self._target)

    def _known_table(self, there: There) -> Table:
        if there.table is None:
            raise self._gone()
        return self._planner.resolved(there.table, there.types)

    def _go_on(self) -> None:
        if self._stopping():
            raise TargetError(f"{self._target.name} was not loaded to its end; it is loaded again at the next start.")

    def _gone(self) -> DriftError:
        return DriftError(f"The table of {self._target.name} is gone; csv_sync_run --repair makes it anew.")

    def _synced(self, version: Version, counts: Counts, plan: Plan, seconds: float) -> Synced:
        return Synced(
            target=self._target,
            csv_file=self._file.path,
            version=version.number,
            counts=counts,
            rows=version.rows if self._target.deletes and not self._target.discards else None,
            told=plan.told,
            renamed=plan.renamed,
            is_new=plan.is_new,
            seconds=seconds,
            statements=plan.statements,
        )


class _MovedError(TargetError):
    """Another process brought the target to another version meanwhile."""
