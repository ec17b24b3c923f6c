"""What a plugin inherits. Everything that csv_manager itself does as a plugin is written on these."""

import csv_manager.framework  # noqa: F401 - before groundwork itself, which it imports fast
from csv_manager.patterns.csv_commands_pattern import CsvCommandsPattern
from csv_manager.patterns.csv_documents_pattern import CsvDocumentsPattern
from csv_manager.patterns.csv_watcher_pattern import CsvWatcherPattern

__all__ = ["CsvCommandsPattern", "CsvDocumentsPattern", "CsvWatcherPattern"]
