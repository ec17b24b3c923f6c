"""The problems of what is watched, each with the command that mends it or shows why."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from csv_manager.core.feeds import Feed
from csv_manager.patterns.describe import typed_path
from csv_manager.patterns.watcher_states import WatchedFile

#: What is all right: a file that waits is read by itself, and who pauses one knows it.
_FINE = ("ok", "waiting", "paused")
_FORGETS = "csv_manager csv_watcher_delete {path}"
#: Those that look at a file are told where it is read.
_COMMANDS = {
    "missing": _FORGETS,
    "held": "csv_manager csv_history_show {path}",
    "unreadable": "ls -l {place}",
    "failing": "csv_manager -v csv_watch --once {place}",
}


def problems(found: Iterable[WatchedFile]) -> Iterator[dict[str, Any]]:
    """Each problem; one of a folder that is missing, not one more for each file in it."""
    groups: dict[tuple[str, str], list[WatchedFile]] = {}
    for told in found:
        if told.state not in _FINE:
            place = _missing_place(told) if told.state == "missing" else told.path
            groups.setdefault((told.state, place), []).append(told)
    for (_, place), group in groups.items():
        if place == group[0].path or (len(group) == 1 and place != group[0].feed):
            yield _problem(group[0])
        else:
            yield _problem_of_folder(place, group)


def _problem(told: WatchedFile) -> dict[str, Any]:
    command = _COMMANDS[told.state].format(path=typed_path(told.path), place=typed_path(told.place))
    return {"csv_file": told.path, "state": told.state, "reason": told.reason, "command": command}


def _problem_of_folder(place: str, group: list[WatchedFile]) -> dict[str, Any]:
    folder = _root(group[0]) if place == group[0].feed else place
    files = f"{len(group):,} files" if len(group) > 1 else "1 file"
    return {
        "csv_file": place,
        "state": "missing",
        "reason": f"{folder}: no such folder, and so none of {files} of it; watched again as soon as it is there.",
        "command": _FORGETS.format(path=typed_path(place)),
    }


def _missing_place(told: WatchedFile) -> str:
    """What is missing of a missing file: the folder or glob that it belongs to, its folder, or nothing but itself."""
    if told.options.feed is not None and told.feed is None:
        return told.path
    if told.feed is not None and not os.path.isdir(_root(told)):
        return told.feed
    missing, folder = told.path, os.path.dirname(told.place)
    while os.path.isabs(folder) and not os.path.isdir(folder):
        missing, folder = folder, os.path.dirname(folder)
    return missing


def _root(told: WatchedFile) -> str:
    return Feed.of(told.feed or told.path, told.options).root
