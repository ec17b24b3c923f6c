"""`--done`: what becomes of a file of a drop folder once it is recorded and told to everybody."""

import contextlib
import errno
import io
import itertools
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from csv_manager.core.feeds import Feed
from csv_manager.core.leases import is_open_for_writing
from csv_manager.core.model import Signature
from csv_manager.core.paths import is_text, stat_regular

#: Files on their way out; hidden, so that nobody takes them for new ones.
_ASIDE = ".csv_manager-done-"
#: A hidden folder for those whose names have more bytes than this: every file system takes 143, and most take 255.
_LONG, _ASIDE_FOLDER = 120, ".csv_manager-done"
_MOST_BYTES = 255
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
    aside = aside_of(done.place)
    if done.folder is not None:
        os.makedirs(done.folder, exist_ok=True)
    try:
        if Signature.of(os.stat(done.place)) != done.signature:
            return False
        _take_aside(done.place, aside)
    except FileNotFoundError:
        return True  # another process was first
    try:
        # The rename is a change of the inode, but of nothing else. Who closed the file at last may have written before.
        if is_open_for_writing(aside) or Signature.of(os.stat(aside))[:4] != done.signature[:4]:
            _move(aside, done.place)
            return False
        try:
            _finish(aside, done.place, done.folder)
        except OSError:
            _move(aside, done.place)
            raise
    finally:
        _tidy(aside)
    return True


def recover(place: str, folder: str | None, is_recorded: IsRecorded, *, keep: bool = False) -> bool:
    """Go on with a file that a killed process had taken aside; whether it is done with. Raises OSError.

    A content that is recorded is done with. Another one is given its name again, or one like it if that is another
    file's by now. With `keep` a recorded one is too, unless its name is taken: a newer file came in its place, and it
    is deleted.
    """
    aside = aside_of(place)
    if not os.path.lexists(aside):
        return False
    import hashlib

    with _opened(aside) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    is_done = not is_open_for_writing(aside) and is_recorded(sha256) and (not keep or os.path.lexists(place))
    if is_done:
        if folder is not None:
            os.makedirs(folder, exist_ok=True)
        _finish(aside, place, folder, again=True)
    else:
        _move(aside, place, again=True)
    _tidy(aside)
    return is_done


def left_aside(feed: Feed) -> Iterator[str]:
    """The files that a process took aside in the folders of a feed, by where they were."""
    for folder, below, names in os.walk(feed.root):
        found = [name.removeprefix(_ASIDE) for name in names if name.startswith(_ASIDE)]
        if _ASIDE_FOLDER in below:
            hidden = os.path.join(folder, _ASIDE_FOLDER, "")
            _tidy(hidden)  # a process may have been killed before it did
            found += next(os.walk(hidden), ("", [], []))[2]
        for name in found:
            place = os.path.join(folder, name)
            if is_text(place) and os.path.lexists(aside_of(place)):
                yield place
        below[:] = [name for name in below if feed.enters(os.path.join(folder, name))]


def _opened(path: str) -> io.BufferedReader:
    """A regular file, opened for reading. Raises OSError for anything else, which might never answer."""
    stat_regular(path)
    return open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")


def aside_of(place: str) -> str:
    """Where a file is while it is taken aside, in the same file system; its name can be told from that."""
    folder, name = os.path.split(place)
    if len(os.fsencode(name)) > _LONG:
        return os.path.join(folder, _ASIDE_FOLDER, name)
    return os.path.join(folder, f"{_ASIDE}{name}")


def _take_aside(place: str, aside: str) -> None:
    """Rename a file. Raises FileNotFoundError if it is not there."""
    while True:
        try:
            os.rename(place, aside)
            return
        except FileNotFoundError:
            if not os.path.lexists(place):
                raise
            os.makedirs(os.path.dirname(aside), exist_ok=True)  # and another process may remove it at once


def _tidy(aside: str) -> None:
    """Remove the folder of what is taken aside, if it has one that is empty."""
    folder = os.path.dirname(aside)
    if os.path.basename(folder) == _ASIDE_FOLDER:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _finish(aside: str, place: str, folder: str | None, *, again: bool = False) -> None:
    if folder is None:
        os.unlink(aside)
    else:
        _move(aside, os.path.join(folder, os.path.basename(place)), again=again)


def _move(source: str, target: str, *, again: bool = False) -> None:
    """Give a file another name, or if that is another file's, one like it; `again` if that may have been done."""
    folder, name = os.path.split(target)
    for number in itertools.count(1):
        numbered = os.path.join(folder, _numbered(name, number))
        if again and os.path.lexists(numbered) and _is_same(source, numbered):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_temporary(source, numbered))
            os.unlink(source)
            return
        if _put(source, numbered):
            return


def _numbered(name: str, number: int) -> str:
    """A name, or one like it; if that is too long, less of its first part."""
    if number == 1:
        return name
    stem, dot, ending = name.partition(".")
    more = f"-{number}{dot}{ending}"
    while stem and len(os.fsencode(stem + more)) > _MOST_BYTES:
        stem = stem[:-1]
    return stem + more


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
        if os.path.lexists(target) or not _copy(source, target):
            return False
    os.unlink(source)
    return True


def _copy(source: str, target: str) -> bool:
    """Copy a file where no link to it can be made, so that its name is there only with all its bytes; as `_put`."""
    temporary = _temporary(source, target)
    with contextlib.suppress(FileNotFoundError):  # what a killed process left, or anything that stands in its place
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with open(descriptor, "wb") as file, _opened(source) as content:
            shutil.copyfileobj(content, file)
            file.flush()
            # By its number where that can be done: the name might be another file's by now.
            shutil.copystat(source, file.fileno() if sys.platform == "linux" else temporary)  # type: ignore[arg-type]
            os.fsync(file.fileno())
        return _name(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _temporary(source: str, target: str) -> str:
    """The name of an unfinished copy, one for each source: a later process knows what a killed one left."""
    import hashlib

    told = hashlib.sha256(os.fsencode(source)).hexdigest()[:16]
    return os.path.join(os.path.dirname(target), f"{_COPY}{told}.tmp")


def _name(temporary: str, target: str) -> bool:
    """Give a finished copy its name, unless a file has that; where there are no hard links, as far as can be told."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        if os.path.lexists(target):
            return False
        os.rename(temporary, target)
    return True


class Consumer:
    """The files that are recorded and to be deleted or moved, once everybody was told of them; for any thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, Done]] = {}
        self._retry_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, watch_id: str, done: Done) -> None:
        """Take in a file that was recorded for a watcher; what kept an older content of it does not count."""
        with self._lock:
            self._waiting[done.place] = watch_id, done
            self._retry_at.pop(done.place, None)

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
