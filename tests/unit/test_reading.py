"""Rows and columns out of bytes: fields as they stand, lines as people count them."""

import gc
import io
from pathlib import Path
from typing import Any

import pytest

from csv_manager.core.errors import NotCsvError
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Row, Table, row_mapping, unique_names


def table(content: str | bytes, **csv_format: Any) -> Table:
    raw = content.encode() if isinstance(content, str) else content
    return Table(lambda: io.BytesIO(raw), CsvFormat(**csv_format), "data.csv")


def mappings(content: str | bytes, **csv_format: Any) -> list[object]:
    read = table(content, **csv_format)
    return [read.mapping(row.cells) for row in read.rows()]


def test_a_row_is_its_fields_as_text_and_its_line() -> None:
    read = table("id,price\n007,1.10\n 8 ,\n")
    assert read.columns == ("id", "price")
    assert list(read.rows()) == [Row(2, ["007", "1.10"]), Row(3, [" 8 ", ""])]
    assert read.count() == 2


def test_a_table_can_be_read_again_and_by_two_at_once() -> None:
    read = table("a\n1\n2\n")
    both = list(zip(read.rows(), read.rows(), strict=True))
    assert [one == other for one, other in both] == [True, True]
    assert list(read.rows()) == [Row(2, ["1"]), Row(3, ["2"])]


def test_a_file_is_opened_once_and_closed_with_its_table(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n1,2\n3,4\n")
    opened: list[Any] = []

    def open_raw() -> Any:
        opened.append(path.open("rb"))
        return opened[-1]

    read = Table(open_raw, CsvFormat(), str(path))
    assert read.columns == ("a", "b")
    assert read.count() == 2
    rows = read.rows()
    next(rows)
    assert [file.closed for file in opened] == [False]
    del read, rows
    gc.collect()
    assert [file.closed for file in opened] == [True]


@pytest.mark.parametrize(
    ("names", "unique"),
    [
        (["id", "name"], ("id", "name")),
        (["name", "name", "name"], ("name", "name_2", "name_3")),
        (["a", "", ""], ("a", "column_2", "column_3")),
        (["a", "a_2", "a"], ("a", "a_2", "a_3")),
        (["a", "a", "a_2"], ("a", "a_3", "a_2")),
        (["", "column_1"], ("column_1", "column_1_2")),
        (["_extra", "_extra"], ("_extra_2", "_extra_3")),
        (["Name", "name", " name"], ("Name", "name", " name")),
        ([], ()),
    ],
)
def test_column_names_are_made_unique_and_not_empty(names: list[str], unique: tuple[str, ...]) -> None:
    assert unique_names(names) == unique


def test_repeated_and_empty_column_names_get_a_suffix() -> None:
    read = table("name,name,\n1,2,3\n")
    assert read.columns == ("name", "name_2", "column_3")
    assert mappings("name,name,\n1,2,3\n") == [{"name": "1", "name_2": "2", "column_3": "3"}]


def test_a_short_row_lacks_cells_and_an_empty_cell_is_empty() -> None:
    assert mappings("a,b,c\n1\n1,,\n1,2\n") == [
        {"a": "1", "b": None, "c": None},
        {"a": "1", "b": "", "c": ""},
        {"a": "1", "b": "2", "c": None},
    ]


def test_surplus_fields_stand_under_extra() -> None:
    assert mappings("a,b\n1,2,3,\n1,2\n") == [{"a": "1", "b": "2", "_extra": ["3", ""]}, {"a": "1", "b": "2"}]


def test_a_column_that_is_called_extra_is_kept_apart_from_surplus_fields() -> None:
    assert mappings("_extra\n1,2\n") == [{"_extra_2": "1", "_extra": ["2"]}]


def test_a_mapping_has_the_order_of_the_columns() -> None:
    assert list(row_mapping(("b", "a"), ["1"])) == ["b", "a"]


def test_quoted_newlines_delimiters_and_quotes_are_part_of_a_cell() -> None:
    assert [row.cells for row in table('a,b\n"1\n2","x,y"\n"say ""hi""",\'\n').rows()] == [
        ["1\n2", "x,y"],
        ['say "hi"', "'"],
    ]


def test_the_line_of_a_row_is_the_physical_one_on_which_it_starts() -> None:
    content = 'a,"b\nc"\n\n1,"x\r\ny\nz"\n\r\n2,y\n\n\n3,z'
    assert [(row.line, row.cells[0]) for row in table(content).rows()] == [(4, "1"), (8, "2"), (11, "3")]


def test_blank_lines_are_no_rows() -> None:
    read = table("\n\r\na\n\n1\n\n\n2\n\n")
    assert read.columns == ("a",)
    assert list(read.rows()) == [Row(5, ["1"]), Row(8, ["2"])]


def test_a_line_of_an_empty_quoted_cell_is_a_row() -> None:
    assert list(table('a\n""\n \n').rows()) == [Row(2, [""]), Row(3, [" "])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_reads_the_same(end: str) -> None:
    read = table(f"a,b{end}1,2{end}{end}3,4")
    assert read.columns == ("a", "b")
    assert list(read.rows()) == [Row(2, ["1", "2"]), Row(4, ["3", "4"])]


def test_mixed_line_ends_end_lines() -> None:
    assert list(table("a\r1\n2\r\n3\r").rows()) == [Row(2, ["1"]), Row(3, ["2"]), Row(4, ["3"])]


def test_line_ends_within_quotes_stay_as_they_are() -> None:
    assert [row.cells for row in table('a\r\n"1\r\n2\r3\n4"\r\n').rows()] == [["1\r\n2\r3\n4"]]


def test_only_cr_and_lf_end_a_line() -> None:
    cell = "a\x0bb\x0cc\x1cd\x85e\u2028f"
    assert list(table(f"n,x\n1,{cell}\n").rows()) == [Row(2, ["1", cell])]


def test_a_nul_is_a_character() -> None:
    assert mappings("a,b\n\x00,x\x00y\n") == [{"a": "\x00", "b": "x\x00y"}]


def test_a_field_of_5_mb_is_read() -> None:
    field = "x" * 2_500_000 + "\n" + "é" * 1_250_000
    assert [row.cells for row in table(f'a,b\n1,"{field}"\n2,y\n').rows()] == [["1", field], ["2", "y"]]


def test_a_quote_that_is_never_closed_takes_the_rest() -> None:
    assert list(table('a,b\n1,"x\n2,y\n').rows()) == [Row(2, ["1", "x\n2,y\n"])]


@pytest.mark.parametrize("content", ["", "\n", "\r\n\r\n"])
def test_an_empty_content_has_neither_columns_nor_rows(content: str) -> None:
    for csv_format in ({}, {"header": False}, {"header": False, "names": ("a", "b")}):
        read = table(content, **csv_format)
        assert (read.columns, list(read.rows()), read.count()) == ((), [], 0)


@pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\r\n\r\n"])
def test_a_header_alone_has_columns_and_no_rows(content: str) -> None:
    assert (table(content).columns, table(content).count()) == (("a", "b"), 0)


def test_columns_without_a_header_are_numbered_as_the_first_row_is_wide() -> None:
    read = table("1,x\n2,y,z\n", header=False)
    assert read.columns == ("column_1", "column_2")
    assert list(read.rows()) == [Row(1, ["1", "x"]), Row(2, ["2", "y", "z"])]


def test_names_that_were_given_are_the_columns_and_every_row_is_data() -> None:
    read = table("1,x\n2\n", header=False, names=("id", "name"))
    assert read.columns == ("id", "name")
    assert mappings("1,x\n2\n", header=False, names=("id", "name")) == [
        {"id": "1", "name": "x"},
        {"id": "2", "name": None},
    ]


def test_a_preamble_is_skipped_and_counted() -> None:
    preamble = 'A "report\n' + "x,y;z\n" * 11
    read = table(preamble + "a,b\n1,2\n\n3,4\n", skip_lines=12)
    assert read.columns == ("a", "b")
    assert list(read.rows()) == [Row(14, ["1", "2"]), Row(16, ["3", "4"])]


def test_a_preamble_longer_than_the_content_leaves_nothing() -> None:
    read = table("a,b\n1,2\n", skip_lines=12)
    assert (read.columns, read.count()) == ((), 0)


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ":", "€", " "])
def test_any_character_delimits(delimiter: str) -> None:
    content = f'a{delimiter}b\n1{delimiter}"x{delimiter}y"\n'
    assert mappings(content, delimiter=delimiter) == [{"a": "1", "b": f"x{delimiter}y"}]


def test_another_quote_character_quotes() -> None:
    assert mappings("a,b\n'x,''y''',\"\n", quotechar="'") == [{"a": "x,'y'", "b": '"'}]


def test_without_a_quote_character_quotes_are_text() -> None:
    assert [row.cells for row in table('a,b\n"x,y"\n"\n', quotechar="").rows()] == [['"x', 'y"'], ['"']]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(encoding: str) -> None:
    content = "näme,ort\nJürgen,Köln\n".encode(encoding)
    assert mappings(content, encoding=encoding) == [{"näme": "Jürgen", "ort": "Köln"}]


def test_stray_bytes_are_shown_where_the_format_says_so() -> None:
    assert mappings(b"a\ncaf\xe9\n", errors="backslashreplace") == [{"a": r"caf\xe9"}]


BAD = b"a,b\n" + b"1,2\n" * 5000 + b"caf\xe9,2\n"


SPLIT = b"a\n" + b"1" * (2**16 - 3) + b"\r\n\xe9"  # CR ends one block and LF begins the next


UNDECODABLE = [
    (b"a,b\n1,\xe9\n", 2),
    (b"a\xe9,b\n1,2\n", 1),
    (BAD, 5002),
    (b'a\n"1\n\n\xe9"\n', 4),
    (b"a\r1\r\xe9", 3),
    (SPLIT, 3),
]


@pytest.mark.parametrize(("content", "line"), UNDECODABLE)
def test_a_byte_that_the_encoding_lacks_is_told_with_file_line_and_step(content: bytes, line: int) -> None:
    with pytest.raises(NotCsvError, match=rf"data\.csv: line {line} is not ascii \(byte 0xe9\); .*--encoding"):
        list(table(content, encoding="ascii").rows())


@pytest.mark.parametrize(
    ("content", "encoding", "byte"),
    [
        ("a\r\nb\n".encode("utf-16") + b"\x00\xd8x\x00", "utf-16", "0x00"),
        ("a\r\nb\n".encode("utf-16-be") + b"\xd8\x00\x00x", "utf-16-be", "0xd8"),
        (b"a\r\n\xc3\xa9\n\xc3", "utf-8", "0xc3"),
        ("a\n\u3042\n".encode("cp932") + b"\x82", "cp932", "0x82"),
        ("a\n\u3042\n".encode("gb18030") + b"\xff", "gb18030", "0xff"),
    ],
)
def test_the_line_is_right_in_encodings_of_several_bytes(content: bytes, encoding: str, byte: str) -> None:
    with pytest.raises(NotCsvError, match=rf"data\.csv: line 3 is not {encoding} \(byte {byte}\)"):
        list(table(content, encoding=encoding).rows())


def test_a_header_that_cannot_be_decoded_is_told_with_file_line_and_step() -> None:
    with pytest.raises(NotCsvError, match=r"data\.csv: line 1 is not ascii \(byte 0xe9\); .*--encoding"):
        assert table(b"a\xe9,b\n1,2\n", encoding="ascii").columns


def test_a_preamble_is_skipped_whatever_its_encoding() -> None:
    content = b"made in\ncaf\xe9\na,b\n1,2\n"
    assert table(content, encoding="ascii", skip_lines=2).columns == ("a", "b")
    with pytest.raises(NotCsvError, match=r"data\.csv: line 3 is not ascii .*--encoding"):
        list(table(b"x\na\n\xe9\n", encoding="ascii", skip_lines=1).rows())


def test_a_character_cut_off_by_the_end_is_told() -> None:
    with pytest.raises(NotCsvError, match="not utf-16"):
        list(table("a,b\n1,2\n".encode("utf-16")[:-1], encoding="utf-16").rows())
