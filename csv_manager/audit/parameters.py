"""The parameters of a statement, as JSON has them, and without what is redacted."""

import base64
import datetime as dt
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from csv_manager.audit.entries import REDACTED
from csv_manager.audit.values import to_json

_LITERAL = re.compile(r"""'.*'|\$\w*\$.*\$\w*\$|\b\d[\w.]*""", re.DOTALL)
_PLACEHOLDER = re.compile(r"%\(\w+\)s|:\w+")
_WORD = re.compile(r"\w+")
#: What SQLAlchemy adds to the name of a column that it makes a parameter for.
_SUFFIX = re.compile(r"(_\d+|__\d+)+$")


def told_parameters(parameters: Any, context: Any, *, executemany: bool) -> list[Any]:
    """The parameters of each execution: by name where each is known, else as they were given."""
    if not parameters:
        return []
    each = list(parameters) if executemany else [parameters]
    names = _names(context)
    return [
        dict(zip(names, given, strict=True)) if _are_named(names, given) else _plain(given)
        for given in (each if _is_row(each[0]) else [each])
    ]


def _is_row(given: Any) -> bool:
    return isinstance(given, Mapping) or (isinstance(given, Sequence) and not isinstance(given, str | bytes))


def _names(context: Any) -> list[str]:
    compiled = getattr(context, "compiled", None)
    return list(getattr(compiled, "positiontup", None) or ())


def _are_named(names: Sequence[str], given: Any) -> bool:
    return bool(names) and not isinstance(given, Mapping) and len(names) == len(given) == len(set(names))


def _plain(given: Any) -> Any:
    return dict(given) if isinstance(given, Mapping) else list(given)


def plain(value: Any) -> Any:
    """A value of a parameter as JSON has it; bytes in base64."""
    if value is None or isinstance(value, bool | int | float | str):
        return to_json(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return str(value)


class Redaction:
    """Columns whose values are not told."""

    def __init__(self, columns: Collection[str]) -> None:
        self._columns = {column.lower() for column in columns}
        words = "|".join(map(re.escape, sorted(self._columns)))
        self._named = re.compile(rf"(?<!\w)({words})(?!\w)", re.IGNORECASE) if words else None

    def statement(self, text: str) -> str:
        """A statement; without its literals if it names such a column."""
        return _LITERAL.sub(f"'{REDACTED}'", text) if self._is_named(text) else text

    def parameters(self, text: str, given: Sequence[Any]) -> list[Any]:
        """Parameters; without those of such columns, or that could be."""
        if not self._is_named(text):
            return [plain(each) for each in given]
        words = set(_WORD.findall(_PLACEHOLDER.sub("", text).lower()))
        return [
            {name: plain(value) if self._is_other(name, words) else REDACTED for name, value in each.items()}
            if isinstance(each, Mapping)
            else [REDACTED for _ in each]
            for each in given
        ]

    def _is_named(self, text: str) -> bool:
        return self._named is not None and self._named.search(text) is not None

    def _is_other(self, name: str, words: Collection[str]) -> bool:
        """Whether a parameter is that of another column, which the statement names."""
        column = _SUFFIX.sub("", name).lower()
        return column in words and column not in self._columns
