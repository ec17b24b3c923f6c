"""What the service keeps of each watcher, folder and file."""

import heapq
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from csv_manager.core.feeds import Feed
from csv_manager.core.model import Signature
from csv_manager.watch.settling import Settling

_RETRY_SECONDS = 1.0
_MOST_BACKOFF = 60.0
#: The part of the time that scanning may take: while there are events, and where there are none.
_SHARE, _POLLED_SHARE = 0.015, 0.2
#: The least number of parts of an interval at whose ends scans begin.
_STEPS = 8


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What one watcher asks for: one file, or with `feed` all files of a folder or glob; times are in seconds.

    `path` is where the file is read, or where the feed begins; `id` is the watcher's own name for it. With `poll` there
    are no file events; what is `paused` is not looked at. The files of an `ordered` feed are processed one at a time,
    in the order of their paths.
    """

    id: str
    path: str
    interval: float
    settle: float
    max_wait: float
    every: float = 0
    poll: bool = False
    paused: bool = False
    ordered: bool = False
    feed: Feed | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """What was recorded of a file: what it looked like when it was read, and the state that it was left in.

    One without `is_recorded` was seen, but could not be recorded yet. `age` is for how many seconds its newest version
    has been recorded, if anybody minds.
    """

    signature: Signature | None
    state: str = ""
    is_recorded: bool = True
    age: float | None = None


@dataclass(frozen=True, kw_only=True)
class Processed:
    """What a job came to: the signature that it dealt with, or None to try again, at once where it was torn.

    A file that is not `ours` is one that somebody else reads, under another name. One that `is_open` for writing may
    have changed since, though it looks as it did.
    """

    signature: Signature | None
    torn: bool = False
    ours: bool = True
    is_open: bool = False


class Tracked:
    """One file. At rest it is no more than a name and a signature, for there may be very many."""

    __slots__ = (
        "due", "failed", "failures", "folder", "gone_at", "is_new", "is_open", "known", "looked", "name", "retry_at",
        "running", "settling", "state", "targets", "told", "watch",
    )  # fmt: skip

    def __init__(self, folder: "Folder", name: str, watch: Watch, known: Known | None) -> None:
        self.folder = folder
        self.name = name
        self.watch = watch
        self.known = known.signature if known else None
        self.state = known.state if known else ""
        #: Whether nothing was ever recorded of it.
        self.is_new = not (known and known.is_recorded)
        #: Whether a program had it open for writing when it was read.
        self.is_open = False
        self.settling: Settling | None = None
        #: The other names that the path leads through.
        self.targets: tuple[str, ...] = ()
        self.running = False
        #: Whether it was looked at since the service began, and whether its state was told since.
        self.looked = False
        self.told = False
        #: When it is looked at for itself; by the monotonic clock, as every time here.
        self.due: float | None = None
        self.gone_at: float | None = None
        self.failures = 0
        self.failed: Signature | None = None
        self.retry_at = 0.0
        if watch.every and known is not None and known.age is not None:
            self.settle().read_at = time.monotonic() - known.age

    @property
    def path(self) -> str:
        """Where the file is read."""
        return os.path.join(self.folder.path, self.name)

    def settle(self) -> Settling:
        """The file on its way to rest."""
        if self.settling is None:
            watch = self.watch
            self.settling = Settling(settle=watch.settle, max_wait=watch.max_wait, every=watch.every, known=self.known)
        return self.settling

    def rest(self) -> None:
        """Nothing is on its way."""
        if not self.watch.every:
            self.settling = None
        elif self.settling is not None:
            self.settling.dropped()

    def recorded(self, signature: Signature, now: float, *, ours: bool = True) -> None:
        """The content with this signature was dealt with, as one of this file if it is `ours`."""
        self.known, self.state, self.is_new = signature, "ok" if ours else "", not ours
        self.failures, self.failed = 0, None
        if self.watch.every:
            self.settle().recorded(signature, now)
        else:
            self.settling = None

    def doubt(self) -> None:
        """The content is to be read again, though the file looks as it did."""
        self.known, self.is_open = None, False
        if self.settling is not None:
            self.settling.known = None

    def fail(self, now: float) -> None:
        """The content could not be dealt with; it is tried again, later each time, or once it is another one."""
        self.failures += 1
        self.failed = self.settling.seen if self.settling else None
        self.retry_at = now + min(_RETRY_SECONDS * 2 ** min(self.failures - 1, 10), _MOST_BACKOFF)
        if self.settling is not None:
            self.settling.dropped()


class Folder:
    """One folder that has watched files, or may have: what is looked at together."""

    __slots__ = (
        "above", "awaited", "cost", "due", "feeds", "files", "interval", "links", "path", "polled", "present",
        "problems", "refused", "remote", "scanned",
    )  # fmt: skip

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: dict[str, Tracked] = {}
        #: The feeds that may have files in it, those that precede others first; names that files are read through.
        self.feeds: list[Watch] = []
        self.links: dict[str, list[Tracked]] = {}
        #: The folders to look at once this name comes.
        self.awaited: dict[str, set[str]] = {}
        #: The folders that it is awaited in.
        self.above: set[Folder] = set()
        self.interval = float("inf")
        self.due = 0.0
        self.cost = 0.0
        self.present = True
        self.scanned = False
        #: Why there are no file events, and why there would not be enough of them.
        self.polled: str | None = None
        self.remote: str | None = None
        #: Why it could not be looked at, and why names in it cannot be watched, as of the last scan.
        self.refused: str | None = None
        self.problems: dict[str, str] = {}

    @property
    def reason(self) -> str | None:
        """Why something in it cannot be watched."""
        reasons = [*([self.refused] if self.refused else []), *self.problems.values()]
        more = f" And {len(reasons) - 1:,} more." if len(reasons) > 1 else ""
        return f"{reasons[0]}{more}" if reasons else None

    def next_scan(self, now: float, cost: float) -> float:
        """When it is to be looked at again, if a look at all folders costs so many seconds."""
        wait = max(self.interval, cost / (_POLLED_SHARE if self.polled else _SHARE))
        # Those that are due at about the same time are looked at together: the steps are powers of two.
        step = 2.0 ** math.floor(math.log2(wait / _STEPS))
        return math.floor((now + wait) / step) * step

    @property
    def is_needed(self) -> bool:
        """Whether anything in it is watched."""
        return bool(self.files or self.feeds or self.links or self.awaited)

    @property
    def is_polled(self) -> bool:
        """Whether somebody asked for no file events."""
        return any(watch.poll for watch in self.watches())

    def watches(self) -> Iterator[Watch]:
        """The watchers that have something in it, some more than once."""
        yield from self.feeds
        for file in self.files.values():
            if file.watch.feed is None:
                yield file.watch

    def add_feed(self, watch: Watch) -> None:
        """A feed may have files in it."""
        place = next((place for place, other in enumerate(self.feeds) if _precedes(watch, other)), len(self.feeds))
        self.feeds.insert(place, watch)

    def feed_of(self, name: str) -> Watch | None:
        """The first feed that a file belongs to."""
        if not self.feeds:
            return None
        path = os.path.join(self.path, name)
        return next((watch for watch in self.feeds if watch.feed and watch.feed.wants(path)), None)


def _precedes(watch: Watch, other: Watch) -> bool:
    return watch.feed is not None and other.feed is not None and watch.feed.precedes(other.feed)


class Line:
    """The files of an ordered feed that are to be processed: one at a time, none before one with a smaller path."""

    def __init__(self) -> None:
        self.waiting: set[Tracked] = set()
        self.running: Tracked | None = None
        #: What cannot be read, so that nothing that follows it is processed: folders, and files for now.
        self.barriers: set[str] = set()
        self._ready: set[Tracked] = set()
        #: The waiting files by their paths; some of them left meanwhile.
        self._order: list[tuple[str, int, Tracked]] = []

    def wait(self, file: Tracked) -> None:
        """A file is to be processed once it has rested."""
        self._ready.discard(file)
        if file not in self.waiting:
            self.waiting.add(file)
            heapq.heappush(self._order, (file.path, id(file), file))

    def is_ready(self, file: Tracked) -> None:
        """A file may be processed."""
        self.wait(file)
        self._ready.add(file)

    def next(self) -> Tracked | None:
        """The file whose turn it is, if it is ready."""
        while self._order and self._order[0][2] not in self.waiting:
            heapq.heappop(self._order)
        if self.running is not None or not self._order:
            return None
        first = self._order[0][2]
        return first if first in self._ready and not self.stops(first) else None

    def stops(self, file: Tracked) -> bool:
        """Whether a file follows what cannot be read."""
        return bool(self.barriers) and file.path > min(self.barriers)

    def begin(self, file: Tracked) -> None:
        """A file is being processed."""
        self.running = file
        self._ready.discard(file)

    def leave(self, file: Tracked) -> None:
        """A file has nothing to be processed."""
        self.waiting.discard(file)
        self._ready.discard(file)
