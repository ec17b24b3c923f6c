"""What a PATH stands for, of what is watched or has a history."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from csv_manager.core.feeds import Feed
from csv_manager.core.paths import select


def feed_of(watchers: Iterable[Any], *paths: str | None) -> Any:
    """The watcher of the folder or glob that a file belongs to, by any of its paths; None if it is of none."""
    feeds = ((Feed.of(told.csv_file, told.options), told) for told in watchers if told.options.feed is not None)
    found = [(feed.precedence, told) for feed, told in feeds if any(path and feed.has(path) for path in paths)]
    first = min(found, key=lambda one: one[0], default=None)
    return first[1] if first is not None else None


def series_of(watchers: Iterable[Any], *paths: str | None) -> Any:
    """The watcher of the series that a file belongs to, by any of its paths; None if it is of none."""
    feed = feed_of(watchers, *paths)
    return feed if feed is not None and feed.options.feed == "series" else None


class KnownPaths:
    """The files of a store, and `running` ones that it need not know; all is read once, however many paths are asked.

    Files by their paths and by the links that they are read through, watchers by the links too, and by their names
    where no path is meant.
    """

    def __init__(self, store: Any, running: Iterable[str] = ()) -> None:
        watchers, files = store.catalog.watchers.all(), store.catalog.history.files()
        members: dict[int, list[str]] = {}
        for file in files.values():
            if file.feed_id is not None:
                members.setdefault(file.feed_id, []).append(file.path)
        self._read_at = {file.link: file.path for file in files.values() if file.link}
        self._links = {link: [path] for link, path in self._read_at.items()}
        self._names: dict[str, list[str]] = {}
        for watcher in watchers:
            told = watcher.options
            mine = members.get(watcher.id, []) if told.feed == "files" else [watcher.csv_file]
            self._names |= {told.name: mine} if told.name else {}
            self._links |= {told.link: mine} if told.link else {}
        single = [watcher.csv_file for watcher in watchers if watcher.options.feed is None]
        self._files = dict.fromkeys([*single, *files, *running, *self._read_at])
        self._watched = {watcher.csv_file for watcher in watchers}

    def has(self, path: str) -> bool:
        """Whether a path is itself that of something known, which no name stands for then."""
        spellings = path, os.path.abspath(path), os.path.realpath(path)
        return any(told in self._files or told in self._watched or told in self._links for told in spellings)

    def named(self, paths: Sequence[str]) -> list[str]:
        """The paths, with the files that a watcher's name or a link stands for instead of it."""
        told: list[str] = []
        for path in paths:
            by_name = [] if self.has(path) else self._names.get(path)
            told += self._links.get(os.path.abspath(path)) or by_name or [path]
        return told

    def select(self, paths: Sequence[str]) -> list[str]:
        """The files that paths, globs, folders or names of watchers stand for. Raises `PathNotFoundError`."""
        selected = select(self.named(paths), self._files)
        return list(dict.fromkeys(self._read_at.get(path, path) for path in selected))
