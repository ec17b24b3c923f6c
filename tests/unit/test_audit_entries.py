"""Values and entries of the audit log: what is the same, what is told, and as what."""

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from csv_manager.audit.anchors import Anchor, add_anchor, read_anchors
from csv_manager.audit.applying import undo
from csv_manager.audit.entries import AuditedTable, Cells, Entry
from csv_manager.audit.log import _FIRST, AuditLog
from csv_manager.audit.ranges import Ranges
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.values import RawText, are_same, canonical, to_json
from csv_manager.core.errors import ConfigurationError

TABLE = AuditedTable(number=3, name="prices", columns=("id", "shop", "price"), key=("shop", "id"))


def entry(old: Cells | None, new: Cells | None, **told: Any) -> Entry:
    kind = "insert" if old is None else "delete" if new is None else "update"
    return Entry(
        **{"table": TABLE, "number": 7, "type": kind, "token": None, "at": "2026", "old": old, "new": new} | told
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (None, None, True),
        (1, 1, True),
        (1, 1.0, False),
        (0.0, -0.0, True),
        (0.1 + 0.2, 0.3, False),
        ("1", 1, False),
        ("a", b"a", False),
        ("a", RawText(b"a"), False),
        ("a\0", "a", False),
        (math.nan, math.nan, True),
        (2**62, 2**62 + 1, False),
    ],
)
def test_values_are_the_same_by_type_and_value(one: Any, other: Any, same: bool) -> None:
    assert are_same(one, other) is same


def test_no_two_rows_have_the_same_bytes() -> None:
    rows: list[Cells] = [
        ("a", "b"),
        ("ab", ""),
        ("", "ab"),
        ("a",),
        ("a", None),
        (None, "a"),
        (b"a", "b"),
        (1, 23),
        (12, 3),
    ]
    assert len({tuple(map(canonical, cells)) for cells in rows}) == len(rows)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"\0\xff", "AP8="),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (RawText(b"a\xff"), "a\\xff"),
        (1.5, 1.5),
        ("é", "é"),
        (None, None),
    ],
)
def test_values_are_told_in_json(value: Any, told: Any) -> None:
    assert json.loads(json.dumps(to_json(value))) == told


def test_an_entry_tells_its_key_and_what_changed() -> None:
    inserted = entry(None, (1, "x", 2.5))
    assert inserted.primary_key == {"shop": "x", "id": 1}
    assert inserted.diff() == {"price": {"old": None, "new": 2.5}}
    assert entry((1, "x", 2.5), None).diff() == {"price": {"old": 2.5, "new": None}}
    assert entry((1, "x", 2), (1, "x", 2.0)).diff() == {"price": {"old": 2, "new": 2.0}}
    moved = entry((1, "x", 2), (4, "x", 2))
    assert (moved.primary_key, moved.diff()) == ({"shop": "x", "id": 4}, {"id": {"old": 1, "new": 4}})


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A transaction of an empty SQLite database."""
    engine = create_engine("sqlite://")
    with engine.begin() as begun:
        yield begun
    engine.dispose()


def test_what_cannot_be_audited_is_refused(connection: Connection) -> None:
    log = AuditLog(connection)
    log.install()
    log.install()
    with pytest.raises(ConfigurationError, match=r"There is no table prices\."):
        log.track("prices")
    assert log.tables() == []
    connection.dialect.name = "oracle"
    with pytest.raises(ConfigurationError, match="Tables of oracle cannot be audited"):
        sql_dialect_of(connection)


def test_a_table_whose_columns_changed_is_audited_with_these_and_one_that_is_let_go_no_longer(
    connection: Connection,
) -> None:
    log = AuditLog(connection)
    log.install()
    connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    first = log.track("t")
    assert log.track("t") == first
    connection.exec_driver_sql("INSERT INTO t VALUES (1, 'x')")
    connection.exec_driver_sql("ALTER TABLE t ADD COLUMN b DEFAULT 5")
    second = log.track("t")
    assert (second.columns, second.number != first.number) == (("id", "a", "b"), True)
    connection.exec_driver_sql("UPDATE t SET b = 6")
    assert [each.diff() for each in log.entries()] == [
        {"a": {"old": None, "new": "x"}},
        {"b": {"old": 5, "new": 6}},
    ]
    log.untrack(second)
    connection.exec_driver_sql("DELETE FROM t")
    assert (log.tables(), len(list(log.entries()))) == ([], 2)
    assert log.seal() == 2
    assert log.verify().broken is None


def test_ranges_are_sets_of_numbers() -> None:
    source = random.Random(4)
    for _ in range(300):
        one, other = ({source.randint(1, 30) for _ in range(source.randint(0, 20))} for _ in range(2))
        ranges, others = Ranges((each, each) for each in one), Ranges()
        for number in sorted(other):
            others.add(number)
        assert [number for number in range(40) if number in ranges] == sorted(one)
        assert (ranges.count, ranges.first, ranges.last) == (len(one), min(one, default=0), max(one, default=0))
        assert (ranges == others, ranges >= others) == (one == other, one >= other)
        assert Ranges((ranges | others).to_json()).count == len(one | other)
        upto, beyond = ranges.split(15)
        assert (upto, [number for number in range(40) if number in beyond]) == (15, sorted(one - set(range(16))))


def test_what_is_redacted_is_not_in_the_log_and_not_undone(connection: Connection) -> None:
    log = AuditLog(connection)
    log.install()
    connection.exec_driver_sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name, password)")
    with pytest.raises(ConfigurationError, match="Column id of table users cannot be redacted"):
        log.track("users", redacted=["id"])
    table = log.track("users", redacted=["password"])
    assert log.track("users") == table
    connection.exec_driver_sql("INSERT INTO users VALUES (1, 'a', 'secret')")
    connection.exec_driver_sql("UPDATE users SET name = 'b'")
    connection.exec_driver_sql("UPDATE users SET password = 'hidden'")
    connection.exec_driver_sql("UPDATE users SET name = 'c'")
    inserted, named, changed, last = log.entries()
    kept = connection.exec_driver_sql(f"SELECT * FROM {table.entries}").all()  # noqa: S608 - ours
    assert "secret" not in repr([inserted, named, changed, kept])
    assert inserted.diff()["password"] == {"old": None, "new": "[redacted]"}
    assert named.diff() == {"name": {"old": "a", "new": "b"}}
    assert changed.diff() == {"password": {"old": "[redacted]", "new": "[redacted: changed]"}}
    assert undo(connection, [last]) == []
    [conflict] = undo(connection, [named, changed])
    assert conflict.reason == "The value of password is redacted in the log."
    [conflict] = undo(connection, [changed, last])
    assert conflict.reason == "The value of password is redacted in the log."
    assert connection.exec_driver_sql("SELECT * FROM users").all() == [(1, "b", "hidden")]
    assert undo(connection, [inserted, named, changed]) == []
    assert connection.exec_driver_sql("SELECT count(*) FROM users").scalar_one() == 0


def test_all_tables_are_audited_as_they_come_and_go(connection: Connection) -> None:
    log = AuditLog(connection)
    log.install()
    for statement in (
        "CREATE TABLE a (x)",
        "CREATE TABLE b (x)",
        "CREATE TABLE c (x)",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
    ):
        connection.exec_driver_sql(statement)
    log.track_all(besides=["c"])
    assert [table.name for table in log.tables()] == ["a", "b"]
    for statement in ("ALTER TABLE a RENAME TO d", "DROP TABLE b", "CREATE TABLE e (x)", "INSERT INTO d VALUES (1)"):
        connection.exec_driver_sql(statement)
    log.track_all(besides=["c"])
    assert [table.name for table in log.tables()] == ["d", "e"]
    connection.exec_driver_sql("DROP TABLE e")
    connection.exec_driver_sql("CREATE TABLE e (x)")
    log.track_all(besides=["c"])
    for name in "cde":
        connection.exec_driver_sql(f"INSERT INTO {name} VALUES (2)")  # noqa: S608 - one of three
    assert [(entry.table.name, entry.new) for entry in log.entries()] == [("a", (1,)), ("d", (2,)), ("e", (2,))]
    assert log.seal() == 3
    assert log.verify().broken is None


def test_anchors_tell_a_chain_that_was_written_anew(connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "anchors.txt"
    assert read_anchors(path) == []
    log = AuditLog(connection)
    log.install()
    connection.exec_driver_sql("CREATE TABLE t (a)")
    table = log.track("t")
    for value in (1, 2):
        connection.exec_driver_sql(f"INSERT INTO t VALUES ({value})")  # noqa: S608 - a number
        log.seal()
        add_anchor(path, Anchor(number=value, hash=log.verify().hash))
    anchors = read_anchors(path)
    assert [anchor.number for anchor in anchors] == [1, 2]
    assert log.verify(anchors).broken is None
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql("DELETE FROM csv_audit_seals")
        connection.exec_driver_sql("UPDATE csv_audit_head SET number = 0, upto = 0, hash = ?", (_FIRST,))
        connection.exec_driver_sql(f"UPDATE {table.entries} SET n0 = 7 WHERE number = 1")  # noqa: S608 - ours
        log.seal()
        assert log.verify().broken is None
        assert "seal 1" in str(log.verify(anchors).broken)
        assert "another one than its anchor tells" in str(log.verify(anchors[:1]).broken)
        savepoint.rollback()
    with connection.begin_nested() as savepoint:
        connection.exec_driver_sql("DELETE FROM csv_audit_seals WHERE number = 2")
        connection.exec_driver_sql(f"DELETE FROM {table.entries} WHERE number = 2")  # noqa: S608 - ours
        connection.exec_driver_sql("UPDATE csv_audit_head SET number = 1, hash = ?", (anchors[0].hash,))
        assert log.verify().broken is None
        assert log.verify(anchors).broken == "seal 2 was the last one, and the last that is there is 1"
        savepoint.rollback()


def test_a_file_of_anchors_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "anchors.txt"
    path.write_text(f"2026-01-01T00:00:00Z 1 {'a' * 64}\nx\n")
    with pytest.raises(ConfigurationError, match=r"Line 2 of .*anchors\.txt is no anchor"):
        read_anchors(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_anchors(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        add_anchor(tmp_path, Anchor(number=1, hash="a"))


def test_the_newest_entries_come_first_with_who_made_them(connection: Connection) -> None:
    log = AuditLog(connection)
    log.install()
    assert list(log.newest()) == []
    for name in "ab":
        connection.exec_driver_sql(f"CREATE TABLE {name} (x INTEGER PRIMARY KEY)")
        log.track(name)
    begun = log.begin({"run": 5})
    connection.exec_driver_sql("WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2500) "
                               "INSERT INTO a SELECT x FROM n")  # fmt: skip
    connection.exec_driver_sql("INSERT INTO b VALUES (1)")
    log.end(begun)
    connection.exec_driver_sql("DELETE FROM b")
    numbers = [entry.number for entry in log.newest()]
    assert numbers == list(range(2502, 0, -1))
    [only] = [table for table in log.tables() if table.name == "b"]
    newest, older = log.newest([only])
    assert (newest.type, older.type) == ("delete", "insert")
    assert newest.token is not None
    assert older.token is not None
    told = log.transactions([newest.token, older.token])
    assert told[older.token].extra == {"run": 5}
    assert (told[older.token].user != "", told[newest.token].user) == (True, "")
    sealed = {older.number: Anchor(number=1, hash=log.verify().hash), newest.number: None}
    assert log.seals_of([newest, older]) == sealed
