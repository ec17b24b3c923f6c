"""Snapshots: the bytes of every version, addressed by their content."""

from csv_manager.archive.archive import Archive
from csv_manager.archive.contents import Content
from csv_manager.archive.locks import FileLocks
from csv_manager.archive.side_files import SideFiles
from csv_manager.archive.snapshots import Derived, Keepable, Snapshot, open_snapshot, signature_of

__all__ = [
    "Archive",
    "Content",
    "Derived",
    "FileLocks",
    "Keepable",
    "SideFiles",
    "Snapshot",
    "open_snapshot",
    "signature_of",
]
