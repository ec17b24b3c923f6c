"""Values of cells as a database keeps them: told apart by their types, and compared and hashed without loss."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

#: What a cell may be. Texts that are no UTF-8, as SQLite may have them, are `RawText`.
Value = None | int | float | str | bytes


class RawText(bytes):
    """The bytes of a text that is not in UTF-8."""

    def __repr__(self) -> str:
        return f"RawText({bytes(self)!r})"


def canonical(value: Value) -> str:
    """A value as no other is written: with its type, in ASCII, on one line."""
    return ascii(value or 0.0 if type(value) is float else value)  # a database takes 0.0 and -0.0 for one


#: What is equal to a value of another type: 1.0 to 1, and the bytes of a text to bytes.
_ALIKE = frozenset((float, RawText))
#: Cells as a key of a dictionary that no others are.
Exact = tuple[Value, ...]


def exact(cells: tuple[Value, ...]) -> Exact:
    """Cells as nothing else is equal to them: of rows of one width."""
    return cells if _ALIKE.isdisjoint(map(type, cells)) else ("", *map(canonical, cells))


def are_same(one: Value, other: Value) -> bool:
    """Whether two values are one to the database: of one type, and of one value."""
    return canonical(one) == canonical(other) if type(one) is float else type(one) is type(other) and one == other


#: What the texts of some types are in JSON.
_TYPED: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(["smallint", "integer", "bigint"], int),
    **dict.fromkeys(["real", "double precision"], float),
    "boolean": lambda told: told == "true",
    "bytea": lambda told: bytes.fromhex(told.removeprefix("\\x")),
}


def to_json(value: Value, kind: str = "") -> Any:
    """A value for people and JSON: bytes in base64, and numbers that JSON lacks as texts.

    `kind` is the type of a value that is kept as a text, as the database has it.
    """
    if value is None or type(value) is int:
        return value
    if type(value) is str:
        if kind not in _TYPED:
            return value
        value = _TYPED[kind](value)
    if isinstance(value, RawText):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value - value != 0:
        return repr(value)
    return value
