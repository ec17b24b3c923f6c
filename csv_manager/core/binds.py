"""Databases by their names, as the setting DATABASES tells of them: binds.

The message of an error names the origin, the bind and the key, and no value that might be a password.
"""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from csv_manager.core.errors import ConfigurationError
from csv_manager.core.masking import kind_of, word_of

SqlDialect = Literal["sqlite", "postgresql", "mysql"]

#: The bind that is the store.
DEFAULT = "default"
#: The path of an sqlite database without a file.
MEMORY = ":memory:"
_DIALECTS: Mapping[str, SqlDialect] = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_CHOICES = "sqlite, postgresql or mysql"
_KEYS = ("dialect", "address", "port", "path", "database", "user", "admin", "options")
_KEYS_OF_A_FILE = ("dialect", "path", "options")
_KEYS_OF_A_SERVER = ("dialect", "address", "port", "database", "user", "admin", "options")
#: What other programs call the keys.
_OTHER_NAMES = {
    "host": "address",
    "hostname": "address",
    "server": "address",
    "db": "database",
    "dbname": "database",
    "login": "user",
    "username": "user",
    "passwd": "user",
    "password": "user",
    "file": "path",
    "driver": "dialect",
    "engine": "dialect",
    "type": "dialect",
}
#: Options of drivers that are told by a key.
_KEYS_OF_OPTIONS = _OTHER_NAMES | {"port": "port", "user": "user", "database": "database"}
_URL = re.compile(r"(?P<dialect>\w+)(?:\+\w+)?://(?P<rest>.*)", re.ASCII | re.DOTALL)
#: What SQLAlchemy reads behind the slashes of a file, and of a server, without an @ that it would take for another one
#: than was meant.
_FILE = re.compile(r"(?:/.*|\?[^@]*)?", re.DOTALL)
_SERVER = re.compile(
    r"(?:[^:/]*(?::[^@]*)?@)?"  # login:password@
    r"(?:\[[^\]/?@]+\]|[^:/?@\[\]]*)(?::[0-9]{1,5})?"  # host:port
    r"(?:/[^?@]*(?:\?.*)?|\?[^@]*)?",
    re.DOTALL,
)
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\s/?@\[\]]+)\]|(?P<host>[^\s:/?@\[\]]+))(?::(?P<port>[^:@]*))?")
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A login and its password; where none was told, the driver looks for one: PGPASSWORD, ~/.pgpass."""

    login: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Bind:
    """One database; of one that was told as a URL, `url` says where it is and who logs in, and the rest is None."""

    name: str
    sql_dialect: SqlDialect
    #: The host of a server, or for postgresql the folder of its Unix socket, which begins with a slash.
    address: str | None = None
    port: int | None = None
    #: The file of sqlite, or `:memory:`.
    path: str | None = None
    #: The database's name on its server.
    database: str | None = None
    #: Who reads and writes rows; the admin where no user was told.
    user: Credential | None = None
    #: Who migrates; the user where no admin was told.
    admin: Credential | None = None
    #: An SQLAlchemy URL, with its password.
    url: str | None = field(default=None, repr=False)
    #: What else the driver is told, such as sslmode.
    options: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def has_admin(self) -> bool:
        """Whether tables are made by another user than who reads and writes their rows."""
        return self.admin not in (None, self.user)


def parse_binds(told: Mapping[str, Any], origin: object) -> dict[str, Bind]:
    """The binds of DATABASES by name; an entry is a mapping, or an SQLAlchemy URL.

    `origin` is the file that tells of them. A path stays as it was told. Raises `ConfigurationError` for what is wrong.
    """
    if not isinstance(told, Mapping):
        raise ConfigurationError(f"{origin}: databases must be a mapping of names, not {kind_of(told)}.")
    return {str(name): _parse_entry(name, entry, origin) for name, entry in told.items()}


def parse_url(name: str, url: str, where: str) -> Bind:
    """The bind of an SQLAlchemy URL. Raises `ConfigurationError`, whose message begins with `where`."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigurationError(f"{where} is no URL; one is like postgresql://login:password@host/database.")
    sql_dialect = _DIALECTS.get(found["dialect"])
    if sql_dialect is None:
        raise ConfigurationError(f"{where}: the URL must begin with {_CHOICES}.")
    if sql_dialect == "sqlite" and not _FILE.fullmatch(found["rest"]):
        raise ConfigurationError(f"{where}: a URL of sqlite has three slashes, four before an absolute path.")
    if sql_dialect != "sqlite" and not _SERVER.fullmatch(found["rest"]):
        raise ConfigurationError(
            f"{where}: the host of the URL cannot be read; write %40 for @ and %2F for / in a login, or a mapping, "
            "where user: login:password may have any character."
        )
    return Bind(name=name, sql_dialect=sql_dialect, url=str(url))


def _parse_entry(name: object, entry: object, origin: object) -> Bind:
    if not (isinstance(name, str) and name.isidentifier()):
        raise ConfigurationError(
            f"{origin}: databases: '{word_of(name)}' is no name of a database; use letters, digits and _, and write a "
            "space after a colon."
        )
    where = f"{origin}: databases.{name}"
    if isinstance(entry, str):
        return parse_url(str(name), entry, where)
    if not isinstance(entry, Mapping):
        raise ConfigurationError(f"{where} must be a mapping with the key dialect, or a URL, not {kind_of(entry)}.")
    _check_keys(entry, where)
    # A key with nothing behind it is not there: so a later file takes back what an earlier one told.
    told = {key: value for key, value in entry.items() if value is not None}
    sql_dialect = _parse_dialect(told, where)
    if sql_dialect == "sqlite":
        return _parse_file(str(name), told, where)
    return _parse_server(str(name), sql_dialect, told, where)


def _check_keys(entry: Mapping[Any, Any], where: str) -> None:
    """Raise for a key that no database has, with the one that was meant."""
    for key in entry:
        if key not in _KEYS:
            raise ConfigurationError(f"{where} has no key '{word_of(key)}'; {_advice(str(key))}")


def _advice(key: str) -> str:
    if word_of(key) != key:
        return "write a space after each colon."
    if key.lower() in _OTHER_NAMES:
        meant = _OTHER_NAMES[key.lower()]
        return f"did you mean {meant}, as login:password?" if meant == "user" else f"did you mean {meant}?"
    close = difflib.get_close_matches(key.lower(), _KEYS, 1)
    return f"did you mean {close[0]}?" if close else f"the keys are {', '.join(_KEYS)}."


def _parse_dialect(told: Mapping[str, Any], where: str) -> SqlDialect:
    text = _text(told, "dialect", where, f"It is {_CHOICES}").lower()
    if text in _DIALECTS:
        return _DIALECTS[text]
    close = difflib.get_close_matches(text, _DIALECTS, 1)
    step = f"did you mean {close[0]}?" if close else f"it is {_CHOICES}."
    # Anything but a word may be a URL with a password.
    shown = f"'{text}' is" if text.isalpha() else "this is"
    raise ConfigurationError(f"{where}.dialect: {shown} no dialect of SQL that is known here; {step}")


def _parse_file(name: str, told: Mapping[str, Any], where: str) -> Bind:
    _check_keys_of(told, "sqlite", _KEYS_OF_A_FILE, where)
    path = told.get("path")
    if isinstance(path, os.PathLike):
        told = {**told, "path": os.fspath(path)}
    return Bind(
        name=name,
        sql_dialect="sqlite",
        path=_text(told, "path", where, "It is the file of the database"),
        options=_parse_options(told, where),
    )


def _parse_server(name: str, sql_dialect: SqlDialect, told: Mapping[str, Any], where: str) -> Bind:
    _check_keys_of(told, sql_dialect, _KEYS_OF_A_SERVER, where)
    address, port = _parse_address(sql_dialect, told, where)
    user = _parse_credential(told, "user", where)
    admin = _parse_credential(told, "admin", where)
    return Bind(
        name=name,
        sql_dialect=sql_dialect,
        address=address,
        port=port,
        database=_text(told, "database", where, "It is the name of the database on its server"),
        user=user or admin,
        admin=admin or user,
        options=_parse_options(told, where),
    )


def _check_keys_of(told: Mapping[str, Any], sql_dialect: SqlDialect, keys: tuple[str, ...], where: str) -> None:
    for key in told:
        if key not in keys:
            raise ConfigurationError(
                f"{where}.{key}: {sql_dialect} has no {key}; its keys are {', '.join(keys)}. Take it out, or set it to "
                "null where an earlier file tells it."
            )


def _parse_address(sql_dialect: SqlDialect, told: Mapping[str, Any], where: str) -> tuple[str, int | None]:
    """The host, or the folder of a socket, and the port, which may stand behind the host or have a key of its own."""
    port = _parse_port(told["port"], f"{where}.port") if "port" in told else None
    text = _text({"address": "localhost", **told}, "address", where, "It is the host")
    if text.startswith("/"):
        if sql_dialect != "postgresql":
            raise ConfigurationError(
                f"{where}.address: a folder is for postgresql; set options: {{unix_socket: FILE}} for {sql_dialect}."
            )
        return text, port
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"{where}.address must be a host, or host:port; an IPv6 address stands in brackets, and a login under user."
        )
    if found["port"] and port is not None:
        raise ConfigurationError(f"{where}.port: the address tells a port, too; take one of them out.")
    return found["ipv6"] or found["host"], _parse_port(found["port"], f"{where}.address") if found["port"] else port


def _parse_port(value: Any, where: str) -> int:
    """A port, as a number or as a text, which a variable gives. The message shows nothing of what it is instead."""
    text = str(value)
    if _PORT.fullmatch(text) and 1 <= int(text) <= 65535:
        return int(text)
    raise ConfigurationError(f"{where}: a port is a number from 1 to 65535.")


def _parse_credential(told: Mapping[str, Any], key: str, where: str) -> Credential | None:
    if key not in told:
        return None
    login, _, password = _text(told, key, where, "It is login:password").partition(":")
    if not login:
        raise ConfigurationError(f"{where}.{key} begins with a colon; it is login:password.")
    return Credential(login=login, password=password or None)


def _parse_options(told: Mapping[str, Any], where: str) -> dict[str, str]:
    options = told.get("options", {})
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"{where}.options must be a mapping such as {{sslmode: require}}.")
    parsed = {}
    for name, value in options.items():
        if name in _KEYS_OF_OPTIONS:
            raise ConfigurationError(
                f"{where}.options.{name}: this is no option here; tell it by the key {_KEYS_OF_OPTIONS[name]}."
            )
        if not isinstance(value, (str, int, float, type(None))):
            raise ConfigurationError(
                f"{where}.options.{word_of(name)} must be a text or a number, not {kind_of(value)}."
            )
        if value is not None:
            parsed[str(name)] = str(value).lower() if isinstance(value, bool) else str(value)
    return parsed


def _text(told: Mapping[str, Any], key: str, where: str, meaning: str) -> str:
    """The text of a key that has to be there."""
    value = told.get(key)
    if value is None or value == "":
        raise ConfigurationError(f"{where}.{key} is missing. {meaning}.")
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}.{key} must be a text, not {kind_of(value)}; put it in quotes. {meaning}.")
    return str(value)
