"""Snapshots: what was there at any moment after one, whatever became of the rows and of the tables since."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import Engine, text

from csv_manager.audit import snapshots
from csv_manager.audit.applying import undo
from csv_manager.audit.log import AuditLog
from csv_manager.audit.recovering import later_than, recover, recover_from_snapshots
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.core.errors import AuditError
from csv_manager.pipeline.auditing import Auditing
from csv_manager.store.engine import loading, make_engine

Make = Callable[[], Engine]
ROWS = [(1, "a", 1.5), (2, "b", None), (3, "ü\n", 0.25)]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes empty databases of a kind."""
    with contextlib.ExitStack() as stack:

        def made() -> Engine:
            if request.param == "sqlite":
                url = f"sqlite:///{tmp_path / str(len(list(tmp_path.iterdir())))}.db"
            else:
                url = stack.enter_context(servers.database(request.param))
            engine = make_engine(url)
            stack.callback(engine.dispose)
            return engine

        yield made


@pytest.fixture
def engine(make: Make) -> Engine:
    made = make()
    write(made, "CREATE TABLE things (id INTEGER PRIMARY KEY, v VARCHAR(20), w DOUBLE PRECISION)",
          "CREATE TABLE bare (x INTEGER)", "INSERT INTO bare VALUES (1), (1)")  # fmt: skip
    with made.begin() as connection:
        given = [dict(zip(("id", "v", "w"), row, strict=True)) for row in ROWS]
        connection.execute(text("INSERT INTO things VALUES (:id, :v, :w)"), given)
        log = AuditLog(connection)
        log.install()
        log.track_all()
    return made


def write(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def take(engine: Engine) -> list[snapshots.Snapshot]:
    return Auditing(engine, "db").snapshot([])


def rows(engine: Engine, query: str = "SELECT * FROM things ORDER BY 1") -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def last(engine: Engine) -> int:
    with engine.connect() as connection:
        return next(AuditLog(connection).newest()).number


def test_each_moment_after_a_snapshot_is_found_without_the_rows_of_now(engine: Engine, make: Make) -> None:
    write(engine, "UPDATE things SET v = 'before' WHERE id = 1")
    taken = take(engine)
    assert {each.table.name: each.rows for each in taken} == {"things": 3, "bare": 2}
    moments = [(last(engine), rows(engine))]
    for statement in (
        "UPDATE things SET id = id + 10",
        "DELETE FROM things WHERE id = 12",
        "INSERT INTO things VALUES (2, 'again', 7)",
        "UPDATE things SET v = 'x', w = NULL",
    ):
        write(engine, statement, "INSERT INTO bare VALUES (2)")
        moments.append((last(engine), rows(engine)))
    again = take(engine)
    assert {each.number for each in again} & {each.number for each in taken} == set()
    write(engine, "DELETE FROM things")
    write(engine, *dropped(engine), "DELETE FROM bare", "DROP TABLE things")
    with engine.connect() as source:
        log = AuditLog(source)
        verified = log.verify()
        assert (verified.broken, snapshots.damaged(source)) == (None, None)
        for place, (mark, then) in enumerate(moments):
            target = make()
            with target.begin() as connection:
                found = recover_from_snapshots(source, connection, later_than(log, mark))
            assert {each.table.name: each.rows for each in found} == {"things": len(then), "bare": 2 + place}
            assert rows(target) == then
            assert rows(target, "SELECT x FROM bare ORDER BY 1") == [(1,), (1,), *[(2,)] * place]
        with make().begin() as connection, pytest.raises(AuditError, match="no snapshot of that time"):
            recover_from_snapshots(source, connection, later_than(log, 0))


def dropped(engine: Engine) -> list[str]:
    """The statements by which somebody has a table be audited no longer."""
    told = {
        "sqlite": "SELECT name, '' FROM sqlite_schema WHERE type = 'trigger'",
        "postgresql": "SELECT tgname, ' ON ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal",
        "mysql": "SELECT trigger_name, '' FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    }[engine.name]
    return [f"DROP TRIGGER {name}{on}" for name, on in rows(engine, told.replace("::", r"\:\:"))]


def test_rows_that_were_changed_unseen_are_found_in_a_snapshot(engine: Engine, make: Make) -> None:
    take(engine)
    write(engine, "UPDATE things SET w = 9 WHERE id = 3")
    mark = last(engine)
    write(engine, "UPDATE things SET w = 10")
    write(engine, *dropped(engine), "UPDATE things SET v = 'unseen'")
    with engine.connect() as source:
        later = later_than(AuditLog(source), mark)
        with make().begin() as connection, pytest.raises(AuditError, match="changed unseen"):
            recover(source, connection, later)
        target = make()
        with target.begin() as connection:
            recover_from_snapshots(source, connection, later)
    assert rows(target) == [(1, "a", 1.5), (2, "b", None), (3, "ü\n", 9.0)]


def test_columns_that_changed_since_are_as_they_were(engine: Engine, make: Make) -> None:
    take(engine)
    write(engine, "UPDATE things SET w = 9")
    mark = last(engine)
    write(engine, "UPDATE things SET w = 9.5")
    write(engine, "ALTER TABLE things ADD COLUMN more INTEGER")
    with engine.begin() as connection:
        AuditLog(connection).follow()
    write(engine, "UPDATE things SET more = 1, w = 10")
    with engine.connect() as source:
        later = later_than(AuditLog(source), mark)
        with make().begin() as connection, pytest.raises(AuditError, match="its columns changed since"):
            recover(source, connection, later)
        target = make()
        with target.begin() as connection:
            recover_from_snapshots(source, connection, later)
        assert rows(target) == [(1, "a", 9.0), (2, "b", 9.0), (3, "ü\n", 9.0)]
        with make().begin() as connection, pytest.raises(AuditError, match="columns changed between its snapshot"):
            recover_from_snapshots(source, connection, [])


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        ("UPDATE csv_audit_snapshots SET at = '2020'", "not those that were sealed"),
        ("UPDATE csv_audit_snapshots SET sha256 = 'x'", "not those that were sealed"),
        ("DELETE FROM csv_audit_snapshots", "of its 3 entries 1 are there"),
        ("DELETE FROM csv_audit_snapshot_parts", "the rows of the snapshot"),
        ("UPDATE csv_audit_snapshot_parts SET place = place + 1", None),
        ("UPDATE csv_audit_snapshot_parts SET number = number + 1", "the rows of the snapshot"),
    ],
)
def test_a_snapshot_that_is_altered_is_found(engine: Engine, tamper: str, told: str | None) -> None:
    write(engine, "INSERT INTO bare VALUES (3)")
    taken = take(engine)
    auditing = Auditing(engine, "db")
    assert auditing.verify().broken is None
    assert auditing.snapshots() == taken
    write(engine, tamper if "number + 1" not in tamper else f"{tamper} WHERE number = {taken[1].number:d}")
    broken = auditing.verify().broken
    assert (told is None and broken is None) or (broken is not None and told is not None and told in broken)


def test_what_is_redacted_is_not_in_a_snapshot(engine: Engine, make: Make) -> None:
    with engine.begin() as connection:
        AuditLog(connection).track("things", redacted=["v"])
    taken = take(engine)
    with engine.connect() as source:
        kept = [list(snapshots.rows_of(source, each)) for each in taken if each.table.name == "things"]
        assert {row[1] for row in kept[0]} == {"[redacted]"}
        with make().begin() as connection, pytest.raises(AuditError, match="v is redacted in snapshots"):
            recover_from_snapshots(source, connection, [])


def test_who_writes_meanwhile_is_either_in_it_or_behind_it(engine: Engine, make: Make) -> None:
    """Rows that go from one to another while snapshots are taken: each moment after one has all of them."""
    stop = threading.Event()
    url = engine.url

    def move() -> None:
        other = make_engine(url)
        with contextlib.ExitStack() as stack:
            stack.callback(other.dispose)
            for number in range(10, 100_000):
                if stop.is_set():
                    return
                least = "(SELECT m FROM (SELECT min(id) AS m FROM things) AS t)"
                with loading(other) as connection:
                    connection.execute(text(f"UPDATE things SET id = {number:d} WHERE id = {least}"))  # noqa: S608

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(5):
            take(engine)
    finally:
        stop.set()
        thread.join()
    then, mark = rows(engine), last(engine)
    with engine.connect() as source:
        log = AuditLog(source)
        target = make()
        with target.begin() as connection:
            recover_from_snapshots(source, connection, later_than(log, mark))
        assert rows(target) == then
        assert len(then) == 3
        oldest = snapshots.all_of(source)[0]
        entries = [entry for entry in log.entries(oldest.number) if entry.table.name == "things"]
    with engine.begin() as connection:
        dialect = sql_dialect_of(connection)
        dialect.settle(connection)
        assert undo(connection, entries) == []
        there = sorted(dialect.rows(connection, oldest.table))
        assert there == sorted(snapshots.rows_of(connection, oldest))
