"""Types of SQL columns, whatever the database."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "bool", "smallint", "integer", "bigint", "decimal", "real", "double", "date", "time", "timestamp", "uuid", "text",
    "bytes", "json", "other",
]  # fmt: skip

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
