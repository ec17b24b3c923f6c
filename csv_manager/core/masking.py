"""What may be shown of a setting: no password, no token, and nothing of a variable that holds one."""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

#: What stands for a secret.
MASK = "***"
_SECRET_NAME = re.compile(
    r"(?i:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|AUTHORIZATION|(?:API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)[_-]?KEY"
    r"|(?:^|_)PASS(?:_|$)|_PWD(?:_|$)|_PW(?:_|$))"
    # In capitals and by itself it is the shell's own, the working folder.
    r"|^(?:pwd|pw|PW)$"
)
#: Names of keys: as a text it is a secret, as a list it is the columns that a row is known by.
_KEY_NAME = re.compile(r"(?i:(?:^|[_-])KEY)$|[a-z]Key$")
#: Names of texts like `login:password`.
_LOGIN_NAMES = frozenset({"user", "admin", "login", "auth"})
#: A URL's login and password may hold anything; the last @ is the one before the host. Paths have neither.
_URL_PASSWORD = re.compile(r"(?<!sqlite)(?<!file)(://[^:]*:).*(?=@)", re.DOTALL)
#: A login of the web is a token as often as not; so is one without a password, where databases and ssh do not log in.
_URL_LOGIN = re.compile(
    r"(https?://)[^/?#\s]+(?=@)"
    r"|(?<![\w+.-])((?!postgres|mysql|mariadb|sqlite|file|ssh|sftp)[a-z][\w+.-]*://)[^:/?#@\s]+:?(?=@)",
    re.IGNORECASE,
)
#: `?password=…` of a URL, `password=…` of a driver's own text, `"token": …` of JSON.
_ASSIGNED = re.compile(
    r"((?:(?:password|passwd|passphrase|pwd|secret|token|credential|authorization|api_?key)\w*|_key|(?-i:[a-z]Key)|(?<=[?&])key)"
    r"[\"']?\s*[=:]\s*)[^&]+",
    re.IGNORECASE,
)
#: What a header of HTTP says, in no path: `Bearer …`, and `Basic …` where that begins.
_HEADER = re.compile(r"((?<![\w/\\.-])bearer\s+|(?:^|[\"'=:,;])\s*basic\s+)\S.*", re.IGNORECASE | re.DOTALL)
_EMPTY: tuple[Any, ...] = (None, "", [], {}, ())
_WORD = re.compile(r"[\w.-]*")
_KINDS: tuple[tuple[Any, str], ...] = (
    (type(None), "nothing"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (Mapping, "a mapping"),
    ((list, tuple), "a list"),
)


class FromVariable(str):
    """A text that came from environment variables, wholly or in part; `shown` is what of it may be shown.

    What configuration.py derives from it by adding to it is one, too.
    """

    __slots__ = ("shown",)
    shown: str

    def __new__(cls, text: str, shown: str) -> Self:
        """The text, and how it is shown."""
        self = super().__new__(cls, text)
        self.shown = shown
        return self

    def __add__(self, other: str) -> Self:
        return type(self)(str.__add__(self, other), self.shown + _shown(other))

    def __radd__(self, other: str) -> Self:
        return type(self)(str.__add__(other, self), _shown(other) + self.shown)

    def __repr__(self) -> str:
        return repr(self.shown)

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """What a copy is made of."""
        return str(self), self.shown


def masked(name: str, value: Any) -> Any:
    """A value as it may be shown.

    Hidden are: what has a name that tells of a secret, or a text that is a key, the password of a `login:password` and
    of a URL, what a text assigns to the name of a secret, and what came from a variable with such a name.
    """
    if is_secret_name(name, is_text=isinstance(value, str)) and value not in _EMPTY:
        return MASK
    if isinstance(value, str):
        return _masked_text(name, value)
    if isinstance(value, dict):
        return {
            _masked_text("", key) if isinstance(key, str) else key: masked(str(key), entry)
            for key, entry in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked_text(name, entry) if isinstance(entry, str) else masked(name, entry) for entry in value]
    # Of a set, bytes or any other object, people would be shown its text.
    text = str(value)
    shown = _masked_text(name, text)
    return value if shown == text else shown


def is_secret_name(name: str, *, is_text: bool = True) -> bool:
    """Whether a setting, a key or a variable of this name holds a secret, if it is a text or if it is anything."""
    return _SECRET_NAME.search(name) is not None or (is_text and _KEY_NAME.search(name) is not None)


def hiding(text: str, secrets: Iterable[str]) -> str:
    """A text of which secrets that it holds may not be shown, nor what is made of it."""
    shown = functools.reduce(lambda told, secret: told.replace(secret, MASK), secrets, _shown(text))
    return text if shown == _shown(text) else FromVariable(text, shown)


def word_of(text: object) -> str:
    """A name for messages: the word that it begins with, and an ellipsis for what follows, which may be a password.

    `{user:app:hunter2}`, without spaces, is YAML for the one key `user:app:hunter2`.
    """
    told = str(text)
    found = _WORD.match(told)
    word = found[0] if found else ""
    return word if word == told else f"{word}…"


def kind_of(value: object) -> str:
    """What a value is, in words that show nothing of it."""
    return next((words for kind, words in _KINDS if isinstance(value, kind)), f"a {type(value).__name__}")


def _shown(text: str) -> str:
    return text.shown if isinstance(text, FromVariable) else text


def _masked_text(name: str, text: str) -> str:
    text = _shown(text)
    login, colon, _ = text.partition(":")
    if colon and name.lower() in _LOGIN_NAMES:
        return f"{login}:{MASK}"
    for pattern in (_URL_LOGIN, _URL_PASSWORD, _ASSIGNED, _HEADER):
        text = pattern.sub(lambda found: "".join(filter(None, found.groups())) + MASK, text)
    return text
