"""What names a version: a number, head, steps behind head, a time."""

import datetime as dt

import pytest

from csv_manager.core.errors import VersionNotFoundError
from csv_manager.core.model import ColumnChange, CsvFormat, Version
from csv_manager.core.versions import find_version, ranges


def version(number: int, status: str = "ok") -> Version:
    """A version that was recorded on the day of January 2026 that its number tells, at noon UTC."""
    return Version(
        number=number,
        base=number - 1 or None,
        created=dt.datetime(2026, 1, number, 12, tzinfo=dt.UTC),
        cause="file",
        status=status,
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


#: Newest first; 3 and 5 are held, so that 4 is the head.
VERSIONS = [version(5, "held"), version(4), version(3, "held"), version(2), version(1)]


def find(text: str, versions: list[Version] = VERSIONS, head: int = 4) -> int:
    return find_version(text, versions, head, "data.csv").number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        (" 2 ", 2),
        ("3", 3),
        ("5", 5),
        ("004", 4),
        ("head", 4),
        ("HEAD", 4),
        ("head~0", 4),
        ("head~1", 2),
        ("Head~2", 1),
        ("2026-01-04T12:00Z", 4),
        ("2026-01-04T11:59:59+00:00", 2),
        ("2026-01-04T14:00+02:00", 4),
        ("2026-01-03T13:00Z", 2),
        ("2026-01-31T00:00Z", 4),
        ("2026-01-01T12:00:00.000Z", 1),
    ],
)
def test_an_expression_finds_a_version(text: str, number: int) -> None:
    assert find(text) == number


def test_a_time_without_zone_is_local() -> None:
    local = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC).astimezone().replace(tzinfo=None)
    assert find(local.isoformat()) == 2
    assert find((local - dt.timedelta(seconds=1)).isoformat(sep=" ")) == 1


def test_a_day_stands_for_its_start_in_local_time() -> None:
    noon = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC).astimezone()
    assert find((noon + dt.timedelta(days=1)).date().isoformat()) == 2


@pytest.mark.parametrize("text", ["0", "6", "head~5", "head~999999999999999999999", "9" * 30])
def test_a_version_that_is_not_there_is_told_with_those_that_are(text: str) -> None:
    with pytest.raises(VersionNotFoundError, match=rf"data\.csv has no version '{text}'; there are versions 1 to 5 "):
        find(text)


def test_a_version_that_was_pruned_is_told_as_such() -> None:
    left = [version(9), version(8), version(6, "held"), version(1)]
    with pytest.raises(VersionNotFoundError, match=r"version 7 was pruned; there are versions 1, 6 and 8 to 9 \("):
        find("007", left, 9)
    with pytest.raises(VersionNotFoundError, match=r"has no version '10'; there are versions 1, 6 and 8 to 9 \("):
        find("10", left, 9)


def test_versions_are_told_as_ranges() -> None:
    assert ranges([]) == ""
    assert ranges([7]) == "version 7"
    assert ranges([2, 1]) == "versions 1 to 2"
    assert ranges([60, 1, 25, 59]) == "versions 1, 25 and 59 to 60"
    assert ranges([1, 3, 5, 7, 8]) == "versions 1, 3, 5 and 7 to 8"
    assert ranges(range(1, 100, 2)) == "versions 1, 3, 5, … and 99"


@pytest.mark.parametrize("text", ["", "latest", "head~", "head~x", "head-1", "-1", "1.5", "2026-13-01", "~1", "1 2"])
def test_an_expression_that_names_nothing_is_told_with_those_that_do(text: str) -> None:
    with pytest.raises(VersionNotFoundError, match=r"names no version; use a number, head, head~N or a time"):
        find(text)


def test_a_single_version_and_none_are_told_as_such() -> None:
    with pytest.raises(VersionNotFoundError, match=r"there is version 1 \("):
        find("2", [version(1)], 1)
    with pytest.raises(VersionNotFoundError, match=r"there is none \("):
        find("head", [], 0)


@pytest.mark.parametrize("text", ["2025-12-31T00:00Z", "0001-01-01", "0001-01-01T00:00+14:00"])
def test_of_a_time_before_every_version_it_is_told_when_the_first_was(text: str) -> None:
    def at(number: int) -> str:
        return f"{version(number).created.astimezone():%Y-%m-%d %H:%M:%S}"

    with pytest.raises(VersionNotFoundError) as told:
        find(text)
    assert str(told.value) == f"data.csv: no version stood at {text}; the first version is of {at(1)}."
    with pytest.raises(VersionNotFoundError, match=f"; version 4, the oldest that there is, is of {at(4)}"):
        find(text, [version(4), version(3, "held")], 4)
    with pytest.raises(VersionNotFoundError, match=r"; there is version 1 \("):
        find(text, [version(1, "held")], 0)


def test_a_time_after_every_version_finds_the_last_however_early_the_zone() -> None:
    assert find("9999-12-31T23:59-12:00") == 4
