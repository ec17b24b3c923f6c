"""What is inferred of a column is what its cells say one by one, however they are read."""

import csv
import datetime as dt
import decimal
import functools
import io
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from csv_manager.core import reading
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table
from csv_manager.sync import inference
from csv_manager.sync.fits import TEXT, fit_of

NUMBERS = st.one_of(
    st.integers(-(10**21), 10**21).map(str),
    st.integers(-50, 50).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**16), max_value=10**16).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(allow_nan=False, width=16, allow_infinity=False).map(repr),
)
TIMES = st.one_of(
    st.dates(dt.date(1000, 1, 1)).map(str),
    st.datetimes(dt.datetime(1000, 1, 1), timezones=st.sampled_from([None, dt.UTC])).map(str),  # noqa: DTZ001 - a bound
)
CELLS = st.one_of(
    st.sampled_from(
        ["", "true", "False", "007", "+5", "-0", "-0.0", "1e5", ".5", "5.", "x", "a\nb", " 1", "1\n2", "0"]
    ),
    NUMBERS,
    TIMES,
    st.uuids().map(str),
    st.text(st.sampled_from("0123456789.-+eE:TZ "), max_size=12),
)
#: Cells that are mostly alike, so that a column is something else than text.
COLUMNS = st.one_of(
    *(st.lists(st.one_of(st.just(""), kind), max_size=12) for kind in (NUMBERS, TIMES, CELLS, st.uuids().map(str)))
)


def table(cells: list[str]) -> Table:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerows([["a", "b"], *([cell, "x"] for cell in cells)])
    content = written.getvalue().encode()
    return Table(lambda: io.BytesIO(content), CsvFormat(), "data.csv")


@given(cells=COLUMNS, size=st.integers(1, 5))
def test_a_column_is_what_its_cells_are(cells: list[str], size: int) -> None:
    with mock.patch.object(reading, "_CHUNK", size):
        column, _ = inference.infer(table(cells)) if cells else (None, None)
    if column is None:
        return
    fits = [fit_of(cell) for cell in cells if cell]
    expected = functools.reduce(lambda one, other: one.join(other), fits) if fits else TEXT
    assert column.type == expected.type
    assert column.has_empty == ("" in cells)
    assert all(expected.takes(cell) for cell in cells)
    assert (column.line is None) == (not fits)
    assert column.cell is None or column.cell in cells


@given(cells=COLUMNS)
def test_what_fits_a_type_has_a_value_of_it(cells: list[str]) -> None:
    for cell in filter(None, cells):
        fit = fit_of(cell)
        read: Any = {
            "bool": lambda text: {"true": True, "false": False}[text.lower()],
            "bigint": int,
            "decimal": decimal.Decimal,
            "double": float,
            "date": dt.date.fromisoformat,
            "timestamp": dt.datetime.fromisoformat,
            "uuid": str,
            "text": str,
        }[fit.kind]
        value = read(cell)
        if fit.kind == "bigint":
            assert str(value) == cell
            assert -(2**63) <= value < 2**63
        if fit.kind == "double":
            exact = decimal.Decimal(cell)
            assert float(f"{exact:.14e}") == value
            assert exact == decimal.Decimal(f"{exact:.14e}")
        if fit.kind == "decimal":
            told = fit.type
            assert told.precision is not None
            assert value == value.quantize(
                decimal.Decimal(1).scaleb(-(told.scale or 0)), context=decimal.Context(prec=99)
            )
            assert len(value.as_tuple().digits) <= told.precision or value == 0
