"""File events: hints that a file may have changed. Scanning is the truth; a hint only makes it sooner."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger("csv_manager.watch")

#: Each watched folder costs watchdog two threads and one inotify instance; folders beyond this are scanned only.
_MOST_FOLDERS = 48
_TOLD = ("created", "modified", "moved", "deleted", "closed")


class Hints:
    """Watches the parent folders of files and calls `hint(path)` for what moves in them."""

    def __init__(self, hint: Callable[[str], None]) -> None:
        self._hint = hint
        self._observer: Any = None
        self._folders: dict[str, tuple[Any, tuple[int, int]]] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the observer; without one, scanning alone does the work."""
        from watchdog.observers import Observer

        # An emitter that is stopped while it starts calls that an error.
        logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_stop)
        self._observer = Observer()
        self._observer.daemon = True
        try:
            self._observer.start()
        except OSError as error:
            log.warning("No file events (%s): files are scanned once an interval.", error)
            self._observer = None

    def watch(self, folder: str) -> None:
        """Watch a folder, again if it was deleted and made anew; one that is not there is tried at the next scan."""
        with self._lock:
            if self._observer is None:
                return
            try:
                stat = os.stat(folder)
            except OSError:
                self._forget(folder)
                return
            identity = (stat.st_dev, stat.st_ino)
            known = self._folders.get(folder)
            if known and known[1] == identity:
                return
            self._forget(folder)
            if len(self._folders) >= _MOST_FOLDERS:
                return
            try:
                scheduled = self._observer.schedule(_handler(self._hint), folder, recursive=False)
            except OSError as error:
                log.warning("No file events for %s (%s): its files are scanned once an interval.", folder, error)
                return
            self._folders[folder] = (scheduled, identity)

    def forget(self, folder: str) -> None:
        """Watch a folder no longer."""
        with self._lock:
            self._forget(folder)

    def stop(self) -> None:
        """Stop the observer and its threads."""
        with self._lock:
            observer, self._observer = self._observer, None
            self._folders.clear()
        if observer is not None:
            observer.stop()
            observer.join(1)

    def _forget(self, folder: str) -> None:
        known = self._folders.pop(folder, None)
        if known and self._observer is not None:
            # The emitter of a folder that is gone has died by itself.
            with contextlib.suppress(KeyError, OSError):
                self._observer.unschedule(known[0])


def _is_no_stop(record: logging.LogRecord) -> bool:
    return "when the thread is inactive" not in str(record.msg)


def _handler(hint: Callable[[str], None]) -> Any:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in _TOLD:
                for path in (event.src_path, event.dest_path):
                    if path:
                        hint(os.fsdecode(path))

    return Handler()
