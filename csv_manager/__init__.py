"""csv_manager: change data capture for CSV files."""

__version__ = "0.1.0"
