"""`--done`: what becomes of a file of a drop folder once it is recorded and told to everybody."""

import contextlib
import errno
import io
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from csv_manager.core.leases import is_open_for_writing
from csv_manager.core.model import Signature
from csv_manager.core.paths import stat_regular

#: Files on their way out; hidden, so that nobody takes them for new ones.
_ASIDE = ".csv_manager-done-"
_COPY = ".csv_manager-copy-"
#: Seconds between two attempts to delete or move a file.
_RETRY_SECONDS = 10
#: A hard link cannot be made there, or the folder is on another disk.
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)

#: Whether a file has a version with this SHA-256.
IsRecorded = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True)
class Done:
    """A file that is recorded: where it is, what it looked like when it was read, and when it is told to everybody.

    `position` is that of the last row change of its version; `folder` is where it is moved to, None if it is deleted.
    """

    place: str
    signature: Signature
    position: int
    folder: str | None


def consume(done: Done, is_recorded: IsRecorded) -> bool:
    """Delete or move a file, unless it was written to since it was read; whether it is gone. Raises OSError.

    It is taken aside first: what is written to its name from then on is another file. One that a program still has
    open for writing (see `is_open_for_writing`) stays. To be called by one process at a time for a place.
    """
    recover(done.place, done.folder, is_recorded)
    aside = _aside(done.place)
    if done.folder is not None:
        os.makedirs(done.folder, exist_ok=True)
    try:
        if Signature.of(os.stat(done.place)) != done.signature:
            return False
        os.rename(done.place, aside)
    except FileNotFoundError:
        return True  # another process was first
    # The rename is a change of the inode, but of nothing else. Whoever closed the file at last may have written before.
    if is_open_for_writing(aside) or Signature.of(os.stat(aside))[:4] != done.signature[:4]:
        _move(aside, done.place)
        return False
    try:
        _finish(aside, done.place, done.folder)
    except OSError:
        _move(aside, done.place)
        raise
    return True


def recover(place: str, folder: str | None, is_recorded: IsRecorded) -> None:
    """Go on with a file that a killed process had taken aside: a content that is recorded is done with.

    Another one is given its name again, or one like it if that is another file's by now. Raises OSError.
    """
    aside = _aside(place)
    if not os.path.lexists(aside):
        return
    import hashlib

    with _opened(aside) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not is_open_for_writing(aside) and is_recorded(sha256):
        _finish(aside, place, folder, again=True)
    else:
        _move(aside, place, again=True)


def left_aside(folder: str) -> list[str]:
    """The files of a folder that a process took aside, by where they were."""
    try:
        names = os.listdir(folder)
    except OSError:  # the folder's own state tells of it
        return []
    return [os.path.join(folder, name.removeprefix(_ASIDE)) for name in names if name.startswith(_ASIDE)]


def _opened(path: str) -> io.BufferedReader:
    """A regular file, opened for reading. Raises OSError for anything else, which might never answer."""
    stat_regular(path)
    return open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")


def _aside(place: str) -> str:
    folder, name = os.path.split(place)
    return os.path.join(folder, f"{_ASIDE}{name}")


def _finish(aside: str, place: str, folder: str | None, *, again: bool = False) -> None:
    if folder is None:
        os.unlink(aside)
    else:
        _move(aside, os.path.join(folder, os.path.basename(place)), again=again)


def _move(source: str, target: str, *, again: bool = False) -> None:
    """Give a file another name, or if that is another file's, one like it; `again` if that may have been done."""
    folder, name = os.path.split(target)
    stem, dot, ending = name.partition(".")
    for number in itertools.count(1):
        numbered = os.path.join(folder, f"{stem}{'' if number == 1 else f'-{number}'}{dot}{ending}")
        if again and os.path.lexists(numbered) and _is_same(source, numbered):
            os.unlink(source)
            return
        if _put(source, numbered):
            return


def _is_same(source: str, target: str) -> bool:
    """Whether one is the other, or a copy of it by `_copy`."""
    import filecmp

    if os.path.samefile(source, target):
        return True
    first, second = os.stat(source), os.stat(target)
    same = (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)
    return same and filecmp.cmp(source, target, shallow=False)


def _put(source: str, target: str) -> bool:
    """Give a file a name that no file has; whether that could be done."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        if os.path.lexists(target):
            return False
        _copy(source, target)
    os.unlink(source)
    return True


def _copy(source: str, target: str) -> None:
    """Copy a file where no link can be made, so that its name is there only with all its bytes."""
    import hashlib

    # One name for each source: what a killed process left is written anew.
    told = hashlib.sha256(os.fsencode(source)).hexdigest()[:16]
    temporary = os.path.join(os.path.dirname(target), f"{_COPY}{told}.tmp")
    try:
        with open(temporary, "wb") as file, open(source, "rb") as content:
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        shutil.copystat(source, temporary)
        os.rename(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


class Consumer:
    """The files that are recorded and to be deleted or moved, once everybody was told of them; for any thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, Done]] = {}
        self._retry_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, watch_id: str, done: Done) -> None:
        """Take in a file that was recorded for a watcher."""
        with self._lock:
            self._waiting[done.place] = watch_id, done

    def forget(self, watch_id: str) -> None:
        """A watcher is no more; its files stay."""
        with self._lock:
            self._waiting = {place: told for place, told in self._waiting.items() if told[0] != watch_id}

    def ready(self, told: int | None) -> list[tuple[str, Done]]:
        """The files whose versions were told, up to that position, or to nobody: each is to be consumed now."""
        now = time.monotonic()
        with self._lock:
            return [
                found
                for place, found in self._waiting.items()
                if (told is None or found[1].position <= told) and self._retry_at.get(place, 0) <= now
            ]

    def remove(self, done: Done) -> None:
        """A file is done with, or was written to; in the latter case it is taken in anew once it is recorded."""
        with self._lock:
            known = self._waiting.get(done.place)
            if known is not None and known[1] == done:
                del self._waiting[done.place]
            self._retry_at.pop(done.place, None)

    def retry(self, done: Done) -> None:
        """A file could not be consumed; it is tried again, not at once."""
        with self._lock:
            self._retry_at[done.place] = time.monotonic() + _RETRY_SECONDS
