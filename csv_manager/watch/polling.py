"""Which folders give no file events, or not all: those of a network or of another system."""

import logging
import os

from csv_manager.core.mounts import find_remote
from csv_manager.watch.hints import Hints
from csv_manager.watch.tracking import Folder

log = logging.getLogger("csv_manager.watch")


class Polling:
    """Asks for the events of folders, and knows for which of them that is not enough."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints
        self._remote: dict[int, str | None] = {}
        self._said: set[str] = set()

    def ask_for_events(self, folder: Folder, *, wanted: bool) -> str | None:
        """Ask for a folder's events, if they are `wanted`; why there are none. Raises OSError if it is not there."""
        if not folder.scanned:
            device = os.stat(folder.path).st_dev
            if device not in self._remote:
                self._remote[device] = find_remote(folder.path)
            folder.remote = self._remote[device]
        if not wanted or folder.is_polled:
            os.stat(folder.path)
            self._hints.forget(folder.path)
            return "that is asked for" if wanted else None
        reason = self._hints.watch(folder.path) or folder.remote
        if reason and reason not in self._said:
            self._said.add(reason)
            log.warning(
                "%s is scanned once an interval: %s. Others for this reason are not named.", folder.path, reason
            )
        return reason
