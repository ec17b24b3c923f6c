"""Times of entries, as texts that compare."""

import datetime as dt

from csv_manager.core import clock


def utc(time: dt.datetime) -> str:
    """A time as it compares with those of entries, padded."""
    return time.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def padded(at: str) -> str:
    """The time of an entry with microseconds, to be compared as a text."""
    whole, _, part = at.removesuffix("Z").partition(".")
    return f"{whole}.{part:0<6}Z"


def now(precision: str = "milliseconds") -> str:
    """The time of now as ISO-8601 has it."""
    return clock.now().astimezone(dt.UTC).isoformat(timespec=precision).replace("+00:00", "Z")
