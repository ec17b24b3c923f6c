"""How every watched file is: what csv_watcher_list lists and csv_status counts."""

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from csv_manager.core.feeds import Feed
from csv_manager.core.model import Signature, WatcherOptions
from csv_manager.core.paths import identity, leads_elsewhere, os_reason

COLUMNS = (
    "csv_file", "name", "interval", "key", "state", "reason", "version", "rows", "last_change", "last_check",
)  # fmt: skip


def watcher_rows(store: Any, others: Mapping[str, WatcherOptions]) -> Iterator[dict[str, Any]]:
    """Every watched file with its state, in the order of the paths; a feed without any file stands for itself.

    `others` are watchers that are not stored, by their paths.
    """
    files = store.catalog.history.files()
    rows = store.catalog.history.rows_of_latest()
    checks = store.catalog.folders.all()
    troubled = {path: check.reason for path, check in checks.items() if check.reason and os.path.isdir(path)}
    members: dict[int, list[str]] = {}
    for file in files.values():
        if file.feed_id is not None:
            members.setdefault(file.feed_id, []).append(file.path)
    found: dict[str, WatcherOptions] = {}
    troubles: dict[str, str] = {}
    for watcher in store.catalog.watchers.all():
        paths = members.get(watcher.id, []) if watcher.options.feed == "files" else []
        trouble = _trouble(watcher, troubled) if watcher.options.feed is not None else None
        if trouble:
            troubles[watcher.csv_file] = trouble
        found |= dict.fromkeys(paths if paths and not trouble else [*paths, watcher.csv_file], watcher.options)
    nobodys = [file for file in files.values() if file.latest and file.feed_id is None and file.path not in found]
    for path, options in sorted({**others, **found}.items()):
        file = (files.get(path) or files.get(identity(path))) if os.path.isabs(path) else None
        state, reason = _state(path, file, options)
        last = _last_gone(path, options, nobodys) if file is None and state == "waiting" else None
        if last is not None:
            state, reason = "ok", f"Its files are recorded and gone; {os.path.basename(last.source)} was the last one."
        if path in troubles and state in ("ok", "waiting"):
            state, reason = "unreadable", troubles[path]
        if file is not None and state == "ok":
            reason = reason or _where_link_leads(file)
        scan = checks.get(_folder(path, file, options))
        newest = file or last
        yield {
            "csv_file": path,
            "name": options.name,
            "interval": int(options.interval) if float(options.interval).is_integer() else options.interval,
            "key": list(options.key),
            "state": state,
            "reason": reason,
            "version": file.latest or None if file else None,
            "rows": rows.get(file.path) if file else None,
            "last_change": newest.last_change if newest else None,
            "last_check": _later(file.last_check if file else None, scan.last_check if scan else None),
        }


def relative(path: str) -> str:
    """Why a path of the tutorial cannot be watched, and what mends it."""
    return (
        f"{path!r} is a relative path, as the tutorial stored it; in its folder run: "
        f"csv_manager csv_watcher_delete {path} && csv_manager csv_watcher_add {path}"
    )


def _state(path: str, file: Any, options: WatcherOptions) -> tuple[str, str | None]:
    """A watcher's state and reason now: as it was recorded, unless the file came or went since."""
    if not os.path.isabs(path):
        return "missing", relative(path)
    if options.paused:
        return "paused", "It is not looked at until csv_watcher_resume."
    if options.feed is not None and (file is None or path != file.path or options.feed == "series"):
        found = _state_of_feed(path, options)
        is_known = file and (file.latest or file.state in ("unreadable", "failing"))
        return (file.state, file.reason) if is_known and found[0] != "missing" else found
    told = _look(path, file.source if file else path, file.signature if file and file.state == "ok" else None)
    # What is recorded of a trouble that is there still tells what is done about it, too.
    if file is not None and (file.state == told[0] if told else file.state != "missing"):
        return file.state, file.reason
    return told or ("waiting", "The next check reads it.")


def _where_link_leads(file: Any) -> str | None:
    elsewhere = leads_elsewhere(file.source, file.path)
    return elsewhere and f"It is read through the link {file.source}, which leads to {elsewhere} now."


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


def _trouble(watcher: Any, troubled: Mapping[str, str]) -> str | None:
    """Why not everything in the folders of a feed can be watched, as of the last check."""
    feed = Feed.of(watcher.csv_file, watcher.options)
    mine = (path for path in troubled if path == feed.root or (feed.enters(path) and not os.path.islink(path)))
    return next((troubled[path] for path in mine), None)


def _state_of_feed(path: str, options: WatcherOptions) -> tuple[str, str | None]:
    root = Feed.of(path, options).root
    if not os.path.isdir(root):
        return "missing", f"{root}: no such folder; it is watched as soon as it is there."
    return "waiting", "No file of it is recorded yet; the next check reads what is there."


def _last_gone(path: str, options: WatcherOptions, nobodys: Iterable[Any]) -> Any:
    """The file of a feed that was recorded last, of those that nobody watches; None if it is there, or there is none.

    What `--done` deleted or moved is watched no longer.
    """
    if options.feed != "files":
        return None
    feed = Feed.of(path, options)
    gone = (file for file in nobodys if feed.wants(file.source))
    last = max(gone, key=lambda file: file.last_change, default=None)
    return None if last is None or os.path.lexists(last.source) else last


def _folder(path: str, file: Any, options: WatcherOptions) -> str:
    """The folder whose scans tell when a file was checked, or a feed."""
    if file is not None and options.feed != "series":
        return os.path.dirname(str(file.source))
    return Feed.of(path, options).root if options.feed is not None else ""


def _later(first: dt.datetime | None, second: dt.datetime | None) -> dt.datetime | None:
    return max((time for time in (first, second) if time is not None), default=None)
