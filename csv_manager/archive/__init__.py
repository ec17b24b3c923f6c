"""Snapshots: the bytes of every version, addressed by their content."""

from csv_manager.archive.archive import Archive, Snapshot
from csv_manager.archive.contents import Content
from csv_manager.archive.locks import FileLocks

__all__ = ["Archive", "Content", "FileLocks", "Snapshot"]
