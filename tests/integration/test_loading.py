"""Rows into tables in bulk, on each database: every text comes back as the value that it is."""

import datetime as dt
import decimal
import io
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loading import connected
from sqlalchemy import Connection

from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table as CsvTable
from csv_manager.sync import Table, ddl, form, sql_dialect_named
from csv_manager.sync.checking import check
from csv_manager.sync.loading import Counts, TargetError, loader_of
from csv_manager.sync.rows import CsvRows, ListedRows

KINDS = ["sqlite", "postgresql", "mariadb", "mariadb by INSERT"]


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Connection]]:
    with connected(request.param, tmp_path) as made:
        yield made


def content(text: str) -> CsvTable:
    return CsvTable(lambda: io.BytesIO(text.encode()), CsvFormat(), "data.csv")


def made(target: tuple[str, Connection], text: str, **told: Any) -> Table:
    name, connection = target
    sql_dialect = sql_dialect_named(name)
    table = form(content(text), sql_dialect, **told)
    connection.exec_driver_sql(ddl(table, sql_dialect), execution_options={"no_parameters": True})
    return table


def rows_of(connection: Connection, table: Table, order: str = "1") -> list[tuple[Any, ...]]:
    quoted = loader_of(connection).table_name(table)
    told = f"SELECT * FROM {quoted} ORDER BY {order}"  # noqa: S608 - quoted
    return [tuple(row) for row in connection.exec_driver_sql(told, execution_options={"no_parameters": True})]


VALUES = (
    "id,ok,price,ratio,day,at,zoned,uid,note\n"
    "1,true,1.50,1e5,2024-02-29,2024-02-29 10:00,2024-02-29T10:00:00Z,c2c0ac3e-0b6b-4a4c-9f0e-3c1f4b5a6d7e,plain\n"
    "2,FALSE,.5,-2.5,1000-01-01,2024-02-29T23:59:59.123456,2024-02-29 10:00:00.5-05:30,"
    'C2C0AC3E-0B6B-4A4C-9F0E-3C1F4B5A6D7E,"a\tb\\N ""c""\r\nd"\n'
    "3,,,,,,,,\n"
    "-4,False,5.,-0,9999-12-31,9999-12-31 00:00:00,1000-01-02T00:00:00+14:00,,NULL\n"
    "5,True,-12345.678,123456789012345,2023-01-01,2023-01-01 00:00,2023-01-01 00:00:00+00:00,,\\N\n"
)
NONE = dt.UTC


def test_every_text_is_the_value_that_it_says(target: tuple[str, Connection]) -> None:
    name, connection = target
    table = made(target, VALUES, key=["id"])
    assert loader_of(connection).insert(connection, table, CsvRows(content(VALUES))) == 5
    told = {row[0]: row[1:] for row in rows_of(connection, table)}
    assert [bool(told[number][0]) for number in (1, 2, -4, 5)] == [True, False, False, True]
    assert [float(told[number][1]) for number in (1, 2, -4, 5)] == [1.5, 0.5, 5, -12345.678]
    assert [told[number][2] for number in (1, 2, -4, 5)] == [1e5, -2.5, 0, 123456789012345]
    assert told[3] == (None,) * 7 + ("",)
    assert [told[number][-1] for number in (1, 2, -4, 5)] == ["plain", 'a\tb\\N "c"\r\nd', "NULL", "\\N"]
    days = [told[number][3] for number in (1, 2, -4)]
    times = [told[number][4] for number in (1, 2, -4)]
    zoned = [told[number][5] for number in (1, 2, -4)]
    uids = [told[number][6] for number in (1, 2)]
    if name == "sqlite":
        assert days == ["2024-02-29", "1000-01-01", "9999-12-31"]
        assert times == ["2024-02-29 10:00", "2024-02-29T23:59:59.123456", "9999-12-31 00:00:00"]
        return
    assert days == [dt.date(2024, 2, 29), dt.date(1000, 1, 1), dt.date(9999, 12, 31)]
    assert times == [
        dt.datetime(2024, 2, 29, 10), dt.datetime(2024, 2, 29, 23, 59, 59, 123456), dt.datetime(9999, 12, 31),  # noqa: DTZ001
    ]  # fmt: skip
    utc = [time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time for time in zoned]
    assert utc == [
        dt.datetime(2024, 2, 29, 10), dt.datetime(2024, 2, 29, 15, 30, 0, 500000), dt.datetime(1000, 1, 1, 10),  # noqa: DTZ001
    ]  # fmt: skip
    assert [uuid.UUID(str(uid)) for uid in uids] == [uuid.UUID("c2c0ac3e-0b6b-4a4c-9f0e-3c1f4b5a6d7e")] * 2
    assert told[5][1] == decimal.Decimal("-12345.678")


BEFORE = "id,kind,v,w\n1,a,x,1\n2,a,y,2\n3,b,z,\n"
AFTER = "id,kind,v,w\n1,a,x,1\n2,a,Y,2\n4,b,,4\n3,B,z,\n"


def test_rows_that_differ_are_updated_new_ones_inserted_and_others_deleted_or_not(
    target: tuple[str, Connection],
) -> None:
    _, connection = target
    table = made(target, BEFORE, key=["id", "kind"])
    loader = loader_of(connection)
    loader.insert(connection, table, CsvRows(content(BEFORE)))
    assert loader.merge(connection, table, CsvRows(content(AFTER)), mirror=False) == Counts(inserted=2, updated=1)
    expected = [(1, "a", "x", 1), (2, "a", "Y", 2), (3, "B", "z", None), (3, "b", "z", None), (4, "b", "", 4)]
    assert sorted(rows_of(connection, table, "1, 2"), key=str) == expected
    assert loader.merge(connection, table, CsvRows(content(AFTER)), mirror=True) == Counts(deleted=1)
    assert len(rows_of(connection, table)) == 4
    assert loader.merge(connection, table, CsvRows(content(AFTER)), mirror=True) == Counts()
    gone = ListedRows("these", ["kind", "id"], [("a", "1"), ("B", "3"), ("x", "9")])
    assert loader.delete(connection, table, gone) == 2
    assert [row[0] for row in rows_of(connection, table)] == [2, 4]


@pytest.mark.parametrize(
    "text",
    [
        "id,v\n1,a\r\n2,b\n",
        "id,v\r\n1,a\n2,b\r\n",
        "id,v\r\n1,a\r\n2,b\n",
        "id,v\n1,a\r2,b\n",
        "id,v\n1,a\r\n2,b\r\n",
        "id,v\n1,a\n\n2,b\n\n",
    ],
)
def test_lines_may_end_one_way_and_another(target: tuple[str, Connection], text: str) -> None:
    _, connection = target
    table = made(target, text, key=["id"])
    assert loader_of(connection).insert(connection, table, CsvRows(content(text))) == 2
    assert rows_of(connection, table) == [(1, "a"), (2, "b")]


def test_a_bool_that_is_none_is_refused(target: tuple[str, Connection]) -> None:
    _, connection = target
    table = made(target, "id,ok\n1,true\n", key=["id"])
    connection.commit()
    with pytest.raises(TargetError, match=r"data\.csv"), connection.begin():
        loader_of(connection).insert(connection, table, CsvRows(content("id,ok\n1,true\n2,perhaps\n")))
    assert rows_of(connection, table) == []


def test_a_text_is_loaded_or_its_place_is_told(target: tuple[str, Connection]) -> None:
    name, connection = target
    text = "id,v,w\n1,a,\n2,b,x\0y\n"
    table = made(target, text, key=["id"])
    connection.commit()
    if name == "postgresql":  # which has no room for this character
        with pytest.raises(TargetError, match=r"data\.csv: line 3: column 'w': .* 0x00, says"), connection.begin():
            loader_of(connection).insert(connection, table, CsvRows(content(text)))
        assert rows_of(connection, table) == []
    else:
        loader_of(connection).insert(connection, table, CsvRows(content(text)))
        assert rows_of(connection, table) == [(1, "a", ""), (2, "b", "x\0y")]


def test_a_table_may_be_all_key_and_have_any_name(target: tuple[str, Connection]) -> None:
    _, connection = target
    text = 'order,"we""ird %s `x`"\n1,a\n2,b\n'
    table = made(target, text, key=["order", 'we"ird %s `x`'], name='user "t" %s `')
    loader = loader_of(connection)
    assert loader.insert(connection, table, CsvRows(content(text))) == 2
    other = text.replace("2,b", "2,c")
    assert loader.merge(connection, table, CsvRows(content(other)), mirror=True) == Counts(inserted=1, deleted=1)
    assert rows_of(connection, table) == [(1, "a"), (2, "c")]


def test_some_columns_are_loaded_and_short_rows_have_none_of_the_others(target: tuple[str, Connection]) -> None:
    _, connection = target
    text = "id,a,b\n1,x,y\n2,z\n"
    table = made(target, text, key=["id"], ignore=["a"])
    assert loader_of(connection).insert(connection, table, CsvRows(content(text), ["id", "b"])) == 2
    assert rows_of(connection, table) == [(1, "y"), (2, None)]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("abc", "'abc' is text, and the column is bigint"),
        ("99999999999999999999", "'99999999999999999999' is decimal(20, 0), and the column is bigint"),
        ("1.5", "'1.5' is decimal(2, 1), and the column is bigint"),
        ("007", "'007' begins with a zero, and the column is bigint"),
        ("", "there is no value, and the table needs one"),
    ],
)
@pytest.mark.parametrize("name", ["sqlite", "postgresql", "mariadb"])
def test_a_cell_that_does_not_fit_is_found_before_anything_is_written(name: str, cell: str, said: str) -> None:
    text = "id,v\n1,x\n\n2,y\n"
    table = form(content(text), sql_dialect_named(name), key=["id"])
    check(table, CsvRows(content(text)))
    bad = CsvRows(content(text.replace("\n2,", f"\n{cell},")))
    with pytest.raises(TargetError) as told:
        check(table, bad)
    assert str(told.value) == f"data.csv: line 4: column 'id': {said}; data is as it was."


def test_what_the_database_itself_refuses_names_the_row(target: tuple[str, Connection]) -> None:
    _, connection = target
    text = "id,v\n1,x\n2,y\n"
    table = made(target, text, key=["id"])
    connection.commit()
    bad = CsvRows(content(text.replace("\n2,", "\nabc,")))
    with pytest.raises(TargetError, match=r"data\.csv: line 3.*says the table data; nothing was written"):  # noqa: SIM117
        with connection.begin():
            loader_of(connection).insert(connection, table, bad)
    assert rows_of(connection, table) == []


@pytest.mark.parametrize("number", [1, 128, 129, 300])
def test_of_many_rows_the_one_is_named_that_the_database_refuses(target: tuple[str, Connection], number: int) -> None:
    _, connection = target
    table = made(target, "id,v\n1,x\n", key=["id"])
    connection.commit()
    rows = [f"{'abc' if row == number else row},x\n" for row in range(1, 301)]
    bad = CsvRows(content("id,v\n" + "".join(rows)))
    with pytest.raises(TargetError, match=rf"data\.csv: line {number + 1}: .*says the table data"), connection.begin():
        loader_of(connection).insert(connection, table, bad)
    assert rows_of(connection, table) == []


def test_a_gap_far_behind_has_no_value(target: tuple[str, Connection]) -> None:
    _, connection = target
    lines = [f"{number},{'' if number == 15_000 else number},{'x' * 80}\n" for number in range(1, 20_001)]
    text = "id,n,note\n" + "".join(lines)
    table = made(target, "id,n,note\n1,1,x\n", key=["id"])
    loader = loader_of(connection)
    assert loader.insert(connection, table, CsvRows(content(text))) == 20_000
    told = connection.exec_driver_sql("SELECT id FROM data WHERE n IS NULL").all()
    assert [tuple(row) for row in told] == [(15_000,)]
    connection.commit()
    bad = CsvRows(content(text.replace("\n18000,", "\nabc,")))
    connection.exec_driver_sql("DELETE FROM data")
    connection.commit()
    with pytest.raises(TargetError, match=r"data\.csv: line 18001: .*says the table data"), connection.begin():
        loader.insert(connection, table, bad)
    assert rows_of(connection, table) == []


def test_a_key_that_is_there_twice_is_refused(target: tuple[str, Connection]) -> None:
    _, connection = target
    table = made(target, "id,v\n1,x\n", key=["id"])
    connection.commit()
    twice = CsvRows(content("id,v\n1,x\n2,y\n1,z\n"))
    loader = loader_of(connection)
    with pytest.raises(TargetError, match=r"data\.csv"), connection.begin():
        loader.insert(connection, table, twice)
    with pytest.raises(TargetError, match=r"data\.csv"), connection.begin():
        loader.merge(connection, table, twice, mirror=True)
    assert rows_of(connection, table) == []


def test_what_is_rolled_back_was_never_there(target: tuple[str, Connection]) -> None:
    """No statement between commits by itself, as some do on MariaDB."""
    _, connection = target
    table = made(target, "id,v\n1,a\n2,b\n", key=["id"])
    loader = loader_of(connection)
    loader.insert(connection, table, CsvRows(content("id,v\n1,a\n2,b\n")))
    connection.commit()
    loader.merge(connection, table, CsvRows(content("id,v\n1,x\n3,c\n")), mirror=True)
    loader.delete(connection, table, ListedRows("", ("id",), [("1",)]))
    connection.rollback()
    assert rows_of(connection, table) == [(1, "a"), (2, "b")]
