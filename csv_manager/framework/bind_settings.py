"""The databases that the settings tell of."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from csv_manager.core.binds import DEFAULT, MEMORY, Bind, parse_binds, parse_url
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


def _origin(settings: Mapping[str, Any], name: str) -> str:
    return settings.origin(name) if isinstance(settings, Settings) else "settings"


def _placed(bind: Bind, folder: str) -> Bind:
    if bind.path is None or bind.path == MEMORY:
        return bind
    return replace(bind, path=os.path.join(folder, os.path.expanduser(bind.path)))
