"""Has the tables of a database become as they are wanted: what `differences` found is done, or told as statements."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations, ops
from sqlalchemy import CheckConstraint, Connection, Engine, event, inspect
from sqlalchemy.exc import DBAPIError

from csv_manager.core.errors import ConfigurationError
from csv_manager.core.showing import shown
from csv_manager.sync.differences import Difference, Step, sql_dialect_of
from csv_manager.sync.fits import Fit, describe
from csv_manager.sync.loading.interface import TargetError, run
from csv_manager.sync.schema import Column
from csv_manager.sync.sql_dialects.mysql import refuse_more

#: What is lost of a table of SQLite's that is made anew from what SQLAlchemy knows of it.
_LOST = re.compile(
    r"\bON\s+(?:DELETE|UPDATE)\b|\bDEFERRABLE\b|\bCOLLATE\b|\bAUTOINCREMENT\b|\bGENERATED\b|\bAS\s*\(|\bWITHOUT\s+ROWID\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]")
#: How constraints of SQLite's are called that have no name.
_NAMES = {"uq": "uq_%(table_name)s_%(column_0_N_name)s", "fk": "fk_%(table_name)s_%(column_0_N_name)s"}


def apply(connection: Connection, difference: Difference) -> None:
    """Have a database be as wanted, in the caller's transaction. Raises `TargetError` for what it refuses."""
    operations = Operations(MigrationContext.configure(connection))
    done: list[str] = []
    for table, schema, steps in _by_table(difference.steps):
        _check(connection, table, schema, steps)
        try:
            if connection.dialect.name == "sqlite" and not all(map(_is_simple, steps)):
                rest = _rename(connection, table, schema, steps)
                if rest:
                    _rebuild(connection, operations, table, schema, rest)
            else:
                for step in steps:
                    operations.invoke(step.operation)
                    done.append(step.told)
        except (DBAPIError, ValueError) as error:
            told = " ".join(str(getattr(error, "orig", error)).split())
            kept = f" MariaDB and MySQL keep what was done: {'; '.join(done)}." if done and _commits(connection) else ""
            raise TargetError(f"{table}: {told}; the table is not as it is declared.{kept}") from error


def sql(connection: Connection, difference: Difference) -> list[str]:
    """The statements by which `apply` would do it. On SQLite it is done for that, and undone."""
    if connection.dialect.name != "sqlite":
        written = _Written()
        context = MigrationContext.configure(connection, opts={"as_sql": True, "output_buffer": written})
        for step in difference.steps:
            Operations(context).invoke(step.operation)
        return [statement.replace("%%", "%") for statement in written.statements]
    with _executed(connection.engine) as statements:
        nested = connection.begin_nested()
        apply(connection, difference)
        nested.rollback()
    changes = [each.strip() for each in statements if not each.lstrip().upper().startswith(_NO_CHANGES)]
    changes = [each for each in changes if not each.upper().startswith("PRAGMA") or "=" in each]
    is_rebuilt = any(each.startswith("PRAGMA") for each in changes)
    return ["PRAGMA foreign_keys = OFF", *changes, "PRAGMA foreign_keys = ON"] if is_rebuilt else changes


_NO_CHANGES = ("SELECT", "SAVEPOINT", "ROLLBACK", "RELEASE")


class _Written:
    """What Alembic writes, a statement each time."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def write(self, text: str) -> None:
        """Take in a statement."""
        if text.strip():
            self.statements.append(text.strip().removesuffix(";"))

    def flush(self) -> None:
        """Nothing waits."""


def _commits(connection: Connection) -> bool:
    return connection.dialect.name == "mysql"


def _check(connection: Connection, table: str, schema: str | None, steps: Sequence[Step]) -> None:
    """Raise `TargetError` for what would change, or lose, a value or a property of a column."""
    quoted = sql_dialect_of(connection).quoted
    where = quoted(schema, table)
    was = {name: old for old, name in _renames(steps).items()}
    new = "".join(f", {quoted(old)} AS {quoted(name)}" for name, old in was.items())
    for step in steps:
        operation = step.operation
        if isinstance(operation, ops.AlterColumnOp):
            name = was.get(operation.column_name, operation.column_name)
            if connection.dialect.name == "mysql":
                refuse_more(connection, where, table, name)
            if step.column is not None:
                _check_values(connection, where, f"{table}.{name}", name, step.column)
        elif isinstance(operation, ops.CreateCheckConstraintOp):
            rows = f"(SELECT {where}.*{new} FROM {where}) AS now"  # noqa: S608 - names are quoted
            found = run(connection, f"SELECT 1 FROM {rows} WHERE NOT ({operation.condition}) LIMIT 1")  # noqa: S608
            if found.first() is not None:
                raise TargetError(f"{step.told}, and there is a row with another value; nothing was changed.")
        elif isinstance(operation, ops.AddColumnOp):
            column = operation.column
            is_needed = not column.nullable and column.server_default is None
            if is_needed and run(connection, f"SELECT 1 FROM {where} LIMIT 1").first() is not None:  # noqa: S608
                raise TargetError(
                    f"The column {table}.{column.name} needs a value, and the rows that are there have none; give it a "
                    "default, or let it be None."
                )


def _check_values(connection: Connection, where: str, name: str, column: str, wanted: Column) -> None:
    """Raise `TargetError` for the first value that another type would change."""
    fit, most = Fit.of(wanted.type), wanted.type.length
    if fit.kind == "text" and most is None:
        return
    quoted = sql_dialect_of(connection).quoted(column)
    for (value,) in run(connection, f"SELECT {quoted} FROM {where} WHERE {quoted} IS NOT NULL"):  # noqa: S608
        text = _text(value)
        if fit.kind == "text":
            fits = len(text) <= (most or 0)
        elif fit.kind == "bool":
            fits = text.lower() in ("0", "1", "true", "false")
        else:
            fits = bool(text) and (fit.takes(text) or (fit.kind == "double" and isinstance(value, float | int)))
        if not fits:
            said = f"{shown(text)} {describe(text) if text else 'is empty'}"
            raise TargetError(f"The column {name} cannot become {wanted.type}: {said}; nothing was changed.")


def _text(value: object) -> str:
    """A value as a file would have it."""
    if isinstance(value, float | Decimal) and value == value.__trunc__():
        return str(int(value))
    return str(value)


def _by_table(steps: Sequence[Step]) -> Iterator[tuple[str, str | None, list[Step]]]:
    """The steps of each table, in their order."""
    left = list(steps)
    while left:
        table, schema = left[0].table, left[0].schema
        mine = [step for step in left if (step.table, step.schema) == (table, schema)]
        yield table, schema, mine
        left = [step for step in left if step not in mine]


def _is_simple(step: Step) -> bool:
    """Whether SQLite does it without a new table."""
    operation = step.operation
    if isinstance(operation, ops.AddColumnOp):
        column = operation.column
        return bool(column.nullable) and column.server_default is None and not column.foreign_keys and not column.unique
    return isinstance(operation, ops.CreateTableOp | ops.DropTableOp)


def _renames(steps: Sequence[Step]) -> dict[str, str]:
    """The columns that get other names, with these."""
    operations = (step.operation for step in steps)
    found = (each for each in operations if isinstance(each, ops.AlterColumnOp))
    return {each.column_name: each.modify_name for each in found if each.modify_name is not None}


def _rename(connection: Connection, table: str, schema: str | None, steps: Sequence[Step]) -> list[Step]:
    """Give columns of a table of SQLite's their new names; what is left to do."""
    quoted = sql_dialect_of(connection).quoted
    for old, new in _renames(steps).items():
        names = f"{quoted(old)} TO {quoted(new)}"
        run(connection, f"ALTER TABLE {quoted(schema, table)} RENAME COLUMN {names}")
    return [step for step in steps if not _renames([step])]


def _rebuild(
    connection: Connection, operations: Operations, table: str, schema: str | None, steps: Sequence[Step]
) -> None:
    """Change a table of SQLite by making another one in its place; its indexes and triggers stay."""
    names = f"{sql_dialect_of(connection).quoted(schema or 'main')}.sqlite_schema"
    parts = f"SELECT type, name, sql FROM {names} WHERE tbl_name = '{table.replace(chr(39), chr(39) * 2)}'"  # noqa: S608
    before = run(connection, parts).all()
    made = next(str(part.sql) for part in before if part.type == "table")
    if lost := _LOST.search(_QUOTED.sub("''", made)):
        raise ConfigurationError(
            f"The table {table} has {' '.join(lost[0].split()).upper()}, which would be lost when it is made anew for: "
            f"{'; '.join(step.told for step in steps)}. Change it yourself."
        )
    checks = [
        CheckConstraint(str(told["sqltext"]).replace(":", r"\:"))
        for told in inspect(connection).get_check_constraints(table, schema)
        if told["name"] is None
    ]
    options = {"sqlite_strict": True} if made.rstrip().upper().endswith("STRICT") else {}
    run(connection, "PRAGMA legacy_alter_table = ON")  # what speaks of the old table means the new one
    with operations.batch_alter_table(
        table,
        schema=schema,
        recreate="always",
        naming_convention=_NAMES,
        reflect_kwargs={"listeners": [("column_reflect", _escape)]},
        table_args=tuple(checks),
        table_kwargs=options,
    ) as batch:
        for step in steps:
            batch.invoke(step.operation)
    run(connection, "PRAGMA legacy_alter_table = OFF")
    there = {part.name for part in run(connection, parts).all()}
    gone = {getattr(step.operation, "index_name", None) for step in steps}
    for part in before:
        if part.sql is not None and part.name not in there and part.name not in gone:
            run(connection, part.sql)


def _escape(_inspector: object, _table: object, told: dict[str, Any]) -> None:
    """Have a colon in a default be no parameter."""
    if told.get("default") is not None:
        told["default"] = str(told["default"]).replace(":", r"\:")


@contextlib.contextmanager
def _executed(engine: Engine) -> Iterator[list[str]]:
    """The statements that an engine executes meanwhile."""
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        written.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield written
    finally:
        event.remove(engine, "before_cursor_execute", note)
