"""What is found out of a content: its encoding, delimiter and header, and which contents are refused."""

import io
import random
import zipfile
from collections.abc import Callable
from typing import BinaryIO

import pytest

from csv_manager.core.detecting import bom_encoding, detect
from csv_manager.core.errors import NotCsvError
from csv_manager.core.model import CsvFormat, FormatOptions
from csv_manager.core.reading import Table

WESTERN = "name,ort,land\nJürgen,Köln,Österreich\nRené,Orléans,Frankreich\nZoë,Málaga,España\n"
CYRILLIC = "имя,город,страна\nАнна,Москва,Россия\nПётр,Казань,Россия\nИван,Минск,Беларусь\n"


def opener(content: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(content)


def found(content: bytes | str, options: FormatOptions | None = None, name: str = "data.csv") -> CsvFormat:
    raw = content.encode() if isinstance(content, str) else content
    return detect(opener(raw), name, options or FormatOptions())


def rows(content: bytes, options: FormatOptions | None = None) -> list[list[str]]:
    """The columns and rows of a content, as detection lets them be read."""
    table = Table(opener(content), found(content, options), "data.csv")
    return [list(table.columns), *(row.cells for row in table.rows())]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    content = "id,name,price\n1,apple,2.50\n2,pear,3\n".replace(",", delimiter)
    assert found(content) == CsvFormat(delimiter=delimiter)


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("name;price;note\napple;2,50;red, round\npear;3,00;green\n", ";"),
        ("name,note\napple,a;b;c\npear,d;e\n", ","),
        ('"a;b","c;d"\n"1;2","3;4"\n', ","),
        ("name\tlist\napple\ta,b,c\npear\td,e,f\n", "\t"),
        ("id|text\n1|one; two\n2|three\n", "|"),
        ('a;b\n"x\ny, z";1\n', ";"),
        ("\n\na;b\n1;2\n", ";"),
        ("a;b", ";"),
    ],
)
def test_a_delimiter_within_cells_does_not_mislead(content: str, delimiter: str) -> None:
    found_format = found(content)
    assert (found_format.delimiter, found_format.sure) == (delimiter, True)


@pytest.mark.parametrize("content", ["", "\n\n", "name\n", "name\napple\npear\n", "name\na b c\nd e f\n"])
def test_a_delimiter_that_nothing_shows_is_a_comma_and_not_sure(content: str) -> None:
    assert found(content) == CsvFormat(delimiter=",", sure=False)


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
        ("latin-1", "cp1252"),
    ],
)
def test_the_encoding_of_western_text_is_found_and_reads_it(codec: str, encoding: str) -> None:
    content = WESTERN.encode(codec)
    assert found(content) == CsvFormat(encoding=encoding)
    assert rows(content) == [line.split(",") for line in WESTERN.splitlines()]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_cyrillic_text_is_found_and_read(codec: str) -> None:
    content = CYRILLIC.encode(codec)
    assert found(content) == CsvFormat(encoding=codec)
    assert rows(content) == [line.split(",") for line in CYRILLIC.splitlines()]


def test_big_endian_marks_are_found() -> None:
    assert bom_encoding(b"\xfe\xff\x00a") == "utf-16"
    assert bom_encoding(b"\x00\x00\xfe\xff\x00\x00\x00a") == "utf-32"
    assert bom_encoding(b"a,b\n") is None
    assert rows(b"\xfe\xff" + WESTERN.encode("utf-16-be"))[0] == ["name", "ort", "land"]


def test_one_stray_byte_does_not_make_utf8_another_encoding() -> None:
    content = WESTERN.encode() * 2 + b"caf\xe9,1,2\n"
    assert found(content) == CsvFormat(encoding="utf-8", errors="backslashreplace")
    read = rows(content)
    assert read[1] == ["Jürgen", "Köln", "Österreich"]
    assert read[-1] == [r"caf\xe9", "1", "2"]


def test_as_many_stray_bytes_as_good_characters_are_no_utf8() -> None:
    assert found("name,drink\nAnna,café\n".encode() + b"Zo\xe9,th\xe9\n").encoding != "utf-8"


def test_a_byte_beyond_ascii_far_from_the_start_is_seen() -> None:
    content = b"a,b\n" + b"1,2\n" * 300_000 + "caf\xe9,ol\xe9\n".encode("cp1252")
    assert found(content).encoding == "cp1252"


@pytest.mark.parametrize("content", [b"name,drink\nAnna,caf\xe9", b"name\ncaf\xc3", b"name\n\xe9\n"])
def test_a_byte_that_is_no_utf8_at_the_very_end_is_of_a_western_encoding(content: bytes) -> None:
    assert found(content).encoding == "cp1252"
    assert rows(content)[-1] == content.decode("cp1252").splitlines()[-1].split(",")


def test_a_byte_that_is_no_utf8_at_the_end_of_a_block_is_of_a_western_encoding() -> None:
    block = 1 << 20
    start = b"name,drink\n" + b"1,2\n" * (block // 4)
    content = start[: block - 1] + b"\xe9\n" + b"1,2\n" * 10
    assert found(content).encoding == "cp1252"


def test_a_character_cut_by_the_end_of_a_block_is_no_error() -> None:
    block = 1 << 20
    content = b"n,d\n" + b"x" * (block - 5) + "é,1\n".encode()
    assert found(content) == CsvFormat(encoding="utf-8")


@pytest.mark.parametrize("delimiter", [";", ",", "|", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_excels_first_line_tells_the_delimiter_and_is_skipped(delimiter: str, end: str) -> None:
    content = f"sep={delimiter}{end}a{delimiter}b{end}1{delimiter}2{end}"
    assert found(content) == CsvFormat(delimiter=delimiter, skip_lines=1)
    assert rows(content.encode("utf-8-sig")) == [["a", "b"], ["1", "2"]]


def test_excels_first_line_is_skipped_also_where_the_user_told_the_same_delimiter() -> None:
    content = b"sep=;\na;b\n1;2\n"
    assert rows(content, FormatOptions(delimiter=";")) == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("1,apple\n2,pear\n", False),
        ("1;2,5\n2;3,5\n", False),
        ("-1.5,x\n+2,y\n3e5,z\n", False),
        ("10%,x\n20%,y\n", False),
        ("apple,1\npear,2\nplum,\n", False),
        ("name,price\napple,1\npear,2\n", True),
        ("name,2019,2020\napple,1,2\npear,3,4\n", True),
        ("2019,2020\n1,2\n3,4\n", True),
        ("id,1,2\n7,8,9\n", True),
        ("name,fruit\nAnna,apple\nPeter,pear\n", True),
        ("Anna,apple\nPeter,pear\n", True),
        ("id,name\n", True),
        ("", True),
    ],
)
def test_whether_the_first_row_is_a_header_is_found(content: str, header: bool) -> None:
    assert found(content).header is header


def test_a_content_without_header_has_numbered_columns_and_keeps_its_first_row() -> None:
    assert rows(b"1,apple\n2,pear\n") == [["column_1", "column_2"], ["1", "apple"], ["2", "pear"]]


def test_what_the_user_said_stands() -> None:
    said = FormatOptions(encoding="latin-1", delimiter="|", quotechar="'", header=False, skip_lines=1)
    assert found("title\na,b;c\n1,2;3\n", said) == CsvFormat(
        encoding="latin-1", delimiter="|", quotechar="'", header=False, skip_lines=1
    )


def test_names_that_the_user_gave_mean_that_the_content_has_no_header() -> None:
    options = FormatOptions(names=("id", "fruit"))
    assert found("1,apple\n2,pear\n", options) == CsvFormat(header=False, names=("id", "fruit"))
    assert rows(b"x,y\n2,pear\n", options) == [["id", "fruit"], ["x", "y"], ["2", "pear"]]


@pytest.mark.parametrize(("header", "width"), [(True, 1), (False, 2)])
def test_a_header_said_or_denied_is_not_looked_for(header: bool, width: int) -> None:
    options = FormatOptions(header=header)
    assert found("1,apple\n2,pear\n", options).header is header
    assert len(rows(b"1,apple\n2,pear\n", options)[1:]) == width


def test_lines_to_skip_are_not_looked_at() -> None:
    preamble = "Report; of all, things\nmade | 2026\n\n" * 4
    content = (preamble + "id,name\n1,apple\n2,pear\n").encode()
    assert found(content, FormatOptions(skip_lines=12)) == CsvFormat(skip_lines=12)
    assert rows(content, FormatOptions(skip_lines=12)) == [["id", "name"], ["1", "apple"], ["2", "pear"]]


def test_an_encoding_that_the_user_said_reads_around_a_byte_order_mark() -> None:
    assert rows(WESTERN.encode("utf-8-sig"), FormatOptions(encoding="utf-8"))[0] == ["name", "ort", "land"]


def test_a_nul_in_a_field_is_text() -> None:
    content = b"id,name\n1,a\x00b\n2,c\n"
    assert found(content) == CsvFormat()
    assert rows(content)[1] == ["1", "a\x00b"]


def workbook() -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        book.writestr("xl/workbook.xml", "<workbook/>")
    return raw.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01", "PNG"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "JPEG"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "PDF"),
        (workbook(), "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "office document"),
        (b"SQLite format 3\x00" + bytes(100), "SQLite"),
        (b"PAR1\x15\x04\x15\x00\x15\x02L\x15\x00", "Parquet"),
        (b"\x7fELF\x02\x01\x01" + bytes(50), "program"),
        (random.Random(1).randbytes(5000), "no text"),
        (bytes(1000), "no text"),
        (bytes(range(32)) * 20, "no text"),
    ],
)
def test_a_binary_content_is_refused_by_what_it_is(content: bytes, what: str) -> None:
    with pytest.raises(NotCsvError, match=what):
        found(content)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_refused(seed: int) -> None:
    with pytest.raises(NotCsvError):
        found(random.Random(seed).randbytes(3000))


def test_a_header_that_begins_like_a_file_of_another_kind_is_text() -> None:
    assert rows(b"PAR1,PAR2\n1,2\n")[0] == ["PAR1", "PAR2"]


def test_a_binary_content_is_refused_whatever_the_user_said() -> None:
    with pytest.raises(NotCsvError, match="PNG"):
        found(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", FormatOptions(encoding="latin-1", delimiter=",", header=True))


def test_long_lines_and_large_fields_are_sampled_alone() -> None:
    content = "id;text\n1;" + "x" * 200_000 + "\n2;y\n"
    assert found(content) == CsvFormat(delimiter=";")
    wide = ";".join(f"name{number}" for number in range(2000)) + "\n" + ";".join("1" * 2000) + "\n"
    assert found(wide) == CsvFormat(delimiter=";")


def test_a_word_of_a_text_is_no_mark_of_a_tar_archive() -> None:
    content = b"id,spice\n" + b"1,salt\n" * 35 + b"1,mustard\n"
    assert content[257:262] == b"ustar"
    assert detect(lambda: io.BytesIO(content), "spices.csv", FormatOptions()).delimiter == ","
