"""Nouns and pure functions. Knows no groundwork, click, SQLAlchemy or watchdog."""

from csv_manager.core.errors import CsvManagerError
from csv_manager.core.events import Event
from csv_manager.core.findings import Finding, QuarantinedRow
from csv_manager.core.model import ColumnChange, CsvFormat, RowChange, Version, WatcherOptions

__all__ = [
    "ColumnChange",
    "CsvFormat",
    "CsvManagerError",
    "Event",
    "Finding",
    "QuarantinedRow",
    "RowChange",
    "Version",
    "WatcherOptions",
]
