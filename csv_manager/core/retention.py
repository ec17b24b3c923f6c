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
            (f"those of {(self.within or 0) / 3600:g} hours", self.within),
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
            since = now - dt.timedelta(seconds=self.within)
            numbers |= {version.number for version in versions if version.created >= since}
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
    """Seconds out of `90m`, `12h`, `7d` or `2w`. Raises `OptionError`."""
    found = re.fullmatch(r"(\d+)\s*([mhdw])", text.strip().lower())
    if found is None or not int(found[1]):
        raise OptionError(f"{text!r} is no duration; use a number and m, h, d or w, like 12h or 7d.")
    return int(found[1]) * float(_UNITS[found[2]])
