"""Where records begin and end: as csv.reader sees it, and never a place that might be none."""

import csv
import io
import itertools
import random
from collections.abc import Iterator, Sequence

import pytest

from csv_manager.core.plain import BytesPlain
from csv_manager.core.records import Records

#: What records are made of, short enough that every mixture of them comes up.
PARTS = ["a", "", '"', '""', '"x"', ",", "\n", "\r", "\r\n", '"\n', 'b"']


class Patient(BytesPlain):
    """Bytes that are not read for ever."""

    reads = 0

    def read(self, offset: int, size: int) -> bytes:
        self.reads += 1
        assert self.reads < 100, "it is read again and again"
        return super().read(offset, size)


def records(delimiter: str = ",", quotechar: str = '"', encoding: str = "utf-8") -> Records:
    return Records(delimiter, quotechar, encoding)


def reads(text: str, delimiter: str = ",", quotechar: str = '"') -> list[list[str]]:
    """The rows of a text by Python's csv module; a blank line is an empty row."""
    quoting = csv.QUOTE_MINIMAL if quotechar else csv.QUOTE_NONE
    lines = io.StringIO(text, newline="")
    return list(csv.reader(lines, delimiter=delimiter, quotechar=quotechar or None, quoting=quoting))


def ends_by_csv(text: str) -> set[int]:
    """Where records of a text end whatever follows, by Python's csv module: one more row begins there."""
    found = set()
    for place in range(1, len(text)):
        is_within_line_end = text[place - 1 : place + 1] == "\r\n"
        if text[place - 1] in "\r\n" and not is_within_line_end and reads(text[:place] + "x")[-1] == ["x"]:
            found.add(place)
    if text.endswith("\n") and reads(text + "x")[-1] == ["x"]:
        found.add(len(text))  # a line feed may still follow a carriage return
    return found


def texts(seed: int, many: int, longest: int, parts: Sequence[str] = PARTS) -> Iterator[str]:
    """Random texts out of the parts."""
    source = random.Random(seed)
    for _ in range(many):
        yield "".join(source.choices(parts, k=source.randrange(1, longest)))


def assert_split_as_read(text: str, delimiter: str = ",", quotechar: str = '"', encoding: str = "utf-8") -> None:
    data = text.encode(encoding)
    split = records(delimiter, quotechar, encoding).split(data)
    assert b"".join(split) == data
    rows = [reads(record.decode(encoding), delimiter, quotechar) for record in split]
    assert [len(row) for row in rows] == [1] * len(split), (text, split)
    assert [row[0] for row in rows] == reads(text, delimiter, quotechar), (text, split)


@pytest.mark.parametrize(
    ("data", "split"),
    [
        (b"", []),
        (b"a,b\n1,2\n", [b"a,b\n", b"1,2\n"]),
        (b"1\r\n2\r3\n4", [b"1\r\n", b"2\r", b"3\n", b"4"]),
        (b"\n\r\n\r", [b"\n", b"\r\n", b"\r"]),
        (b'"a\nb",c\nd\n', [b'"a\nb",c\n', b"d\n"]),
        (b'"a""\n""b"\nc\n', [b'"a""\n""b"\n', b"c\n"]),
        (b'a"b\nc"d\n', [b'a"b\n', b'c"d\n']),
        (b'"a"b"\nc\n', [b'"a"b"\n', b"c\n"]),
        (b'1,"a\n2,b\n', [b'1,"a\n2,b\n']),
        (b'1,"a"', [b'1,"a"']),
    ],
)
def test_a_record_has_its_line_end_and_what_its_quotes_hold(data: bytes, split: list[bytes]) -> None:
    assert records().split(data) == split


@pytest.mark.parametrize("length", range(1, 5))
def test_every_short_text_is_split_as_the_csv_module_reads_it(length: int) -> None:
    for parts in itertools.product(PARTS, repeat=length):
        assert_split_as_read("".join(parts))


def test_random_texts_are_split_as_the_csv_module_reads_them() -> None:
    for text in texts(seed=1, many=3000, longest=30):
        assert_split_as_read(text)


@pytest.mark.parametrize(
    ("delimiter", "quotechar", "encoding"),
    [(";", "'", "utf-8"), ("\t", "", "utf-8"), ("§", "«", "utf-8"), ("é", "ü", "latin-1"), ("|", "]", "cp1252")],
)
def test_any_delimiter_and_quotechar_split_alike(delimiter: str, quotechar: str, encoding: str) -> None:
    for text in texts(seed=2, many=1000, longest=20):
        told = text.replace(",", delimiter).replace('"', quotechar or '"')
        assert_split_as_read(told, delimiter, quotechar, encoding)


def test_an_end_that_is_told_is_one_in_every_text_that_goes_on_from_its_begin() -> None:
    found = 0
    for text in texts(seed=3, many=1500, longest=16):
        ends = ends_by_csv(text)
        for cut in range(len(text) + 1):
            place = records().last_end(text[:cut].encode(), proven=True)
            assert place is not None
            assert place == 0 or place in ends, (text, cut, place)
            found += place > 0
    assert found > 1000


def test_the_last_end_from_a_proven_begin_is_the_last_there_is() -> None:
    for text in texts(seed=4, many=1500, longest=16, parts=[part for part in PARTS if "\r" not in part]):
        for cut in range(len(text) + 1):
            known = max(ends_by_csv(text[:cut]), default=0)
            assert records().last_end(text[:cut].encode(), proven=True) == known, (text, cut)


@pytest.mark.parametrize("quotechar", ['"', ""])
def test_an_end_told_in_bytes_that_begin_anywhere_is_one_of_the_whole(quotechar: str) -> None:
    told = 0
    for text in texts(seed=5, many=600, longest=18):
        data = text.encode()
        one = records(quotechar=quotechar)
        ends = set(itertools.accumulate(map(len, one.split(data))))
        for low in range(len(data)):
            for high in range(low + 1, len(data) + 1):
                part = data[low:high]
                for place in (one.last_end(part, proven=False), one.first_end(part, proven=False)):
                    assert place is None or low + place in ends, (data, low, high, place)
                    told += place is not None
    assert told > 1000


def test_the_first_end_is_before_the_last_one_and_the_records_between_are_whole() -> None:
    for text in texts(seed=6, many=1500, longest=30):
        data = text.encode()
        first, last = records().first_end(data, proven=False), records().last_end(data, proven=False)
        assert (first is None) == (last is None), data
        if first is not None and last is not None:
            assert first <= last
            split = records().split(data[first:last])
            assert all(record.endswith((b"\n", b"\r")) for record in split), data


def test_a_quote_that_may_be_open_makes_no_end_certain() -> None:
    assert records().last_end(b'1,2\n3,"', proven=False) is None
    assert records().first_end(b'x\ny,"\nz\n', proven=False) is None
    assert records().last_end(b"1,2\n3,4\n", proven=False) is None


def test_a_line_with_a_quoted_field_makes_an_end_certain() -> None:
    data = b'1,a\n2,"b"\n3,c\n4,d\n5'
    assert records().first_end(data, proven=False) == data.index(b"3,c")
    assert records().last_end(data, proven=False) == data.index(b"5")


def test_without_a_quotechar_every_line_end_is_certain() -> None:
    data = b'1,"\n2,3\n4'
    assert records(quotechar="").last_end(data, proven=False) == data.index(b"4")
    assert records(quotechar="").first_end(data, proven=False) == data.index(b"2")


def test_a_carriage_return_at_the_end_of_the_data_may_be_half_a_line_end() -> None:
    for quotechar in ('"', ""):
        assert records(quotechar=quotechar).last_end(b"1\n2\r", proven=True) == 2
        assert records(quotechar=quotechar).last_end(b"1\n2\r3", proven=True) == 4
    assert records().last_end(b'"1"\n2\r', proven=True) == 4


def test_batches_are_the_records_however_long_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_manager.core.records._AHEAD", 16)
    rows = [b"1,2\n", b'"%b\n",x\r\n' % (b"long" * 40), b"\n", b'"a""b"\n', b"3\r", b"4\n", b'5,"never closed\n6\n']
    data = b"".join(rows)
    batches = list(records().batches(BytesPlain(b"head\n" + data), 5, 5 + len(data)))
    assert [record for batch in batches for record in batch] == rows
    assert len(batches) > 1


def test_batches_end_at_the_place_that_was_named() -> None:
    assert list(records().batches(BytesPlain(b"1\n2\n3\n"), 2, 4)) == [[b"2\n"]]
    assert list(records().batches(BytesPlain(b"1\n"), 2, 2)) == []


@pytest.mark.parametrize("left", [b"", b"1\n", b"1\n2\n", b'1,"x'])
def test_batches_of_a_content_that_was_cut_off_meanwhile_end(left: bytes) -> None:
    plain = Patient(left)
    told = [record for batch in records().batches(plain, 0, 100) for record in batch]
    assert left.startswith(b"".join(told))


def test_a_quote_is_found_where_it_begins_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_manager.core.records._AHEAD", 4)
    plain = BytesPlain("aaa«b\n".encode())
    one = records(quotechar="«")
    assert one.has_quote(plain, 0, plain.size)
    assert one.has_quote(plain, 0, 4)  # which is in the middle of it
    assert not one.has_quote(plain, 0, 3)
    assert not one.has_quote(plain, 5, plain.size)
    assert not records(quotechar="").has_quote(BytesPlain(b'"'), 0, 1)


def unclosed_by_csv(text: str) -> bool:
    """Whether the text ends within quotes: the reader gives its last row only when there are no lines any more."""
    rows_before_the_end = 0

    def lines() -> Iterator[str]:
        nonlocal rows_before_the_end
        yield from io.StringIO(text, newline="")
        rows_before_the_end = len(rows)

    rows: list[list[str]] = []
    for row in csv.reader(lines()):
        rows.append(row)  # noqa: PERF402 # they are counted meanwhile
    return len(rows) > rows_before_the_end


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", None),
        ("a,b\n", None),
        ("a,b", None),
        ('a\n1,"b\n2,c\n', 2),
        ('a\n1,"b\n2,c\n3,"d\n', None),
        ('1,"b', 0),
        ('1,5" pipe\n', None),
        ('x\r1,"b\r', 2),
    ],
)
def test_quote_never_closed(text: str, place: int | None) -> None:
    assert records().unclosed(BytesPlain(text.encode()), 0) == place


def test_unclosed_as_csv_reads_it() -> None:
    found = 0
    for text in texts(71, 20_000, 12):
        is_unclosed = unclosed_by_csv(text)
        place = records().unclosed(BytesPlain(text.encode()), 0)
        assert (place is not None) == is_unclosed, text
        if place is not None:
            assert len(reads(text[place:])) == 1, text
            assert unclosed_by_csv(text[place:]), text
            found += 1
    assert found > 1_000


def test_unclosed_far_before_the_end() -> None:
    rows = b'1,"a b",c\n' * 40_000
    assert records().unclosed(BytesPlain(rows), 0) is None
    opened = rows + b'2,"x\n' + b"3,y,z\n" * 100_000
    assert records().unclosed(BytesPlain(opened), 0) == len(rows)


def test_nothing_is_unclosed_without_quotes() -> None:
    assert records(quotechar="").unclosed(BytesPlain(b'1,"b\n'), 0) is None
