"""Tables fit the terminal, and no word or number is broken in two."""

import pytest

from csv_manager.patterns.tables import table_lines

COLUMNS = ["version", "created", "cause", "size"]
ROWS = [["12", "2026-03-02 09:15:07", "change", "51"], ["1", "2026-03-02 09:15:07", "add", "1234567"]]


def test_columns_stand_side_by_side() -> None:
    assert list(table_lines(ROWS, COLUMNS)) == [
        "version   created               cause    size",
        "────────────────────────────────────────────────",
        "12        2026-03-02 09:15:07   change   51",
        "1         2026-03-02 09:15:07   add      1234567",
    ]


def test_the_line_of_the_names_alone_has_a_style() -> None:
    assert list(table_lines([["a"]], ["a"], 80, style=str.upper)) == ["A", "─", "a"]
    assert list(table_lines([["a", "b"]], ["a", "b"], 2, style=str.upper)) == ["a  a", "b  b"]


def test_a_little_too_wide_they_stand_closer() -> None:
    assert next(table_lines(ROWS, COLUMNS, 48)) == "version   created               cause    size"
    assert next(table_lines(ROWS, COLUMNS, 47)) == "version  created              cause   size"


def test_columns_to_spare_are_left_out_in_their_order() -> None:
    spare = ["size", "cause"]
    assert next(table_lines(ROWS, COLUMNS, 45, spare)) == "version  created              cause   size"
    assert list(table_lines(ROWS, COLUMNS, 44, spare)) == [
        "version  created              cause",
        "────────────────────────────────────",
        "12       2026-03-02 09:15:07  change",
        "1        2026-03-02 09:15:07  add",
    ]
    assert next(table_lines(ROWS, COLUMNS, 28, spare)) == "version  created"


def test_where_not_even_the_others_fit_each_column_has_a_line() -> None:
    assert list(table_lines(ROWS, COLUMNS, 27, ["size"])) == [
        "version  12",
        "created  2026-03-02",
        "         09:15:07",
        "cause    change",
        "size     51",
        "",
        "version  1",
        "created  2026-03-02",
        "         09:15:07",
        "cause    add",
        "size     1234567",
    ]


def test_words_take_several_lines() -> None:
    rows = [["a.csv", "the key is not unique: id='1'"], ["b.csv", "-"]]
    assert list(table_lines(rows, ["file", "reason"], 26)) == [
        "file   reason",
        "──────────────────────────",
        "a.csv  the key is not",
        "       unique: id='1'",
        "b.csv  -",
    ]


def test_a_word_that_is_too_long_is_cut_and_a_path_keeps_its_end() -> None:
    rows = [["/data/somewhere/prices.csv", "0123456789abcdef0123456789"]]
    assert list(table_lines(rows, ["file", "digest"], 34))[2] == "…here/prices.csv  0123456789abcde…"
    assert list(table_lines([["見" * 30]], ["a"], 20))[2] == "見" * 9 + "…"


def test_a_record_tells_words_in_several_lines_and_cuts_none() -> None:
    rows = [["1", "/data/somewhere/prices.csv is no csv"]]
    assert list(table_lines(rows, ["a_long_name", "another_long_name"], 25)) == [
        "a_long_name        1",
        "another_long_name  /data/somewhere/prices.csv",
        "                   is no csv",
    ]


@pytest.mark.parametrize("width", range(20, 130))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    rows = [["/a/path/that/is/long.csv", "7", "x" * 50, "some words and some more of them"]]
    columns = ["file", "n", "digest", "words"]
    lines = list(table_lines(rows, columns, width, ["digest"]))
    assert max(map(len, lines)) <= max(width, len("digest  ") + 50)
    assert all(len(line) <= width for line in lines) or lines[0].startswith("file    /a/path")
