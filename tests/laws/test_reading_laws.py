"""What is read is what Python's csv module reads, for any text whatever."""

import csv
import io
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csv_manager.core.detecting import detect
from csv_manager.core.errors import NotCsvError
from csv_manager.core.model import EXTRA, CsvFormat, FormatOptions
from csv_manager.core.reading import Table, unique_names

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
#: What a text is made of where every rule of quotes and line ends is to be met.
TOKENS = ['"', '"', '""', ",", ",", ";", "\t", "\r", "\n", "\r\n", "\x00", " ", "a", "bc", "é", "\x1f", "\u2028", "'"]
RAW = st.lists(st.sampled_from(TOKENS), max_size=40).map("".join)
CELLS = st.one_of(RAW.map(lambda text: text[:8]), TEXT, st.sampled_from(["", "0", "007", "x"]))


def table(text: str, **csv_format: Any) -> Table:
    raw = text.encode(csv_format.get("encoding", "utf-8"))
    return Table(lambda: io.BytesIO(raw), CsvFormat(**csv_format), "data.csv")


def written(rows: list[list[str]], end: str, *, quote_all: bool) -> str:
    """Rows as text in which every cell is quoted that has to be, or all of them are."""

    def cell(text: str, alone: bool) -> str:
        quoted = quote_all or (alone and not text) or any(mark in text for mark in '",\r\n')
        return '"' + text.replace('"', '""') + '"' if quoted else text

    return "".join(",".join(cell(text, len(row) == 1) for text in row) + end for row in rows)


def numbered(read: Table) -> list[tuple[int | None, list[str]]]:
    """The rows of a table, each with its line."""
    return [(row.line, row.cells) for row in read.rows()]


@settings(max_examples=400, deadline=None)
@example(text="a\r\r\n\n\rb", delimiter=",", quotechar='"', encoding="utf-8")
@example(text='"a\r', delimiter=",", quotechar='"', encoding="utf-16")
@given(
    text=RAW,
    delimiter=st.sampled_from(",;\t|"),
    quotechar=st.sampled_from(['"', "'", ""]),
    encoding=st.sampled_from(ENCODINGS),
)
def test_any_text_is_read_as_csv_reader_reads_it(text: str, delimiter: str, quotechar: str, encoding: str) -> None:
    quoting: Any = csv.QUOTE_MINIMAL if quotechar else csv.QUOTE_NONE
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quotechar or None, quoting=quoting
    )
    expected = []
    start = 1
    for cells in reader:
        if cells:
            expected.append((start, cells))
        start = reader.line_num + 1
    read = table(text, delimiter=delimiter, quotechar=quotechar, encoding=encoding, header=False)
    assert numbered(read) == expected
    assert numbered(read) == expected
    assert read.count() == len(expected)
    with_header = table(text, delimiter=delimiter, quotechar=quotechar, encoding=encoding)
    assert numbered(with_header) == expected[1:]
    assert with_header.columns == unique_names(expected[0][1] if expected else [])


@settings(max_examples=200, deadline=None)
@given(text=RAW, skip=st.integers(0, 5))
def test_skipped_lines_are_as_if_they_were_not_there(text: str, skip: int) -> None:
    lines = list(io.StringIO(text, newline=""))
    rest = table("".join(lines[skip:]), header=False)
    skipped = numbered(table(text, header=False, skip_lines=skip))
    assert [(line - skip, cells) for line, cells in skipped] == numbered(rest)


@settings(max_examples=300, deadline=None)
@given(
    header=st.lists(CELLS.filter(lambda name: name and name != EXTRA), min_size=1, max_size=4, unique=True),
    rows=st.lists(st.lists(CELLS, max_size=6), max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote_all=st.booleans(),
)
def test_mappings_are_those_of_dict_reader(header: list[str], rows: list[list[str]], end: str, quote_all: bool) -> None:
    text = written([header, *rows], end, quote_all=quote_all)
    expected = list(csv.DictReader(io.StringIO(text, newline=""), restkey=EXTRA))
    read = table(text)
    mappings = [read.mapping(row.cells) for row in read.rows()]
    assert mappings == expected
    assert [list(mapping) for mapping in mappings] == [list(mapping) for mapping in expected]
    assert read.columns == tuple(header)


@settings(max_examples=300, deadline=None)
@given(names=st.lists(st.one_of(st.sampled_from(["", "a", "a_2", "column_1", "column_2", EXTRA]), TEXT), max_size=7))
def test_names_of_columns_are_unique_not_empty_and_kept_where_they_were(names: list[str]) -> None:
    unique = unique_names(names)
    assert len(set(unique)) == len(unique) == len(names)
    assert all(unique)
    assert EXTRA not in unique
    if len(set(names)) == len(names) and "" not in names and EXTRA not in names:
        assert unique == tuple(names)


WORD = st.text("abcdefgxyzéöß", min_size=1, max_size=8)
SOME = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(WORD, min_size=width, max_size=width), min_size=2, max_size=12)
)


@settings(max_examples=100, deadline=None)
@given(
    rows=SOME,
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(ENCODINGS[:3]),
)
def test_the_format_of_plain_rows_is_found(rows: list[list[str]], delimiter: str, end: str, encoding: str) -> None:
    raw = "".join(delimiter.join(row) + end for row in rows).encode(encoding)
    csv_format = detect(lambda: io.BytesIO(raw), "data.csv", FormatOptions())
    assert csv_format == CsvFormat(encoding=encoding, delimiter=delimiter)
    assert [row.cells for row in Table(lambda: io.BytesIO(raw), csv_format, "data.csv").rows()] == rows[1:]


@settings(max_examples=150, deadline=None)
@example(raw=b"name\ncaf\xe9")
@example(raw=b"\xc3")
@example(raw=b"\xff\xfea")
@given(
    raw=st.one_of(
        st.binary(max_size=60),
        RAW.map(str.encode),
        RAW.map(lambda text: text.encode("utf-16")),
        st.tuples(RAW.map(str.encode), st.binary(max_size=3), RAW.map(str.encode)).map(b"".join),
    )
)
def test_any_bytes_are_read_or_refused_in_one_way(raw: bytes) -> None:
    try:
        csv_format = detect(lambda: io.BytesIO(raw), "data.csv", FormatOptions())
        read = Table(lambda: io.BytesIO(raw), csv_format, "data.csv")
        assert len(read.columns) == len(set(read.columns))
        assert read.count() == len(list(read.rows()))
    except NotCsvError:
        return
    assert csv_format == CsvFormat.from_json(csv_format.to_json())


@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=40, deadline=None)
@given(text=TEXT, many=st.integers(1, 3000))
def test_text_is_read_whole_wherever_a_block_ends(encoding: str, text: str, many: int) -> None:
    cell = text.replace('"', "") * many
    read = table(f'h\n"{cell}"\n"x"\n', encoding=encoding)
    assert [row.cells for row in read.rows()] == [[cell], ["x"]]
