"""The databases that the settings tell of."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from csv_manager.core.binds import DEFAULT, MEMORY, Bind, parse_binds, parse_url
from csv_manager.core.errors import ConfigurationError
from csv_manager.framework.settings import Settings
from csv_manager.framework.variables import BINDS, CONNECTION


def binds_of(settings: Mapping[str, Any]) -> dict[str, Bind]:
    """Every database by its bind name; `default`, the store, comes first.

    Where DATABASES has no default, WATCHER_DATABASE_CONNECTION is one. Paths are absolute: a relative one begins in
    APP_PATH. Raises `ConfigurationError`.
    """
    binds = parse_binds(settings[BINDS], _origin(settings, BINDS))
    default = binds.pop(DEFAULT, None)
    if default is None:
        where = f"{_origin(settings, CONNECTION)}: {CONNECTION}"
        default = parse_url(DEFAULT, str(settings[CONNECTION]), where)
    folder = os.path.abspath(os.path.expanduser(settings["APP_PATH"]))
    return {name: _placed(bind, folder) for name, bind in ({DEFAULT: default} | binds).items()}


#: How the names of SQLite files end.
_FILES = (".db", ".db3", ".sqlite", ".sqlite3")


def named(binds: Mapping[str, Bind], name: str, otherwise: str = "") -> Bind:
    """The bind of a name. Raises `ConfigurationError` for an unknown one, with what to do `otherwise`."""
    if name not in binds:
        close = difflib.get_close_matches(name, binds, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(binds)}."
        raise ConfigurationError(f"There is no database {name!r} in the settings; {hint}{otherwise}")
    return binds[name]


def named_or_at(binds: Mapping[str, Bind], told: str) -> Bind:
    """The bind of a name, or one for a URL or for the path of an SQLite file.

    A path has a separator, or ends as such files do. Raises `ConfigurationError`, also for a URL with a password.
    """
    if "://" not in told:
        if told in binds or not (os.path.basename(told) != told or told.lower().endswith(_FILES)):
            return named(binds, told, " Tell it under DATABASES, or give a URL, or the path of an SQLite file.")
        return Bind(name=told, sql_dialect="sqlite", path=os.path.abspath(os.path.expanduser(told)))
    bind = parse_url("url", told, "The URL of the database")
    from csv_manager.store.urls import is_in_memory, url_of

    if url_of(bind).password is not None:
        raise ConfigurationError(
            "The URL of the database has a password, which would be kept and shown; tell the database under a name "
            "in DATABASES of the settings, and give that name."
        )
    if bind.sql_dialect != "sqlite" and not url_of(bind).database:
        raise ConfigurationError("The URL names no database; one is like postgresql://login@host/database.")
    if is_in_memory(bind):
        raise ConfigurationError("A database in memory is gone when this ends; give the path of a file.")
    return bind


def _origin(settings: Mapping[str, Any], name: str) -> str:
    return settings.origin(name) if isinstance(settings, Settings) else "settings"


def _placed(bind: Bind, folder: str) -> Bind:
    if bind.path is None or bind.path == MEMORY:
        return bind
    return replace(bind, path=os.path.join(folder, os.path.expanduser(bind.path)))
