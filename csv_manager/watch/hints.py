"""File events: hints that something in a folder may have changed. Scanning is the truth; a hint makes it sooner.

Nothing is believed of an event but where it was. On Linux all folders share one inotify instance and one thread;
elsewhere watchdog's observer for the system is used.
"""

import errno
import logging
import os
import sys
import threading
import time
import warnings
from typing import Any, Protocol

log = logging.getLogger("csv_manager.watch")

#: What the system says when it has no more watches or instances to give.
_EXHAUSTED = {
    errno.ENOSPC: "the limit fs.inotify.max_user_watches is reached; raise it with sysctl",
    errno.EMFILE: "the limit fs.inotify.max_user_instances, or of open files, is reached; raise it",
}
#: Seconds between two attempts to have events, where the system refused all of them.
_AGAIN_SECONDS = 10.0


class Told(Protocol):
    """Who is told; it is called by the thread that reads events, and returns at once."""

    def on_name(self, folder: str, name: str, is_folder: bool) -> None:
        """Something happened to a name in a folder."""

    def on_folder(self, folder: str) -> None:
        """A folder was deleted, moved or unmounted: there are no events for it any more."""

    def on_overflow(self) -> None:
        """Events were lost."""


class Hints:
    """The file events of any number of folders."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._source: _Inotify | _Observed | None = None
        #: Why there are no events at all, and until when that is believed.
        self._failed: str | None = None
        self._again_at = 0.0
        self._lock = threading.Lock()

    def watch(self, folder: str) -> str | None:
        """Ask for the events of a folder, once more if it is another one by that name; why there are none, or None.

        Raises FileNotFoundError, NotADirectoryError if there is no such folder.
        """
        with self._lock:
            if self._failed is not None and time.monotonic() < self._again_at:
                return self._failed
            try:
                if self._source is None:
                    self._source = _source(self._told)
                self._source.watch(folder)
            except (FileNotFoundError, NotADirectoryError):
                raise
            except (OSError, ImportError) as error:
                reason = _reason(error)
                if self._source is None:
                    self._failed, self._again_at = reason, time.monotonic() + _AGAIN_SECONDS
                return reason
            return None

    def forget(self, folder: str) -> None:
        """Ask for the events of a folder no longer."""
        with self._lock:
            if self._source is not None:
                self._source.forget(folder)

    def stop(self) -> None:
        """Ask for no events any more."""
        with self._lock:
            source, self._source, self._failed = self._source, None, None
        if source is not None:
            source.stop()


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return _EXHAUSTED.get(number or 0) or getattr(error, "strerror", None) or str(error)


def _source(told: Told) -> "_Inotify | _Observed":
    return _Inotify(told) if sys.platform.startswith("linux") else _Observed(told)


class _Inotify:
    """watchdog's reader of one inotify instance, asked for folders directly; its observers take threads for each."""

    def __init__(self, told: Told) -> None:
        from watchdog.observers import inotify_c

        constants = inotify_c.InotifyConstants
        self._mask = inotify_c.Mask(
            constants.IN_MODIFY
            | constants.IN_CLOSE_WRITE
            | constants.IN_ATTRIB
            | constants.IN_MOVE
            | constants.IN_CREATE
            | constants.IN_DELETE
            | constants.IN_DELETE_SELF
            | constants.IN_MOVE_SELF
            | constants.IN_ONLYDIR
        )
        # Overflows are told to us, and are no one else's business.
        logging.getLogger("watchdog.observers.inotify_c").addFilter(_is_no_overflow)
        self._told = told
        self._folders: dict[str, _Folder] = {}
        self._reader = inotify_c.InotifyFD()
        self._reader.start()

    def watch(self, folder: str) -> None:
        known = self._folders.get(folder)
        stat = os.stat(folder)
        identity = stat.st_dev, stat.st_ino
        if known is not None and known.is_watched and known.identity == identity:
            return
        self.forget(folder)
        found = _Folder(folder, identity, self._told)
        found.wd = int(self._reader.add_callback(os.fsencode(folder), self._mask, found, found.key))
        if found.wd < 0:  # the reader raises every error but this one
            found.is_watched = False
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        self._folders[folder] = found

    def forget(self, folder: str) -> None:
        known = self._folders.pop(folder, None)
        if known is not None and known.is_watched:
            known.is_watched = False
            with warnings.catch_warnings():  # the folder may be deleted at this moment
                warnings.simplefilter("ignore", RuntimeWarning)
                self._reader.remove_callbacks([(known.wd, known.key)])

    def stop(self) -> None:
        for folder in self._folders.values():
            folder.is_watched = False
        self._folders.clear()
        self._reader.stop()
        self._reader.join(1)


class _Folder:
    """Takes the events of one folder."""

    def __init__(self, path: str, identity: tuple[int, int], told: Told) -> None:
        self.path = path
        self.identity = identity
        self.is_watched = True
        self.wd: Any = -1
        self.key: Any = id(self)
        self._told = told

    def on_event(self, event: Any) -> None:
        """Pass on where something happened."""
        if not self.is_watched:
            return
        if event.name:
            self._told.on_name(self.path, os.fsdecode(event.name), event.is_directory)
        elif event.is_delete_self or event.is_move_self:
            # What is at the path from now on is another folder, though the system goes on telling of this one.
            self.identity = (-1, -1)
            self._told.on_folder(self.path)

    def on_watch_deleted(self, _wd: int) -> None:
        """The system has nothing to watch any more."""
        if self.is_watched:
            self.is_watched = False
            self._told.on_folder(self.path)

    def on_queue_overflow(self) -> None:
        """Events were lost, of whatever folder."""
        if self.is_watched:
            self._told.on_overflow()


class _Observed:
    """watchdog's observer for this system."""

    def __init__(self, told: Told) -> None:
        from watchdog.observers import Observer

        self._told = told
        self._folders: dict[str, tuple[Any, tuple[int, int]]] = {}
        self._observer = Observer()
        self._observer.daemon = True
        self._observer.start()

    def watch(self, folder: str) -> None:
        stat = os.stat(folder)
        identity = stat.st_dev, stat.st_ino
        known = self._folders.get(folder)
        if known and known[1] == identity:
            return
        self.forget(folder)
        self._folders[folder] = self._observer.schedule(_handler(self._told), folder, recursive=False), identity

    def forget(self, folder: str) -> None:
        known = self._folders.pop(folder, None)
        if known is not None:
            try:
                self._observer.unschedule(known[0])
            except (KeyError, OSError) as error:  # the emitter of a folder that is gone has died by itself
                log.debug("No events of %s to end: %s", folder, error)

    def stop(self) -> None:
        self._folders.clear()
        self._observer.stop()
        self._observer.join(1)


def _handler(told: Told) -> Any:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in {"opened", "closed_no_write"}:
                return
            for path in (event.src_path, event.dest_path):
                if path:
                    folder, name = os.path.split(os.fsdecode(path))
                    told.on_name(folder, name, event.is_directory)

    return Handler()


def _is_no_overflow(record: logging.LogRecord) -> bool:
    return "overflow" not in str(record.msg)
