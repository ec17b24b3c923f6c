"""Which versions of a file are kept."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csv_manager.core.errors import OptionError

if TYPE_CHECKING:
    from csv_manager.core.model import Version

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_NAMES = (("day", 86400), ("hour", 3600), ("minute", 60))
#: The longest time, in seconds: a hundred years.
_LONGEST = 36525 * 86400
#: A number of more digits is longer in every unit.
_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Rules, of which one is enough to keep a version.

    The last `keep` versions, those of the last `within` seconds, the newest of each of so many days and months.
    """

    keep: int | None = None
    within: float | None = None
    daily: int | None = None
    monthly: int | None = None

    def __post_init__(self) -> None:
        if (self.keep, self.within, self.daily, self.monthly) == (None,) * 4:
            raise OptionError("Say what is kept: --keep N, --keep-within 7d, --keep-daily N or --keep-monthly N.")
        for option, value in (("--keep", self.keep), ("--keep-daily", self.daily), ("--keep-monthly", self.monthly)):
            if value is not None and value < 1:
                raise OptionError(f"{option} must be 1 or more, not {value}.")

    def describe(self) -> str:
        """The rules in a few words."""
        rules = (
            (f"the last {self.keep}", self.keep),
            (f"those of {_in_words(self.within or 0)}", self.within),
            (f"one of each of {self.daily} days", self.daily),
            (f"one of each of {self.monthly} months", self.monthly),
        )
        return ", ".join(rule for rule, said in rules if said is not None)

    def doomed(self, versions: "Sequence[Version]", now: dt.datetime, *, head: int, latest: int) -> list[int]:
        """The numbers of the versions (newest first) to forget; never the head, the latest or a held one."""
        kept = self.kept(versions, now) | {head, latest}
        return [version.number for version in versions if version.number not in kept and version.status != "held"]

    def kept(self, versions: "Sequence[Version]", now: dt.datetime) -> set[int]:
        """The numbers of the versions (newest first) to keep; days and months are those of the local time."""
        numbers = {version.number for version in versions[: self.keep or 0]}
        if self.within is not None:
            # The age is a number whatever the time is; a moment before the year 1 would be none.
            ages = ((version.number, (now - version.created).total_seconds()) for version in versions)
            numbers |= {number for number, age in ages if age <= self.within}
        numbers |= _newest(versions, lambda when: when.date(), self.daily or 0)
        numbers |= _newest(versions, lambda when: (when.year, when.month), self.monthly or 0)
        return numbers


def _newest(versions: "Iterable[Version]", period: Callable[[dt.datetime], object], count: int) -> set[int]:
    """The newest version of each of the last periods that have one."""
    found: dict[object, int] = {}
    for version in versions:
        found.setdefault(period(version.created.astimezone()), version.number)
    return set(list(found.values())[:count])


def parse_duration(text: str) -> float:
    """Seconds out of `90m`, `12h`, `7d` or `2w`. Raises `OptionError`, also for more than a hundred years."""
    found = re.fullmatch(r"0*(\d+)\s*([mhdw])", text.strip().lower(), re.ASCII)
    if found is None or found[1] == "0":
        raise OptionError(f"{text!r} is no duration; use a number and m, h, d or w, like 12h or 7d.")
    if len(found[1]) > _DIGITS or int(found[1]) * _UNITS[found[2]] > _LONGEST:
        raise OptionError(f"{text!r} is longer than a hundred years, {_LONGEST // 86400}d, which keeps every version.")
    return int(found[1]) * float(_UNITS[found[2]])


def _in_words(seconds: float) -> str:
    """A duration in the largest unit that it is a number of."""
    for name, unit in _NAMES:
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:,.0f} {name}{'' if seconds == unit else 's'}"
    return f"{seconds / 3600:,.6g} hours"
