"""Targets on each database: the table is as the version says, in every mode, whatever came between."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from targets import KINDS, Targets, database

from csv_manager.core.errors import ConfigurationError, CsvManagerError, DuplicateKeyError
from csv_manager.sync.applying import DriftError
from csv_manager.sync.loading import Counts, TargetError

ONE = "id,name,price\n1,a,1.50\n2,b,2\n3,c,\n"
TWO = "id,name,price\n1,a,1.75\n2,b,2\n4,d,4\n"


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


def plain(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [tuple(float(cell) if str(cell).replace(".", "").isdigit() else cell for cell in row) for row in rows]


def test_a_mirror_has_the_rows_of_the_head(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add()
    assert [synced.counts for synced in targets.sync(target)] == [Counts(inserted=3)]
    targets.write(TWO)
    assert [synced.counts for synced in targets.sync(target)] == [Counts(inserted=1, updated=1, deleted=1)]
    assert plain(targets.rows(target)) == [(1, "a", 1.75), (2, "b", 2), (4, "d", 4)]
    assert targets.sync(target) == []
    file = targets.file(target)
    assert (file.state, file.version, file.rows) == ("ok", 2, 3)


def test_an_upsert_deletes_nothing(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(mode="upsert")
    targets.sync(target)
    targets.write(TWO)
    targets.sync(target)
    assert plain(targets.rows(target, "id", "price")) == [(1, 1.75), (2, 2), (3, None), (4, 4)]


def test_rows_are_appended_once(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(mode="append", meta=True)
    targets.sync(target)
    targets.write(TWO)
    targets.write(ONE)
    assert [synced.counts.inserted for synced in targets.sync(target)] == [1, 1]
    assert plain(targets.rows(target, "id", "_csv_version")) == [(1, 1), (2, 1), (3, 1), (3, 3), (4, 2)]
    targets.syncing.roll_back(targets.file(target), 2)
    assert plain(targets.rows(target, "id")) == [(1,), (2,), (3,), (4,)]


def test_types_become_wider_and_nothing_is_appended_twice(targets: Targets) -> None:
    targets.write("id,n\n1,1\n2,2\n", key=("id",))
    target = targets.add(mode="append")
    targets.sync(target)
    targets.write("id,n\n1,1\n2,2\n3,x\n")
    targets.sync(target)
    assert targets.rows(target, "n") == [("1",), ("2",), ("x",)]


def test_an_append_is_never_wrong_to_verify(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(mode="append")
    targets.sync(target)
    assert targets.syncing.verify(targets.file(target)) is None


def test_truths_that_become_texts_are_words(targets: Targets) -> None:
    targets.write("id,n\n1,true\n2,false\n3,\n", key=("id",))
    target = targets.add(mode="append")
    targets.sync(target)
    targets.write("id,n\n1,true\n2,false\n3,\n4,maybe\n")
    targets.sync(target)
    assert targets.rows(target, "n") == [("false",), ("maybe",), ("true",), (None,)]


def test_a_history_has_every_state(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    targets.write(TWO)
    target = targets.add(mode="history")
    assert [synced.counts for synced in targets.sync(target)] == [
        Counts(inserted=3),
        Counts(inserted=1, updated=1, deleted=1),
    ]
    told = plain(targets.rows(target, "id", "price", "valid_from_version", "valid_to_version"))
    expected = [(1, 1.5, 1, 2), (1, 1.75, 2, None), (2, 2, 1, None), (3, None, 1, 2), (4, 4, 2, None)]
    assert told == expected
    targets.syncing.roll_back(targets.file(target), 1)
    assert plain(targets.rows(target, "id", "valid_to_version")) == [(1, None), (2, None), (3, None)]
    assert targets.file(target).state == "pinned"
    targets.syncing.unpin(targets.file(target))
    targets.sync(target)
    assert plain(targets.rows(target, "id", "price", "valid_from_version", "valid_to_version")) == expected


@pytest.mark.parametrize("mode", ["mirror", "history"])
def test_rows_without_a_key_are_known_by_what_they_are(targets: Targets, mode: str) -> None:
    targets.write("a,b\n" + "".join(f"{number},z\n" for number in range(20)) + "x,y\nx,y\nx,\nx,\n")
    target = targets.add(mode=mode)
    targets.sync(target)
    targets.write("a,b\n" + "".join(f"{number},z\n" for number in range(20)) + "x,y\nx,\nx,\nx,\nx,y\nx,y\n")
    targets.sync(target)
    targets.write("a,b\n" + "".join(f"{number},z\n" for number in range(1, 20)) + "x,\nx,y\n")
    targets.sync(target)
    holds = "valid_to_version IS NULL" if mode == "history" else "1 = 1"
    found = [row for row in targets.rows(target, "a", "b", where=holds) if row[1] != "z"]
    assert found == [("x", ""), ("x", "y")]
    assert len(targets.rows(target, where=holds)) == 21


def test_a_rollback_is_pinned_until_it_is_run(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add()
    targets.sync(target)
    targets.write(TWO)
    targets.sync(target)
    targets.syncing.roll_back(targets.file(target), 1)
    assert plain(targets.rows(target)) == [(1, "a", 1.5), (2, "b", 2), (3, "c", None)]
    targets.write(ONE + "5,e,5\n")
    assert targets.syncing.sync() == []
    assert len(targets.rows(target)) == 3
    targets.syncing.unpin(targets.file(target))
    targets.sync(target)
    assert len(targets.rows(target)) == 4


def test_what_others_changed_is_noticed_and_mended_when_asked(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add()
    targets.sync(target)
    targets.run("UPDATE data SET name = 'x' WHERE id = 1", "INSERT INTO data (id, name) VALUES (9, 'y')")
    found = targets.syncing.verify(targets.file(target))
    assert found is not None
    assert found.counts == Counts(updated=1, deleted=1)
    targets.write(TWO)
    with pytest.raises(DriftError, match="it has 4 rows, and had 3 of version 1"):
        targets.sync(target)
    assert targets.file(target).state == "failed"
    assert plain(targets.rows(target, "id")) == [(1,), (2,), (3,), (9,)]
    targets.syncing.repair(targets.file(target))
    targets.sync(target)
    assert plain(targets.rows(target)) == [(1, "a", 1.75), (2, "b", 2), (4, "d", 4)]
    assert targets.syncing.verify(targets.file(target)) is None


def test_a_table_that_is_gone_is_made_anew_when_asked(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(mode="history")
    targets.sync(target)
    targets.run("DROP TABLE data")
    targets.write(TWO)
    with pytest.raises(DriftError, match="is gone"):
        targets.sync(target)
    targets.syncing.repair(targets.file(target))
    assert (len(targets.rows(target)), targets.file(target).state) == (3, "behind")
    targets.sync(target)
    assert len(targets.rows(target)) == 5


def test_columns_come_and_go(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add()
    targets.sync(target)
    targets.run("ALTER TABLE data ADD COLUMN remark TEXT", "UPDATE data SET remark = 'mine' WHERE id = 2")
    targets.write("id,price,since\n1,1.75,2024-01-01\n2,2,\n4,4,2024-02-01\n")
    [synced] = targets.sync(target)
    assert synced.told == ("the column 'since' is added: date",)
    found = targets.rows(target, "id", "name", "remark", "since")
    assert [(row[0], row[1], row[2], str(row[3] or "")) for row in found] == [
        (1, "a", None, "2024-01-01"), (2, "b", "mine", ""), (4, None, None, "2024-02-01"),
    ]  # fmt: skip


def test_types_become_wider_and_texts_are_those_of_the_file(targets: Targets) -> None:
    targets.write("id,n,d\n1,1,2024-01-01\n2,2,2024-01-02\n", key=("id",))
    target = targets.add()
    targets.sync(target)
    targets.run("CREATE VIEW seen AS SELECT id FROM data")
    targets.write("id,n,d\n1,1,2024-01-01\n2,2.5,2024-01-02\n")
    [synced] = targets.sync(target)
    assert [told.startswith("the column 'n' becomes decimal") for told in synced.told] == [True]
    targets.write("id,n,d\n1,007,2024-01-01\n2,2.50,2024-01-02 10:00\n")
    targets.sync(target)
    assert targets.rows(target, "n") == [("007",), ("2.50",)]
    targets.write("id,n,d\nx,007,2024-01-01\n2,2.50,2024-01-02 10:00\n")
    targets.run("DROP VIEW seen")
    targets.sync(target)
    assert targets.rows(target, "id", "n") == [("2", "2.50"), ("x", "007")]


@pytest.mark.parametrize("mode", ["upsert", "history"])
def test_rows_of_older_versions_get_the_texts_of_the_file_too(targets: Targets, mode: str) -> None:
    targets.write("id,n\n1,1.50\n2,2.0\n3,7\n", key=("id",))
    target = targets.add(mode=mode)
    targets.sync(target)
    targets.write("id,n\n1,1.50\n2,2.25\n")
    targets.sync(target)
    targets.write("id,n\n1,1.50\n2,007\n")
    [synced] = targets.sync(target)
    assert (synced.counts.inserted, synced.counts.updated, synced.counts.deleted) == (0, 1, 0)
    expected = ["007", "1.50", "7"] if mode == "upsert" else ["007", "1.50", "2.0", "2.25", "7"]
    assert [row[0] for row in targets.rows(target, "n")] == expected


def test_a_history_without_a_key_gets_them_and_no_state_more(targets: Targets) -> None:
    targets.write("a,n\nx,1.50\nx,1.50\ny,2\n")
    target = targets.add(mode="history")
    targets.sync(target)
    targets.write("a,n\nx,1.50\nx,1.50\ny,007\n")
    [synced] = targets.sync(target)
    assert (synced.counts.inserted, synced.counts.updated, synced.counts.deleted) == (1, 0, 1)
    assert [row[0] for row in targets.rows(target, "n")] == ["007", "1.50", "1.50", "2"]


def test_a_column_comes_and_another_type_becomes_wider(targets: Targets) -> None:
    targets.write("id,n\n1,2\n", key=("id",))
    target = targets.add()
    targets.sync(target)
    targets.write("id,n,x\n1,x,5\n")
    targets.sync(target)
    assert targets.rows(target, "n", "x") == [("x", 5)]


def test_a_frozen_table_stays_as_it_is(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add(evolution="freeze")
    targets.sync(target)
    targets.write(ONE.replace("2,b,2", "2,b,two"))
    with pytest.raises(TargetError, match=r"data\.csv: line 3: column 'price': 'two' is text"):
        targets.sync(target)
    targets.write("id,name,price,more\n1,a,1,x\n")
    with pytest.raises(TargetError, match="new column 'more'"):
        targets.sync(target)
    assert len(targets.rows(target)) == 3


def test_two_targets_are_independent(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    first, second = targets.add(table="one", evolution="freeze"), targets.add(table="two")
    assert targets.syncing.sync() == []
    targets.write(ONE.replace("2,b,2", "2,b,two"))
    assert [file.target.table for file in targets.syncing.sync()] == ["one"]
    assert targets.rows(second, "price") == [("",), ("1.50",), ("two",)]
    assert (targets.file(first).state, targets.file(second).state) == ("failed", "ok")
    [run] = targets.store.catalog.ledger.all(limit=1)
    assert run.state == "failed"
    states = {task.name: task.state for task in targets.store.catalog.ledger.tasks(run.id)}
    assert (states["db: one"], states["db: two"]) == ("failed", "success")


@pytest.mark.parametrize(
    ("made", "error", "words"),
    [
        ("CREATE TABLE data (id INTEGER PRIMARY KEY, name VARCHAR(9))", ConfigurationError, "is there already"),
        ("CREATE VIEW data AS SELECT 1 AS id", ConfigurationError, "is a view"),
    ],
)
def test_what_is_in_the_way_stays(targets: Targets, made: str, error: type[Exception], words: str) -> None:
    targets.run(made)
    if "TABLE" in made:
        targets.run("INSERT INTO data VALUES (7, 'mine')")
    try:
        targets.write(ONE, key=("id",))
        target = targets.add()
        with pytest.raises(error, match=words):
            targets.sync(target)
        assert targets.rows(target)[0][0] in (7, 1)
    finally:
        if "VIEW" in made:
            targets.run("DROP VIEW data")


def test_a_key_that_is_not_unique_is_told_with_its_lines(targets: Targets) -> None:
    targets.write("id,name\n1,a\n2,b\n")
    target = targets.add(key=("name",))
    targets.sync(target)
    targets.write("id,name\n1,a\n2,b\n3,a\n4,c\n5,d\n6,e\n")
    with pytest.raises(DuplicateKeyError, match="name='a' in lines 2 and 4"):
        targets.sync(target)
    assert len(targets.rows(target)) == 2
    targets.write("id,name\n1,a\n9,b\n4,c\n5,d\n6,e\n7,f\n")
    targets.sync(target)
    assert len(targets.rows(target)) == 6


def test_names_are_quoted(targets: Targets) -> None:
    evil = 'x"; DROP TABLE y; --`%s:id'
    targets.write(f'"id","{evil.replace(chr(34), chr(34) * 2)}","select"\n1,2,3\n', key=("id",))
    target = targets.add(table='a"; `b` %s')
    targets.sync(target)
    targets.write(f'"id","{evil.replace(chr(34), chr(34) * 2)}","select"\n1,2,4\n2,5,6\n3,5,6\n')
    targets.sync(target)
    assert plain(targets.rows(target)) == [(1, 2, 4), (2, 5, 6), (3, 5, 6)]


def test_a_folder_has_one_table(targets: Targets) -> None:
    for name in ("a.csv", "b.csv"):
        targets.write(ONE, name, key=("id",))
    one, two = (targets.add(name, shared=True, meta=True) for name in ("a.csv", "b.csv"))
    targets.sync(one, "a.csv")
    targets.sync(two, "b.csv")
    targets.write(TWO, "a.csv")
    targets.sync(one, "a.csv")
    ids = [row[0] for row in targets.rows(one, "id", where="_csv_version = 2")]
    assert ids == [1, 4]
    assert len(targets.rows(one)) == 6
    with pytest.raises(CsvManagerError, match="another target"):
        targets.sync(targets.add("a.csv"), "a.csv")


def test_another_unique_key_is_no_key(targets: Targets) -> None:
    targets.run("CREATE TABLE data (id INTEGER PRIMARY KEY, mail VARCHAR(20) UNIQUE, name VARCHAR(20))")
    targets.run("INSERT INTO data VALUES (1, 'x@y', 'mine')")
    targets.write("id,mail,name\n2,x@y,new\n", key=("id",))
    target = targets.add(mode="upsert")
    with pytest.raises(TargetError, match=r"data\.csv"):
        targets.sync(target)
    assert targets.rows(target) == [(1, "x@y", "mine")]


def test_rows_without_a_key_that_come_back_are_there_once(targets: Targets) -> None:
    rows = "".join(f"{number}\n" for number in range(20))
    targets.write(f"a\n{rows}x\n")
    target = targets.add(mode="upsert")
    targets.sync(target)
    for text in (f"a\n{rows}", f"a\n{rows}x\n"):
        targets.write(text)
        targets.sync(target)
    assert len(targets.rows(target)) == 21


@pytest.mark.parametrize("mode", ["mirror", "upsert", "history"])
def test_a_key_that_comes_twice_is_refused_in_every_mode(targets: Targets, mode: str) -> None:
    rows = "".join(f"{number},a\n" for number in range(20))
    targets.write(f"id,name\n{rows}")
    target = targets.add(mode=mode, key=("id",))
    targets.sync(target)
    targets.write(f"id,name\n{rows}3,b\n")
    with pytest.raises(DuplicateKeyError, match="id='3' in lines 5 and 22"):
        targets.sync(target)
    assert len(targets.rows(target)) == 20


@pytest.mark.parametrize("mode", ["mirror", "upsert", "history"])
def test_a_version_whose_base_was_pruned_is_loaded(targets: Targets, mode: str) -> None:
    rows = "".join(f"{number},a\n" for number in range(20))
    targets.write(f"id,name\n{rows}", key=("id",))
    target = targets.add(mode=mode)
    targets.sync(target)
    targets.write(f"id,name\n{rows}30,b\n")
    targets.store.prune([(targets.store.file(targets.path()), [1])])
    targets.sync(target)
    assert len(targets.rows(target)) == 21


def test_a_history_that_begins_anew_is_loaded_as_a_whole(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    targets.write(TWO)
    target = targets.add()
    targets.sync(target)
    targets.store.purge(targets.store.file(targets.path()))
    targets.write(ONE)
    targets.sync(target)
    assert plain(targets.rows(target, "id")) == [(1,), (2,), (3,)]


def test_a_pin_holds_for_who_is_under_way(targets: Targets) -> None:
    targets.write(ONE, key=("id",))
    target = targets.add()
    targets.sync(target)
    targets.write(TWO)
    before = targets.file(target)
    targets.sync(target)
    targets.syncing.roll_back(targets.file(target), 1)
    with pytest.raises(TargetError, match="pinned"):
        list(targets.syncing.bring(before))
    assert plain(targets.rows(target, "id")) == [(1,), (2,), (3,)]
