"""csv_manager: change data capture for CSV files."""

from csv_manager.api import diff, open_async_database, open_database, open_store

__all__ = ["diff", "open_async_database", "open_database", "open_store"]
__version__ = "0.1.0"
