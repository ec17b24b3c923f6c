"""CSV files and SQL tables: types that fit whole files, tables formed from them, schemas and rows kept in step."""

from csv_manager.sync.inference import InferredColumn, infer
from csv_manager.sync.types import SqlType

__all__ = ["InferredColumn", "SqlType", "infer"]
