"""Whatever the versions, after each merge a table has the rows of the last one, on each database."""

import csv
import decimal
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loading import connected
from sqlalchemy import Connection

from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table as CsvTable
from csv_manager.sync import Column, SqlType, Table, ddl, sql_dialect_named
from csv_manager.sync.checking import check
from csv_manager.sync.loading import loader_of
from csv_manager.sync.rows import CsvRows, ListedRows

NAMES = ("id", "kind", "note", "much", "ok")
TYPES = {
    "id": SqlType(kind="bigint"), "kind": SqlType(kind="text"), "note": SqlType(kind="text"),
    "much": SqlType(kind="decimal", precision=12, scale=3), "ok": SqlType(kind="bool"),
}  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(
        ["", " ", "a", "A", "a ", "ä", "NULL", "\\N", "x\ty", "x\ny", "x\r\ny", "\\", '"', "'", "%s", "😀"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
)
ROW = st.tuples(
    TEXTS,
    st.one_of(
        st.just(""),
        st.decimals(-99999, 99999, places=3, allow_nan=False).map(str).filter(lambda text: text[:2] != "-0"),
    ),
    st.sampled_from(["", "true", "False"]),
)
VERSION = st.dictionaries(
    st.tuples(st.integers(-3, 3).map(str), st.sampled_from(["a", "A", "a ", "", "ä"])), ROW, max_size=8
)


def content(version: dict[tuple[str, str], tuple[str, ...]]) -> CsvTable:
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([NAMES, *((*key, *row) for key, row in version.items())])
    data = written.getvalue().encode()
    return CsvTable(lambda: io.BytesIO(data), CsvFormat(), "data.csv")


def expected(version: dict[tuple[str, str], tuple[str, ...]]) -> set[tuple[Any, ...]]:
    return {
        (
            int(key[0]),
            key[1],
            row[0],
            decimal.Decimal(row[1]) if row[1] else None,
            row[2].lower() == "true" if row[2] else None,
        )
        for key, row in version.items()
    }


def found(connection: Connection, table: Table) -> set[tuple[Any, ...]]:
    rows = connection.exec_driver_sql(f"SELECT * FROM {loader_of(connection).table_name(table)}")  # noqa: S608 - quoted
    return {
        (
            row[0],
            row[1],
            row[2],
            None if row[3] is None else decimal.Decimal(str(row[3])),
            None if row[4] is None else bool(row[4]),
        )
        for row in rows
    }


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb", "mariadb by INSERT"])
def test_a_table_equals_the_version_that_was_merged_last(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with connected(kind, tmp_path_factory.mktemp("target")) as (name, connection):
        columns = tuple(Column(name=name, type=told) for name, told in TYPES.items())
        table = Table(name="order", columns=columns, key=("id", "kind"))
        sql_dialect = sql_dialect_named(name)
        connection.exec_driver_sql(ddl(table, sql_dialect))
        connection.commit()
        loader = loader_of(connection)

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(versions=st.lists(VERSION, min_size=1, max_size=4))
        def law(versions: list[dict[tuple[str, str], tuple[str, ...]]]) -> None:
            before: dict[tuple[str, str], tuple[str, ...]] = {}
            with connection.begin():
                loader.merge(connection, table, CsvRows(content({})), mirror=True)
                for version in versions:
                    rows = CsvRows(content(version))
                    check(table, rows)
                    counts = loader.merge(connection, table, rows, mirror=True)
                    assert found(connection, table) == expected(version)
                    old, new = ({row[:2]: row for row in expected(told)} for told in (before, version))
                    assert counts.inserted == len(new.keys() - old.keys())
                    assert counts.deleted == len(old.keys() - new.keys())
                    assert counts.updated == sum(old[key] != new[key] for key in old.keys() & new.keys())
                    before = version
                gone = ListedRows("gone", ["id", "kind"], list(before)[::2])
                assert loader.delete(connection, table, gone) == len(list(before)[::2])

        law()
