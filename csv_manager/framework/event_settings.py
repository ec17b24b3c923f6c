"""What the setting EVENTS tells: which groups of listeners are told, and where the event record is."""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from csv_manager.core.binds import Bind, parse_url
from csv_manager.core.errors import ConfigurationError
from csv_manager.core.masking import kind_of, word_of
from csv_manager.framework.variables import EVENTS

_KEYS = ("groups", "dialect", "connection_string")
#: By CsvPath's names, and ours.
_DIALECTS = {
    "sqlite": "sqlite",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_GROUP = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """The groups whose listeners are told, and the database of the record: by a URL, by a name of DATABASES, or None.

    None is the store.
    """

    groups: frozenset[str]
    bind: Bind | None = None
    database: str | None = None


def parse_events(told: Any, origin: object) -> EventSettings:
    """What EVENTS says. Raises `ConfigurationError`, whose message names the origin, and nothing of a password."""
    where = f"{origin}: {EVENTS}"
    if not isinstance(told, Mapping):
        raise ConfigurationError(f"{where} must be a mapping, not {kind_of(told)}.")
    for key in told:
        if key not in _KEYS:
            close = difflib.get_close_matches(str(key), _KEYS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_KEYS)}."
            raise ConfigurationError(f"{where}: there is no {word_of(key)}; {hint}")
    groups = _groups(told.get("groups", ""), where)
    text, dialect = told.get("connection_string") or "", told.get("dialect") or ""
    if not isinstance(text, str) or not isinstance(dialect, str):
        raise ConfigurationError(f"{where}: dialect and connection_string must be texts.")
    if dialect and dialect not in _DIALECTS:
        raise ConfigurationError(f"{where}: there is no dialect {word_of(dialect)}; it is sqlite, postgres or mysql.")
    if not text:
        if dialect:
            raise ConfigurationError(f"{where}: a dialect needs a connection_string; without both, it is the store.")
        return EventSettings(groups=groups)
    if "://" not in text:
        return EventSettings(groups=groups, database=str(text))
    bind = parse_url("events", text, f"{where}.connection_string")
    if dialect and _DIALECTS[dialect] != bind.sql_dialect:
        raise ConfigurationError(f"{where}: the connection_string is one of {bind.sql_dialect}, and dialect {dialect}.")
    return EventSettings(groups=groups, bind=bind)


def events_of(settings: Mapping[str, Any], binds: Mapping[str, Bind]) -> EventSettings:
    """What EVENTS of settings says, with the database that it names. Raises `ConfigurationError`."""
    from csv_manager.framework.bind_settings import named
    from csv_manager.store.urls import is_in_memory, url_of

    told = parse_events(settings[EVENTS], "settings")
    bind = told.bind
    if told.database is not None:
        bind = named(binds, told.database, f" {EVENTS}.connection_string may be a URL, or a variable in capitals.")
    if bind is None:
        return told
    if is_in_memory(bind):
        raise ConfigurationError(f"{EVENTS}: a database in memory is gone when this ends; give the path of a file.")
    if told.bind is not None and bind.sql_dialect == "sqlite":
        path = os.path.expanduser(str(url_of(bind).database))
        folder = os.path.abspath(os.path.expanduser(settings["APP_PATH"]))
        bind = replace(
            bind, url=url_of(bind).set(database=os.path.join(folder, path)).render_as_string(hide_password=False)
        )
    return replace(told, bind=bind)


def _groups(told: Any, where: str) -> frozenset[str]:
    """`default, sql`, or a list."""
    names = told.split(",") if isinstance(told, str) else told
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{where}: groups must be names with commas between them, not {kind_of(told)}.")
    found = [name.strip() for name in names if name.strip()]
    for name in found:
        if not _GROUP.fullmatch(name):
            raise ConfigurationError(f"{where}: {word_of(name)} is no name of a group.")
    return frozenset(found)
