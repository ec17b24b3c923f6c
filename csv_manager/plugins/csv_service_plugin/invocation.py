"""What a unit starts: csv_watch with the interpreter, the options and the settings of the present call."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csv_manager.core.errors import ConfigurationError, OptionError
from csv_manager.core.masking import FromVariable

_PREFIX = "CSV_MANAGER_"
_PATHS = ("APP_PATH", "ARCHIVE_PATH", "QUARANTINE_PATH", "WATCHER_DATABASE_LOCATION")
_FILE_URL = "sqlite:///"
_CONTROL = frozenset(map(chr, (*range(32), 127)))


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """How a unit starts csv_watch. Every path is absolute: a service runs in another folder than its user."""

    #: The Python that has csv_manager.
    interpreter: str
    #: The words behind `csv_manager`.
    arguments: tuple[str, ...]
    #: Variables that a service would not inherit.
    environment: Mapping[str, str]
    #: The home of csv_manager.
    home: str
    #: The folder that it runs in: the user's home, which is always there.
    folder: str

    @property
    def words(self) -> tuple[str, ...]:
        """The command line. With -P, no file of the folder is taken for a module."""
        return (self.interpreter, "-P", "-m", "csv_manager", *self.arguments)


def make_invocation(
    settings: Mapping[str, Any],
    shown: Iterable[Mapping[str, Any]],
    options: Mapping[str, Sequence[str]],
    environment: Mapping[str, str] = os.environ,
) -> Invocation:
    """The invocation that does what csv_watch would do now.

    `settings` are those in force, `shown` the same with origins and secrets masked, `options` --config and --plugin.
    Raises `ConfigurationError` for a variable that holds a secret, `OptionError` for a text that no unit can hold.
    """
    home = home_of(settings, environment)
    arguments = [
        word
        for name in ("config", "plugin")
        for path in options.get(name) or ()
        for word in (f"--{name}", _absolute(os.path.expanduser(path)))
    ]
    invocation = Invocation(
        interpreter=sys.executable,
        arguments=(*arguments, "csv_watch"),
        environment=_variables(settings, shown, environment, home),
        home=home,
        folder=str(Path.home()),
    )
    for text in (*invocation.words, invocation.home, invocation.folder):
        _check(text, text)
    for name, text in invocation.environment.items():
        _check(name, text, allowed="\t\n")
    return invocation


def home_of(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> str:
    """The folder of everything that csv_manager keeps."""
    told = environment.get(f"{_PREFIX}HOME") or str(settings["APP_PATH"])
    return _absolute(os.path.expanduser(told))


def _variables(
    settings: Mapping[str, Any], shown: Iterable[Mapping[str, Any]], environment: Mapping[str, str], home: str
) -> dict[str, str]:
    """The variables in force, so that they say the same to the service."""
    told = {row["name"]: row for row in shown}
    variables = {}
    # Where a file of settings names APP_PATH, the home that the file was found in is the user's own, as it will be.
    if environment.get(f"{_PREFIX}HOME") or told["APP_PATH"]["origin"] == "shipped":
        variables[f"{_PREFIX}HOME"] = home
    config = environment.get(f"{_PREFIX}CONFIG")
    if config:
        variables[f"{_PREFIX}CONFIG"] = _absolute(os.path.expanduser(config))
    for name, row in told.items():
        variable = f"{_PREFIX}{name}"
        if row["origin"] == variable:
            # The service does not get the variables that the text names.
            text = settings[name] if isinstance(settings[name], FromVariable) else environment[variable]
            if row["value"] != settings[name]:
                raise ConfigurationError(
                    f"{variable} holds a secret, which is never written to a unit; set {name} in "
                    f"{os.path.join(home, 'configuration.yaml')}, unset the variable, and install again."
                )
            variables[variable] = _from_anywhere(name, text, settings[name])
    return variables


def _from_anywhere(name: str, text: str, value: Any) -> str:
    """A variable's text so that it names the same files from every folder."""
    if name == "CSV_FILES":
        return json.dumps([_absolute(str(path)) for path in value], ensure_ascii=False)
    if name in _PATHS:
        return _absolute(text)
    path = text.removeprefix(_FILE_URL)
    if name == "WATCHER_DATABASE_CONNECTION" and path != text and not path.startswith(("/", ":", "?")):
        return _FILE_URL + _absolute(path)
    return text


def _absolute(path: str) -> str:
    return path if path.startswith("~") else os.path.abspath(path)


def _check(what: str, text: str, allowed: str = "") -> None:
    """Raise `OptionError` for a text that no unit can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OptionError(f"{ascii(what)[1:-1]} is not valid UTF-8, which no unit can hold; rename it.") from None
    if _CONTROL.difference(allowed).intersection(text):
        raise OptionError(f"{ascii(what)[1:-1]} has a control character, which no unit can hold; rename it.")
