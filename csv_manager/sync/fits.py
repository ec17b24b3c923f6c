"""Which texts of CSV cells fit which types.

A text fits a type if the value that a database makes of it loses nothing that somebody might mean by the text: `007` is
no number, `+5` neither, and a double has no more than 15 digits. A cell that is empty has no value, and fits all.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from csv_manager.sync.types import MOST_DIGITS, MOST_SCALE, Kind, SqlType

#: The most significant digits that a double keeps.
DOUBLE_DIGITS = 15
_LARGEST = 2**63 - 1


def _up_to(digits: int) -> str:
    """A pattern of the numbers from 1 on with so many digits, or of 19 up to the largest bigint."""
    largest = str(_LARGEST)
    if digits != len(largest):
        return rf"[1-9]\d{{0,{digits - 1}}}"
    patterns = [rf"[1-9]\d{{0,{digits - 2}}}"]
    for place, digit in enumerate(largest):
        low = 1 if place == 0 else 0
        if int(digit) > low:
            patterns.append(rf"{largest[:place]}[{low}-{int(digit) - 1}]\d{{{digits - place - 1}}}")
    return "|".join([*patterns, largest])


_DATE = (
    r"[1-9]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))"
    r"|(?:[1-9]\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29"
)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?"
_ZONE = r"(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)"
#: Before a number: that it has so many digits at most, from the first that is no zero.
_FEW = rf"(?=-?[0.]*(?:[1-9](?:\.?\d){{0,{DOUBLE_DIGITS - 1}}})?\.?(?:[eE]|$))"
_PATTERNS = {
    "bool": "true|false|True|False|TRUE|FALSE",
    # The exponent is one that no digits before it take out of a double's range.
    "double": rf"{_FEW}-?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?(?:\d{{1,2}}|1\d\d|2[0-7]\d))?",
    "date": _DATE,
    "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A type that cells fit; of bigint and decimal with the most digits before the point, and behind it.

    `is_short` is whether each of them, if they are numbers, has no more digits than a double keeps.
    """

    kind: Kind
    whole: int = 0
    scale: int = 0
    timezone: bool = False
    is_short: bool = True

    @property
    def type(self) -> SqlType:
        """As a column has it."""
        if self.kind == "decimal":
            return SqlType(kind="decimal", precision=max(self.whole + self.scale, 1), scale=self.scale)
        return SqlType(kind=self.kind, timezone=self.timezone)

    @property
    def may_be_long(self) -> bool:
        """Whether a decimal that fits may have more digits than a double keeps, and none is known to."""
        return self.kind == "decimal" and self.is_short and self.whole + self.scale > DOUBLE_DIGITS

    @functools.cached_property
    def pattern(self) -> str:
        """The pattern of the cells that fit; `$` in it is the end of a line. Text has none."""
        if self.kind in ("bigint", "decimal"):
            if self.kind == "bigint":
                return f"0|-?(?:{_up_to(self.whole)})" if self.whole else "0"
            whole = rf"0|[1-9]\d{{0,{self.whole - 1}}}" if self.whole else "0"
            # A zero with a minus sign is none.
            return rf"(?!-[0.]*$)-?(?:(?:{whole})(?:\.\d{{0,{self.scale}}})?|\.\d{{1,{max(self.scale, 1)}}})"
        if self.kind == "timestamp":
            return f"(?:{_DATE})[ T]{_TIME}{_ZONE}" if self.timezone else f"(?:{_DATE})(?:[ T]{_TIME})?"
        return _PATTERNS[self.kind]

    @functools.cached_property
    def _one(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)

    @functools.cached_property
    def _lines(self) -> re.Pattern[str]:
        """Lines that are empty or match."""
        return re.compile(rf"(?:(?:{self.pattern})?\n)*+", re.ASCII | re.MULTILINE)

    def takes(self, cell: str) -> bool:
        """Whether a cell fits."""
        return self.kind == "text" or not cell or ("\n" not in cell and self._one.fullmatch(cell) is not None)

    def misfit(self, cells: Sequence[str]) -> int | None:
        """The number of the first cell that does not fit, from 0 on; None if all do.

        Joined, they are matched at once.
        """
        if self.kind == "text" or not cells:
            return None
        joined = "\n".join(cells) + "\n"
        if joined.count("\n") != len(cells):
            number = next(number for number, cell in enumerate(cells) if "\n" in cell)
            before = self.misfit(cells[:number])
            return number if before is None else before
        found = self._lines.match(joined)
        end = found.end() if found else 0
        return None if end == len(joined) else joined.count("\n", 0, end)

    def join(self, other: "Fit") -> "Fit":
        """The narrowest for what fits either of them. Text is for all, and a double for decimals of few digits."""
        whole, scale = max(self.whole, other.whole), max(self.scale, other.scale)
        is_short = self.is_short and other.is_short
        kinds = {self.kind, other.kind}
        if kinds <= {"bigint", "decimal"}:
            kind: Kind = "decimal" if "decimal" in kinds else "bigint"
            joined = replace(self, kind=kind, whole=whole, scale=scale, is_short=is_short)
            return joined if whole + scale <= MOST_DIGITS else TEXT
        if kinds <= {"bigint", "decimal", "double"}:
            return DOUBLE if is_short else TEXT
        if self == other:
            return self
        is_time = kinds <= {"date", "timestamp"} and not (self.timezone or other.timezone)
        return _TIMESTAMP if is_time else TEXT

    def covers(self, other: "Fit") -> bool:
        """Whether what fits another one fits this, too."""
        if self.kind == "text" or self == other:
            return True
        if {self.kind, other.kind} <= {"bigint", "decimal"}:
            is_wider = self.kind == "decimal" or other.kind == "bigint"
            return is_wider and self.whole >= other.whole and self.scale >= other.scale
        return self.join(other).kind == self.kind and self.timezone == other.timezone

    @classmethod
    def of(cls, told: SqlType) -> "Fit":
        """What fits a column of a type, as far as that can be told without its database; text for what cannot."""
        if told.kind == "bigint":
            return replace(_BIGINT, is_short=False)
        if told.kind == "decimal":
            if told.precision is None:
                return replace(_DECIMAL, is_short=False)
            is_short = told.precision <= DOUBLE_DIGITS
            scale = told.scale or 0
            return cls(kind="decimal", whole=told.precision - scale, scale=scale, is_short=is_short)
        if told.kind in _DIGITS:
            return cls(kind="bigint", whole=_DIGITS[told.kind])
        return cls(kind=told.kind, timezone=told.timezone) if told.kind in _KINDS else TEXT


#: The most digits of what is narrower than a bigint, whose last values the database looks at.
_DIGITS: dict[Kind, int] = {"smallint": 5, "integer": 10}
_KINDS = ("bool", "double", "date", "timestamp", "uuid")
TEXT, DOUBLE = Fit(kind="text"), Fit(kind="double")
_TIMESTAMP = Fit(kind="timestamp")
_OTHERS = (
    Fit(kind="bool"), DOUBLE, Fit(kind="date"), _TIMESTAMP, Fit(kind="timestamp", timezone=True), Fit(kind="uuid"),
)  # fmt: skip
_BIGINT = Fit(kind="bigint", whole=len(str(_LARGEST)))
_DECIMAL = Fit(kind="decimal", whole=MOST_DIGITS, scale=MOST_SCALE)


def fit_of(cell: str) -> Fit:
    """The narrowest that a cell fits which is not empty."""
    if _BIGINT.takes(cell):
        digits = 0 if cell == "0" else len(cell.lstrip("-"))
        return Fit(kind="bigint", whole=digits, is_short=digits <= DOUBLE_DIGITS)
    if _DECIMAL.takes(cell):
        whole, _, behind = cell.lstrip("-").partition(".")
        is_short = DOUBLE.takes(cell)
        fit = Fit(kind="decimal", whole=0 if whole == "0" else len(whole), scale=len(behind), is_short=is_short)
        if fit.whole + fit.scale <= MOST_DIGITS:
            return fit
    return next((fit for fit in _OTHERS if fit.takes(cell)), TEXT)


def describe(cell: str) -> str:
    """What a cell that is not empty is, in words that follow it: its type, or why it is no number."""
    fit = fit_of(cell)
    if fit is not TEXT:
        return f"is {fit.type}"
    if re.fullmatch(r"-?0\d+(?:\.\d*)?", cell, re.ASCII):
        return "begins with a zero"
    if re.fullmatch(r"\+[\d.]+(?:[eE]\d+)?", cell, re.ASCII):
        return "begins with +"
    if re.fullmatch(r"-?[\d.]+", cell, re.ASCII) and cell.count(".") <= 1:
        return "has more digits than a decimal"
    if re.fullmatch(r"-?\d[\d.]*[eE][+-]?\d+", cell, re.ASCII):
        return f"has an exponent, and more than {DOUBLE_DIGITS} digits or a value beyond a double's"
    return "has a space around it" if cell != cell.strip() and fit_of(cell.strip() or "x") is not TEXT else "is text"


#: The most characters of a cell that are shown.
