"""The line that tells how far long work is."""

import time

import pytest

from csv_manager.patterns.progress import picture_of


@pytest.mark.parametrize(("rows", "is_told"), [(1_000_000, True), (None, False)])
def test_a_bar_tells_rows_in_a_second_where_they_are_known(rows: int | None, is_told: bool) -> None:
    line = picture_of("Loading prices.csv", 1000, time.monotonic() - 10, rows)(500)
    assert "50%" in line
    assert ("rows/s" in line) == is_told
    if is_told:
        told = line.partition(" rows/s")[0].rpartition(" ")[2]
        assert 0 < int(told.split("m")[-1].replace(",", "")) <= 50_000
