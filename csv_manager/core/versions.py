"""VERSION on the command line: a number, `head`, `head~N`, or an ISO time for what stood then."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence

from csv_manager.core.errors import VersionNotFoundError
from csv_manager.core.model import Version

#: So many ranges of versions are told, and so many digits are a number of a version that there may be.
_RANGES, _DIGITS = 4, 19


def find_version(text: str, versions: Sequence[Version], head: int, csv_file: str) -> Version:
    """The version that `text` names among `versions` (newest first). Raises `VersionNotFoundError`."""
    told = text.strip()
    found = _find(told, versions, head, csv_file)
    if found is None:
        raise VersionNotFoundError(_missing(told, versions, csv_file))
    return found


def ranges(numbers: Iterable[int]) -> str:
    """Versions in words: `version 1`, `versions 1, 25 and 59 to 60`; of many ranges the first ones and the last one."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][-1] == number - 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    told = [" to ".join(map(str, each)) for each in found]
    if len(told) > _RANGES:
        told = [*told[: _RANGES - 1], "…", told[-1]]
    several = "s" if len(told) > 1 or any(len(each) > 1 for each in found) else ""
    listed = " and ".join(filter(None, (", ".join(told[:-1]), told[-1]))) if told else ""
    return f"version{several} {listed}" if listed else ""


def _missing(text: str, versions: Sequence[Version], csv_file: str) -> str:
    """Why there is no version of that name, and which there are."""
    numbers = [version.number for version in versions]
    there = f"there {'is' if len(numbers) <= 1 else 'are'} {ranges(numbers) or 'none'} (csv_history_list)."
    if text.isdecimal() and len(text) < _DIGITS and 0 < int(text) < max(numbers, default=0):
        return f"{csv_file}: version {int(text)} was pruned; {there}"
    if text.isdecimal() or text.lower().startswith("head"):
        return f"{csv_file} has no version {text!r}; {there}"
    first = next((version for version in reversed(versions) if version.is_through), None)
    if first is None:
        return f"{csv_file}: no version stood at {text}; {there}"
    which = "the first version" if first.number == 1 else f"version {first.number}, the oldest that there is,"
    return f"{csv_file}: no version stood at {text}; {which} is of {first.created.astimezone():%Y-%m-%d %H:%M:%S}."


def _find(text: str, versions: Sequence[Version], head: int, csv_file: str) -> Version | None:
    if re.fullmatch(r"\d+", text):
        return next((version for version in versions if version.number == int(text)), None)
    back = re.fullmatch(r"head(?:~(\d+))?", text, re.IGNORECASE)
    if back:
        line = [version for version in versions if version.is_through and version.number <= head]
        steps = int(back[1] or 0)
        return line[steps] if steps < len(line) else None
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise VersionNotFoundError(
            f"{csv_file}: {text!r} names no version; use a number, head, head~N or a time like 2026-01-31T12:00."
        ) from None
    try:
        when = when.astimezone(dt.UTC)
    except (OverflowError, ValueError):  # the year 1 or 9999, moved across its end by the zone
        when = when.replace(tzinfo=dt.UTC)
    return next((v for v in versions if v.is_through and (v.decided or v.created) <= when), None)
