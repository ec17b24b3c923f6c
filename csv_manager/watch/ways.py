"""The way to a folder: what is missing on it, and the links on it that may lead elsewhere some day."""

import os
from collections.abc import Callable

from csv_manager.watch.hints import Hints
from csv_manager.watch.links import targets
from csv_manager.watch.tracking import Folder


class Ways:
    """Has folders above tell when the way to one is made or changed; with `once` there is no later.

    `folders` are those of the scheduler, by their paths; `let_go` is called with one that may be needed no longer.
    """

    def __init__(self, hints: Hints, folders: dict[str, Folder], let_go: Callable[[Folder], None]) -> None:
        self._hints = hints
        self._folders = folders
        self._let_go = let_go
        self.once = False

    def found(self, folder: Folder) -> None:
        """A folder is there; it may have been waited for."""
        if not folder.present:
            folder.present = True
            self.forget(folder)

    def mind_links(self, folder: Folder) -> None:
        """Have a folder where a feed begins looked at once a link on the way to it leads elsewhere.

        To be called before its own events are asked for: it may lead elsewhere at any moment.
        """
        if not any(watch.feed and watch.feed.root == folder.path for watch in folder.feeds):
            return
        asked: list[str] = []
        while (links := [path for path in (folder.path, *targets(folder.path)) if os.path.islink(path)]) != asked:
            for path in links:
                self._ask(folder, *os.path.split(path))
            asked = links

    def wait_for(self, folder: Folder) -> None:
        """A folder is not there: have the nearest one above tell when the next step to it is made."""
        path, name = os.path.split(folder.path)
        while name and not self._ask(folder, path, name):
            path, name = os.path.split(path)

    def forget(self, folder: Folder) -> None:
        """Nobody waits for a folder any more."""
        before, folder.above = folder.above, set()
        for above in before:
            for name, paths in list(above.awaited.items()):
                paths.discard(folder.path)
                if not paths:
                    del above.awaited[name]
            self._let_go(above)

    def _ask(self, folder: Folder, place: str, name: str) -> bool:
        """Have a folder looked at once something happens to a name in another one; whether that one is there."""
        if self.once:
            return True
        try:
            self._hints.watch(place)
        except (FileNotFoundError, NotADirectoryError):
            return False
        above = self._folders.setdefault(place, Folder(place))
        above.awaited.setdefault(name, set()).add(folder.path)
        folder.above.add(above)
        return True
