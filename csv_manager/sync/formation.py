"""Tables formed from files, and the statements that make them."""

import os
import re
from collections.abc import Collection, Sequence

from sqlalchemy.schema import CreateTable, DDLElement, SetColumnComment, SetTableComment

from csv_manager.core.errors import OptionError, UnknownColumnError
from csv_manager.core.keys import check_columns
from csv_manager.core.reading import Table as CsvTable
from csv_manager.sync.inference import InferredColumn, infer
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import SqlDialect

#: What a file's name may end with that says nothing of its content.
_SUFFIXES = re.compile(r"(?:\.(?:csv|tsv|tab|psv|txt|dat|gz|bz2|xz|zst|zip))+\Z", re.IGNORECASE)
_NO_WORD = re.compile(r"\W+")


def name_of(csv_file: str) -> str:
    """The name of a table for a file: that of the file, with _ for what is no letter, digit or _."""
    base = os.path.basename(csv_file)
    return _NO_WORD.sub("_", _SUFFIXES.sub("", base) or base).strip("_") or "table"


def form(
    table: CsvTable,
    sql_dialect: SqlDialect,
    *,
    name: str | None = None,
    schema: str | None = None,
    key: Sequence[str] = (),
    ignore: Collection[str] = (),
    inferred: Sequence[InferredColumn] | None = None,
) -> Table:
    """Form a table from a content: its columns, but for those to `ignore`, with types that fit every cell.

    `inferred` is what `infer` said of it, if that is known. Raises `UnknownColumnError`, `NotCsvError`, and
    `ConfigurationError` for names that the database does not take.
    """
    check_columns(table, key)
    unknown = [column for column in ignore if column not in table.columns]
    if unknown:
        header = ", ".join(table.columns)
        raise UnknownColumnError(f"{table.csv_file}: ignored column {unknown[0]!r} is not in the header: {header}.")
    both = set(key) & set(ignore)
    if both:
        raise OptionError(f"A key column cannot be ignored: {', '.join(sorted(both))}.")
    columns = tuple(
        Column(
            name=column.name,
            type=sql_dialect.fitted(column.type),
            nullable=column.name not in key,
        )
        for column in inferred or infer(table)
        if column.name not in ignore
    )
    if not columns:
        raise OptionError(f"{table.csv_file} has no columns for a table.")
    formed = Table(name=name or name_of(table.csv_file), schema=schema, columns=columns, key=tuple(key))
    sql_dialect.check_names(formed)
    return formed


def statements(table: Table, sql_dialect: SqlDialect) -> list[str]:
    """The statements that make a table, and tell what it and its columns are, each without a semicolon."""
    told, dialect = sql_dialect.to_sqlalchemy(table), sql_dialect.sqlalchemy
    comments: list[DDLElement] = []
    if dialect.supports_comments and not dialect.inline_comments:
        comments += [SetTableComment(told)] if told.comment else []
        comments += [SetColumnComment(column) for column in told.columns if column.comment]
    return [ddl(table, sql_dialect), *(str(each.compile(dialect=dialect)) for each in comments)]


def ddl(table: Table, sql_dialect: SqlDialect) -> str:
    """The statement that makes a table, without a semicolon."""
    told = str(CreateTable(sql_dialect.to_sqlalchemy(table)).compile(dialect=sql_dialect.sqlalchemy))
    columns, _, options = told.strip().replace(", \n", ",\n").replace("\n\t", "\n    ").rpartition("\n)")
    return f"{columns.rstrip()}\n) {options.strip()}".rstrip()
