"""What the watched files hold, against what is recorded of them."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from csv_manager.core.errors import PathNotFoundError
from csv_manager.core.feeds import Feed
from csv_manager.core.paths import identity, select
from csv_manager.patterns.known_paths import KnownPaths
from csv_manager.pipeline.drift import find_drift, items, wait_recorded


def verify(store: Any, paths: Sequence[str], settle: float) -> Iterator[Any]:
    """For each file of these paths, or of all watchers, None or what drifted; `settle` is in seconds."""
    found = {item.path: item for item in items(store)}
    if paths:
        known = KnownPaths(store)
        feeds = _feed_paths(store, paths, known)
        wanted = {path for path, item in found.items() if any(item.is_of(feed) for feed in feeds.values())}
        named = [path for path in paths if path not in feeds]
        read_at = {item.source: path for path, item in found.items()}
        selected = _watched_of(named, known, [*found, *read_at])
        wanted |= {path if path in found else read_at[path] for path in selected}
        found = {path: item for path, item in found.items() if path in wanted}
    late = []
    for item in found.values():
        if find_drift(store, item) is None:
            yield None
        else:
            late.append(item)
    drifted = wait_recorded(store, late, settle)
    for item in late:
        yield drifted.get(item.path)


def _watched_of(paths: Sequence[str], known: KnownPaths, watched: Sequence[str]) -> list[str]:
    """The watched files that paths stand for. Raises `PathNotFoundError`, also for one that only has a history."""
    selected = []
    for path in paths:
        try:
            selected += select(known.named([path]), watched)
        except PathNotFoundError:
            known.select([path])
            raise PathNotFoundError(
                f"{path} is not watched, so nothing is expected of it; csv_history_list shows what is recorded, and "
                "csv_watcher_add watches it."
            ) from None
    return selected


def _feed_paths(store: Any, paths: Sequence[str], known: KnownPaths) -> dict[str, Feed]:
    """The feeds of the watchers that some of these paths name."""
    stored = [watcher for watcher in store.catalog.watchers.all() if watcher.options.feed is not None]
    found = {}
    for path in paths:
        for watcher in stored:
            told = {os.path.abspath(path), identity(path)}
            is_name = path == watcher.options.name and not known.has(path)
            if is_name or told & {watcher.options.link, watcher.csv_file}:
                found[path] = Feed.of(watcher.csv_file, watcher.options)
    return found
