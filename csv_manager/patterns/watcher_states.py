"""How every watched file is: what csv_watcher_list lists, csv_watcher_show shows and csv_status counts."""

import datetime as dt
import functools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from csv_manager.core.feeds import Feed, any_wants
from csv_manager.core.model import Signature, WatcherOptions
from csv_manager.core.paths import identity, leads_elsewhere, os_reason
from csv_manager.patterns.describe import shell_word

COLUMNS = (
    "csv_file", "name", "interval", "key", "state", "reason", "version", "rows", "last_change", "last_check", "feed",
)  # fmt: skip
_PAUSED = "paused", "It is not looked at until csv_watcher_resume."


@dataclass(frozen=True, kw_only=True)
class WatchedFile:
    """How a file is, or a folder or glob that stands for itself."""

    path: str
    #: Where it is read, or the folder: the link by which it was named, or its path.
    place: str
    options: WatcherOptions
    #: The folder or glob whose watcher it has; None of one that has its own.
    feed: str | None
    state: str
    reason: str | None
    version: int | None = None
    rows: int | None = None
    last_change: dt.datetime | None = None
    last_check: dt.datetime | None = None

    def row(self) -> dict[str, Any]:
        """It as a row of csv_watcher_list."""
        interval = self.options.interval
        told = {
            "csv_file": self.path,
            "name": self.options.name,
            "interval": int(interval) if float(interval).is_integer() else interval,
            "key": list(self.options.key),
        }
        return told | {name: getattr(self, name) for name in COLUMNS if name not in told}


class WatcherStates:
    """How everything that is watched is, as far as the store and the disk tell it; the store is read once.

    `others` are watchers that are not stored, by their paths.
    """

    def __init__(self, store: Any, others: Mapping[str, WatcherOptions]) -> None:
        self._store = store
        self._files = store.catalog.history.files()
        self._rows = store.catalog.history.rows_of_latest()
        self._checks = store.catalog.folders.all()
        self._watchers = store.catalog.watchers.all()
        self._others = others
        self._members: dict[int, list[str]] = {}
        for file in self._files.values():
            if file.feed_id is not None:
                self._members.setdefault(file.feed_id, []).append(file.path)
        self._troubled = {
            path: check.reason for path, check in self._checks.items() if check.reason and os.path.isdir(path)
        }

    def all(self) -> Iterator[WatchedFile]:
        """Every watched file, in the order of the paths; a folder or glob without any, or in trouble, for itself."""
        found: dict[str, tuple[WatcherOptions, str | None]] = {}
        troubles: dict[str, str] = {}
        for watcher in self._watchers:
            path, is_folder = watcher.csv_file, watcher.options.feed == "files"
            trouble = self._trouble(watcher)
            if trouble:
                troubles[path] = trouble
            members = self._members.get(watcher.id, []) if is_folder else []
            found |= dict.fromkeys(members, (watcher.options, path))
            if trouble or not members:
                found[path] = watcher.options, None
        alone = {path: (options, None) for path, options in self._others.items()}
        gone = [
            file for file in self._files.values() if file.latest and file.feed_id is None and file.path not in found
        ]
        for path, (options, feed) in sorted({**alone, **found}.items()):
            yield self._watched(path, options, feed, troubles.get(path), gone)

    def of_feed(self, watcher: Any) -> WatchedFile:
        """How a stored folder or glob is as a whole, whose files have a history each."""
        path, options = watcher.csv_file, watcher.options
        members = set(self._members.get(watcher.id, []))
        if not members:
            return next(told for told in self.all() if told.path == path)
        mine = [told for told in self.all() if told.path in members]
        check = self._checks.get(Feed.of(path, options).root)
        state, reason = self._state_of_members(watcher, mine)
        return WatchedFile(
            path=path,
            place=options.link or path,
            options=options,
            feed=None,
            state=state,
            reason=reason,
            last_change=_latest(told.last_change for told in mine),
            last_check=_latest((check.last_check if check else None, *(told.last_check for told in mine))),
        )

    def _state_of_members(self, watcher: Any, members: Iterable[WatchedFile]) -> tuple[str, str | None]:
        """The state of a folder or glob that has files; what is wrong with these is its reason."""
        if watcher.options.paused:
            return _PAUSED
        if (state := _state_of_feed(watcher.csv_file, watcher.options))[0] == "missing":
            return state
        if trouble := self._trouble(watcher):
            return "unreadable", trouble
        counts = Counter(told.state for told in members)
        if not counts.keys() - {"ok"}:
            return "ok", None
        return "ok", f"Of its files, {', '.join(f'{count:,} {state}' for state, count in sorted(counts.items()))}."

    def _watched(
        self, path: str, options: WatcherOptions, feed: str | None, trouble: str | None, gone: Iterable[Any]
    ) -> WatchedFile:
        """One file, folder or glob; `gone` are files with a history that nobody watches."""
        file = (self._files.get(path) or self._files.get(identity(path))) if os.path.isabs(path) else None
        state, reason = _state(path, file, options)
        last = None
        if file is None and state == "waiting" and options.feed == "files":
            last = _last_gone(path, options, gone)
            state, reason = self._without_files(path, options, last)
        if trouble and state in ("ok", "waiting"):
            state, reason = "unreadable", trouble
        if file is not None and state == "ok":
            reason = reason or self._remark(path, file, options)
        newest = file or last
        scan = self._checks.get(_folder(path, file, options))
        return WatchedFile(
            path=path,
            place=file.source if file else options.link or path,
            options=options,
            feed=feed,
            state=state,
            reason=reason,
            version=file.latest or None if file else None,
            rows=self._rows.get(file.path) if file else None,
            last_change=newest.last_change if newest else None,
            last_check=_latest((file.last_check if file else None, scan.last_check if scan else None)),
        )

    def _remark(self, path: str, file: Any, options: WatcherOptions) -> str | None:
        """What is to be said of a file that is all right: where its link leads, or which files of a series are held."""
        if options.feed == "series":
            held = self._store.held_members(path)
            place, why = next(iter(held.items()), ("", None))
            others = f" and {len(held) - 1} more" if len(held) > 1 else ""
            return f"{os.path.basename(place)}{others} of it is held: {why}" if held else None
        elsewhere = leads_elsewhere(file.source, file.path)
        return elsewhere and f"It is read through the link {file.source}, which leads to {elsewhere} now."

    def _without_files(self, path: str, options: WatcherOptions, last: Any) -> tuple[str, str | None]:
        """The state of a folder or glob that has no file now; `last` is the one that went last, if one did."""
        if last is not None:
            return "ok", f"Its files are recorded and gone; {os.path.basename(last.source)} was the last one."
        if self._is_of_others(Feed.of(path, options)):
            return "ok", "Every file in it belongs to another watcher; each new one is read as it comes."
        return _state_of_feed(path, options)

    def _is_of_others(self, feed: Feed) -> bool:
        """Whether there are files that a feed wants, and each of them is another watcher's."""
        try:
            found = list(feed.files())
        except OSError:
            return False  # as the state says
        if not found:
            return False
        rivals = feed.rivals(self._feeds)
        return all(any_wants(rivals, place) or self._is_known(place, os.path.realpath(place)) for place in found)

    def _is_known(self, *paths: str) -> bool:
        """Whether a file is watched by any of its paths, be it on its own or by a feed."""
        found = (self._files.get(path) for path in paths)
        return not self._own.isdisjoint(paths) or any(file is not None and file.feed_id is not None for file in found)

    @functools.cached_property
    def _feeds(self) -> list[Feed]:
        """The stored folders and globs."""
        return [Feed.of(told.csv_file, told.options) for told in self._watchers if told.options.feed is not None]

    @functools.cached_property
    def _own(self) -> frozenset[str]:
        """The files that have watchers of their own, by their paths and links."""
        alone = [told for told in self._watchers if told.options.feed is None]
        return frozenset(name for told in alone for name in (told.csv_file, told.options.link) if name) | {
            *self._others
        }

    def _trouble(self, watcher: Any) -> str | None:
        """Why not everything in the folders of a feed can be watched, as of the last check."""
        if watcher.options.feed is None:
            return None
        feed = Feed.of(watcher.csv_file, watcher.options)
        mine = (
            path for path in self._troubled if path == feed.root or (feed.enters(path) and not os.path.islink(path))
        )
        return next((self._troubled[path] for path in mine), None)


def relative(path: str) -> str:
    """Why a path of the tutorial cannot be watched, and what mends it."""
    typed = shell_word(path)
    return (
        f"{path!r} is a relative path, as the tutorial stored it; in its folder run: "
        f"csv_manager csv_watcher_delete {typed} && csv_manager csv_watcher_add {typed}"
    )


def _state(path: str, file: Any, options: WatcherOptions) -> tuple[str, str | None]:
    """A watcher's state and reason now: as it was recorded, unless the file came or went since."""
    if not os.path.isabs(path):
        return "missing", relative(path)
    if options.paused:
        return _PAUSED
    if options.feed is not None and (file is None or path != file.path or options.feed == "series"):
        found = _state_of_feed(path, options)
        is_known = file and (file.latest or file.state in ("unreadable", "failing"))
        return (file.state, file.reason) if is_known and found[0] != "missing" else found
    told = _look(path, file.source if file else path, file.signature if file and file.state == "ok" else None)
    # What is recorded of a trouble that is there still tells what is done about it, too.
    if file is not None and (file.state == told[0] if told else file.state != "missing"):
        return file.state, file.reason
    return told or ("waiting", "The next check reads it.")


def _look(path: str, place: str, known: Signature | None) -> tuple[str, str] | None:
    """The state of a file that is not as it is `known`, or cannot be read, and why; None if nothing is against it."""
    try:
        if known not in (None, Signature.of(os.stat(place))):
            return "waiting", "It changed since; the next check reads it."
    except (FileNotFoundError, NotADirectoryError):
        return "missing", f"{path}: no such file; it is watched again as soon as it is there."
    except OSError as error:
        return "unreadable", f"{path}: {os_reason(error)}."
    return None


def _state_of_feed(path: str, options: WatcherOptions) -> tuple[str, str | None]:
    root = Feed.of(path, options).root
    if not os.path.isdir(root):
        return "missing", f"{root}: no such folder; it is watched as soon as it is there."
    return "waiting", "No file of it is recorded yet; the next check reads what is there."


def _last_gone(path: str, options: WatcherOptions, nobodys: Iterable[Any]) -> Any:
    """The file of a feed that was recorded last, of those that nobody watches; None if it is there, or there is none.

    What `--done` deleted or moved is watched no longer.
    """
    feed = Feed.of(path, options)
    gone = (file for file in nobodys if feed.wants(file.source))
    last = max(gone, key=lambda file: file.last_change, default=None)
    return None if last is None or os.path.lexists(last.source) else last


def _folder(path: str, file: Any, options: WatcherOptions) -> str:
    """The folder whose scans tell when a file was checked, or a feed."""
    if file is not None and options.feed != "series":
        return os.path.dirname(str(file.source))
    return Feed.of(path, options).root if options.feed is not None else ""


def _latest(times: Iterable[dt.datetime | None]) -> dt.datetime | None:
    return max((time for time in times if time is not None), default=None)
