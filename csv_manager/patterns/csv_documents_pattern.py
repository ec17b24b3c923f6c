"""Documents of a plugin: groundwork's pattern as it is, with a name and an end supplied."""

from typing import Any

from groundwork.patterns import GwDocumentsPattern


class CsvDocumentsPattern(GwDocumentsPattern):
    """Register groundwork documents with `self.documents.register(name, content, description)`."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        kwargs.setdefault("name", type(self).__name__)
        super().__init__(app, **kwargs)

    def deactivate(self) -> None:
        """End the plugin; overwrite it where there is something to end."""
