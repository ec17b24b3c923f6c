"""CSV files and SQL tables: types that fit whole files, tables formed from them, schemas and rows kept in step."""

from csv_manager.sync.coding import code_of
from csv_manager.sync.declaring import Comment, Default, Distinct, PrimaryKey, References, RenamedFrom, declare
from csv_manager.sync.discovery import discover, discover_table
from csv_manager.sync.formation import ddl, form, statements
from csv_manager.sync.inference import InferredColumn, infer
from csv_manager.sync.modules import is_module, tables_of
from csv_manager.sync.schema import Column, ForeignKey, Table, Unique
from csv_manager.sync.sql_dialects import SqlDialect, sql_dialect_named
from csv_manager.sync.types import SqlType

__all__ = [
    "Column",
    "Comment",
    "Default",
    "Distinct",
    "ForeignKey",
    "InferredColumn",
    "PrimaryKey",
    "References",
    "RenamedFrom",
    "SqlDialect",
    "SqlType",
    "Table",
    "Unique",
    "code_of",
    "ddl",
    "declare",
    "discover",
    "discover_table",
    "form",
    "infer",
    "is_module",
    "sql_dialect_named",
    "statements",
    "tables_of",
]
