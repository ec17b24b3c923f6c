"""What a program that wrote the same rows anew did in another way."""

import gzip
import io
from typing import Any

import pytest

from csv_manager.core.comparing import compare
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table
from csv_manager.core.rewriting import differs, format_changes, rewriting

TEXT = "id,name\n1,Äpfel\n2,Birne\n"


def table(raw: bytes, **csv_format: Any) -> Table:
    return Table(lambda: io.BytesIO(raw), CsvFormat(**csv_format), "data.csv")


def told(old: str | bytes, new: str | bytes) -> tuple[str, ...]:
    """How two contents whose csv format is found out are written; no row differs between them."""
    comparison = compare(*(side.encode() if isinstance(side, str) else side for side in (old, new)))
    assert not any(comparison.change_set.counts)
    return rewriting(comparison.old, comparison.new)


def quoted(text: str) -> str:
    return "".join(
        ",".join(f'"{cell}"' for cell in line.rstrip("\r\n").split(",")) + line[len(line.rstrip("\r\n")) :]
        for line in text.splitlines(keepends=True)
    )


def test_the_same_way_is_not_told() -> None:
    assert told(TEXT, TEXT) == ()
    assert told(TEXT, TEXT.rstrip("\n")) == ()


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [("\n", "\r\n", "LF → CRLF"), ("\r\n", "\n", "CRLF → LF"), ("\n", "\r", "LF → CR"), ("\r", "\r\n", "CR → CRLF")],
)
def test_other_line_ends_are_told(before: str, after: str, names: str) -> None:
    assert told(TEXT.replace("\n", before), TEXT.replace("\n", after)) == (f"line ends: {names}",)


def test_a_line_end_that_one_side_lacks_is_not_told() -> None:
    assert rewriting(table(b"id,v\n1,2"), table(b"id,v\n1,2\n")) == ()


def test_quotes_around_everything_are_told() -> None:
    assert told(TEXT, quoted(TEXT)) == ("quotes: where needed → around every field",)
    assert told(quoted(TEXT), TEXT) == ("quotes: around every field → where needed",)


def test_quotes_around_some_fields_are_where_needed() -> None:
    assert told(TEXT, TEXT.replace("Birne", '"Birne"')) == ()
    assert told('a,b\n"1","x,y"\n2,z\n3,z\n', 'a,b\n1,"x,y"\n2,z\n3,z\n') == ()


def test_quotes_and_delimiters_within_quotes_do_not_mislead() -> None:
    old = 'a,b\n1,"say ""x"", y\n"\n2,z\n'
    new = '"a","b"\r\n"1","say ""x"", y\n"\r\n"2","z"\r\n'
    assert told(old, new) == ("line ends: LF → CRLF", "quotes: where needed → around every field")


def test_without_a_quotechar_quotes_are_nowhere() -> None:
    plain, none = table(b'a\n"1"\n"2"\n'), table(b"a\n1\n2\n", quotechar="")
    assert rewriting(plain, none) == ("quotechar: '\"' → ''", "quotes: around every field → nowhere")


def test_another_delimiter_is_told() -> None:
    assert told(TEXT, TEXT.replace(",", ";")) == ("delimiter: ',' → ';'",)
    assert told(TEXT, TEXT.replace(",", "\t")) == (r"delimiter: ',' → '\t'",)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_another_encoding_is_told(encoding: str) -> None:
    assert told(TEXT, TEXT.encode(encoding)) == (f"encoding: utf-8 → {encoding}",)


def test_another_compression_is_told() -> None:
    assert told(TEXT, gzip.compress(TEXT.encode())) == ("compression: none → gzip",)


def test_another_order_of_the_columns_is_told() -> None:
    assert told(TEXT, "name,id\nÄpfel,1\nBirne,2\n") == ("columns: id, name → name, id",)


def test_columns_that_came_or_went_are_no_other_order() -> None:
    assert rewriting(table(b"a,b\n1,2\n"), table(b"b,a,c\n2,1,\n")) == ()


def test_lines_before_the_header_are_told() -> None:
    told = rewriting(table(b"a\n1\n"), table(b"export\na\n1\n", skip_lines=1))
    assert told == ("lines skipped: 0 → 1",)


def test_several_things_are_told_in_one_order() -> None:
    new = quoted(TEXT.replace(",", ";").replace("\n", "\r\n")).replace(";", '";"').encode("cp1252")
    assert told(TEXT, gzip.compress(new)) == (
        "compression: none → gzip",
        "encoding: utf-8 → cp1252",
        "delimiter: ',' → ';'",
        "line ends: LF → CRLF",
        "quotes: where needed → around every field",
    )


def test_the_csv_formats_alone_tell_what_they_can() -> None:
    old = CsvFormat(), ("id", "v")
    assert format_changes(old, old) == ()
    assert format_changes(old, (CsvFormat(delimiter=";", compression="gzip"), ("v", "id"))) == (
        "compression: none → gzip",
        "delimiter: ',' → ';'",
        "columns: id, v → v, id",
    )
    assert format_changes(old, (CsvFormat(), ("id", "w"))) == ()


def test_bytes_that_differ_are_seen_by_their_number_or_one_by_one() -> None:
    assert not differs(table(b"a\n1\n"), table(b"a\n1\n"))
    assert differs(table(b"a\n1\n"), table(b"a\n1"))
    assert differs(table(b'a\n"1"\n2\n'), table(b'a\n1\n"2"\n'))
    assert not differs(table(gzip.compress(b"a\n1\n"), compression="gzip"), table(b"a\n1\n"))
    large = b"a\n" + b"1\n" * (1 << 23)
    assert not differs(table(large), table(large[:-2] + b"2\n"))
    assert differs(table(large), table(large + b"\n"))


def test_two_empty_contents_are_written_alike() -> None:
    assert told("", "") == ()
    assert told("", "\n") == ()
