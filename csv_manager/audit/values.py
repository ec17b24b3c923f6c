"""Values of cells as a database keeps them: told apart by their types, and compared and hashed without loss."""

import base64
import struct
from typing import Any

#: What a cell may be. Texts that are no UTF-8, as SQLite may have them, are `RawText`.
Value = None | int | float | str | bytes


class RawText(bytes):
    """The bytes of a text that is not in UTF-8."""


def canonical(value: Value) -> bytes:
    """A value as bytes that no other value has: its type, its length, and itself."""
    if value is None:
        return b"n"
    if isinstance(value, float):
        return b"r" + struct.pack(">d", value + 0.0)  # a database takes 0.0 and -0.0 for one
    if isinstance(value, int):
        tag, told = b"i", b"%d" % value
    elif isinstance(value, str):
        tag, told = b"t", value.encode("utf-8", "surrogatepass")
    else:
        tag, told = b"x" if isinstance(value, RawText) else b"b", bytes(value)
    return tag + len(told).to_bytes(8) + told


def are_same(one: Value, other: Value) -> bool:
    """Whether two values are one to the database: of one type, and of one value."""
    return canonical(one) == canonical(other)


def to_json(value: Value) -> Any:
    """A value for people and JSON: bytes in base64, and numbers that JSON lacks as texts."""
    if isinstance(value, RawText):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and value - value != 0:
        return repr(value)
    return value
