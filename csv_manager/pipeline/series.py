"""Series: the files of a folder or glob, in the order of their paths, are the versions of one dataset."""

import os
import shlex

from csv_manager.core.errors import LateError
from csv_manager.core.feeds import Feed

_FILE = "file:"


def find_late(path: str, feed: Feed, newest: str) -> LateError | None:
    """Why a file of a series may not become the head: one that follows it did already, `newest`."""
    if path >= newest:
        return None
    name = os.path.basename(newest)
    leaves_out = f"csv_watcher_set {shlex.quote(feed.path)} --exclude {shlex.quote(name)}"
    return LateError(
        f"{path} comes after {name}, which follows it in the series; the dataset stays at that one. "
        f"If {name} is none of the series, {leaves_out} leaves it out; so this one can be, or be taken away."
    )


def check_order(path: str, feed: Feed, newest: str) -> None:
    """Raise `LateError` for a file of a series that may not become the head, as `find_late` says."""
    late = find_late(path, feed, newest)
    if late is not None:
        raise late


def cause_of(path: str, root: str) -> str:
    """What a version of a series says that it comes from."""
    return f"{_FILE}{os.path.relpath(path, root)}"


def name_of(path: str, cause: str) -> str:
    """The name of the file that a version was read from, by what it says that it comes from."""
    return os.path.basename(cause.removeprefix(_FILE) if cause.startswith(_FILE) else path)
