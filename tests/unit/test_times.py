"""--since: a day, how long ago, or an ISO time."""

import datetime as dt

import pytest

from csv_manager.core.errors import OptionError
from csv_manager.core.times import parse_since

NOW = dt.datetime(2026, 3, 2, 12, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [("90m", dt.timedelta(minutes=90)), (" 7D ", dt.timedelta(days=7)), ("12h", dt.timedelta(hours=12))],
)
def test_how_long_ago(text: str, ago: dt.timedelta) -> None:
    assert parse_since(text, NOW) == NOW - ago


@pytest.mark.parametrize(("text", "days"), [("today", 0), ("Yesterday", 1)])
def test_a_day_begins_at_midnight_here(text: str, days: int) -> None:
    found = parse_since(text, NOW).astimezone()
    assert found.date() == NOW.astimezone().date() - dt.timedelta(days=days)
    assert (found.hour, found.minute, found.second) == (0, 0, 0)


def test_an_iso_time_has_a_zone_or_is_told_in_this_one() -> None:
    assert parse_since("2026-01-31T12:00+02:00", NOW) == dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC)
    assert parse_since("2026-01-31", NOW) == dt.datetime(2026, 1, 31).astimezone()
    assert parse_since("2026-01-31", NOW).tzinfo == dt.UTC


@pytest.mark.parametrize("text", ["", "soon", "7x", "2026-13-01", "-3d", "9999999999d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"--since .* is no time; use today, yesterday"):
        parse_since(text, NOW)
