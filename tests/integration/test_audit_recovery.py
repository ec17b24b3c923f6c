"""A database as it was at a time, in another one; and never one that the log does not lead to."""

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import Engine, create_engine, event, inspect

from csv_manager.audit.log import AuditLog
from csv_manager.audit.recovering import later_than, recover
from csv_manager.core.errors import AuditError

TABLES = {
    "sqlite": [
        "CREATE TABLE parents (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)",
        "CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents, v NUMERIC)",
        "CREATE INDEX of_parents ON children (parent)",
        "CREATE TABLE bare (x, y)",
    ],
    "postgresql": [
        "CREATE TABLE parents (id SERIAL PRIMARY KEY, name TEXT UNIQUE)",
        """CREATE TABLE children (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            parent INTEGER REFERENCES parents, v NUMERIC(9, 2))""",
        "CREATE INDEX of_parents ON children (parent)",
        "CREATE TABLE bare (x NUMERIC, y BYTEA)",
    ],
    "mariadb": [
        "CREATE TABLE parents (id INTEGER AUTO_INCREMENT PRIMARY KEY, name VARCHAR(99) UNIQUE)",
        """CREATE TABLE children (id INTEGER AUTO_INCREMENT PRIMARY KEY, parent INTEGER, v DECIMAL(9, 2),
            FOREIGN KEY (parent) REFERENCES parents (id))""",
        "CREATE INDEX of_parents ON children (parent, v)",
        "CREATE TABLE bare (x DECIMAL(9, 2), y BLOB)",
    ],
}
Make = Callable[[], Engine]


@pytest.fixture(params=list(TABLES))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes empty databases of a kind."""
    with contextlib.ExitStack() as stack:

        def made() -> Engine:
            if request.param == "sqlite":
                path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
                path.touch()
                engine = create_engine(f"sqlite:///{path}")
                event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
            else:
                engine = create_engine(stack.enter_context(servers.database(request.param)))
            stack.callback(engine.dispose)
            return engine

        yield made


@pytest.fixture
def engine(make: Make) -> Engine:
    """One with tables and rows that were there before they were audited."""
    made = make()
    kind = "mariadb" if made.name == "mysql" else made.name
    with made.begin() as connection:
        for statement in TABLES[kind]:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("INSERT INTO parents (name) VALUES ('a'), ('b')")
        connection.exec_driver_sql("INSERT INTO children (parent, v) VALUES (1, 1.5), (1, 2.5), (2, 3)")
        connection.exec_driver_sql("INSERT INTO bare VALUES (1, NULL), (1, NULL), (2, NULL)")
        log = AuditLog(connection)
        log.install()
        log.track_all()
    return made


def write(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        log = AuditLog(connection)
        begun = log.begin()
        for statement in statements:
            connection.exec_driver_sql(statement)
        log.end(begun)


def rows(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return [
            sorted(map(repr, connection.exec_driver_sql(f"SELECT * FROM {name}")))  # noqa: S608 - one of three
            for name in ("parents", "children", "bare")
        ]


def at(engine: Engine, target: Engine, moment: dt.datetime) -> list[tuple[str, int, int]]:
    with engine.connect() as connection, target.begin() as other:
        found = recover(connection, other, later_than(AuditLog(connection), moment))
        return [(each.table.name, each.rows, each.changes) for each in found]


def now() -> dt.datetime:
    """A moment that nothing else is of."""
    time.sleep(0.005)
    moment = dt.datetime.now(dt.UTC)
    time.sleep(0.005)
    return moment


def test_each_moment_comes_back(engine: Engine, make: Make) -> None:
    marks = [(now(), rows(engine))]
    for statements in (
        ["UPDATE children SET v = v + 1", "INSERT INTO parents (name) VALUES ('c')"],
        [
            "DELETE FROM children WHERE parent = 1",
            "DELETE FROM parents WHERE id = 1",
            "INSERT INTO bare VALUES (1, NULL)",
        ],
        ["DELETE FROM bare WHERE x = 1", "UPDATE parents SET name = 'd' WHERE id = 2"],
        ["DELETE FROM bare", "DELETE FROM children", "DELETE FROM parents"],
    ):
        write(engine, *statements)
        marks.append((now(), rows(engine)))
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO parents (name) VALUES ('by another program')")
    marks.append((now(), rows(engine)))
    for moment, there in marks:
        target = make()
        told = at(engine, target, moment)
        assert rows(target) == there
        assert sorted((name, count) for name, count, _ in told) == sorted(
            zip(("parents", "children", "bare"), map(len, there), strict=True)
        )
    with target.begin() as connection:
        connection.exec_driver_sql("INSERT INTO parents (name) VALUES ('next')")
    assert "of_parents" in {index["name"] for index in inspect(target).get_indexes("children")}
    assert [key["referred_table"] for key in inspect(target).get_foreign_keys("children")] == ["parents"]


def test_what_was_changed_unseen_is_told(engine: Engine, make: Make) -> None:
    before = now()
    write(engine, "UPDATE parents SET name = 'x' WHERE id = 1")
    with engine.begin() as connection:
        log = AuditLog(connection)
        [table] = [table for table in log.tables() if table.name == "parents"]
        log.untrack(table)
        connection.exec_driver_sql("UPDATE parents SET name = 'unseen' WHERE id = 1")
        log.track("parents")
    with pytest.raises(AuditError, match="parents: its columns changed since, or it is audited no longer"):
        at(engine, make(), before)


def test_a_row_that_the_log_does_not_lead_to_is_told(engine: Engine, make: Make) -> None:
    before = now()
    write(engine, "UPDATE parents SET name = 'x' WHERE id = 1")
    with engine.begin() as connection:
        [table] = [table for table in AuditLog(connection).tables() if table.name == "parents"]
        connection.exec_driver_sql(f"UPDATE {table.entries} SET n1 = 'y'")  # noqa: S608 - ours
    with pytest.raises(AuditError, match="parents: the row id=1 is not as the audit log tells; it was changed unseen"):
        at(engine, make(), before)


def test_what_is_redacted_comes_back_where_it_did_not_change(engine: Engine, make: Make) -> None:
    with engine.begin() as connection:
        AuditLog(connection).track("children", redacted=["v"])
    first, there = now(), rows(engine)
    write(engine, "UPDATE children SET parent = 2")
    target = make()
    at(engine, target, first)
    assert rows(target) == there
    second = now()
    write(engine, "UPDATE children SET v = 9 WHERE id = 2")
    with pytest.raises(AuditError, match="children: v of the row id=2 was changed since, and is redacted"):
        at(engine, make(), second)
    write(engine, "DELETE FROM children WHERE id = 3")
    with pytest.raises(AuditError, match="redacted in the log"):
        at(engine, make(), second)


def test_a_database_with_such_a_table_is_refused(engine: Engine, make: Make) -> None:
    target = make()
    with target.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE parents (x INTEGER)")
    with pytest.raises(AuditError, match="There is a table parents already; recover into an empty database"):
        at(engine, target, now())
