"""What a PATH stands for, of what is watched or has a history."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from csv_manager.core.feeds import Feed
from csv_manager.core.paths import select


def series_of(watchers: Iterable[Any], *paths: str | None) -> Any:
    """The watcher of the series that a file belongs to, by any of its paths; None if it is of none."""
    feeds = ((Feed.of(told.csv_file, told.options), told) for told in watchers if told.options.feed is not None)
    found = [(feed.precedence, told) for feed, told in feeds if any(path and feed.has(path) for path in paths)]
    first = min(found, key=lambda one: one[0], default=None)
    return first[1] if first is not None and first[1].options.feed == "series" else None


class KnownPaths:
    """The files of a store, and `running` ones that it need not know; all is read once, however many paths are asked.

    Files by their paths and by the links that they are read through, watchers by their names and the links too.
    """

    def __init__(self, store: Any, running: Iterable[str] = ()) -> None:
        watchers, files = store.catalog.watchers.all(), store.catalog.history.files()
        members: dict[int, list[str]] = {}
        for file in files.values():
            if file.feed_id is not None:
                members.setdefault(file.feed_id, []).append(file.path)
        self._read_at = {file.link: file.path for file in files.values() if file.link}
        self._names = {link: [path] for link, path in self._read_at.items()}
        for watcher in watchers:
            told = watcher.options
            mine = members.get(watcher.id, []) if told.feed == "files" else [watcher.csv_file]
            self._names |= {name: mine for name in (told.name, told.link) if name}
        single = [watcher.csv_file for watcher in watchers if watcher.options.feed is None]
        self._files = dict.fromkeys([*single, *files, *running, *self._read_at])

    def named(self, paths: Sequence[str]) -> list[str]:
        """The paths, with the files that a watcher's name or a link stands for instead of it."""
        told: list[str] = []
        for path in paths:
            told += self._names.get(path) or self._names.get(os.path.abspath(path)) or [path]
        return told

    def select(self, paths: Sequence[str]) -> list[str]:
        """The files that paths, globs, folders or names of watchers stand for. Raises `PathNotFoundError`."""
        selected = select(self.named(paths), self._files)
        return list(dict.fromkeys(self._read_at.get(path, path) for path in selected))
