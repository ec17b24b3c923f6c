"""What a target does with a value or a column that its table has no place for, on each database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect
from targets import KINDS, Targets, database

from csv_manager.core.errors import CsvManagerError, OptionError, UnknownColumnError
from csv_manager.core.targets import MODES
from csv_manager.sync.applying import DriftError
from csv_manager.sync.loading import Counts, MisfitError, TargetError
from csv_manager.sync.types import SqlType, parse_type

ONE = "id,name,price\n1,a,1.50\n2,b,2\n"
#: A value that is no number, a column that is new, a row that is as it should be, and one that is changed.
TWO = "id,name,price,unit\n1,a,much,\n2,b,2,kg\n3,c,4,\n4,d,5,\n"


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with database(request.param, tmp_path_factory.mktemp("database")) as made:
        yield made


@pytest.fixture
def targets(engine: Engine, tmp_path: Path) -> Iterator[Targets]:
    made = Targets(tmp_path, engine)
    yield made
    made.close()
    for name in made.tables():
        made.run(f"DROP TABLE {engine.dialect.identifier_preparer.quote_identifier(name)}")


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(float(cell) if str(cell).replace(".", "").isdigit() else cell for cell in row) for row in rows]


def test_rows_without_a_place_are_left_out(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(evolution="discard_row")
    assert [synced.left_out for synced in targets.sync(target)] == [None]
    targets.write(TWO)
    [synced] = targets.sync(target)
    assert synced.counts == Counts(inserted=2, deleted=2)
    assert synced.left_out.startswith("2 rows left out, the first at ")
    assert "data.csv: line 2: column 'price': 'much' is text" in synced.left_out
    assert plain(targets.rows(target)) == [(3, "c", 4), (4, "d", 5)]
    assert targets.syncing.verify(targets.file(target)) is None
    targets.write(TWO.replace("much", "9"))
    [synced] = targets.sync(target)
    assert (synced.counts, synced.left_out[:14]) == (Counts(inserted=1), "1 row left out")
    assert plain(targets.rows(target, "id")) == [(1,), (3,), (4,)]


def test_values_without_a_place_are_left_out(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(evolution="discard_value")
    targets.sync(target)
    targets.write(TWO)
    [synced] = targets.sync(target)
    assert synced.left_out.startswith("2 values left out, the first at ")
    assert "line 2: column 'price': 'much' is text, and the column is " in synced.left_out
    targets.write(TWO.replace("much", ""))
    [synced] = targets.sync(target)
    assert (
        synced.left_out
        == f"1 value left out, the first at {targets.path()}: line 3: there is no column 'unit' for 'kg'"
    )
    targets.write(TWO)
    targets.sync(target)
    assert plain(targets.rows(target)) == [(1, "a", None), (2, "b", 2), (3, "c", 4), (4, "d", 5)]
    assert targets.syncing.verify(targets.file(target)) is None


def test_a_key_that_does_not_fit_goes_with_its_row(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(evolution="discard_value")
    targets.sync(target)
    targets.write("id,name,price\nx,a,1\n2,b,3\n")
    targets.sync(target)
    assert plain(targets.rows(target)) == [(2, "b", 3)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("key", [("id",), ()])
def test_every_mode_leaves_out_what_has_no_place(targets: Targets, mode: str, key: tuple[str, ...]) -> None:
    targets.write(ONE, key=key)
    target = targets.add(mode=mode, key=() if mode == "append" else key, evolution="discard_row")
    targets.sync(target)
    twice = "" if key else "3,c,4\n"
    targets.write(f"id,name,price\n1,a,much\n2,b,2\n3,c,4\n{twice}")
    [synced] = targets.sync(target)
    is_update = bool(key) and mode == "append"  # which it takes no part in
    assert (synced.left_out is None) == is_update
    holds = "valid_to_version IS NULL" if mode == "history" else "1 = 1"
    expected = {"mirror": [2, 3], "history": [2, 3], "upsert": [1, 2, 3], "append": [1, 2, 3]}[mode]
    found = [int(row[0]) for row in targets.rows(target, "id", where=holds)]
    assert sorted(set(found)) == expected
    assert found.count(3) == (1 if key else 2)
    last = targets.write("id,name,price\n1,a,1.50\n2,b,2\n")
    targets.sync(target)
    assert targets.file(target).version == last
    if mode in ("mirror", "history"):
        assert plain(targets.rows(target, "id", where=holds)) == [(1,), (2,)]


def test_a_type_that_was_told_stays(targets: Targets) -> None:
    targets.write("id,code,price\n1,7,1.50\n2,8,2\n", key=("id",))
    target = targets.add(types=(("code", "text"), ("price", "decimal(6, 2) not null")))
    targets.sync(target)
    assert targets.rows(target, "code") == [("7",), ("8",)]
    for wrong, said in (("1,7,1.555", "1.555"), ("1,7,", "there is no value"), ("1,7,12345.00", "12345.00")):
        targets.write(f"id,code,price\n{wrong}\n2,8,2\n")
        with pytest.raises(TargetError, match=r"line 2: column 'price'") as refused:
            targets.sync(target)
        assert said in str(refused.value)
        assert targets.file(target).version == 1
    targets.write("id,code,price\n1,007,9\n")
    targets.sync(target)
    assert [(row[0], float(row[1])) for row in targets.rows(target, "code", "price")] == [("007", 9.0)]


def test_a_new_table_refuses_what_does_not_fit_a_told_type(targets: Targets) -> None:
    targets.write("id,n\n1,x\n", key=("id",))
    target = targets.add(types=(("n", "bigint"),))
    with pytest.raises(TargetError, match=r"line 2: column 'n': 'x' is text"):
        targets.sync(target)
    assert target.table not in targets.tables()
    other = targets.add(table="other", types=(("nn", "bigint"),))
    with pytest.raises(UnknownColumnError, match="'nn'"):
        targets.sync(other)


def test_a_column_under_another_name_keeps_its_rows(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(renames=(("price", "cost"),))
    targets.sync(target)
    targets.write("id,name,cost\n1,a,1.50\n2,b,3\n")
    [synced] = targets.sync(target)
    assert synced.told == ("the column 'price' is called 'cost' now",)
    assert synced.counts == Counts(updated=1)
    assert plain(targets.rows(target)) == [(1, "a", 1.5), (2, "b", 3)]
    targets.write("id,name,cost\n1,a,1.50\n2,b,4\n")
    assert [each.counts for each in targets.sync(target)] == [Counts(updated=1)]


def test_a_key_under_another_name_is_renamed_too(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(renames=(("name", "label"),), evolution="freeze")
    targets.sync(target)
    targets.write("id,label,price\n1,z,1.50\n2,b,2\n")
    targets.sync(target)
    assert targets.rows(target, "label") == [("b",), ("z",)]
    targets.write("id,label,price,more\n1,z,1.50,x\n")
    with pytest.raises(CsvManagerError, match="new column 'more'"):
        targets.sync(target)


@pytest.mark.parametrize(
    ("told", "parsed", "is_needed"),
    [
        ("text", SqlType(kind="text"), False),
        ("varchar(20)", SqlType(kind="text", length=20), False),
        ("Decimal( 10 ,2 ) NOT NULL", SqlType(kind="decimal", precision=10, scale=2), True),
        ("decimal", SqlType(kind="decimal"), False),
        ("timestamp with time zone", SqlType(kind="timestamp", timezone=True), False),
        ("double precision not null", SqlType(kind="double"), True),
        ("int", SqlType(kind="integer"), False),
    ],
)
def test_a_type_is_read_as_people_write_it(told: str, parsed: SqlType, is_needed: bool) -> None:
    assert parse_type(told) == (parsed, is_needed)


@pytest.mark.parametrize(
    "told", ["", "number", "bigint(3)", "text(1,2)", "decimal(2,3)", "date with time zone", "decimal(0)"]
)
def test_what_is_no_type_is_refused(told: str) -> None:
    with pytest.raises(OptionError):
        parse_type(told)


def test_a_text_that_is_too_long_is_told_with_its_line(targets: Targets) -> None:
    targets.write("id,name\n1,abc\n", key=("id",))
    target = targets.add(types=(("name", "text(3)"),))
    targets.sync(target)
    targets.write("id,name\n1,abc\n2,äöüß\n")
    with pytest.raises(
        TargetError, match=r"line 3: column 'name': 'äöüß' has 4 characters, and the column is text\(3\)"
    ):
        targets.sync(target)
    assert targets.rows(target, "name") == [("abc",)]


def test_a_key_that_is_too_long_for_a_database_is_told_with_its_line(targets: Targets) -> None:
    long = "x" * 300
    targets.write(f"id,v\na,1\n{long},2\n", key=("id",))
    target = targets.add()
    if targets.engine.dialect.name != "mysql":
        targets.sync(target)
        assert targets.rows(target, "id") == [("a",), (long,)]
        return
    with pytest.raises(TargetError, match=r"line 3: column 'id': .* has 300 characters, and the column is text\(255\)"):
        targets.sync(target)
    targets.write("id,v\na,1\n")
    targets.sync(target)
    targets.write(f"id,v\na,1\n{long},2\n")
    with pytest.raises(TargetError, match=r"line 3: column 'id': .* made with --type 'id=text\(300\)' has room for it"):
        targets.sync(target)


def test_the_types_of_a_table_that_others_made_stay(targets: Targets) -> None:
    targets.run("CREATE TABLE data (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), v INTEGER)")
    targets.write("id,name,v\n1,a,5\n", key=("id",))
    target = targets.add()
    targets.sync(target)
    before = [str(column["type"]) for column in inspect(targets.engine).get_columns("data")]
    targets.write("id,name,v\n1,a,5\n2,b,x\n")
    with pytest.raises(MisfitError, match=r"data\.csv: line 3: column 'v': 'x' is text, and the column is integer"):
        targets.sync(target)
    targets.write("id,name,v,more\n1,a,5,y\n")  # a column that comes is added all the same, and is csv_manager's
    targets.sync(target)
    targets.write("id,name,v,more\n1,a,5,1\n2,b,6,z\n")
    targets.sync(target)
    assert sorted(targets.rows(target, "id", "v", "more")) == [(1, 5, "1"), (2, 6, "z")]
    assert [str(column["type"]) for column in inspect(targets.engine).get_columns("data")][:3] == before


def test_a_plan_tells_that_somebody_else_changed_the_table(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add()
    targets.sync(target)
    targets.run("DELETE FROM data WHERE id = 2")
    targets.write(ONE + "3,c,4\n")
    with pytest.raises(DriftError, match="it has 1 rows, and had 2 of version 1"):
        list(targets.syncing.plan(targets.file(target)))


def test_a_name_in_another_case_is_told_where_that_is_the_same_name(targets: Targets) -> None:
    targets.write("id,Name\n1,a\n", key=("id",))
    target = targets.add()
    targets.sync(target)
    targets.write("id,name\n1,b\n")
    if targets.engine.dialect.name == "postgresql":
        targets.sync(target)
        assert targets.rows(target, "id", "Name", "name") == [(1, "a", "b")]
        return
    with pytest.raises(
        CsvManagerError, match=r"data\.csv: the column 'Name' is called 'name' now, .*--rename Name=name"
    ):
        targets.sync(target)


def test_a_target_that_is_to_be_shared_is_told_of_one_that_is_not(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    targets.sync(targets.add())
    targets.write(ONE, "other.csv", key=("id",))
    with pytest.raises(CsvManagerError, match="is the table of a target that is not --shared"):
        targets.sync(targets.add("other.csv", shared=True), "other.csv")
