"""Names of watchers, which are never to stand for something else too."""

import os
from collections.abc import Iterable
from typing import Any

from csv_manager.core.errors import OptionError, WatcherExistsError
from csv_manager.core.paths import identity
from csv_manager.patterns.describe import short_path, typed_path


def check_name(name: str, known: Any) -> None:
    """Raise `OptionError` for a new name that is, or looks like, something else; `known` are the known paths."""
    if name in (os.curdir, os.pardir) or name.startswith("-") or os.sep in name:
        raise OptionError(f"--name {name!r} would be taken for a folder or an option; choose a plain word.")
    if os.path.lexists(name):
        raise OptionError(f"--name {name!r} is a path that exists here, and would stand for both; choose another name.")
    if known.has(name):
        raise OptionError(f"--name {name!r} is a path with a watcher or a history; choose another name.")


def refuse_names(paths: Iterable[str], watchers: Iterable[Any]) -> None:
    """Raise `WatcherExistsError` for a path to be added that is the name of another file's watcher."""
    names = {watcher.options.name: watcher for watcher in watchers if watcher.options.name}
    for path in paths:
        watcher = names.get(path)
        if watcher is None or identity(path) == watcher.csv_file:
            continue
        its = short_path(watcher.csv_file)
        if not os.path.lexists(path):
            raise WatcherExistsError(f"{path} is the name of the watcher of {its}; csv_watcher_set changes it.")
        raise WatcherExistsError(
            f"{path} is the name of the watcher of {its}, and would stand for both; give that another one before: "
            f"csv_manager csv_watcher_set {typed_path(watcher.csv_file)} --name NAME"
        )
