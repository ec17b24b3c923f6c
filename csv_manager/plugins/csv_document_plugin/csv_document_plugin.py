"""The history as a groundwork document, read from the store each time it is shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from csv_manager.patterns import CsvDocumentsPattern, CsvWatcherPattern

_LAST_VERSIONS = 10


class CsvDocumentPlugin(CsvWatcherPattern, CsvDocumentsPattern):
    """Registers the document CsvDocument: every file with its last versions."""

    def activate(self) -> None:
        """Register the document."""
        content = Path(__file__).with_name("csv_document_content.rst").read_text("utf-8")
        self.documents.register(
            name="CsvDocument",
            content=content,
            description="The files that are watched and their last versions",
        )

    def watchers(self) -> set[str]:
        """The files that are watched, stored or registered by a plugin."""
        stored = {watcher.csv_file for watcher in self.csv_watcher.store.catalog.watchers.all()}
        return stored | set(self.app.csv_watcher.get())

    def history(self) -> Iterator[tuple[Any, list[Any]]]:
        """Each file with its last versions, newest first; what the document is made of."""
        for file in self.csv_watcher.store.files():
            yield file, file.versions()[:_LAST_VERSIONS]
