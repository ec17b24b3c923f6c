"""What the text of a statement tells, and what of its parameters."""

import datetime as dt
import decimal
import uuid
from typing import Any

import pytest

from csv_manager.audit.parameters import Redaction, plain, told_parameters
from csv_manager.audit.ranges import Ranges
from csv_manager.audit.statements import parse


@pytest.mark.parametrize(
    ("text", "verb", "may_write"),
    [
        ("SELECT 1", "select", False),
        ("  /* a */ -- b\n select count(*) from t", "select", False),
        ("(SELECT 1)", "select", False),
        ("SELECT a INTO b FROM c", "select", True),
        ("SELECT my_function(1)", "select", True),
        ("select nextval('s')", "select", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "with", False),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "delete", True),
        ("EXPLAIN ANALYZE INSERT INTO t VALUES (1)", "explain", True),
        ("insert into t values (1)", "insert", True),
        ("REPLACE INTO t VALUES (1)", "replace", True),
        ("COPY t FROM STDIN", "copy", True),
        ("CALL p()", "call", True),
        ("PRAGMA table_info(t)", "pragma", False),
        ("ROLLBACK", "rollback", False),
        ("", "", True),
    ],
)
def test_a_statement_is_told_by_its_verb(text: str, verb: str, *, may_write: bool) -> None:
    assert (parse(text).verb, parse(text).may_write) == (verb, may_write)


@pytest.mark.parametrize(
    ("text", "savepoint"),
    [
        ("SAVEPOINT a", ("savepoint", "a")),
        ('savepoint "A";', ("savepoint", "a")),
        ("RELEASE a", ("release", "a")),
        ("RELEASE SAVEPOINT `a`", ("release", "a")),
        ("ROLLBACK TO a", ("back", "a")),
        ("ROLLBACK TRANSACTION TO SAVEPOINT a", ("back", "a")),
        ("ROLLBACK WORK TO a", ("back", "a")),
        ("ROLLBACK", None),
        ("COMMIT", None),
    ],
)
def test_savepoints_are_told_by_their_names(text: str, savepoint: Any) -> None:
    assert parse(text).savepoint == savepoint


def test_what_makes_tables_is_a_definition() -> None:
    assert [text for text in ("create table t (a)", "ALTER TABLE t", "drop view v", "TRUNCATE t", "SELECT 1")
            if parse(text).is_definition] == ["create table t (a)", "ALTER TABLE t", "drop view v"]  # fmt: skip


class Context:
    class compiled:  # noqa: N801 - as SQLAlchemy has it
        positiontup = ("a", "b")


def test_parameters_are_told_by_name_where_each_is_known() -> None:
    assert told_parameters((1, 2), Context, executemany=False) == [{"a": 1, "b": 2}]
    assert told_parameters([(1, 2), (3, 4)], Context, executemany=True) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert told_parameters((1, 2, 3), Context, executemany=False) == [[1, 2, 3]]
    assert told_parameters({"x": 1}, None, executemany=False) == [{"x": 1}]
    assert told_parameters((), None, executemany=False) == []


def test_values_of_parameters_are_told_in_json() -> None:
    number = uuid.uuid4()
    given = [dt.date(2026, 1, 2), decimal.Decimal("1.10"), b"\xff", number, {"a": (1, None)}, float("inf"), True]
    assert [plain(each) for each in given] == ["2026-01-02", "1.10", "/w==", str(number), {"a": [1, None]}, "inf", True]


def test_redaction_leaves_what_belongs_to_other_columns() -> None:
    redaction = Redaction(["Password"])
    text = "UPDATE users SET password=%(password)s, age=%(age)s WHERE name = %(param_1)s AND id = 7"
    assert redaction.parameters(text, [{"password": "a", "age": 1, "param_1": "b"}]) == [
        {"password": "[redacted]", "age": 1, "param_1": "[redacted]"}
    ]
    assert redaction.statement(text).endswith("AND id = '[redacted]'")
    assert redaction.statement("UPDATE users SET password = 'it''s', b = $x$a$x$ WHERE n = 5") == (
        "UPDATE users SET password = '[redacted]', b = '[redacted]' WHERE n = '[redacted]'"
    )
    assert redaction.parameters("UPDATE users SET password = ? WHERE id = ?", [[1, 2]]) == [["[redacted]"] * 2]
    other = "UPDATE users SET passwords = 'x' WHERE age = :age"
    assert (redaction.statement(other), redaction.parameters(other, [{"age": 1}])) == (other, [{"age": 1}])
    assert Redaction([]).statement("SELECT 'x'") == "SELECT 'x'"


def test_windows_are_what_is_not_in_ranges() -> None:
    ranges = Ranges([(3, 4), (7, 7), (9, 12)])
    assert ranges.windows(0, 9) == [(0, 2), (4, 6), (7, 8), (12, None)]
    assert ranges.windows(4, 9) == [(4, 6), (7, 8), (12, None)]
    assert ranges.windows(2, 9) == [(4, 6), (7, 8), (12, None)]
    assert ranges.windows(20, 9) == [(20, None)]
    assert ranges.windows(0, 2) == [(0, 2), (4, None)]
    assert Ranges().windows(5, 9) == [(5, None)]
