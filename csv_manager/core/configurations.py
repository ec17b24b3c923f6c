"""What was in force when something was processed, and a hash that is the same wherever that is the same."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from csv_manager.core.binds import DEFAULT
from csv_manager.core.masking import masked
from csv_manager.core.model import WatcherOptions

#: Settings that change nothing of what is recorded: what people see, and where csv_manager keeps what it has.
_LEFT_OUT = frozenset(
    {
        "PROGRESS", "GROUNDWORK_LOGGING", "APP_DESCRIPTION", "RUN_KEEP_WITHIN", "APP_PATH", "ARCHIVE_PATH",
        "QUARANTINE_PATH", "WATCHER_DATABASE_NAME", "WATCHER_DATABASE_DESCRIPTION", "WATCHER_DATABASE_LOCATION",
        "WATCHER_DATABASE_CONNECTION", "EVENTS",
    }
)  # fmt: skip
_BINDS = "DATABASES"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Settings and options, as JSON has them, without secrets; `hash` is the SHA-256 of that in canonical form."""

    hash: str
    content: Mapping[str, Any]


def effective(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of settings, what processing depends on, without secrets; where each was read from is not told.

    Nor is where the store is: hosts that share one, each with its own folders, have the same configuration.
    """
    told = {name: masked(name, value) for name, value in settings.items() if name not in _LEFT_OUT}
    return {name: _others(value) if name == _BINDS else value for name, value in told.items()}


def _others(binds: object) -> object:
    """The databases besides the store."""
    return {name: told for name, told in binds.items() if name != DEFAULT} if isinstance(binds, Mapping) else binds


def configuration_of(settings: Mapping[str, Any], options: WatcherOptions) -> Configuration:
    """The configuration of effective settings and a watcher's options, its arguments."""
    text = canonical({"settings": settings, "arguments": asdict(options)})
    return Configuration(hash=hashlib.sha256(text.encode()).hexdigest(), content=json.loads(text))


def canonical(value: object) -> str:
    """JSON in its one form: sorted keys, no spaces, ASCII. What JSON cannot tell is told by its type."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_told)


def _told(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return str(value) if hasattr(value, "__fspath__") else type(value).__name__
