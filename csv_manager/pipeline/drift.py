"""The completeness account: what is on the disk against what is recorded."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from csv_manager.archive import open_snapshot
from csv_manager.core.errors import PathNotFoundError, TornReadError, UnreadableError
from csv_manager.core.feeds import Feed, Seen, any_wants
from csv_manager.core.model import Version, WatcherOptions
from csv_manager.core.paths import identity, os_reason
from csv_manager.pipeline.consuming import aside_of, left_aside
from csv_manager.pipeline.store import Store

#: Seconds that a running service has, beyond a file's own time to settle, to record what is new.
_GRACE = 5.0
_LOOK = 0.1

Kind = Literal["changed", "unrecorded", "missing", "unreadable"]


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A file that is not what is recorded of it; `version` is the newest, None if there is none."""

    csv_file: str
    drift: Kind
    version: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file to account for: its identity, where it is read, and how it is watched; of a series, its dataset too.

    With a `reason` it cannot be read, and may be a folder. `aside` is where it lies if a process that was killed had
    taken it aside, to delete or move it.
    """

    path: str
    source: str
    options: WatcherOptions
    dataset: str | None = None
    reason: str | None = None
    aside: str | None = None

    def is_of(self, feed: Feed) -> bool:
        """Whether it is a file of a feed, or one of its folders that cannot be read."""
        return feed.wants(self.source) or (self.reason is not None and feed.enters(self.source))


def items(store: Store) -> Iterator[Item]:
    """Every file that is watched, and every one that a folder's or glob's watcher is to find."""
    watchers = store.catalog.watchers.all()
    files = store.catalog.history.files()
    own = {watcher.csv_file: watcher.options for watcher in watchers if watcher.options.feed is None}
    feeds = {
        watcher.csv_file: Feed.of(watcher.csv_file, watcher.options) for watcher in watchers if watcher.options.feed
    }
    for path, options in sorted(own.items()):
        yield Item(path=path, source=files[path].source if path in files else path, options=options)
    for watcher in watchers:
        options = watcher.options
        if options.feed is None:
            continue
        feed = feeds[watcher.csv_file]
        rivals = feed.rivals(feeds.values())
        found = {seen.path: seen.reason for seen in _look(feed) if not any_wants(rivals, seen.path)}
        aside = {item.source: item for item in _left_aside(watcher.csv_file, feed, rivals, options, found)}
        yield from aside.values()
        if options.feed == "series":
            dataset = watcher.csv_file
            for source, reason in found.items():
                if source not in own:
                    yield Item(path=source, source=source, options=options, dataset=dataset, reason=reason)
            continue
        members = {
            file.source: file.path
            for file in store.catalog.history.members(watcher.id)
            if not any_wants(rivals, file.source)
        }
        for source in dict.fromkeys([*members, *found]):
            reason = found.get(source)
            path = members.get(source) or (source if reason else identity(source))
            if path not in own and (source in found or source not in aside):
                yield Item(path=path, source=source, options=options, reason=reason)


def find_drift(store: Store, item: Item) -> Drift | None:
    """What of a file is not as it is recorded: its content is read as a whole and compared by its SHA-256."""
    return _find_drift(store, item) if item.aside is None else _find_drift_aside(store, item, item.aside)


def _find_drift(store: Store, item: Item) -> Drift | None:
    latest = None if item.reason else _recorded(store, item)
    number = latest.number if latest else None

    def drift(kind: Kind, reason: str) -> Drift:
        if item.options.paused and kind in ("changed", "unrecorded"):
            reason += " It is paused: csv_watcher_resume has it read again."
        return Drift(csv_file=item.path, drift=kind, version=number, reason=reason)

    try:
        sha256 = _sha256(item)
    except PathNotFoundError:
        return drift("missing", "The file is missing; its versions are kept.") if latest else None
    except UnreadableError as error:
        return drift("unreadable", str(error))
    except TornReadError:
        return drift("changed" if latest else "unrecorded", "It is being written to.")
    if latest is None:
        return drift("unrecorded", "No version of it is recorded.")
    if latest.sha256 != sha256:
        return drift("changed", f"It holds {sha256[:12]}; version {latest.number} is {latest.sha256[:12]}.")
    return None


def _find_drift_aside(store: Store, item: Item, aside: str) -> Drift | None:
    """What is to be told of a file that was taken aside, but for one whose content is recorded."""
    try:
        with open_snapshot(aside) as snapshot:
            sha256 = snapshot.sha256
    except PathNotFoundError:
        return None  # by a process that is alive
    except UnreadableError as error:
        return Drift(csv_file=item.path, drift="unreadable", version=None, reason=str(error))
    except TornReadError:
        sha256 = ""
    file = store.find(item.dataset or identity(item.source))
    if file is not None and any(version.sha256 == sha256 for version in file.versions()):
        return None
    reason = f"It was taken aside as {aside} by a process that was killed; csv_watch gives it its name back."
    return Drift(csv_file=item.path, drift="unrecorded", version=None, reason=reason)


def wait_recorded(store: Store, drifted: Sequence[Item], settle: float) -> dict[str, Drift]:
    """What has still drifted once a service that watches now had the time to record it, by the files' paths."""
    left = {item.path: item for item in drifted}
    found = {path: drift for path, item in left.items() if (drift := find_drift(store, item))}
    deadline = (
        time.monotonic()
        + _GRACE
        + max((settle if item.options.settle is None else item.options.settle for item in drifted), default=0)
    )
    while store.catalog.services.alive() and time.monotonic() < deadline:
        hopeful = [path for path, drift in found.items() if drift.drift != "missing" and _is_looked_at(left[path])]
        if not hopeful:
            break
        time.sleep(_LOOK)
        for path in hopeful:
            drift = find_drift(store, left[path])
            if drift is None:
                del found[path]
            else:
                found[path] = drift
    return found


def _sha256(item: Item) -> str:
    if item.reason:
        raise UnreadableError(item.reason)
    with open_snapshot(item.source) as snapshot:
        return snapshot.sha256


def _is_looked_at(item: Item) -> bool:
    return not item.options.paused and item.reason is None


def _recorded(store: Store, item: Item) -> Version | None:
    """The version that a file is to hold."""
    file = store.find(item.dataset or item.path)
    if file is None or item.dataset is None:
        return file.latest() if file else None
    taken = store.catalog.series.find(item.dataset, item.source)
    return store.catalog.history.version(file.record.id, taken.version) if taken else None


def _left_aside(
    path: str, feed: Feed, rivals: Sequence[Feed], options: WatcherOptions, found: Mapping[str, str | None]
) -> Iterator[Item]:
    """The files of a feed that were taken aside, in place of those that are not found."""
    dataset = path if options.feed == "series" else None
    for place in left_aside(feed):
        if feed.wants(place) and not any_wants(rivals, place):
            aside = aside_of(place)
            told = aside if place in found else place if dataset else identity(place)
            yield Item(path=told, source=place, options=options, dataset=dataset, aside=aside)


def _look(feed: Feed) -> list[Seen]:
    """What a feed has now; its own folder, if that is there and cannot be listed."""
    try:
        return list(feed.look())
    except (FileNotFoundError, NotADirectoryError):
        return []  # its files are missing
    except OSError as error:
        return [Seen(feed.root, f"{feed.root}: {os_reason(error)}.")]
