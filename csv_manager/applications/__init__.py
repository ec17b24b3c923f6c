"""The application: its settings and its start."""

from csv_manager.applications.csv_manager_app import CSV_MANAGER_APP

__all__ = ["CSV_MANAGER_APP"]
