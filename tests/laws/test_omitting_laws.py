"""A content without some of its rows has all others, on their lines, for any text whatever."""

import io
import random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_reading_laws import ENCODINGS, RAW, numbered, table

from csv_manager.core.finding_records import find_records
from csv_manager.core.findings import Finding
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table
from csv_manager.pipeline.quarantining import Left

FOUND = (Finding(code="a", message="b"),)


def left_of(whole: Table, lines: set[int]) -> Left:
    return Left(whole, dict.fromkeys(lines, FOUND))


@settings(max_examples=500, deadline=None)
@example(text='h\r"a\nb"\r"c\rd"\n"e"\r\n\nf', header=True, encoding="utf-8", quotechar='"', seed=1)
@example(text="h\ra\n\rb\n\nc", header=False, encoding="utf-16", quotechar="", seed=3)
@given(
    text=RAW,
    header=st.booleans(),
    encoding=st.sampled_from([*ENCODINGS, "cp1252"]),
    quotechar=st.sampled_from(['"', "'", ""]),
    seed=st.integers(0, 1 << 16),
)
def test_what_is_left_are_the_other_rows_on_their_lines(
    text: str, header: bool, encoding: str, quotechar: str, seed: int
) -> None:
    told: dict[str, Any] = {"header": header, "encoding": encoding, "quotechar": quotechar}
    whole = table(text.replace("\u2028", "x") if encoding == "cp1252" else text, **told)
    if whole.records.unclosed(whole.plain, whole.start) is not None:
        return  # it is held: nobody knows what its last rows are
    rows = numbered(whole)
    chosen = random.Random(seed)
    bad = {line for line, _ in rows if line is not None and chosen.random() < chosen.choice([0.2, 0.9])}
    left = left_of(whole, bad)
    assert numbered(left.table) == [(line, cells) for line, cells in rows if line not in bad]
    assert left.table.columns == (whole.columns if header or len(bad) < len(rows) else ())
    assert [row.line for row in left.rows(1000, lambda _: True)] == sorted(bad)
    assert [row.cells for row in left.rows(1000, lambda _: True)] == [
        whole.mapping(cells) for line, cells in rows if line in bad
    ]
    check_plain(left)
    set_aside = b"".join(left.blocks())
    encoded = "utf-8" if encoding.startswith("utf") and encoding != "utf-8-sig" else encoding
    aside = Table(lambda: io.BytesIO(set_aside), CsvFormat(**told | {"encoding": encoded}), "data.csv")
    assert [cells for _, cells in numbered(aside)] == [cells for line, cells in rows if line in bad]


def check_plain(left: Left) -> None:
    """The bytes are the same, wherever one begins to read them."""
    plain = left.plain
    data = plain.read(0, plain.size + 1)
    assert len(data) == plain.size
    for low in range(plain.size + 1):
        for size in (0, 1, 2, 5, plain.size + 3):
            assert plain.read(low, size) == data[low : low + size]


@settings(max_examples=300, deadline=None)
@given(text=RAW, header=st.booleans(), quotechar=st.sampled_from(['"', ""]))
def test_rows_are_found_by_their_lines_and_by_their_numbers(text: str, header: bool, quotechar: str) -> None:
    whole = table(text, header=header, quotechar=quotechar)
    rows = numbered(whole)
    lines = [line for line, _ in rows if line is not None]
    by_line = list(find_records(whole, lines=lines))
    assert [(found.row, found.line) for found in by_line] == list(enumerate(lines, 1))
    assert list(find_records(whole, rows=range(1, len(rows) + 1))) == by_line
    for found, (_, cells) in zip(by_line, rows, strict=True):
        assert whole.parse(whole.plain.read(found.low, found.high - found.low)) == cells
        assert list(find_records(whole, lines=[found.line])) == [found]
        assert list(find_records(whole, rows=[found.row])) == [found]


def test_of_many_batches_only_those_with_such_rows_are_looked_at() -> None:
    text = "a,b\n" + "".join(
        f'{number},"x\n{number}"\n\n' if number % 3 else f"{number},y\r\n" for number in range(90_000)
    )
    whole = table(text)
    lines = [line for line, _ in numbered(whole) if line is not None]
    assert len(list(whole.records.batches(whole.plain, whole.start, whole.plain.size))) > 3
    wanted = [0, 1, 40_000, 40_001, 89_999]
    found = list(find_records(whole, rows=[number + 1 for number in wanted]))
    assert [(record.row, record.line) for record in found] == [(number + 1, lines[number]) for number in wanted]
    assert list(find_records(whole, lines=[record.line for record in found])) == found
    left = left_of(whole, {record.line for record in found})
    assert numbered(left.table) == [row for number, row in enumerate(numbered(whole)) if number not in wanted]
