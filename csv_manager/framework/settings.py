"""Settings in layers, later over earlier, each value with where it came from.

The shipped configuration.py · configuration.py or configuration.yaml in CSV_MANAGER_HOME · CSV_MANAGER_CONFIG · files
given by --config · CSV_MANAGER_<SETTING>. Dictionaries merge. Texts may name environment variables: in YAML all of
them, elsewhere those that tell of databases. What configuration.py derives from another setting follows a later layer:
the shipped file is executed last, with every later value already in place.
"""

import difflib
import linecache
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from csv_manager.core.binds import DEFAULT, parse_binds
from csv_manager.core.errors import ConfigurationError, OptionError
from csv_manager.core.masking import FromVariable, kind_of, masked, word_of
from csv_manager.core.model import check_seconds
from csv_manager.core.retention import parse_duration
from csv_manager.framework.errors import line_of, reason_of
from csv_manager.framework.event_settings import parse_events
from csv_manager.framework.variables import BINDS, CONNECTION, EVENTS, Variables

log = logging.getLogger("csv_manager.settings")

SHIPPED = Path(__file__).parent.parent / "applications" / "configuration.py"
PREFIX = "CSV_MANAGER_"
#: Environment variables with the prefix that are no settings.
_NOT_SETTINGS = {"HOME", "CONFIG"}
_KINDS = {int: "a number", float: "a number", str: "a text", list: "a list", dict: "a mapping", bool: "true or false"}
#: Other names of settings in a YAML file.
_IN_YAML = {"databases": BINDS, "events": EVENTS}
_SECONDS = ("CSV_INTERVAL", "CSV_SETTLE", "CSV_MAX_WAIT")
_LEAST = {"HISTORY_ROW_LIMIT": 0, "CHECK_FINDINGS": 1}
_NOT_EMPTY = ("APP_PATH", "ARCHIVE_PATH", "QUARANTINE_PATH", CONNECTION, "WATCHER_DATABASE_LOCATION")
#: The settings that may name environment variables in every layer.
_EXPANDED = (BINDS, CONNECTION, EVENTS)
#: The settings of the store, of which DATABASES makes nothing once it tells of the default.
_OF_THE_STORE = (CONNECTION, "WATCHER_DATABASE_LOCATION")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: its value and the layer that it came from."""

    name: str
    value: Any
    origin: str


class Settings(Mapping[str, Any]):
    """Every setting by name; `origin` tells where one came from."""

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

    def origin(self, name: str) -> str:
        """The layer that a setting came from."""
        return self._settings[name].origin


class _Layer(NamedTuple):
    """What one file sets, or one variable."""

    origin: str
    values: Mapping[str, Any]


def load(files: Sequence[str] = (), environment: Mapping[str, str] = os.environ) -> Settings:
    """Load every layer. Raises `ConfigurationError`, which names the file or the variable."""
    shipped = _execute(SHIPPED, {})
    found = _files(files, environment, Path(shipped["APP_PATH"]))
    layers = [_read(path, environment, shipped) for path in found]
    layers += _from_environment(environment, shipped)
    merged: dict[str, Setting] = {}
    for layer in layers:
        _lay_over(merged, layer, shipped)
    _check_binds(merged, layers)
    if EVENTS in merged:
        parse_events(merged[EVENTS].value, merged[EVENTS].origin)
    _warn(merged, shipped)
    derived = _execute(SHIPPED, {name: setting.value for name, setting in merged.items()})
    result = {
        name: merged.get(name, Setting(name=name, value=value, origin="shipped")) for name, value in derived.items()
    }
    if environment.get(f"{PREFIX}HOME") and result["APP_PATH"].origin == "shipped":
        result["APP_PATH"] = replace(result["APP_PATH"], origin=f"{PREFIX}HOME")
    return Settings({name: (merged | result)[name] for name in [*shipped, *result, *merged]})


def _lay_over(merged: dict[str, Setting], layer: _Layer, shipped: Mapping[str, Any]) -> None:
    """Put a layer over what those before it say."""
    for name, told in layer.values.items():
        default = shipped.get(name)
        # A name in YAML with nothing below it is an empty mapping.
        value = {} if told is None and isinstance(default, dict) else told
        before = merged[name].value if name in merged else default
        if isinstance(before, dict) and isinstance(value, dict):
            value = _merge(before, value)
        _check_type(name, value, shipped, layer.origin)
        merged[name] = Setting(name=name, value=value, origin=layer.origin)


def _check_binds(merged: Mapping[str, Setting], layers: Sequence[_Layer]) -> None:
    """Raise for a database that is told in a wrong way, with every layer that tells of it."""
    if BINDS not in merged:
        return
    for name, told in merged[BINDS].value.items():
        origins = [layer.origin for layer in layers if name in (layer.values.get(BINDS) or {})]
        # A text is not merged: it is what the last one says.
        parse_binds({name: told}, " and ".join(origins[-1:] if isinstance(told, str) else origins))


def _warn(merged: Mapping[str, Setting], shipped: Mapping[str, Any]) -> None:
    """Log what is probably a mistake."""
    for setting in merged.values():
        close = difflib.get_close_matches(setting.name, shipped, 1, 0.9)
        if setting.name not in shipped and close:
            log.warning("%s: there is no setting %s; did you mean %s?", setting.origin, setting.name, close[0])
    binds = merged[BINDS].value if BINDS in merged else {}
    meant = difflib.get_close_matches(DEFAULT, () if DEFAULT in binds else binds, 1, 0.7)
    if meant:
        log.warning(
            "%s: no database is called %s, which is the store's name; did you mean that by %s?",
            merged[BINDS].origin, DEFAULT, meant[0],
        )  # fmt: skip
    told = [merged[name] for name in _OF_THE_STORE if name in merged]
    if told and DEFAULT in binds:
        others = " and ".join(f"{setting.name} of {setting.origin}" for setting in told)
        log.warning("The store is databases.%s of %s; %s does not count.", DEFAULT, merged[BINDS].origin, others)


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


def _read(path: Path, environment: Mapping[str, str], shipped: Mapping[str, Any]) -> _Layer:
    """What a file sets, with the variables that it names."""
    is_yaml = path.suffix in (".yaml", ".yml")
    values = _read_yaml(path) if is_yaml else _execute(path, {})
    variables = Variables(environment, str(path))
    told = _with_variables(values, tuple(values) if is_yaml else _EXPANDED, variables, shipped)
    return _Layer(str(path), told if is_yaml else {name: variables.hide(value) for name, value in told.items()})


def _with_variables(
    values: Mapping[str, Any], names: Sequence[str], variables: Variables, shipped: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of a layer, of which those with these names may name variables.

    A text that came from variables is read as the type of the setting's default, as CSV_MANAGER_<SETTING> is.
    """
    resolved = {}
    for name, value in values.items():
        told = variables.expand(value, name) if name in names else value
        if isinstance(told, FromVariable):
            told = _parse(variables.origin, told, shipped.get(name))
        resolved[str(name)] = told
    return resolved


def _execute(path: Path, pinned: Mapping[str, Any]) -> dict[str, Any]:
    """The upper-case names that a Python file sets; what is `pinned` stays as it is, and is seen by the rest."""
    namespace = _Namespace({"__file__": str(path), "__name__": "configuration"}, pinned)
    # A traceback tells where it failed, but shows no line: there may be a password in it.
    linecache.cache[str(path)] = (0, None, [], str(path))
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), namespace)  # noqa: S102 - the user's own configuration
    except SyntaxError as error:
        raise ConfigurationError(f"{path}, line {line_of(error, path)}: {reason_of(error)}.") from None
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
    from csv_manager.framework.yaml_files import read_yaml

    values = read_yaml(path) or {}
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path}: expected settings as `NAME: value`, found {kind_of(values)}.")
    for small, name in _IN_YAML.items():
        if small in values and name in values:
            raise ConfigurationError(f"{path}: {small} and {name} are one setting; keep one of them.")
    values = {_IN_YAML.get(name, name): value for name, value in values.items()}
    for name in values:
        if not (isinstance(name, str) and name.isupper() and name.isidentifier()):
            close = difflib.get_close_matches(str(name).upper(), _execute(SHIPPED, {}), 1)
            hint = f"; did you mean {close[0]}?" if close else "; settings are in capitals."
            raise ConfigurationError(f"{path}: unknown setting '{word_of(name)}'{hint}")
    return values


def _from_environment(environment: Mapping[str, str], shipped: Mapping[str, Any]) -> Iterator[_Layer]:
    """A layer for each variable that is a setting."""
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name.isupper() and name not in _NOT_SETTINGS:
            values = {name: _parse(variable, text, shipped.get(name))}
            yield _Layer(variable, _with_variables(values, _EXPANDED, Variables(environment, variable), shipped))


def _parse(origin: str, text: str, default: Any) -> Any:
    """A variable's text as the type of the setting's default; a list may be given with commas."""
    if default is None or isinstance(default, str):
        return text
    from csv_manager.framework.yaml_files import parse_yaml

    value = parse_yaml(text, origin)
    if isinstance(default, (list, tuple)) and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text if isinstance(value, str) else value


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
        # What should be a mapping, or is one, may hold passwords anywhere.
        is_plain = isinstance(value, (str, int, float)) and not isinstance(default, dict)
        shown = repr(masked(name, value)) if is_plain else kind_of(value)
        raise ConfigurationError(f"{origin}: {name} must be {_KINDS[type(default)]}, not {shown}.")
    _check_value(name, value, origin)


def _check_value(name: str, value: Any, origin: str) -> None:
    """Raise for a value of the right type that no command could use; the rules of the options count here too."""
    if name in _SECONDS:
        try:
            check_seconds(name, value, zero=name != "CSV_INTERVAL")
        except OptionError as error:
            raise ConfigurationError(f"{origin}: {error}") from None
    least = _LEAST.get(name)
    if least is not None and not (isinstance(value, int) and value >= least):
        raise ConfigurationError(f"{origin}: {name} must be a whole number, {least} or more, not {value!r}.")
    if name == "RUN_KEEP_WITHIN" and value:
        try:
            parse_duration(str(value))
        except OptionError as error:
            raise ConfigurationError(f"{origin}: {name}: {error}") from None
    if name in _NOT_EMPTY and not str(value):
        raise ConfigurationError(f"{origin}: {name} must not be empty.")


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if both else value  # type: ignore[arg-type]
    return merged


def overlay(values: Mapping[str, Any], origin: str, environment: Mapping[str, str] = os.environ) -> Settings:
    """The shipped settings under these values."""
    values = _with_variables(values, _EXPANDED, Variables(environment, origin), _execute(SHIPPED, {}))
    derived = _execute(SHIPPED, values)
    parse_binds(derived[BINDS], origin)
    parse_events(derived[EVENTS], origin)
    told = {name: Setting(name=name, value=value, origin=origin) for name, value in values.items()}
    shipped = {name: Setting(name=name, value=value, origin="shipped") for name, value in derived.items()}
    return Settings({**shipped, **told})


def home(settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Path:
    """CSV_MANAGER_HOME: the folder of the user's own configuration and plugins; APP_PATH by default."""
    return Path(environment.get(f"{PREFIX}HOME") or settings["APP_PATH"]).expanduser()
