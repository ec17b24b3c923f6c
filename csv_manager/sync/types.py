"""Types of SQL columns, whatever the database."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["bool", "bigint", "decimal", "double", "date", "timestamp", "uuid", "text"]

#: The most digits of a decimal, and behind its point, that every database has room for.
MOST_DIGITS, MOST_SCALE = 65, 30


@dataclass(frozen=True, kw_only=True)
class SqlType:
    """The type of a column.

    `precision` and `scale` are the digits of a decimal, and those behind its point; `timezone` is of a timestamp.
    """

    kind: Kind
    precision: int | None = None
    scale: int | None = None
    timezone: bool = False

    def __str__(self) -> str:
        if self.kind == "decimal" and self.precision is not None:
            return f"decimal({self.precision}, {self.scale or 0})"
        return f"{self.kind} with time zone" if self.timezone else self.kind
