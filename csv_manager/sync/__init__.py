"""CSV files and SQL tables: types that fit whole files, tables formed from them, schemas and rows kept in step."""

from csv_manager.sync.discovery import discover, discover_table
from csv_manager.sync.formation import ddl, form
from csv_manager.sync.inference import InferredColumn, infer
from csv_manager.sync.schema import Column, ForeignKey, Table, Unique
from csv_manager.sync.sql_dialects import SqlDialect, sql_dialect_named
from csv_manager.sync.types import SqlType

__all__ = [
    "Column",
    "ForeignKey",
    "InferredColumn",
    "SqlDialect",
    "SqlType",
    "Table",
    "Unique",
    "ddl",
    "discover",
    "discover_table",
    "form",
    "infer",
    "sql_dialect_named",
]
