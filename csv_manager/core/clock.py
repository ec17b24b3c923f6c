"""The wall clock, in one place: it may be set back or forward at any moment, so no wait is measured by it."""

import datetime as dt


def now() -> dt.datetime:
    """The time, in UTC."""
    return dt.datetime.now(dt.UTC)
