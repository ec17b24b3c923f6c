"""What is told of the folders of feeds: why something in them cannot be watched, once."""

from collections.abc import Callable

from csv_manager.watch.tracking import Folder

#: `observe_folder(path, state, reason)`.
ObserveFolder = Callable[[str, str, str | None], None]


class Telling:
    """Tells `observe` what changed."""

    def __init__(self, observe: ObserveFolder) -> None:
        self._observe = observe
        self._told: dict[str, str] = {}

    def tell(self, folder: Folder) -> None:
        """Tell why something in a folder cannot be watched, or that all can again.

        A folder that is not there is told only where a feed begins.
        """
        reason = folder.reason
        if reason is None:
            if self._told.pop(folder.path, None) is not None:
                self._observe(folder.path, "ok", None)
        elif self._told.get(folder.path) != reason and self._is_told(folder):
            self._told[folder.path] = reason
            self._observe(folder.path, "unreadable" if folder.present else "missing", reason)

    @staticmethod
    def _is_told(folder: Folder) -> bool:
        feeds = [watch.feed for watch in folder.feeds if watch.feed]
        return bool(feeds) if folder.present else any(feed.root == folder.path for feed in feeds)
