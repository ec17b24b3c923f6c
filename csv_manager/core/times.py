"""A time on the command line: a moment, a day, or how long ago."""

import datetime as dt

from csv_manager.core.errors import OptionError
from csv_manager.core.retention import parse_duration

_DAYS = {"today": 0, "yesterday": 1}


def parse_since(text: str, now: dt.datetime, option: str = "--since") -> dt.datetime:
    """The moment since which something is asked for, in UTC: `today`, `yesterday`, `90m`, `12h`, `7d`, or an ISO time.

    A day may be followed by a time, as in `yesterday 17:00`. `option` is what was told so.

    Days begin at midnight, and times without a zone are told, in the zone of this machine. Raises `OptionError`.
    """
    told = text.strip().lower()
    name, _, hour = told.partition(" ")
    try:
        if name in _DAYS:
            day = now.astimezone().date() - dt.timedelta(days=_DAYS[name])
            return dt.datetime.combine(day, dt.time.fromisoformat(hour.strip() or "00:00")).astimezone(dt.UTC)
        return dt.datetime.fromisoformat(text.strip()).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass  # it is no time, so it is how long ago
    try:
        return now - dt.timedelta(seconds=parse_duration(told))
    except (OptionError, OverflowError):
        raise OptionError(
            f"{option} {text!r} is no time; use today, yesterday 17:00, 90m, 12h, 7d, or a time like 2026-01-31T12:00."
        ) from None
