"""How the table of a target has to change before a version is loaded, as its policy has it: told before it is done."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect

from csv_manager.core.errors import ConfigurationError, UnknownColumnError
from csv_manager.core.keys import check_key
from csv_manager.core.reading import Table as CsvTable
from csv_manager.core.targets import Target
from csv_manager.sync.applying import Step
from csv_manager.sync.discovery import discover_table, engine_of
from csv_manager.sync.fits import Fit
from csv_manager.sync.formation import ddl, form
from csv_manager.sync.inference import InferredColumn, infer
from csv_manager.sync.layout import OWN_TYPES, check_layout, lay_out
from csv_manager.sync.loading import TargetError
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import sql_dialect_named
from csv_manager.sync.types import CANONICAL, SqlType, parse_type

#: How long the text of a UUID is.
_ID_LENGTH = 36
_FITS_ALL = ("text", "other", "json", "bytes", "time")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done with a table before a version is loaded.

    `table` is as it is then, with the types of what is loaded; `statements` do it, and `told` says it, a sentence each.
    `columns` are those that are loaded; of those `rewritten`, whose types change, rows have to be written anew.
    `is_whole` if all rows have to be loaded, not only those that changed; `is_checked` if all of them are known to fit.
    `refused` are columns of the file that the table does not get, `renamed` those that it has under another name, and
    `others` the columns of the table that csv_manager has not made, whose types it does not change.
    """

    table: Table
    columns: tuple[str, ...]
    statements: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    is_whole: bool = False
    is_new: bool = False
    is_checked: bool = False
    rewritten: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    others: frozenset[str] = frozenset()

    @property
    def types(self) -> dict[str, SqlType]:
        """The types of the columns that are loaded, and that csv_manager made."""
        made = {*self.columns} - self.others
        return {column.name: column.type for column in self.table.columns if column.name in made}


class Planner:
    """Plans what has to become of a target's table."""

    def __init__(self, target: Target, dialect: Dialect) -> None:
        name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
        self._target, self._sql_dialect = target, sql_dialect_named(name)

    def create(self, step: Step) -> Plan:
        """For a table that is not there.

        Raises `ConfigurationError`, `UnknownColumnError`, `DuplicateKeyError`, `OptionError`.
        """
        target = self._target
        target.check_columns(step.csv_file, step.columns)
        ignored = [name for name in step.content.columns if name not in step.columns]
        key = target.key if target.has_keys else ()
        check_key(step.content, key)
        inferred = infer(step.content)
        has_gaps = any(column.has_empty for column in inferred if column.name in key)
        formed = form(step.content, self._sql_dialect, name=target.table, key=key, ignore=ignored, inferred=inferred)
        table = self._sql_dialect.bounded(lay_out(target, self._declared(step, formed.columns)))
        self._sql_dialect.check_names(table)
        told = f"the table {target.table_name} is made, with {len(table.columns)} columns"
        statements = (ddl(table, self._sql_dialect),)
        return Plan(
            table=table,
            columns=step.columns,
            statements=statements,
            told=(told,),
            is_whole=True,
            is_new=True,
            is_checked=not (target.types or has_gaps or self._has_bounds(table)),
        )

    def adapt(
        self,
        reach: Callable[[], AbstractContextManager[Connection]],
        step: Step,
        there: Table,
        known: Mapping[str, SqlType],
        *,
        widen: bool = False,
        careful: bool = False,
    ) -> Plan:
        """For a table that is there, and can be looked at by `reach`; `known` are the types of what was loaded before.

        Whether rows fit is seen when they are loaded; if not, types become wider with `widen`, and wide enough for rows
        that are there, though they will go, if it is to be `careful`. Raises `TargetError`
        where the table may not change, `ConfigurationError` where it cannot be used.
        """
        target = self._target
        target.check_columns(step.csv_file, step.columns)
        renamed = self._renamed(there, step)
        there = replace(
            there,
            columns=tuple(replace(column, name=renamed.get(column.name, column.name)) for column in there.columns),
            key=tuple(renamed.get(name, name) for name in there.key),
            uniques=tuple(
                replace(each, columns=tuple(renamed.get(n, n) for n in each.columns)) for each in there.uniques
            ),
        )
        known = {renamed.get(name, name): told for name, told in known.items()}
        lost = [name for name in target.key if name not in step.columns]
        if lost and target.has_keys:
            raise UnknownColumnError(f"{step.csv_file}: the key column {lost[0]!r} of {target.name} is not there.")
        check_layout(target, there, step.columns)
        self._refuse_other_types(there)
        table = self.resolved(there, known)
        gained = self._gained(table, step)
        loaded = tuple(name for name in step.columns if name not in gained or target.evolution == "evolve")
        evolves = target.evolution == "evolve"
        inferred = self._inferred(step) if evolves and (gained or widen) else {}
        added = [self._column(inferred[name]) for name in gained if evolves]
        grown = replace(table, columns=(*table.columns, *added))
        self._refuse_other_case(table, gained, step)
        self._sql_dialect.check_names(grown)
        before = [name for name in loaded if name not in gained]
        others = {column.name for column in table.columns} - {*known}
        widened = self._widened(table, [name for name in before if name not in others], inferred, careful=careful)
        by_name = {column.name: column for column in widened}
        changes: list[str] = []
        if widened:
            with reach() as connection:
                changes = self._sql_dialect.change_types(connection, table, widened)
        return Plan(
            table=replace(grown, columns=tuple(by_name.get(column.name, column) for column in grown.columns)),
            columns=loaded,
            statements=(
                *(self._sql_dialect.rename_column(there, old, new) for old, new in renamed.items()),
                *changes,
                *(self._sql_dialect.add_column(there, column) for column in added),
            ),
            told=(
                *(f"the column {old!r} is called {new!r} now" for old, new in renamed.items()),
                *(f"the column {column.name!r} is added: {column.type}" for column in added),
                *(f"the column {column.name!r} becomes {column.type}" for column in widened),
            ),
            is_whole=bool(added or widened),
            rewritten=tuple(column.name for column in widened),
            refused=() if evolves else tuple(gained),
            renamed=tuple(renamed.items()),
            others=frozenset(others),
        )

    def as_made(self, content: CsvTable, there: Table) -> dict[str, SqlType]:
        """The types that columns would be made with for a content, where the database calls them as it does now.

        SQLite has no truths, dates and times, MySQL no ids and no times with a zone; they have them as something else.
        """
        columns, found = {column.name: column for column in there.columns}, {}
        for inferred in infer(content):
            column = columns.get(inferred.name)
            if column is None or inferred.cell is None or (inferred.has_empty and not column.nullable):
                continue
            meant = self._column(inferred)
            if self._is_kept_as(there, column, replace(column, type=meant.type)):
                found[column.name] = meant.type
        return found

    def resolved(self, there: Table, known: Mapping[str, SqlType]) -> Table:
        """A table as it is there, with the types that its columns were made for where the database has not."""
        own = {name: OWN_TYPES[name] for name in self._target.own_columns}
        return replace(
            there, columns=tuple(self._resolved(there, column, {**known, **own}) for column in there.columns)
        )

    def _resolved(self, there: Table, column: Column, known: Mapping[str, SqlType]) -> Column:
        told = known.get(column.name)
        if told is None:
            return column
        found = column.type
        lengths = [length for length in (told.length, found.length) if length is not None and told.kind == "text"]
        meant = replace(column, type=replace(told, length=min(lengths)) if lengths else told)
        is_same = found.kind == told.kind and found.timezone == told.timezone
        if is_same and lengths:
            return meant
        if is_same or (found.kind != "other" and not self._is_kept_as(there, column, meant)):
            return column
        return meant

    def _is_kept_as(self, there: Table, column: Column, meant: Column) -> bool:
        """Whether a column is what the database makes of one of another type."""
        is_id = meant.type.kind == "uuid" and (column.type.kind, column.type.length) == ("text", _ID_LENGTH)
        return is_id or self._native(there, meant) == self._native(there, column)

    def _native(self, table: Table, column: Column) -> str:
        return self._sql_dialect.native(table, column)

    @staticmethod
    def _has_bounds(table: Table) -> bool:
        return any(column.type.kind == "text" and column.type.length is not None for column in table.columns)

    def _declared(self, step: Step, columns: Sequence[Column]) -> list[Column]:
        """Columns with the types that were told for some. Raises `UnknownColumnError`, `OptionError`."""
        for old, new in self._target.renames:
            if old not in step.columns and new not in step.columns:
                raise UnknownColumnError(f"{step.csv_file}: --rename {old}={new}, and neither column is there.")
        declared = {name: parse_type(told) for name, told in self._target.types}
        lacking = [name for name in declared if name not in step.columns]
        if lacking:
            raise UnknownColumnError(f"{step.csv_file}: the column {lacking[0]!r}, whose type was told, is not there.")
        return [self._told(column, declared) for column in columns]

    @staticmethod
    def _told(column: Column, declared: Mapping[str, tuple[SqlType, bool]]) -> Column:
        if column.name not in declared:
            return column
        told, is_needed = declared[column.name]
        return replace(column, type=told, nullable=column.nullable and not is_needed)

    def _refuse_other_types(self, there: Table) -> None:
        """Raise `ConfigurationError` for a table that has a column of another type than was told."""
        found = {column.name: column for column in there.columns}
        for name, told in self._target.types:
            column, (meant, _) = found.get(name), parse_type(told)
            if column is None or column.type.kind == meant.kind:
                continue
            if self._native(there, column) != self._native(there, replace(column, type=meant)):
                raise ConfigurationError(
                    f"The column {name!r} of the table {self._target.table_name} is {column.type} there, and --type "
                    f"tells {meant}; change it there, or leave out that --type."
                )

    def _renamed(self, there: Table, step: Step) -> dict[str, str]:
        """The columns of a table that the file has under another name: those, by the old ones."""
        names = {column.name for column in there.columns}
        return {
            old: new
            for old, new in self._target.renames
            if old in names and new not in names and new in step.columns and old not in step.columns
        }

    def _gained(self, table: Table, step: Step) -> list[str]:
        there = {column.name for column in table.columns}
        gained = [name for name in step.columns if name not in there]
        if gained and not self._target.id:
            raise TargetError(
                f"{step.csv_file} has a column {gained[0]!r} that {self._target.name} has not; add it there, or leave "
                "it out by --ignore."
            )
        if gained and self._target.evolution == "freeze":
            raise TargetError(
                f"{step.csv_file} has a new column {gained[0]!r}, and {self._target.name} is frozen; it stays at the "
                "version before."
            )
        return gained

    def _refuse_other_case(self, table: Table, gained: Sequence[str], step: Step) -> None:
        """Raise `ConfigurationError` for a column whose name came in another case, where that is the same name."""
        there = (
            {column.name.casefold(): column.name for column in table.columns} if self._sql_dialect.folds_columns else {}
        )
        for name in gained:
            old = there.get(name.casefold())
            if old is not None and old not in step.columns:
                raise ConfigurationError(
                    f"{step.csv_file}: the column {old!r} is called {name!r} now, which {self._sql_dialect.name} takes "
                    f"for one name; --rename {old}={name} has the table call it so."
                )

    def _inferred(self, step: Step) -> dict[str, InferredColumn]:
        return {column.name: column for column in infer(step.content)}

    def _column(self, inferred: InferredColumn) -> Column:
        return Column(name=inferred.name, type=self._sql_dialect.fitted(inferred.type))

    def _widened(
        self, table: Table, names: Sequence[str], inferred: Mapping[str, InferredColumn], *, careful: bool
    ) -> list[Column]:
        """The columns, of those with these names, whose types have to be wider for what was inferred, with those."""
        wider = []
        by_name = {column.name: column for column in table.columns}
        declared = dict(self._target.types)
        for name in names if inferred else ():
            if name in declared:
                continue  # its type was told, and stays
            before, now = by_name[name], inferred[name]
            if before.type.kind in _FITS_ALL or now.cell is None or Fit.of(before.type).covers(Fit.of(now.type)):
                continue
            fit = self._fit(before.type, careful=careful).join(Fit.of(now.type))
            self._refuse_key(before)
            wider.append(replace(before, type=self._sql_dialect.fitted(fit.type)))
        return wider

    def _refuse_key(self, column: Column) -> None:
        """Raise `TargetError` for a key whose values may look otherwise as texts, and would be those of other rows."""
        if self._target.mode == "mirror" or column.name not in self._target.key or column.type.kind in CANONICAL:
            return
        raise TargetError(
            f"{self._target.name}: the key column {column.name!r} is {column.type}, and has a value now that is none; "
            "its rows could not be told apart any more. Load it into another --table."
        )

    def _fit(self, told: SqlType, *, careful: bool) -> Fit:
        """What fits a column now. Of a table that has no other rows than the version's, the kind alone counts."""
        fit = Fit.of(told)
        if self._target.mode == "mirror" and not self._target.shared and not careful:
            return replace(fit, whole=0, is_short=True)
        return fit


def table_of(connection: Connection, target: Target) -> Table | None:
    """The table of a target as it is there. Raises `ConfigurationError` for a schema that is not."""
    found = discover_table(connection, target.table, target.schema)
    if found is not None and found.is_view:
        raise ConfigurationError(f"{target.table_name} is a view; name another --table.")
    engine = None if found is None else engine_of(connection, found)
    if engine not in (None, "InnoDB"):
        raise ConfigurationError(
            f"{target.table_name} is a table of {engine}, which cannot undo what fails half-way; ALTER TABLE … "
            "ENGINE=InnoDB, or name another --table."
        )
    return found
