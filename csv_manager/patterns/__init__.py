"""What a plugin inherits. Everything that csv_manager itself does as a plugin is written on these."""

from typing import Any

import csv_manager.framework  # noqa: F401 - before groundwork itself, which it imports fast
from csv_manager.patterns.csv_check_pattern import CsvCheckPattern
from csv_manager.patterns.csv_commands_pattern import CsvCommandsPattern
from csv_manager.patterns.csv_databases_pattern import CsvDatabasesPattern
from csv_manager.patterns.csv_documents_pattern import CsvDocumentsPattern
from csv_manager.patterns.csv_event_pattern import CsvEventPattern
from csv_manager.patterns.csv_watcher_pattern import CsvWatcherPattern

__all__ = [
    "Configuration",
    "CsvCheckPattern",
    "CsvCommandsPattern",
    "CsvDatabasesPattern",
    "CsvDocumentsPattern",
    "CsvEventPattern",
    "CsvWatcherPattern",
    "Model",
    "Run",
    "Task",
]


def __getattr__(name: str) -> Any:
    """`Model`, the base of mapped classes, and those of the ledger: they load SQLAlchemy."""
    if name in {"Configuration", "Model", "Run", "Task"}:
        from csv_manager.store import models

        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
