"""How the tables of a database differ from those that are wanted, as operations of Alembic that mend it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import ops
from sqlalchemy import Column as SqlColumn
from sqlalchemy import Connection, DefaultClause, MetaData, inspect

from csv_manager.core.errors import ConfigurationError
from csv_manager.sync.discovery import texts_in, type_of, uniques_of
from csv_manager.sync.schema import Column, Table, Unique
from csv_manager.sync.sql_dialects import SqlDialect, sql_dialect_named

#: What MySQL's types tell beside what they are.
_MORE = re.compile(r"\s+(?:CHARACTER SET|COLLATE)\s+\S+")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of a table: the operation of Alembic, and what it does, for people.

    `drops` is what is lost by it, as `TABLE` or `TABLE.NAME`.
    """

    table: str
    schema: str | None
    told: str
    operation: ops.MigrateOperation
    drops: str | None = None
    #: The column that gets another type, as it is wanted.
    column: Column | None = None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What has the tables of a database be as those that are wanted: `steps` in their order.

    `kept` are those that would drop something, and are not done unless that is said.
    """

    steps: tuple[Step, ...]
    kept: tuple[Step, ...] = ()


def compare(connection: Connection, wanted: Sequence[Table], *, drop: Collection[str] = ()) -> Difference:
    """How the tables of a database differ from `wanted`; no others are looked at.

    What is there and not wanted is kept, unless it is one of `drop`: a table, or `TABLE.COLUMN`, or `TABLE.CONSTRAINT`.
    Raises `ConfigurationError` for a key that would have to change, for what no such change can make, and for a name to
    `drop` that is not there.
    """
    sql_dialect = sql_dialect_of(connection)
    default = inspect(connection).default_schema_name
    wanted = [_placed(table, default) for table in wanted]
    _refuse_twice(wanted)
    metadata = MetaData()
    for table in wanted:
        sql_dialect.to_sqlalchemy(table, metadata)
    names = {(table.schema, table.name) for table in wanted}
    dropped = {name for name in drop if "." not in name} - {table.name for table in wanted}

    def is_meant(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name is None or any(schema == name for schema, _ in names)
        if kind != "table":
            return True
        schema = parents.get("schema_name")
        return (schema, name) in names or (schema in (None, default) and name in dropped)

    def is_ours(told: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        if kind == "index" and reflected and not told.unique:
            return False  # nobody declares it, and it does no harm
        if kind == "column" and any(getattr(each, "computed", None) is not None for each in (told, other)):
            return False
        return kind != "table" or reflected or (told.schema, name) in names

    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": _Types(sql_dialect, connection).differ,
            "compare_server_default": _defaults_differ,
            "include_schemas": any(schema for schema, _ in names),
            "include_name": is_meant,
            "include_object": is_ours,
        },
    )
    script = produce_migrations(context, metadata)
    assert script.upgrade_ops is not None  # noqa: S101 - that is what it makes
    steps = list(_Steps(connection, wanted, sql_dialect).of(script.upgrade_ops.ops))
    known = {step.drops for step in steps if step.drops}
    unknown = sorted(set(drop) - known)
    if unknown:
        there = f"; there are {', '.join(sorted(known))}" if known else ", and nothing else"
        raise ConfigurationError(f"There is no {unknown[0]!r} that is to be dropped{there}.")
    done = [step for step in steps if step.drops is None or step.drops in drop]
    return Difference(steps=tuple(done), kept=tuple(step for step in steps if step not in done))


def _placed(table: Table, default: str | None) -> Table:
    """A table whose schema is told only if it is not the usual one."""
    keys = (replace(key, schema=None if key.schema == default else key.schema) for key in table.foreign_keys)
    return replace(table, schema=None if table.schema == default else table.schema, foreign_keys=tuple(keys))


def _refuse_twice(wanted: Sequence[Table]) -> None:
    """Raise `ConfigurationError` for a table that is declared twice."""
    places = [(table.schema, table.name) for table in wanted]
    twice = next((table.name for table in wanted if places.count((table.schema, table.name)) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"The table {twice} is declared twice; give one of them another __tablename__.")


def sql_dialect_of(connection: Connection) -> SqlDialect:
    """The kind of a connection's database."""
    dialect = connection.dialect
    return sql_dialect_named("mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name)


class _Types:
    """Whether the types of columns differ."""

    def __init__(self, sql_dialect: SqlDialect, connection: Connection) -> None:
        self._sql_dialect, self._inspector = sql_dialect, inspect(connection)

    def differ(self, _context: Any, _there: Any, _wanted: Any, there: Any, wanted: Any) -> bool:
        """By their names, or by what they are."""
        dialect = self._sql_dialect.sqlalchemy
        found, meant = (_MORE.sub("", told.compile(dialect=dialect).upper()) for told in (there, wanted))
        if found == meant:
            return False
        if self._sql_dialect.name == "sqlite":
            return _affinity(found) != _affinity(meant)
        if meant == "JSON" and found == "LONGTEXT":  # which MariaDB makes of it
            return False
        told = type_of(there, self._inspector)
        is_like: bool = told.kind != "other" and told == type_of(wanted, self._inspector)
        return not is_like


def _affinity(native: str) -> str:
    """What SQLite makes of a type's name."""
    marks = (
        ("INT", "INTEGER"),
        ("CHAR", "TEXT"),
        ("CLOB", "TEXT"),
        ("TEXT", "TEXT"),
        ("BLOB", "BLOB"),
        ("REAL", "REAL"),
    )
    more = (("FLOA", "REAL"), ("DOUB", "REAL"), ("DATE", "TEXT"), ("TIME", "TEXT"))
    return next((told for mark, told in (*marks, *more) if mark in native), native)


def _defaults_differ(
    context: MigrationContext, _there: Any, _wanted: Any, there: str | None, _default: Any, wanted: str | None
) -> bool:
    """Whether defaults differ, by how they are told."""
    is_mysql = context.dialect.name == "mysql"
    return _plain(there, is_mysql=is_mysql) != _plain(wanted, is_mysql=is_mysql)


def _plain(default: str | None, *, is_mysql: bool) -> object:
    """A default without what databases add to it: a number, a text in quotes, or an expression."""
    if default is None or default.upper() == "NULL":
        return None
    told = default.strip()
    while told.startswith("(") and told.endswith(")"):
        told = told[1:-1].strip()
    told = re.sub(r"::[\w ]+(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])?\Z", "", told)
    word = re.sub(r"\(\d*\)\Z", "", told).casefold()
    told = {"true": "1", "false": "0", "now": "current_timestamp", "current_timestamp": "current_timestamp"}.get(
        word, told
    )
    texts = texts_in(told, is_mysql=is_mysql) if told.startswith("'") else ()
    value = "".join(texts) if texts else told
    try:
        return Decimal(value)
    except InvalidOperation:
        value = re.sub(r"(:\d\d)\.0+\Z", r"\1", value)  # a time, as MySQL tells it
        return f"'{value.replace('%%', '%')}'" if texts else value


class _Steps:
    """Steps of the operations that Alembic found."""

    def __init__(self, connection: Connection, wanted: Sequence[Table], sql_dialect: SqlDialect) -> None:
        self._inspector, self._types = inspect(connection), _Types(sql_dialect, connection)
        self._wanted = {(table.schema, table.name): table for table in wanted}
        self._sql_dialect = sql_dialect

    def of(self, found: Sequence[ops.MigrateOperation]) -> Iterator[Step]:
        """Those, and what Alembic does not look at: keys, and the values of enumerations."""
        made = set()
        for operation in found:
            if isinstance(operation, ops.CreateTableOp):
                made.add((operation.schema, operation.table_name))
                yield self._step(operation, f"the table {operation.table_name} is made")
            elif isinstance(operation, ops.DropTableOp):
                yield self._step(operation, f"the table {operation.table_name} is dropped", operation.table_name)
            elif isinstance(operation, ops.ModifyTableOps):
                yield from self._modified(operation)
        for place, table in self._wanted.items():
            if place not in made:
                self._check_key(table)
                yield from self._checks(table)

    def _step(self, operation: Any, told: str, drops: str | None = None) -> Step:
        return Step(table=operation.table_name, schema=operation.schema, told=told, operation=operation, drops=drops)

    def _modified(self, modified: ops.ModifyTableOps) -> Iterator[Step]:
        table = self._wanted.get((modified.schema, modified.table_name))
        key = table.key if table else ()
        for each in modified.ops:
            if isinstance(each, ops.AlterColumnOp) and each.column_name in key:
                each.modify_nullable = None  # SQLite's may lack a NOT NULL
        there = uniques_of(self._inspector, modified.table_name, modified.schema, key)
        known = {unique.columns for unique in there} if self._sql_dialect.name == "sqlite" else set()
        modified.ops = [  # SQLAlchemy does not see each one that is told beside a column
            each
            for each in modified.ops
            if not (isinstance(each, ops.CreateUniqueConstraintOp) and tuple(map(str, each.columns)) in known)
        ]
        modified.ops = [each for each in modified.ops if not isinstance(each, ops.AlterColumnOp) or each.has_changes()]
        renamed = {column.renamed_from: column.name for column in table.columns if column.renamed_from} if table else {}
        gone = {each.column_name for each in modified.ops if isinstance(each, ops.DropColumnOp)}
        come = {each.column.name for each in modified.ops if isinstance(each, ops.AddColumnOp)}
        pairs = {old: new for old, new in renamed.items() if old in gone and new in come}
        by_name = {each.column.name: each.column for each in modified.ops if isinstance(each, ops.AddColumnOp)}
        for operation in modified.ops:
            if isinstance(operation, ops.DropColumnOp) and operation.column_name in pairs:
                yield from self._rename(modified, operation.to_column(), by_name[pairs[operation.column_name]])
        for operation in modified.ops:
            if not _columns_of(operation) & {*pairs, *pairs.values()} or self._is_new(operation, pairs, there):
                yield self._change(modified.table_name, operation, modified.schema)

    def _is_new(self, operation: Any, pairs: Mapping[str, str], uniques: Sequence[Unique]) -> bool:
        """Whether a constraint of renamed columns is to be made; one that is there has their new names."""
        if isinstance(operation, ops.CreateUniqueConstraintOp):
            known = [{pairs.get(name, name) for name in unique.columns} for unique in uniques]
        elif isinstance(operation, ops.CreateForeignKeyOp):
            found = self._inspector.get_foreign_keys(operation.source_table, operation.kw.get("source_schema"))
            known = [
                {pairs.get(name, name) for name in key["constrained_columns"]}
                for key in found
                if key["referred_table"] == operation.referent_table
            ]
        else:
            return False
        return _columns_of(operation) not in known

    def _rename(self, modified: ops.ModifyTableOps, gone: "SqlColumn[Any]", come: "SqlColumn[Any]") -> Iterator[Step]:
        """A column gets its new name, and then what else is another."""
        name, schema = modified.table_name, modified.schema
        there: dict[str, Any] = {
            "schema": schema, "existing_type": gone.type, "existing_nullable": gone.nullable,
            "existing_server_default": gone.server_default, "existing_comment": gone.comment,
        }  # fmt: skip
        yield self._change(name, ops.AlterColumnOp(name, gone.name, modify_name=come.name, **there), schema)
        told = ops.AlterColumnOp(name, come.name, **there)
        if self._types.differ(None, None, None, gone.type, come.type):
            told.modify_type = come.type
        if gone.nullable != come.nullable:
            told.modify_nullable = come.nullable
        if not _is_default(gone, come, self._sql_dialect):
            told.modify_server_default = come.server_default
        if gone.comment != come.comment and self._sql_dialect.sqlalchemy.supports_comments:
            told.modify_comment = come.comment
        if told.has_changes():
            yield self._change(name, told, schema)

    def _change(self, table: str, operation: Any, schema: str | None) -> Step:
        self._name(table, operation)
        where, drops, column = _name_of(operation), None, None
        if isinstance(operation, ops.AlterColumnOp):
            told = f"the column {table}.{where} {', '.join(self._altered(operation))}"
            column = self._column(table, schema, operation)
        elif isinstance(operation, ops.AddColumnOp):
            told = f"the column {table}.{where} is added"
        elif isinstance(operation, ops.DropColumnOp):
            told, drops = f"the column {table}.{where} is dropped", f"{table}.{where}"
        elif isinstance(operation, ops.DropConstraintOp | ops.DropIndexOp):
            told, drops = f"{where} of {table} is dropped", f"{table}.{where}"
        elif isinstance(operation, ops.CreateForeignKeyOp):
            told = f"{', '.join(operation.local_cols)} of {table} refers to {operation.referent_table}"
        elif isinstance(operation, ops.CreateUniqueConstraintOp):
            told = f"{', '.join(map(str, operation.columns))} of {table} becomes unique"
        else:
            told = f"{table} is described anew"
        return Step(table=table, schema=schema, told=told, operation=operation, drops=drops, column=column)

    def _column(self, table: str, schema: str | None, operation: ops.AlterColumnOp) -> Column | None:
        """The column as it is wanted that gets another type."""
        name = operation.column_name
        columns = self._wanted[schema, table].columns if operation.modify_type is not None else ()
        return next((column for column in columns if column.name == name), None)

    def _name(self, table: str, operation: Any) -> None:
        """Give a constraint of SQLite's that has no name the one that it has when the table is made anew."""
        if self._sql_dialect.name == "sqlite" and getattr(operation, "constraint_name", "") is None:
            kind = (
                "fk"
                if "foreign" in (getattr(operation, "constraint_type", None) or type(operation).__name__.lower())
                else "uq"
            )
            operation.constraint_name = f"{kind}_{table}_{'_'.join(sorted(_columns_of(operation)))}"

    def _altered(self, operation: ops.AlterColumnOp) -> list[str]:
        """What becomes of a column; the operation is made fit for its database."""
        told, dialect = [], self._sql_dialect.sqlalchemy
        if dialect.name != "mysql":  # which alone has such a thing
            operation.kw = {name: value for name, value in operation.kw.items() if "autoincrement" not in name}
        if operation.modify_name is not None:
            told.append(f"is called {operation.modify_name} now")
        if isinstance(operation.modify_server_default, DefaultClause):  # which a batch does not take
            operation.modify_server_default = operation.modify_server_default.arg
        if operation.modify_type is not None:
            native = operation.modify_type.compile(dialect=dialect)
            told.append(f"becomes {native}")
            if dialect.name == "postgresql":
                column = self._sql_dialect.quoted(operation.column_name)
                operation.kw["postgresql_using"] = f"{column}::{native}".replace("%", "%%")
        if operation.modify_nullable is not None:
            told.append("may be empty" if operation.modify_nullable else "has to have a value")
        if operation.modify_server_default is not False:
            told.append("has another default" if operation.modify_server_default is not None else "has no default")
        if operation.modify_comment is not False:
            told.append("is described anew")
        return told

    def _check_key(self, table: Table) -> None:
        found = tuple(self._inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"])
        if found != table.key:
            raise ConfigurationError(
                f"The key of the table {table.name} is {', '.join(found) or 'none'}, and {', '.join(table.key)} is "
                "wanted; a key is not changed. Make another table, and bring the rows there."
            )

    def _checks(self, table: Table) -> Iterator[Step]:
        """What keeps columns to other values than those that are there."""
        wanted = {str(check.name): check for check in self._sql_dialect.checks(table)}
        found = {
            str(told["name"]): str(told["sqltext"])
            for told in self._inspector.get_check_constraints(table.name, table.schema)
            if told["name"] in {*wanted, *(f"{table.name}_{column.name}_values" for column in table.columns)}
        }
        for name in sorted({*wanted, *found}):
            told = str(wanted[name].sqltext) if name in wanted else ""
            is_mysql = self._sql_dialect.sqlalchemy.name == "mysql"
            values = texts_in(told, is_mysql=is_mysql)
            if set(values) == set(texts_in(found.get(name, ""), is_mysql=is_mysql)):
                continue
            if name in found:
                gone = ops.DropConstraintOp(name, table.name, type_="check", schema=table.schema)
                yield self._step(gone, f"{name} of {table.name} is dropped")
            if name in wanted:
                come = ops.CreateCheckConstraintOp(name, table.name, told, schema=table.schema)
                yield self._step(come, f"{name} of {table.name} takes {', '.join(map(repr, values))}")


def _name_of(operation: Any) -> str:
    """The name of the column or constraint that an operation is about."""
    if isinstance(operation, ops.AddColumnOp):
        return operation.column.name
    names = ("column_name", "constraint_name", "index_name")
    return next((str(told) for name in names if (told := getattr(operation, name, None)) is not None), "")


def _columns_of(operation: Any) -> set[str]:
    """The names of the columns that an operation is about."""
    if isinstance(operation, ops.AddColumnOp):
        return {operation.column.name}
    if isinstance(operation, ops.CreateForeignKeyOp):
        return set(operation.local_cols)
    if isinstance(operation, ops.CreateUniqueConstraintOp):
        return {str(column) for column in operation.columns}
    if isinstance(operation, ops.DropConstraintOp):
        return {column.name for column in getattr(operation.to_constraint(), "columns", ())}
    return {str(getattr(operation, "column_name", ""))}


def _is_default(one: "SqlColumn[Any]", other: "SqlColumn[Any]", sql_dialect: SqlDialect) -> bool:
    """Whether two columns have the same default."""
    is_mysql = sql_dialect.sqlalchemy.name == "mysql"
    args = (getattr(each.server_default, "arg", None) for each in (one, other))
    plain = [_plain(None if arg is None else str(arg), is_mysql=is_mysql) for arg in args]
    return plain[0] == plain[1]
