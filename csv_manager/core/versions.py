"""VERSION on the command line: a number, `head`, `head~N`, or an ISO time for what stood then."""

import datetime as dt
import re
from collections.abc import Sequence

from csv_manager.core.errors import VersionNotFoundError
from csv_manager.core.model import Version


def find_version(text: str, versions: Sequence[Version], head: int, csv_file: str) -> Version:
    """The version that `text` names among `versions` (newest first). Raises `VersionNotFoundError`."""
    found = _find(text.strip(), versions, head, csv_file)
    if found is None:
        numbers = [version.number for version in versions]
        have = f"{min(numbers)} to {max(numbers)}" if len(numbers) > 1 else ", ".join(map(str, numbers)) or "none"
        raise VersionNotFoundError(f"{csv_file} has no version {text!r}; there is {have} (csv_history_list).")
    return found


def _find(text: str, versions: Sequence[Version], head: int, csv_file: str) -> Version | None:
    if re.fullmatch(r"\d+", text):
        return next((version for version in versions if version.number == int(text)), None)
    back = re.fullmatch(r"head(?:~(\d+))?", text, re.IGNORECASE)
    if back:
        line = [version for version in versions if version.status != "held" and version.number <= head]
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
    return next((v for v in versions if v.status != "held" and v.created <= when), None)
