"""Held versions that somebody lets through, or closes."""

from csv_manager.archive import Archive, FileLocks
from csv_manager.core.diff import diff
from csv_manager.core.errors import VersionNotFoundError
from csv_manager.core.model import Version
from csv_manager.pipeline.contents import table_in
from csv_manager.pipeline.new_versions import accepted, kept
from csv_manager.store.catalog import Catalog
from csv_manager.store.records import FileRecord


class Decider:
    """Decides about held versions. `row_limit` is the largest number of row changes of a version kept in SQL."""

    def __init__(self, catalog: Catalog, archive: Archive, locks: FileLocks, row_limit: int) -> None:
        self._catalog = catalog
        self._archive = archive
        self._locks = locks
        self._row_limit = row_limit

    def accept(self, path: str, version: Version) -> Version:
        """Let a held version through: it becomes the head, and its changes are told against the head before it.

        Raises `VersionNotFoundError` for one that is not held, has no rows, or is older than the head.
        """
        with self._locks.hold(path):
            file, held_version = self._decided(path, version)
            head = self._version(file, file.head)
            if not held_version.columns:
                raise VersionNotFoundError(
                    f"{path}: version {version.number} cannot be read as CSV, so it cannot become the head; "
                    "csv_history_reject closes it."
                )
            if held_version.number < file.head:
                raise VersionNotFoundError(
                    f"{path}: version {version.number} is older than the head, version {file.head}; "
                    "csv_history_restore puts it back into the file."
                )
            table = table_in(self._archive, held_version, path)
            base = None if head is None else table_in(self._archive, head, path)
            change_set = diff(base, table, key=held_version.key, ignore=held_version.ignore)
            changes = kept(change_set, self._row_limit, self._catalog.history.takes) if base else None
            new = accepted(held_version, head, change_set, changes)
            self._catalog.decisions.accept(file, held_version, new)
            if head is not None and not self._catalog.history.is_head(head.content):
                self._archive.forget_aids(head.content)
        return self._version(file, version.number) or held_version

    def reject(self, path: str, version: Version) -> Version:
        """Close a held version: the file may have it, and nothing follows it. Raises `VersionNotFoundError`."""
        with self._locks.hold(path):
            file, held_version = self._decided(path, version)
            self._catalog.decisions.reject(file, held_version)
        return self._version(file, version.number) or held_version

    def _decided(self, path: str, version: Version) -> tuple[FileRecord, Version]:
        """A file, and its version that somebody decides about. Raises `VersionNotFoundError` if it does not wait."""
        file, found = self._catalog.history.with_version(path, version.number)
        if file is None or found is None:
            raise VersionNotFoundError(f"{path} has no version {version.number} any more.")
        if found.status != "held":
            by = f" by {found.decided_by}" if found.decided_by else ""
            what = "went through" if found.status == "ok" else f"was {found.status}{by}"
            raise VersionNotFoundError(f"{path}: version {version.number} is not held; it {what}.")
        return file, found

    def _version(self, file: FileRecord, number: int) -> Version | None:
        return self._catalog.history.version(file.id, number) if number else None
