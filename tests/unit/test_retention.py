"""Which versions of a file are kept."""

import dataclasses
import datetime as dt
import math

import pytest

from csv_manager.core.errors import OptionError
from csv_manager.core.model import ColumnChange, CsvFormat, Version
from csv_manager.core.retention import Retention, parse_duration

NOW = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)


def version(number: int, days_ago: float) -> Version:
    return Version(
        number=number,
        base=number - 1 or None,
        created=NOW - dt.timedelta(days=days_ago),
        cause="change",
        status="ok",
        sha256="",
        size=0,
        rows=0,
        inserted=0,
        updated=0,
        deleted=0,
        columns=(),
        column_change=ColumnChange(),
        csv_format=CsvFormat(),
        key=(),
        ignore=(),
        findings=(),
        position=0,
        stored=True,
    )


#: Newest first: three today, one each of the days and months before.
VERSIONS = [
    version(7, 0),
    version(6, 0.1),
    version(5, 0.2),
    version(4, 1),
    version(3, 3),
    version(2, 40),
    version(1, 80),
]


@pytest.mark.parametrize(
    ("retention", "kept"),
    [
        (Retention(keep=1), {7}),
        (Retention(keep=3), {7, 6, 5}),
        (Retention(keep=100), {1, 2, 3, 4, 5, 6, 7}),
        (Retention(within=86400), {7, 6, 5, 4}),
        (Retention(within=60), {7}),
        (Retention(daily=1), {7}),
        (Retention(daily=3), {7, 4, 3}),
        (Retention(monthly=2), {7, 2}),
        (Retention(keep=2, monthly=3), {7, 6, 2, 1}),
    ],
)
def test_one_rule_is_enough_to_keep_a_version(retention: Retention, kept: set[int]) -> None:
    assert retention.kept(VERSIONS, NOW) == kept


def test_the_head_the_latest_and_held_versions_are_never_doomed() -> None:
    versions = [*VERSIONS[:-1], dataclasses.replace(VERSIONS[-1], status="held")]
    assert Retention(keep=1).doomed(versions, NOW, head=4, latest=7) == [6, 5, 3, 2]


def test_nothing_said_and_nothing_kept_are_refused() -> None:
    for said in ({}, {"keep": 0}, {"daily": -1}, {"monthly": 0}):
        with pytest.raises(OptionError, match="--keep"):
            Retention(**said)


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("12h", 43200), ("7d", 604800), (" 2 W ", 1209600)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5h", "1y", "7d 3h"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(OptionError, match="is no duration; use a number"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36526d", "99999999d", "9" * 5000 + "w"])
def test_a_duration_of_more_than_a_hundred_years_is_refused(text: str) -> None:
    assert parse_duration("36525d") == parse_duration("00876600h") == 36525 * 86400
    with pytest.raises(OptionError, match="longer than a hundred years"):
        parse_duration(text)


@pytest.mark.parametrize("seconds", [1e12, 1e300, math.inf])
def test_a_time_that_no_calendar_has_keeps_every_version(seconds: float) -> None:
    assert Retention(within=seconds).kept(VERSIONS, NOW) == {1, 2, 3, 4, 5, 6, 7}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (60, "1 minute"),
        (5400, "90 minutes"),
        (3600, "1 hour"),
        (12 * 3600, "12 hours"),
        (7 * 86400, "7 days"),
        (36525 * 86400, "36,525 days"),
        (90, "0.025 hours"),
    ],
)
def test_a_time_is_told_in_the_unit_that_it_is_a_number_of(seconds: float, words: str) -> None:
    assert Retention(within=seconds).describe() == f"those of {words}"


def test_the_rules_are_told_in_words() -> None:
    told = Retention(keep=3, within=5400, daily=7, monthly=12).describe()
    assert told == "the last 3, those of 90 minutes, one of each of 7 days, one of each of 12 months"
