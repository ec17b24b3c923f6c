"""The types of columns, inferred over whole files, and what is said of why."""

import io

import pytest

from csv_manager.core.errors import NotCsvError
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table
from csv_manager.sync import SqlType, infer
from csv_manager.sync.fits import fit_of


def table(text: str) -> Table:
    return Table(lambda: io.BytesIO(text.encode()), CsvFormat(), "data.csv")


def told(*cells: str) -> str:
    """The type of a column with these cells."""
    [column] = infer(table("\n".join(["a", *(f'"{cell}"' for cell in cells)]) + "\n"))
    return str(column.type)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["true", "FALSE", "", "False"], "bool"),
        (["yes", "no"], "text"),
        (["0", "-1", "", "17"], "bigint"),
        (["9223372036854775807", "-9223372036854775807"], "bigint"),
        (["9223372036854775808"], "decimal(19, 0)"),
        (["1", "9" * 65], "decimal(65, 0)"),
        (["1", "9" * 66], "text"),
        (["1", "1.50"], "decimal(3, 2)"),
        (["100", "0.125", ".5", "5."], "decimal(6, 3)"),
        (["007"], "text"),
        (["1", "007"], "text"),
        (["00.5"], "text"),
        (["+5"], "text"),
        (["5 "], "text"),
        (["1,5"], "text"),
        (["-0"], "double"),
        (["1", "1e5"], "double"),
        (["1.5E-7", "123456789012345"], "double"),
        (["1234567890123456", "1e5"], "text"),
        (["1e5", "0.1234567890123456"], "text"),
        (["12345678901234567e5"], "text"),
        (["1e999"], "text"),
        (["nan"], "text"),
        (["inf"], "text"),
        (["2024-02-29", "1900-02-28"], "date"),
        (["1900-02-29"], "text"),
        (["2024-04-31"], "text"),
        (["0000-01-01"], "text"),
        (["20240101"], "bigint"),
        (["31/12/2024"], "text"),
        (["2024-02-29", "2024-02-29 10:00"], "timestamp"),
        (["2024-02-29T23:59:59.123456"], "timestamp"),
        (["2024-02-29T24:00:00"], "text"),
        (["2024-02-29T10:00:00.1234567"], "text"),
        (["2024-02-29T10:00:00Z", "2024-02-29 10:00:00.5+02:00"], "timestamp with time zone"),
        (["2024-02-29T10:00:00Z", "2024-02-29T10:00:00"], "text"),
        (["1", "2024-02-29"], "text"),
        (["true", "1"], "text"),
        (["c2c0ac3e-0b6b-4a4c-9f0e-3c1f4b5a6d7e", "C2C0AC3E-0B6B-4A4C-9F0E-3C1F4B5A6D7E"], "uuid"),
        (["c2c0ac3e0b6b4a4c9f0e3c1f4b5a6d7e"], "text"),
        (["", ""], "text"),
        ([], "text"),
        (["1\n2"], "text"),
        (["1", "1\n2", "3"], "text"),
        (["١"], "text"),
        (["0", "0.000"], "decimal(3, 3)"),
    ],
)
def test_a_column_has_the_narrowest_type_that_loses_nothing(cells: list[str], expected: str) -> None:
    assert told(*cells) == expected
    assert told(*reversed(cells)) == expected


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a\n1\n\n2\n007\nx\n", 5, "line 5: '007' begins with a zero, and cells before it are bigint"),
        ("a\n+5\n", 2, "line 2: '+5' begins with +"),
        ("a\n1\n 2\n", 3, "line 3: ' 2' has a space around it, and cells before it are bigint"),
        ("a\n1\n2\n", 2, "line 2: '1' is bigint"),
        ("a\n1\n2.5\n", 3, "line 3: '2.5' is decimal(2, 1), and cells before it are bigint"),
        ("a\ntrue\n5\n", 3, "line 3: '5' is bigint, and cells before it are bool"),
        ('a\n"x\ny"\n', 2, r"line 2: 'x\ny' is text"),
        ("a\n1e400\n", 2, "line 2: '1e400' has an exponent, and more than 15 digits or a value beyond a double's"),
        (f"a\n{'9' * 70}\n", 2, f"line 2: '{'9' * 39}…' has more digits than a decimal"),
        ("a,b\n,1\n", None, "no cell has a value"),
    ],
)
def test_the_cell_that_decided_is_told(text: str, line: int | None, reason: str) -> None:
    column = infer(table(text))[0]
    assert (column.line, column.reason) == (line, reason)
    assert (column.cell is None) == (line is None)


def test_a_short_row_has_empty_cells_and_one_with_surplus_fields_is_refused() -> None:
    first, second = infer(table("a,b\n1\n2\n"))
    assert (first.has_empty, second.has_empty, str(second.type)) == (False, True, "text")
    with pytest.raises(NotCsvError, match=r"data.csv: line 3 has 3 fields, and there are 2 columns"):
        infer(table("a,b\n1,2\n1,2,3\n"))


def test_columns_are_told_in_their_order_and_a_file_without_rows_has_them() -> None:
    assert [(column.name, column.type) for column in infer(table("b,a\n"))] == [
        ("b", SqlType(kind="text")),
        ("a", SqlType(kind="text")),
    ]
    assert infer(table("")) == ()


def test_zeros_before_a_number_do_not_count_as_digits() -> None:
    assert fit_of("0.000000000000000000012345e5").kind == "double"
    assert fit_of("0.00001234567890123456e5").kind == "text"
