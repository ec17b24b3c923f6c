"""Bytes that a database reads by itself are rows to it as they are to Python's csv module."""

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csv_manager.core.model import CsvFormat
from csv_manager.core.raw import NotPlainError, by_gaps, is_plain, line_end, plain_blocks, with_line_ends
from csv_manager.core.reading import Table

CELLS = st.sampled_from(["", "x", '"', '""', ",", "\n", "\n,"])
CONTENTS = st.text(st.sampled_from('ab,"\n'), max_size=30)


def table(text: str, **told: object) -> Table:
    return Table(lambda: io.BytesIO(text.encode()), CsvFormat(**told), "data.csv")  # type: ignore[arg-type]


def copied(text: str) -> Iterator[list[str]]:
    """The rows as PostgreSQL's COPY reads them: a quote turns quoting on or off wherever it stands."""
    row, field, is_quoted, place = [], "", False, 0
    while place < len(text):
        character = text[place]
        if is_quoted and text[place : place + 2] == '""':
            field, place = field + '"', place + 1
        elif character == '"':
            is_quoted = not is_quoted
        elif character in ",\n" and not is_quoted:
            row.append(field)
            field = ""
            if character == "\n":
                yield row
                row = []
        else:
            field += character
        place += 1
    if is_quoted:
        raise ValueError("unterminated CSV quoted field")
    if field or row:
        yield [*row, field]


@given(text=CONTENTS, size=st.integers(1, 40))
@example(text='"a""b",c\n', size=1)
@example(text='a"b",c\n', size=3)
def test_what_is_handed_on_is_read_alike(text: str, size: int) -> None:
    content = table("h,i\n" + text)
    try:
        handed = b"".join(plain_blocks(content, size=size)).decode()
    except NotPlainError:
        assert '"' in text
        return
    assert handed == text
    # What is no row to csv, COPY complains of.
    rows, others = (
        [row for row in told if row != [""]] for told in ((row.cells for row in content.rows()), copied(text))
    )
    assert rows == others


@given(
    rows=st.lists(st.lists(st.text(st.sampled_from('ab,"\n'), max_size=4), min_size=2, max_size=2)),
    size=st.integers(1, 9),
)
def test_what_is_quoted_as_it_should_be_is_handed_on(rows: list[list[str]], size: int) -> None:
    lines = (",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in rows)
    text = "".join(f"{line}\n" for line in lines)
    assert b"".join(plain_blocks(table("h,i\n" + text), size=size)).decode() == text


@given(
    rows=st.lists(
        st.lists(st.sampled_from(["", "x", '"', '""', ",", "\n", "\n,"]), min_size=3, max_size=3), min_size=1
    ),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
    is_ended=st.booleans(),
    size=st.integers(1, 12),
)
def test_before_the_first_gap_there_is_none(
    rows: list[list[str]], quoting: int, end: str, is_ended: bool, size: int
) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=quoting, lineterminator=end).writerows([["a", "b", "c"], *rows])  # type: ignore[arg-type]
    content = table(written.getvalue() if is_ended else written.getvalue().removesuffix(end))
    told_blocks = with_line_ends(plain_blocks(content, size=size), line_end(content))
    try:
        parts = [(told, b"".join(blocks).decode()) for told, blocks in by_gaps(told_blocks, content)]
    except NotPlainError:  # a line feed within quotes is none of the ends of rows
        assert end == "\r\n"
        assert any("\n" in cell for row in rows for cell in row)
        return
    assert [told for told, _ in parts] in ([], [False], [True], [False, True])
    read = {told: list(csv.reader(io.StringIO(text, newline=""))) for told, text in parts}
    assert [*read.get(False, []), *read.get(True, [])] == rows
    assert not any("" in row for row in read.get(False, []))
    assert any("" in row or "," in "".join(row) for row in rows) or True not in read


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_text_that_is_not_to_be_there_is_found_wherever_blocks_end(size: int) -> None:
    with pytest.raises(NotPlainError):
        list(plain_blocks(table("a,b\n1,NULL\n"), b"NULL", size=size))
    assert b"".join(plain_blocks(table("a,b\n1,NUL\n"), b"NULL", size=size)) == b"1,NUL\n"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, True),
        ({"encoding": "utf-8-sig"}, True),
        ({"encoding": "ascii"}, True),
        ({"encoding": "latin-1"}, False),
        ({"quotechar": ""}, False),
        ({"delimiter": "ä"}, False),
    ],
)
def test_what_a_database_reads_is_utf_8_with_marks_of_ascii(told: dict[str, object], expected: bool) -> None:
    assert is_plain(table("a,b\näb,c\n".replace("ä", "ä" if told.get("delimiter") else ""), **told)) == expected
    assert not is_plain(table("a\n1\n"))
