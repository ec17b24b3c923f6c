"""Settings in layers, later over earlier, each value with where it came from.

The shipped configuration.py · configuration.py or configuration.yaml in CSV_MANAGER_HOME · CSV_MANAGER_CONFIG · files
given by --config · CSV_MANAGER_<SETTING>. Dictionaries merge. What configuration.py derives from another setting
follows a later layer: the shipped file is executed last, with every later value already in place.
"""

import difflib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csv_manager.core.errors import ConfigurationError, OptionError, clause
from csv_manager.core.model import check_seconds
from csv_manager.framework.errors import line_of, reason_of

log = logging.getLogger("csv_manager.settings")

SHIPPED = Path(__file__).parent.parent / "applications" / "configuration.py"
PREFIX = "CSV_MANAGER_"
#: Environment variables with the prefix that are no settings.
_NOT_SETTINGS = {"HOME", "CONFIG"}
_KINDS = {int: "a number", float: "a number", str: "a text", list: "a list", dict: "a mapping", bool: "true or false"}
_SECONDS = ("CSV_INTERVAL", "CSV_SETTLE", "CSV_MAX_WAIT")
_NOT_EMPTY = ("APP_PATH", "ARCHIVE_PATH", "WATCHER_DATABASE_CONNECTION", "WATCHER_DATABASE_LOCATION")
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)\S*(?=@)")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: its value and the layer that it came from."""

    name: str
    value: Any
    origin: str


class Settings(Mapping[str, Any]):
    """Every setting by name; `origins` tells where each came from."""

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self._settings = dict(settings)

    def __getitem__(self, name: str) -> Any:
        return self._settings[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def all(self) -> list[Setting]:
        """Every setting, in the order of the shipped file, others after it."""
        return list(self._settings.values())


def load(files: Sequence[str] = (), environment: Mapping[str, str] = os.environ) -> Settings:
    """Load every layer. Raises `ConfigurationError`, which names the file or the variable."""
    shipped = _execute(SHIPPED, {})
    found = _files(files, environment, Path(shipped["APP_PATH"]))
    layers = [(str(path), _read(path)) for path in found]
    layers.append(("environment", _from_environment(environment, shipped)))
    merged: dict[str, Setting] = {}
    for origin, values in layers:
        for name, value in values.items():
            told = f"{PREFIX}{name}" if origin == "environment" else origin
            before = merged[name].value if name in merged else shipped.get(name)
            if isinstance(before, dict) and isinstance(value, dict):
                value = _merge(before, value)  # noqa: PLW2901 - the value as it is after this layer
            _check_type(name, value, shipped, told)
            merged[name] = Setting(name=name, value=value, origin=told)
    for setting in merged.values():
        close = difflib.get_close_matches(setting.name, shipped, 1, 0.9)
        if setting.name not in shipped and close:
            log.warning("%s: there is no setting %s; did you mean %s?", setting.origin, setting.name, close[0])
    derived = _execute(SHIPPED, {name: setting.value for name, setting in merged.items()})
    result = {
        name: merged.get(name, Setting(name=name, value=value, origin="shipped")) for name, value in derived.items()
    }
    if environment.get(f"{PREFIX}HOME") and result["APP_PATH"].origin == "shipped":
        result["APP_PATH"] = replace(result["APP_PATH"], origin=f"{PREFIX}HOME")
    return Settings({name: (merged | result)[name] for name in [*shipped, *result, *merged]})


def masked(name: str, value: Any) -> Any:
    """A value as it may be shown: no password in a URL, nothing under a name that tells of a secret."""
    if value and _SECRET.search(name):
        return "***"
    if isinstance(value, str):
        return _URL_PASSWORD.sub(r"\1***", value)
    if isinstance(value, dict):
        return {key: masked(str(key), entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(name, entry) for entry in value]
    return value


def _files(files: Sequence[str], environment: Mapping[str, str], app_path: Path) -> Iterator[Path]:
    home = Path(environment.get(f"{PREFIX}HOME") or environment.get(f"{PREFIX}APP_PATH") or app_path).expanduser()
    for name in ("configuration.py", "configuration.yaml"):
        if (home / name).is_file():
            yield home / name
    named = environment.get(f"{PREFIX}CONFIG")
    for file in [*([named] if named else []), *files]:
        path = Path(file).expanduser().absolute()
        if not path.is_file():
            raise ConfigurationError(f"There is no configuration file {path}.")
        yield path


def _read(path: Path) -> dict[str, Any]:
    return _read_yaml(path) if path.suffix in (".yaml", ".yml") else _execute(path, {})


def _execute(path: Path, pinned: Mapping[str, Any]) -> dict[str, Any]:
    """The upper-case names that a Python file sets; what is `pinned` stays as it is, and is seen by the rest."""
    namespace = _Namespace({"__file__": str(path), "__name__": "configuration"}, pinned)
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), namespace)  # noqa: S102 - the user's own configuration
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"{path}, line {line_of(error, path)}: {reason_of(error)}.") from error
    return {name: value for name, value in namespace.items() if name.isupper()}


class _Namespace(dict[str, Any]):
    """Names of a file that is executed; those that a later layer set cannot be set again."""

    def __init__(self, names: Mapping[str, Any], pinned: Mapping[str, Any]) -> None:
        super().__init__({**names, **pinned})
        self._pinned = frozenset(pinned)

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._pinned:
            super().__setitem__(name, value)


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        with path.open("rb") as file:  # a stream has a name, which PyYAML's errors tell
            values = yaml.safe_load(file) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {clause(error)}.") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: expected settings as `NAME: value`, found a {type(values).__name__}.")
    for name in values:
        if not (isinstance(name, str) and name.isupper()):
            close = difflib.get_close_matches(str(name).upper(), _execute(SHIPPED, {}), 1)
            hint = f"; did you mean {close[0]}?" if close else "; settings are in capitals."
            raise ConfigurationError(f"{path}: unknown setting {name!r}{hint}")
    return values


def _from_environment(environment: Mapping[str, str], shipped: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name.isupper() and name not in _NOT_SETTINGS:
            values[name] = _parse(variable, text, shipped.get(name))
    return values


def _parse(variable: str, text: str, default: Any) -> Any:
    """An environment variable as the type of the setting's default; a list may be given with commas."""
    if default is None or isinstance(default, str):
        return text
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{variable}={text!r} cannot be read as YAML.") from error
    if isinstance(default, (list, tuple)) and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return value


def _check_type(name: str, value: Any, shipped: Mapping[str, Any], origin: str) -> None:
    default = shipped.get(name)
    if default is None or value is None:
        return
    number = (int, float)
    expected: tuple[type, ...] = (type(default),)
    if isinstance(default, number) and not isinstance(default, bool):
        expected = number
    elif isinstance(default, (list, tuple)):
        expected = (list, tuple)
    elif isinstance(default, str):
        expected = (str, Path)
    if not isinstance(value, expected) or (isinstance(value, bool) and not isinstance(default, bool)):
        raise ConfigurationError(f"{origin}: {name} must be {_KINDS[type(default)]}, not {value!r}.")
    _check_value(name, value, origin)


def _check_value(name: str, value: Any, origin: str) -> None:
    """Raise for a value of the right type that no command could use; the rules of the options count here too."""
    if name in _SECONDS:
        try:
            check_seconds(name, value, zero=name != "CSV_INTERVAL")
        except OptionError as error:
            raise ConfigurationError(f"{origin}: {error}") from None
    if name == "HISTORY_ROW_LIMIT" and not (isinstance(value, int) and value >= 0):
        raise ConfigurationError(f"{origin}: {name} must be a whole number, 0 or more, not {value!r}.")
    if name in _NOT_EMPTY and not str(value):
        raise ConfigurationError(f"{origin}: {name} must not be empty.")


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if both else value  # type: ignore[arg-type]
    return merged


def overlay(values: Mapping[str, Any], origin: str) -> Settings:
    """The shipped settings under these values."""
    derived = _execute(SHIPPED, values)
    told = {name: Setting(name=name, value=value, origin=origin) for name, value in values.items()}
    shipped = {name: Setting(name=name, value=value, origin="shipped") for name, value in derived.items()}
    return Settings({**shipped, **told})


def home(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Path:
    """CSV_MANAGER_HOME: the folder of the user's own configuration and plugins; APP_PATH by default."""
    return Path(environment.get(f"{PREFIX}HOME") or settings["APP_PATH"]).expanduser()
