"""The watchers of this process: what the service is told of them, and whose file it is that settled."""

import bisect
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csv_manager.core import clock
from csv_manager.core.errors import PathNotFoundError, UnreadableError
from csv_manager.core.feeds import Feed, any_wants
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import identity
from csv_manager.core.sightings import Origin
from csv_manager.pipeline.series import cause_of
from csv_manager.watch import Known, Watch

if TYPE_CHECKING:  # they load SQLAlchemy, which a command without the store does without
    from collections.abc import Callable, Iterator, Mapping

    from csv_manager.core.retention import Retention
    from csv_manager.pipeline.store import Store
    from csv_manager.store.records import FileRecord


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a watcher has that does not say otherwise, in seconds."""

    settle: float = 0.5
    max_wait: float = 60


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A file that settled: its identity, how it is watched, and how it came to be if that may be new.

    Of a series, `path` is the dataset's and `member` that of the file.
    """

    path: str
    options: WatcherOptions
    origin: Origin | None = None
    member: str | None = None
    cause: str = "change"
    watcher_id: int | None = None


class Records:
    """What is known of all files, by their paths and by where they are read."""

    def __init__(self, files: "Mapping[str, FileRecord]") -> None:
        self._files = files
        self._sorted = sorted(files.values(), key=lambda record: record.source)
        self._sources = [record.source for record in self._sorted]

    def get(self, path: str) -> "FileRecord | None":
        """What is known of a file."""
        return self._files.get(path)

    def below(self, folder: str) -> "list[FileRecord]":
        """What is known of the files that are read in a folder, or below it."""
        prefix = os.path.join(folder, "")
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return self._sorted[bisect.bisect_left(self._sources, prefix) : bisect.bisect_left(self._sources, after)]


class Watched:
    """Watchers by their paths: a file's identity, a folder, or a glob. `opened` gives the store."""

    def __init__(self, opened: "Callable[[], Store]", defaults: Defaults) -> None:
        self._opened = opened
        self._defaults = defaults
        self._ids: dict[str, int | None] = {}
        self._feeds: dict[str, Feed] = {}
        #: Whose file is read at a path, where that is another name than its own.
        self._links: dict[str, str] = {}
        #: Where a file is read, by its path.
        self._readers: dict[str, str] = {}
        self.options: dict[str, WatcherOptions] = {}
        self.poll = False

    def put(self, path: str, options: WatcherOptions, watcher_id: int | None) -> bool:
        """Take a watcher in; whether it is new or another one."""
        if path in self.options and (self.options[path], self._ids[path]) == (options, watcher_id):
            return False
        self.remove(path)
        self.options[path], self._ids[path] = options, watcher_id
        if options.feed is not None:
            self._feeds[path] = Feed.of(path, options)
        return True

    def remove(self, path: str) -> bool:
        """Let a watcher go; whether there was one."""
        self._ids.pop(path, None)
        options = self.options.pop(path, None)
        feed = self._feeds.pop(path, None)
        if feed is not None:
            for known, place in list(self._readers.items()):  # the pool's threads may add to it
                if feed.wants(place):
                    self._readers.pop(known, None)
                    self._links.pop(place, None)
        return options is not None

    def yielding(self, path: str) -> list[str]:
        """The folders and globs that want files which one that precedes them has."""
        feed = self._feeds.get(path)
        return [] if feed is None else [other for other, its in self._feeds.items() if its.rivals([feed])]

    def watch(self, path: str, files: "Records | None" = None) -> tuple[Watch, dict[str, Known]] | None:
        """What the service is to be told of a watcher: None if it is paused.

        `files` is what is known of all files, if that was asked already.
        """
        options = self.options[path]
        feed = self._feeds.get(path)
        if feed is None:
            record = self._opened().catalog.history.file(path) if files is None else files.get(path)
            return self._watch(path, options, record.source if record else path, None), self._known(record, options)
        if options.paused:
            return None
        if options.feed == "series":
            taken, rivals = self._opened().catalog.series.taken(path), self._rivals(path)
            known = {
                place: Known(signature=found.signature, state="held" if found.is_held else "ok")
                for place, found in taken.items()
                # One that went, or was done with, is not missed; one that was left out since is nobody's or another's.
                if feed.wants(place) and place not in self.options and not any_wants(rivals, place)
                if os.path.lexists(place)
            }
            return self._watch(path, options, feed.root, feed), known
        history = self._opened().catalog.history
        records = Records(history.files()) if files is None else files
        watcher_id = self._ids[path]
        rivals = self._rivals(path)
        below = (record for record in records.below(feed.root) if not any_wants(rivals, record.source))
        mine = [record for record in below if self._is_of(record, feed, watcher_id)]
        new = [record.id for record in mine if record.feed_id != watcher_id]
        if watcher_id is not None and new:
            history.adopt(new, watcher_id)
        known = {}
        for record in mine:
            known |= self._known(record, options)
        return self._watch(path, options, feed.root, feed), known

    def settled(self, place: str, watch_id: str) -> Settled | None:
        """Whose file was read at a path for a watcher; None if another watcher has it, or there is no such one."""
        options = self.options.get(watch_id)
        if options is None:
            return None
        watcher_id, feed = self.watcher_id(watch_id), self._feeds.get(watch_id)
        if feed is None:
            return Settled(path=watch_id, options=options, watcher_id=watcher_id)
        if self.is_of_another(place, watch_id):
            return None
        if options.feed == "series":
            cause = cause_of(place, feed.root)
            return Settled(path=watch_id, options=options, member=place, cause=cause, watcher_id=watcher_id)
        path = self._path_read_at(place, options)
        if path is None:
            return None
        return Settled(path=path, options=options, origin=self.origin(place, watch_id), watcher_id=watcher_id)

    def _path_read_at(self, place: str, options: WatcherOptions) -> str | None:
        """The identity of the file of a feed that is read at a path; None if somebody else reads it.

        A link stands for the file that it led to first, wherever it leads; if that one is read in its own place, or by
        another link, the link stands for itself.
        """
        path = self._links.get(place)
        if path is None:
            path = place
            if options.link is not None or os.path.islink(place):
                # What was a file when it was recorded keeps its history when it becomes a link.
                record = self._opened().catalog.history.file(place)
                path = place if record and record.latest else _identity(place)
        if path == place:
            if path in self.options:
                return None
        elif self._is_watched(path, place) or os.path.lexists(self._other_reader(path, place)):
            target = _identity(place)
            if self._is_watched(target, place) or os.path.realpath(self._other_reader(target, place)) == target:
                return None
            self._links.pop(place, None)
            path = place
        self._readers[path] = place
        if path != place:
            self._links[place] = path
        return path

    def _is_watched(self, path: str, place: str) -> bool:
        """Whether a file that a link leads to is watched where it is, be it on its own or by a feed."""
        if path in self.options:
            return True
        for watcher, feed in list(self._feeds.items()):
            if feed.wants(path):
                return True
            options = self.options.get(watcher)
            if options is not None and options.link is not None and os.path.islink(place):
                # The feed's folder is read through a link; the file in it is meant, as its own name says.
                real = os.path.realpath(feed.root)
                if feed.wants(os.path.join(feed.root, os.path.relpath(path, real))):
                    return True
        return False

    def _other_reader(self, path: str, place: str) -> str:
        """The other place that has the history of a file; empty if there is none."""
        reader = self._readers.get(path, place)
        return reader if reader != place else ""

    def origin(self, place: str, watch_id: str) -> Origin | None:
        """How the file that is read at a path comes to be watched, if it is one of a folder's or glob's."""
        options = self.options.get(watch_id)
        if options is None or options.feed != "files":
            return None
        return Origin(link=place if place in self._links else None, feed_id=self._ids.get(watch_id))

    def path_at(self, place: str, watch_id: str) -> str:
        """The identity of the file that is read at a path for a watcher."""
        options = self.options.get(watch_id)
        is_one = options is not None and options.feed != "files"
        return watch_id if is_one else self._links.get(place, place)

    def is_of_another(self, place: str, watch_id: str) -> bool:
        """Whether a file that is read at a path, and that a feed wants, is another watcher's."""
        if place != watch_id and place in self.options:
            return True
        return any_wants(self._rivals(watch_id), place)

    def watcher_id(self, watch_id: str) -> int | None:
        """The number of a watcher that is stored."""
        return self._ids.get(watch_id)

    def is_series(self, watch_id: str) -> bool:
        """Whether a watcher's files are versions of one dataset."""
        options = self.options.get(watch_id)
        return options is not None and options.feed == "series"

    def kept(self) -> "Iterator[tuple[FileRecord, Retention]]":
        """The files that are known to the store and of which not every version is to be kept, with what is."""
        history = self._opened().catalog.history
        for path, options in list(self.options.items()):
            watcher_id = self._ids.get(path)
            if options.retention is None:
                continue
            if options.feed != "files":
                record = history.file(path)
                yield from [(record, options.retention)] if record else []
            elif watcher_id is not None:
                yield from ((record, options.retention) for record in history.members(watcher_id))

    def times(self, options: WatcherOptions) -> tuple[float, float]:
        """For how long a file must rest, and after how long one that never does is read, in seconds."""
        defaults = self._defaults
        return (
            defaults.settle if options.settle is None else options.settle,
            defaults.max_wait if options.max_wait is None else options.max_wait,
        )

    def _watch(self, path: str, options: WatcherOptions, place: str, feed: Feed | None) -> Watch:
        settle, max_wait = self.times(options)
        return Watch(
            id=path,
            path=place,
            interval=options.interval,
            settle=settle,
            max_wait=max_wait,
            every=options.every or 0,
            poll=options.poll or self.poll,
            paused=options.paused,
            ordered=options.feed == "series",
            feed=feed,
        )

    def _known(self, record: "FileRecord | None", options: WatcherOptions) -> dict[str, Known]:
        if record is None:
            return {}
        self._readers[record.path] = record.source
        if record.link is not None:
            self._links[record.link] = record.path
        age = None
        if options.every and record.last_change is not None:
            age = max((clock.now() - record.last_change).total_seconds(), 0)
        known = Known(signature=record.signature, state=record.state, is_recorded=record.latest > 0, age=age)
        return {record.source: known}

    def _rivals(self, path: str) -> list[Feed]:
        """The feeds that precede one and may have files that it wants too."""
        feed = self._feeds.get(path)
        return [] if feed is None else feed.rivals(list(self._feeds.values()))

    def _is_of(self, record: "FileRecord", feed: Feed, watcher_id: int | None) -> bool:
        """Whether a file is one that a feed has."""
        if record.path in self.options or not feed.wants(record.source):
            return False
        # One that others had, or that was deleted from the feed, is not missed where it is not there.
        return (watcher_id is not None and record.feed_id == watcher_id) or os.path.exists(record.source)


def _identity(place: str) -> str:
    """The identity of the file that a link leads to. Raises `UnreadableError` if it cannot be stored."""
    try:
        return identity(place)
    except PathNotFoundError as error:
        raise UnreadableError(f"{place} is a link to {error}") from error
