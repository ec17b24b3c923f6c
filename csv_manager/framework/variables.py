"""Environment variables that a text of a setting names.

`${NAME}` stands anywhere in a text, `$${` for a literal `${`; `env:NAME` is the whole text. The text of a connection
may be a name in capitals. What a variable holds is taken as it is: names in it are no names.
"""

import re
from collections.abc import Mapping
from typing import Any, Self

from csv_manager.core.errors import ConfigurationError
from csv_manager.core.masking import MASK, FromVariable, hiding, is_secret_name, word_of

#: The settings that connections are told by.
CONNECTION, BINDS, EVENTS = "WATCHER_DATABASE_CONNECTION", "DATABASES", "EVENTS"
_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\$\{")
_WHOLE = re.compile(r"env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
#: The least characters of a secret that is looked for in a text; fewer may stand in it by chance.
_LEAST_SECRET = 6
_CAPITALS = re.compile(r"[A-Z][A-Z0-9_]*")


class PlacedText(str):
    """A text that knows its `place`, the file and the line that it stands in."""

    __slots__ = ("place",)
    place: str

    def __new__(cls, text: str, place: str) -> Self:
        """The text, and where it stands."""
        self = super().__new__(cls, text)
        self.place = place
        return self


class Variables:
    """The variables of an environment, for the texts of one layer of settings."""

    def __init__(self, environment: Mapping[str, str], origin: str) -> None:
        self.origin = origin
        self._environment = environment

    def expand(self, value: Any, *path: str) -> Any:
        """A value with its variables; `path` is the setting and the keys that lead to it.

        Raises `ConfigurationError` for a variable that is not set.
        """
        if isinstance(value, dict):
            return {_plain(key): self.expand(entry, *path, str(key)) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.expand(entry, *path, str(index)) for index, entry in enumerate(value)]
        return self._expand_text(value, path) if isinstance(value, str) else value

    def hide(self, value: Any) -> Any:
        """A value that code made, of which no text shows what a variable with the name of a secret holds."""
        if isinstance(value, dict):
            return {key: self.hide(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(map(self.hide, value)) if type(value) in (list, tuple) else value
        if not isinstance(value, str):
            return value
        secrets = (told for name, told in self._environment.items() if is_secret_name(name))
        return hiding(value, (told for told in secrets if len(told) >= _LEAST_SECRET))

    def _expand_text(self, text: str, path: tuple[str, ...]) -> str:
        where = f"{text.place if isinstance(text, PlacedText) else self.origin}: {_dotted(path)}"
        whole = _WHOLE.fullmatch(text)
        if whole:
            return self._value(whole["name"], where, "set it")
        if _is_connection(path) and _CAPITALS.fullmatch(text):
            return self._value(text, where, "set it, or write a URL")
        told, end = "", 0
        for found in _REFERENCE.finditer(text):
            told = told + text[end : found.start()] + self._referred(found, where)
            end = found.end()
        return told + text[end:]

    def _referred(self, found: re.Match[str], where: str) -> str:
        """What stands in place of `${NAME}` or `$${`."""
        if found["name"]:
            return self._value(found["name"], where, "set it, or write $${ for a literal ${")
        if found[0] == "${":
            raise ConfigurationError(f"{where}: behind ${{ there is no name and }}; write $${{ for a literal ${{.")
        return "${"

    def _value(self, name: str, where: str, step: str) -> FromVariable:
        if name not in self._environment:
            raise ConfigurationError(f"{where} names the environment variable {name}, which is not set; {step}.")
        value = self._environment[name]
        return FromVariable(value, MASK if value and is_secret_name(name) else value)


def _is_connection(path: tuple[str, ...]) -> bool:
    return path in ((CONNECTION,), (EVENTS, "connection_string")) or (len(path) == 2 and path[0] == BINDS)


def _dotted(path: tuple[str, ...]) -> str:
    """A setting and the keys in it, as people write it."""
    names = (path[0].lower() if path[0] in (BINDS, EVENTS) else path[0], *path[1:])
    return ".".join(map(word_of, names))


def _plain(key: Any) -> Any:
    return str(key) if isinstance(key, str) else key
