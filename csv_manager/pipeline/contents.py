"""Versions as tables, out of the archive."""

from csv_manager.archive import Archive
from csv_manager.core.model import Version
from csv_manager.core.omitting import table_of
from csv_manager.core.plain import PlainStream
from csv_manager.core.reading import Table


def table_in(archive: Archive, version: Version, csv_file: str) -> Table:
    """The columns and rows of a version, without those that are quarantined."""
    return table_of(version, lambda: PlainStream(archive.content(version.content)), csv_file)
