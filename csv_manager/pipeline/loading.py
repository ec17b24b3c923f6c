"""One file into one table, once: without a watcher, a version or a watermark."""

import contextlib
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from csv_manager.core import clock
from csv_manager.core.errors import ConfigurationError, OptionError, UnknownColumnError
from csv_manager.core.reading import Table as CsvTable
from csv_manager.core.targets import Mode, Target
from csv_manager.pipeline.audited import changing, follow
from csv_manager.pipeline.stopping import Observed
from csv_manager.pipeline.target_tables import Databases, look_at_table, make_table, refuse_own
from csv_manager.store.engine import looking
from csv_manager.sync import Table, watermarks
from csv_manager.sync.applying import Applier, Step
from csv_manager.sync.evolving import Plan, Planner
from csv_manager.sync.loading import Counts, loader_of
from csv_manager.sync.schema_changes import alter


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What became of a file: the statements that made its table, if it was made, and the rows that were changed."""

    target: Target
    statements: tuple[str, ...]
    counts: Counts
    seconds: float


def load(
    databases: Databases,
    content: CsvTable,
    target: Target,
    *,
    mode: Mode | None,
    ignore: Sequence[str] = (),
    done: Callable[[int], None] = lambda _: None,
    planned: Callable[[Plan], object] = lambda _: None,
) -> Loaded:
    """Load a content into the table of `target`, which is made if it is not there, and never changed.

    Without a `mode`, rows are merged by the key, or inserted if there is none and the table has no rows. Raises
    `TargetError`, `ConfigurationError`, `OptionError`, `NotCsvError`, and nothing was written then.
    """
    refuse_own(target)
    content.refuse_unclosed()
    began = clock.now()
    engine, admin = databases.engine(target.database), databases.admin(target.database)
    columns = _columns(content, target, ignore)
    observed = content.observed(lambda plain: Observed(plain, after=done))
    step = Step(csv_file=content.csv_file, number=0, created=began, content=observed, columns=columns)
    with looking(engine) as connection:
        there = look_at_table(connection, admin, target)
        meant = _meant(connection, target, there, columns, mode)
        planner = Planner(meant, engine.dialect)
        plan = (
            planner.create(step)
            if there is None
            else planner.adapt(lambda: contextlib.nullcontext(connection), step, there, planner.as_made(content, there))
        )
        step = replace(step, is_checked=plan.is_checked)
    planned(plan)
    return _load(engine, admin, meant, plan, step, began)


def _columns(content: CsvTable, target: Target, ignore: Sequence[str]) -> tuple[str, ...]:
    """The columns that are loaded. Raises `UnknownColumnError` for one that was told, and is not there."""
    columns = tuple(name for name in content.columns if name not in ignore)
    unknown = [name for name in ignore if name not in content.columns]
    unknown += [name for name, _ in target.types if name not in columns]
    if unknown:
        raise UnknownColumnError(
            f"{content.csv_file}: the column {unknown[0]!r} is not there; there are {', '.join(columns)}."
        )
    return columns


def _load(engine: Engine, admin: Engine | None, target: Target, plan: Plan, step: Step, began: dt.datetime) -> Loaded:
    told = {"csv_file": step.csv_file}
    with make_table(engine, admin, target, plan, None) as statements, changing(engine, admin, told) as connection:
        loader_of(connection).lock(connection, target.table_name)
        alter(connection, target, statements)
        if statements:
            follow(connection)
        counts = Applier(connection, target, plan.table, step.csv_file).load(step)
    seconds = (clock.now() - began).total_seconds()
    return Loaded(target=target, statements=plan.statements, counts=counts, seconds=seconds)


def _meant(
    connection: Connection, target: Target, there: Table | None, columns: Sequence[str], mode: Mode | None
) -> Target:
    """A target with the mode that is meant, and of a table that is there, with its key."""
    if there is None:
        return replace(target, mode=mode or ("upsert" if target.key else "append"))
    _refuse_owned(connection, target)
    key = target.key
    if not key and there.key and set(there.key) <= set(columns) and mode != "append":
        key = there.key
    if mode is None and not key and not loader_of(connection).is_empty(connection, there):
        raise OptionError(
            f"{target.name} has rows already, and without a --key nothing tells which of them are these; name the "
            "--key, or append with --mode append."
        )
    return replace(target, key=key, mode=mode or ("upsert" if key else "append"))


def _refuse_owned(connection: Connection, target: Target) -> None:
    """Raise `ConfigurationError` for the table of a watcher's target."""
    if watermarks.others(connection, target):
        raise ConfigurationError(
            f"{target.name} follows a watched file, so what is loaded besides would be taken for a mistake; "
            "csv_sync_list shows which, csv_sync_run brings it to the newest version."
        )
