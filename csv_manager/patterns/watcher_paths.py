"""What a PATH of csv_watcher_* stands for: a watcher, or one file of those that a folder's or glob's watcher has."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from csv_manager.core.errors import OptionError, PathNotFoundError
from csv_manager.core.feeds import resolve
from csv_manager.core.paths import identity
from csv_manager.patterns.describe import short_path


@dataclass(frozen=True, kw_only=True)
class Found:
    """A path and the stored watcher that it has, or shares; None of a file that only has a history."""

    path: str
    watcher: Any

    @property
    def is_own(self) -> bool:
        """Whether the watcher is the path's own."""
        return self.watcher is not None and self.watcher.csv_file == self.path

    @property
    def is_feed(self) -> bool:
        """Whether it stands for a folder's or glob's watcher itself."""
        return self.is_own and self.watcher.options.feed is not None


def find_one(csv_watcher: Any, path: str, *, unwatched: str, inside: str) -> Any:
    """The stored watcher that a path stands for.

    Raises `PathNotFoundError` for a path without one, as `unwatched` says on, and `OptionError` for one that stands for
    some, or for a file of a folder's or glob's, as `inside` says on.
    """
    found = find(csv_watcher, [path])
    if not found or found[0].watcher is None:
        raise PathNotFoundError(f"{path} is not watched, {unwatched}")
    if len(found) > 1:
        raise OptionError(f"{path} stands for {len(found)} watchers; name one.")
    if not found[0].is_own:
        raise OptionError(f"{path} is watched as a file of {short_path(found[0].watcher.csv_file)}{inside}")
    return found[0].watcher


def find(csv_watcher: Any, paths: Sequence[str], *, purge: bool = False) -> list[Found]:
    """What these paths stand for, each once; with `purge`, files too that only have a history.

    Raises `PathNotFoundError` for a path that stands for nothing.
    """
    catalog = csv_watcher.store.catalog
    own = {watcher.csv_file: watcher for watcher in catalog.watchers.all()}
    if not own and not purge:
        return []
    names = {watcher.options.name: watcher for watcher in own.values() if watcher.options.name}
    links = {watcher.options.link: watcher for watcher in own.values() if watcher.options.link}
    feeds = {watcher.id: watcher for watcher in own.values() if watcher.options.feed}
    known: Any = None
    found: dict[str, Found] = {}
    for path in paths:
        watcher = own.get(path) or links.get(os.path.abspath(path)) or own.get(_feed_path(path))
        if watcher is None:
            known = known or csv_watcher.known_paths()
            watcher = names.get(path) if not known.has(path) else None
        matches = [watcher.csv_file] if watcher is not None else known.select([path])
        told = []
        for match in matches:
            file = None if match in own else catalog.history.file(match)
            has = own.get(match) or (feeds.get(file.feed_id) if file else None)
            if has is not None or purge:
                told.append(Found(path=match, watcher=has))
        if not told and len(paths) > 1:
            raise PathNotFoundError(f"{path} is not watched; csv_watcher_list shows what is.")
        found |= {one.path: one for one in told}
    return list(found.values())


def _feed_path(path: str) -> str:
    """The path of a folder's or glob's watcher, if that is what is named."""
    if os.path.isabs(path) and not os.path.exists(path):
        return os.path.normpath(path)
    [named] = resolve([path], missing_ok=True)
    return named.path if named.is_glob else identity(path)
