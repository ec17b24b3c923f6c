"""Undo beside foreign keys and triggers that stay on: just what was done is taken back, or nothing."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import Connection, Engine, create_engine, event

from csv_manager.audit.applying import Conflict, undo
from csv_manager.audit.log import AuditLog

KINDS = ["sqlite", "postgresql", "mariadb"]
TABLES = [
    "CREATE TABLE parents (id INTEGER PRIMARY KEY, name VARCHAR(9) UNIQUE)",
    """CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER, v VARCHAR(9),
        FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE ON UPDATE CASCADE)""",
    "CREATE TABLE nodes (id INTEGER PRIMARY KEY, above INTEGER, FOREIGN KEY (above) REFERENCES nodes (id))",
]
ROWS = [
    "INSERT INTO parents VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO children VALUES (10, 1, 'x'), (11, 1, 'y'), (20, 2, 'z')",
]


@contextlib.contextmanager
def database(kind: str, folder: Path, *, checks: bool = False) -> Iterator[Engine]:
    """One with the tables; with `checks` its user has foreign keys be looked at always."""
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            made = create_engine(f"sqlite:///{folder / 'data.db'}")
            event.listen(made, "connect", lambda connection, _: connection.execute(f"PRAGMA foreign_keys = {checks:d}"))
        elif checks:
            made = create_engine(stack.enter_context(servers.users(kind)).admin)
        else:
            made = create_engine(stack.enter_context(servers.database(kind)))
        stack.callback(made.dispose)
        with made.begin() as connection:
            for statement in (*TABLES, *ROWS):
                connection.exec_driver_sql(statement)
            log = AuditLog(connection)
            log.install()
            log.track_all()
        yield made


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with database(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def checking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with database(request.param, tmp_path, checks=True) as made:
        yield made


def change(engine: Engine, *statements: str) -> int:
    """Have a transaction change something; the number before what it did."""
    with engine.begin() as connection:
        log = AuditLog(connection)
        begun = log.begin()
        for statement in statements:
            connection.exec_driver_sql(statement)
        log.end(begun)
        entries = list(log.entries(begun.after, token=begun.token))
    return entries[0].number - 1


def take_back(engine: Engine, after: int, upto: int | None = None) -> list[Conflict]:
    with engine.begin() as connection:
        return undo(connection, list(AuditLog(connection).entries(after, upto)), {"why": "test"})


def rows(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [
            tuple(connection.exec_driver_sql(f"SELECT * FROM {name} ORDER BY id").all())  # noqa: S608 - one of three
            for name in ("parents", "children", "nodes")
        ]


SIMPLE = [
    (
        "UPDATE children SET parent = 2 WHERE id = 10",
        "DELETE FROM children WHERE parent = 1",
        "DELETE FROM parents WHERE id = 1",
    ),
    (
        "INSERT INTO parents VALUES (3, 'c')",
        "INSERT INTO children VALUES (30, 3, 'w')",
        "UPDATE children SET parent = 3",
    ),
    ("DELETE FROM children WHERE id = 20", "INSERT INTO children VALUES (20, 1, 'again')"),
    ("INSERT INTO nodes VALUES (1, NULL)", "INSERT INTO nodes VALUES (3, 1)", "INSERT INTO nodes VALUES (2, 3)"),
]
#: Where foreign keys are looked at, no order of steps leads to these and back.
KNOTTED = [
    (
        "UPDATE parents SET name = '-' WHERE id = 1",
        "UPDATE parents SET name = 'a' WHERE id = 2",
        "UPDATE parents SET name = 'b' WHERE id = 1",
    ),
    (
        "INSERT INTO nodes VALUES (1, NULL)",
        "INSERT INTO nodes VALUES (2, 1)",
        "UPDATE nodes SET above = 2 WHERE id = 1",
    ),
]


@pytest.mark.parametrize("statements", [*SIMPLE, *KNOTTED])
def test_what_was_done_is_taken_back_and_done_again(engine: Engine, statements: Sequence[str]) -> None:
    before = rows(engine)
    number = change(engine, *statements)
    done = rows(engine)
    assert done != before
    assert take_back(engine, number) == []
    assert rows(engine) == before
    with engine.connect() as connection:
        log = AuditLog(connection)
        assert log.verify().broken is None
        token = list(log.entries())[-1].token
        mine = [entry for entry in log.entries() if entry.token == token]
        extra = connection.exec_driver_sql(f"SELECT extra FROM csv_audit_transactions WHERE token = '{token}'")  # noqa: S608
        assert "why" in str(extra.scalar())
    assert take_back(engine, mine[0].number - 1) == []
    assert rows(engine) == done


@pytest.mark.parametrize("statements", SIMPLE)
def test_it_is_where_foreign_keys_are_looked_at(checking: Engine, statements: Sequence[str]) -> None:
    test_what_was_done_is_taken_back_and_done_again(checking, statements)


@pytest.mark.parametrize("statements", KNOTTED)
def test_what_no_order_leads_to_is_refused(checking: Engine, statements: Sequence[str]) -> None:
    number = change(checking, *statements)
    there = rows(checking)
    assert take_back(checking, number) != []
    assert rows(checking) == there


def test_a_foreign_key_that_takes_rows_along_is_a_conflict(checking: Engine) -> None:
    number = change(checking, "UPDATE parents SET id = 7 WHERE id = 2")
    there = rows(checking)
    [conflict] = take_back(checking, number)
    assert "foreign key" in str(conflict.reason)
    assert rows(checking) == there


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_what_a_foreign_key_did_is_taken_back(engine: Engine) -> None:
    before = rows(engine)
    engine.dispose()
    if engine.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    number = change(engine, "DELETE FROM parents WHERE id = 1", "UPDATE parents SET id = 7 WHERE id = 2")
    assert rows(engine)[1] == ((20, 7, "z"),)
    engine.dispose()
    if engine.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = OFF"))
    assert take_back(engine, number) == []
    assert rows(engine) == before


def test_rows_that_came_later_are_not_taken_along(engine: Engine) -> None:
    number = change(engine, "INSERT INTO parents VALUES (3, 'c')")
    upto = change(engine, "INSERT INTO children VALUES (30, 3, 'later')")
    there = rows(engine)
    [conflict] = take_back(engine, number, upto)
    assert conflict.reason in (
        "children: id=30 would be changed too, by a foreign key or a trigger.",
        "children would have a row that refers to none of parents.",
    )
    assert rows(engine) == there


def test_what_refers_to_a_row_that_is_gone_does_not_come_back(engine: Engine) -> None:
    number = change(engine, "UPDATE children SET v = 'q' WHERE id = 20", "DELETE FROM children WHERE id = 20")
    upto = change(engine, "DELETE FROM parents WHERE id = 2")
    there = rows(engine)
    [conflict] = take_back(engine, number, upto)
    assert conflict.reason
    assert conflict.change.row == "id=20"
    assert rows(engine) == there


def test_a_trigger_that_does_more_is_a_conflict(engine: Engine) -> None:
    def make(connection: Connection) -> None:
        body = "UPDATE parents SET name = 'more' WHERE id = 2"
        if engine.name == "postgresql":
            function = (
                f"CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"
            )
            connection.exec_driver_sql(function)
            connection.exec_driver_sql("CREATE TRIGGER more AFTER DELETE ON nodes FOR EACH ROW EXECUTE FUNCTION more()")
        else:
            connection.exec_driver_sql(f"CREATE TRIGGER more AFTER DELETE ON nodes FOR EACH ROW BEGIN {body}; END")

    number = change(engine, "INSERT INTO nodes VALUES (1, NULL)")
    with engine.begin() as connection:
        make(connection)
    there = rows(engine)
    conflicts = take_back(engine, number)
    if engine.name == "postgresql":  # whose administrator lets no trigger but ours fire
        assert (conflicts, rows(engine)) == ([], [*there[:2], ()])
        return
    assert [conflict.reason for conflict in conflicts] == [
        "parents: id=2 would be changed too, by a foreign key or a trigger."
    ]
    assert rows(engine) == there
