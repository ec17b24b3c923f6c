"""Types of SQL columns, whatever the database."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from csv_manager.core.errors import OptionError

Kind = Literal[
    "bool", "smallint", "integer", "bigint", "decimal", "real", "double", "date", "time", "timestamp", "uuid", "text",
    "bytes", "json", "other",
]  # fmt: skip

#: The kinds of which each value is written in one way.
CANONICAL: frozenset[Kind] = frozenset({"smallint", "integer", "bigint", "text", "date"})

#: A type as people write one, and what they call some kinds besides.
_TOLD = re.compile(
    r"\s*(?P<kind>[a-z ]+?)\s*(?:\(\s*(?P<one>\d+)\s*(?:,\s*(?P<two>\d+)\s*)?\))?"
    r"(?P<zone>\s+with time zone)?(?P<gap>\s+not null)?\s*",
    re.IGNORECASE,
)
_ALIASES: dict[str, Kind] = {
    "boolean": "bool", "int": "integer", "numeric": "decimal", "float": "double", "double precision": "double",
    "varchar": "text", "string": "text", "datetime": "timestamp", "blob": "bytes",
}  # fmt: skip

#: The most digits of a decimal, and behind its point, that every database has room for.
MOST_DIGITS, MOST_SCALE = 65, 30


@dataclass(frozen=True, kw_only=True)
class SqlType:
    """The type of a column.

    `precision` and `scale` are the digits of a decimal, and those behind its point; `length` are the most characters of
    a text, or bytes; `timezone` is of a time or timestamp. `native` is what the database calls an `other` one.
    """

    kind: Kind
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    timezone: bool = False
    native: str | None = None

    def __str__(self) -> str:
        if self.native is not None:
            return self.native
        if self.length is not None:
            return f"{self.kind}({self.length})"
        if self.kind == "decimal" and self.precision is not None:
            return f"decimal({self.precision}, {self.scale or 0})"
        return f"{self.kind} with time zone" if self.timezone else self.kind


def parse_type(told: str) -> tuple[SqlType, bool]:
    """A type as people write it, such as `decimal(10, 2) not null`, and whether a value is needed.

    Raises `OptionError`.
    """
    found = _TOLD.fullmatch(told)
    word = found["kind"].lower() if found else ""
    kind: Kind | None = _ALIASES.get(word) or next((each for each in _TELLABLE if each == word), None)
    if found is None or kind is None:
        raise OptionError(f"{told!r} is no type; say {', '.join(_TELLABLE)}, such as decimal(10, 2), or text not null.")
    one, two = (None if found[name] is None else int(found[name]) for name in ("one", "two"))
    if (one is not None and kind not in ("decimal", "text", "bytes")) or (two is not None and kind != "decimal"):
        raise OptionError(f"{told!r}: {kind} has no such bounds.")
    if kind == "decimal" and one is not None and not max(two or 0, 1) <= one <= MOST_DIGITS:
        raise OptionError(f"{told!r}: a decimal has up to {MOST_DIGITS} digits, those behind its point among them.")
    if kind != "decimal" and one == 0:
        raise OptionError(f"{told!r}: nothing has room in it.")
    if found["zone"] and kind not in ("time", "timestamp"):
        raise OptionError(f"{told!r}: {kind} has no time zone.")
    is_decimal = kind == "decimal"
    parsed = SqlType(
        kind=kind,
        precision=one if is_decimal else None,
        scale=(two or 0) if is_decimal and one is not None else None,
        length=None if is_decimal else one,
        timezone=bool(found["zone"]),
    )
    return parsed, bool(found["gap"])


_TELLABLE: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "other")
