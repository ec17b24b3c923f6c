"""What may be shown of a setting: no password, no token, and nothing of a variable that holds one."""

import re
from collections.abc import Mapping
from typing import Any, Self

#: What stands for a secret.
MASK = "***"
_SECRET_NAME = re.compile(
    r"(?i:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|(?:API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)[_-]?KEY"
    r"|(?:^|_)PASS(?:_|$)|_PWD(?:_|$)|_PW(?:_|$))"
    # In capitals and by itself it is the shell's own, the working folder.
    r"|^(?:pwd|pw|PW)$"
)
#: Names of texts like `login:password`.
_LOGIN_NAMES = frozenset({"user", "admin", "login", "auth"})
#: A URL's login and password may hold anything; the last @ is the one before the host. Paths have neither.
_URL_PASSWORD = re.compile(r"(?<!sqlite)(?<!file)(://[^:]*:).*(?=@)", re.DOTALL)
#: `?password=…` of a URL, `password=…` of a driver's own text, `"token": …` of JSON.
_ASSIGNED = re.compile(
    r"((?:password|passwd|passphrase|pwd|secret|token|credential|api_?key)\w*[\"']?\s*[=:]\s*)[^&]+", re.IGNORECASE
)
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

    Hidden are: what has a name that tells of a secret, the password of a `login:password` and of a URL, what a text
    assigns to the name of a secret, and what came from a variable with such a name.
    """
    if is_secret_name(name) and value not in _EMPTY:
        return MASK
    if isinstance(value, str):
        return _masked_text(name, value)
    if isinstance(value, dict):
        return {
            _masked_text("", key) if isinstance(key, str) else key: masked(str(key), entry)
            for key, entry in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [masked(name, entry) for entry in value]
    # Of a set, bytes or any other object, people would be shown its text.
    text = str(value)
    shown = _masked_text(name, text)
    return value if shown == text else shown


def is_secret_name(name: str) -> bool:
    """Whether a setting, a key or a variable of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


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
    return _ASSIGNED.sub(rf"\1{MASK}", _URL_PASSWORD.sub(rf"\1{MASK}", text))
