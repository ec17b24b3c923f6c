"""What SQL rules see of a file are the rows that Python's csv module reads, whatever is in it."""

import random
import sys
from pathlib import Path

import pytest
from checking import table

from csv_manager.checks import sql
from csv_manager.checks.rows import WholeRows
from csv_manager.checks.sql_files import made_readable
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table

PARTS = [
    "a", "", "1", '"', '""', '"x"', ",", ",", ",", "\n", "\n", "\r\n", "\r", '"\n"', "#", "\\N", "NULL", "\\", "'", ";",
    "\t", " ", "é", "\0", "\ufeff",
]  # fmt: skip
CELLS = ["a", "", "1", '"x"', '"a,b"', '"q""q"', '"l\nl"', "#", "\\N", '"\\N"', "NULL", "é", " x "]
HEADERS = ["h1,h2,h3\n", "h\n", "a,A,_row\n"]
CASES = 150


def content(source: random.Random) -> str:
    """A file: of whole cells, or of pieces in any order."""
    header = source.choice(HEADERS)
    if source.random() < 0.5:
        return header + "".join(source.choices(PARTS, k=source.randint(1, 14)))
    end, width = source.choice(["\n", "\r\n"]), source.randint(1, 4)
    lines = [",".join(source.choice(CELLS) for _ in range(width)) for _ in range(source.randint(1, 6))]
    return header + end.join(lines) + source.choice(["", end, end + end])


def of_file(text: str, form: CsvFormat, path: Path) -> Table:
    """A content that DuckDB may read where it is."""
    path.write_bytes(text.encode())
    return Table(lambda: path.open("rb"), form, "data.csv")


@pytest.mark.parametrize("seed", range(4))
def test_sql_sees_the_rows_of_the_file(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    in_place = 0
    for _ in range(CASES):
        text = content(source)
        form = CsvFormat(delimiter=source.choice(",,,;"), quotechar=source.choice(['"', '"', "'", ""]))
        told = of_file(text, form, tmp_path / "data.csv") if seed % 2 else table(text, form)
        proof = made_readable(WholeRows(told), tmp_path / "copy.csv").proof
        in_place += proof is not None and proof.result()
        width = len(told.columns)
        expected = [tuple([*row.cells, *[None] * width][:width]) for row in told.rows()]
        with sql.Session(WholeRows(told)) as session:
            _, rows = session.select("SELECT * FROM current ORDER BY _row")
        assert [row[:-1] for row in rows] == expected, (text, form)
        assert [row[-1] for row in rows] == list(range(1, len(expected) + 1))
    assert (in_place > 10) is (seed % 2 == 1 and sys.platform == "linux")


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_file_that_is_replaced_or_gone_is_read_as_it_was_opened(tmp_path: Path, is_replaced: bool) -> None:
    path = tmp_path / "data.csv"
    told = of_file("id,v\n" + "".join(f"{number},x\n" for number in range(5000)), CsvFormat(), path)
    with sql.Session(WholeRows(told)) as session:
        assert session.select("SELECT count(*) FROM current")[1] == [(5000,)]
        path.unlink()
        if is_replaced:
            path.write_text("a,b\n1,2\n")
        assert session.select("SELECT count(*), max(v) FROM current")[1] == [(5000, "x")]
    with sql.Session(WholeRows(told)) as session:
        assert [each.row for each in session.misfits("id < 4998", {"id": "number"})] == [4999, 5000]


def test_long_cells_and_many_rows_are_seen_as_they_are() -> None:
    long = "x" * 5_000_000
    text = "id,v\n" + "".join(f"{number},{number}\n" for number in range(50_000)) + f'50000,"{long}"\n'
    with sql.Session(WholeRows(table(text))) as session:
        _, rows = session.select("SELECT count(*), max(length(v)), count(DISTINCT _row) FROM current")
    assert rows == [(50_001, len(long), 50_001)]
