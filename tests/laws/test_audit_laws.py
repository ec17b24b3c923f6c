"""The audit log is what happened: replayed it is every state that was committed, and undone every one before."""
# ruff: noqa: S608 - the statements are random, as they are to be

import contextlib
import datetime as dt
import itertools
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import IntegrityError

from csv_manager.audit.applying import replay, undo
from csv_manager.audit.batches import compact
from csv_manager.audit.entries import AuditedTable
from csv_manager.audit.log import AuditLog
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.times import utc
from csv_manager.audit.values import canonical
from csv_manager.core.errors import AuditError

TABLES = """
CREATE TABLE pairs (a, b, v, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, r DEFAULT (random()));
CREATE TABLE "chil'dren ""x" (id INTEGER PRIMARY KEY,
    "the parent" REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE, v, doubled GENERATED ALWAYS AS (v || v));
CREATE TABLE bare (x, y);
"""
NAMES = ["pairs", "parents", "chil'dren \"x", "bare"]
State = dict[str, list[list[str]]]


def engine_of(path: Path) -> Engine:
    """An engine whose transactions begin when they are told to, by hand."""
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def make(connection: Connection) -> None:
    for statement in TABLES.strip().split(";\n"):
        connection.exec_driver_sql(statement.rstrip(";"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = engine_of(tmp_path / "data.db")
    with made.begin() as connection:
        make(connection)
    yield made
    made.dispose()


def state(connection: Connection, tables: list[AuditedTable]) -> State:
    """The rows of each table, in no order."""
    found: State = {}
    for table in tables:
        sql_dialect = sql_dialect_of(connection)
        everything = AuditedTable(number=table.number, name=table.name, columns=table.columns, key=())
        keys = connection.exec_driver_sql(f"SELECT count(*) FROM {sql_dialect.quoted(table.name)}").scalar_one()
        rows = list(sql_dialect.rows(connection, everything))
        assert len(rows) == keys
        found[table.name] = sorted([canonical(cell) for cell in cells] for cells in rows)
    return found


def any_float(source: random.Random) -> float:
    """A number of any magnitude, none of which is infinite or NaN."""
    (found,) = struct.unpack("d", struct.pack("Q", source.getrandbits(62)))
    return float(found)


def value(source: random.Random) -> tuple[str, list[Any]]:
    """Any value, as a placeholder and what it is bound to."""
    chosen: list[tuple[str, list[Any]]] = [
        ("NULL", []), ("?", [source.randint(-3, 3)]), ("?", ["a"]), ("?", ["A"]), ("?", ["é\0\u2028"]), ("?", [""]),
        ("?", [0.1 + 0.2]), ("?", [float("inf")]), ("?", [any_float(source)]),
        ("?", [1.0]), ("?", [2**62]), ("?", [b"\0\xff"]), ("CAST(x'ff41' AS TEXT)", []), ("random()", []),
        ("strftime('%f', 'now')", []),
    ]  # fmt: skip
    return source.choice(chosen)


def number(source: random.Random) -> str:
    return str(source.randint(1, 6))


def statement(source: random.Random) -> tuple[str, list[Any]]:
    """A write of any kind."""
    (one, first), (two, second), (three, third) = value(source), value(source), value(source)
    conflict = source.choice(["", "OR REPLACE ", "OR IGNORE ", "OR FAIL "])
    child, columns = '"chil\'dren ""x"', '(id, "the parent", v)'
    return source.choice(
        [
            (f"INSERT {conflict}INTO pairs VALUES ({one}, {two}, {three})", [*first, *second, *third]),
            (f"INSERT INTO pairs VALUES (1, 2, {one}) ON CONFLICT DO UPDATE SET v = {two}", [*first, *second]),
            (f"UPDATE pairs SET v = {one} WHERE a = {two}", [*first, *second]),
            (f"UPDATE {conflict}pairs SET b = {one} WHERE a = {two}", [*first, *second]),
            ("UPDATE pairs SET v = v", []),
            (f"DELETE FROM pairs WHERE b = {one}", first),
            (f"INSERT {conflict}INTO parents (id, name) VALUES ({number(source)}, {one})", first),
            (f"UPDATE {conflict}parents SET name = {one} WHERE id < {number(source)}", first),
            (f"UPDATE {conflict}parents SET id = id + 1 WHERE id = {number(source)}", []),
            (f"DELETE FROM parents WHERE id = {number(source)}", []),
            (f"INSERT {conflict}INTO {child} {columns} SELECT {number(source)}, id, {one} FROM parents", first),
            (f"INSERT INTO {child} {columns} SELECT NULL, id, {one} FROM parents", first),
            (f"UPDATE {child} SET v = {one} WHERE id > {number(source)}", first),
            (f"DELETE FROM {child} WHERE id % 2 = 0", []),
            (f"INSERT INTO bare VALUES ({one}, {two}), ({one}, {two})", [*first, *second, *first, *second]),
            (f"UPDATE bare SET y = {one} WHERE rowid % 3 = 1", first),
            ("DELETE FROM bare WHERE rowid % 5 = 0", []),
            ("DELETE FROM bare", []),
        ]
    )


def write(connection: Connection, source: random.Random) -> None:
    """A write, which may fail, as it may in life."""
    told, values = statement(source)
    with contextlib.suppress(IntegrityError):
        connection.exec_driver_sql(told, tuple(values))


def history(
    engine: Engine, source: random.Random, transactions: int | None = None, *, is_compacted: bool = False
) -> tuple[list[AuditedTable], list[tuple[int, State]]]:
    """Transactions, with savepoints, some of which are undone; the state behind each, and its last entry's number."""
    with engine.begin() as connection:
        log = AuditLog(connection)
        log.install()
        tables = [log.track(name) for name in NAMES]
        marks = [(0, state(connection, tables))]
    for _ in range(transactions or source.randint(3, 7)):
        with engine.connect() as connection:
            transaction = connection.begin()
            log = AuditLog(connection)
            begun = log.begin({"number": len(marks)}) if source.random() < 0.7 else None
            for _ in range(source.randint(1, 6)):
                savepoint = connection.begin_nested() if source.random() < 0.4 else None
                for _ in range(source.randint(1, 4)):
                    write(connection, source)
                if savepoint is not None:
                    source.choice([savepoint.commit, savepoint.rollback])()
            if source.random() < 0.3:
                transaction.rollback()
                continue
            if begun is not None and source.random() < 0.8:
                log.end(begun)
            elif begun is None and source.random() < 0.5:
                log.seal()
            last = connection.exec_driver_sql("SELECT number FROM csv_audit_context").scalar_one()
            marks.append((last, state(connection, tables)))
            transaction.commit()
        if is_compacted and source.random() < 0.4:
            with engine.begin() as connection:
                compact(connection, tables)
    return tables, marks


def test_histories_have_all_that_there_is(engine: Engine) -> None:
    """Of one that is long, each table has entries of each type, made with and without a token."""
    tables, marks = history(engine, random.Random(2), transactions=60)
    assert len({repr(there) for _, there in marks}) > 30
    with engine.connect() as connection:
        entries = list(AuditLog(connection).entries())
    assert {(entry.table.name, entry.type) for entry in entries} == set(
        itertools.product((table.name for table in tables), ("insert", "update", "delete"))
    )
    assert len({entry.token for entry in entries}) > 30
    assert None not in {entry.token for entry in entries}


@pytest.mark.parametrize("seed", range(40))
def test_the_log_leads_to_each_state_and_back(engine: Engine, tmp_path: Path, seed: int) -> None:
    tables, marks = history(engine, random.Random(seed), is_compacted=seed % 2 == 1)
    scratch = engine_of(tmp_path / "scratch.db")
    with scratch.connect() as other:
        other.connection.dbapi_connection.execute("PRAGMA foreign_keys = OFF")
        make(other)
        with engine.connect() as connection:
            log = AuditLog(connection)
            before = 0
            for last, there in marks:
                replay(other, log.entries(before, last))
                assert state(other, tables) == there
                before = last
    scratch.dispose()
    with engine.connect() as connection:
        # What a foreign key did is in the log, so nothing is to do it again.
        connection.connection.dbapi_connection.execute("PRAGMA foreign_keys = OFF")
        log = AuditLog(connection)
        entries = list(log.entries(0, marks[-1][0]))
        for (upto, _), (after, there) in zip(marks[:0:-1], marks[-2::-1], strict=True):
            taken = [entry for entry in entries if after < entry.number <= upto]
            assert undo(connection, taken) == []
            assert state(connection, tables) == there
        connection.rollback()


@pytest.mark.parametrize("seed", range(40, 60))
def test_any_change_of_what_is_sealed_is_found(engine: Engine, seed: int) -> None:
    source = random.Random(seed)
    tables, _ = history(engine, source)
    with engine.begin() as connection:
        log = AuditLog(connection)
        connection.exec_driver_sql("INSERT INTO bare VALUES (1, 2), (3, 4)")
        log.seal()
        sound = log.verify()
        assert (sound.broken, sound.unsealed) == (None, 0)
        assert sound.entries == sum(1 for _ in log.entries())
    chosen = next(table for table in tables if table.name == "bare").entries
    tampers = [
        f"UPDATE {chosen} SET n0 = 1.0 WHERE number = (SELECT max(number) - 1 FROM {chosen})",
        f"UPDATE {chosen} SET type = 'd' WHERE number = (SELECT max(number) FROM {chosen})",
        f"UPDATE {chosen} SET at = '2020' WHERE number = (SELECT min(number) FROM {chosen})",
        f"UPDATE {chosen} SET token = 'x' WHERE number = (SELECT min(number) FROM {chosen})",
        f"DELETE FROM {chosen} WHERE number = (SELECT max(number) FROM {chosen})",
        f"DELETE FROM {chosen} WHERE number = (SELECT min(number) FROM {chosen})",
        f"UPDATE {chosen} SET n0 = 3, n1 = 4 WHERE number = (SELECT max(number) - 1 FROM {chosen})",
        "UPDATE csv_audit_seals SET hash = 'x' WHERE number = 1",
        "DELETE FROM csv_audit_seals WHERE number = (SELECT max(number) FROM csv_audit_seals)",
        "DELETE FROM csv_audit_seals WHERE number = 1",
        "UPDATE csv_audit_tables SET table_name = 'other' WHERE table_name = 'bare'",
        "UPDATE csv_audit_tables SET columns = '[\"y\", \"x\"]' WHERE table_name = 'bare'",
    ]
    for tamper in tampers:
        with engine.connect() as connection:
            assert connection.exec_driver_sql(tamper).rowcount == 1, tamper
            assert AuditLog(connection).verify().broken is not None, tamper
            connection.rollback()
    with engine.connect() as connection:
        assert AuditLog(connection).verify() == sound


@pytest.mark.parametrize("seed", range(60, 70))
def test_entries_that_are_compacted_are_as_they_were(engine: Engine, seed: int) -> None:
    tables, _ = history(engine, random.Random(seed), 8)
    with engine.begin() as connection:
        log = AuditLog(connection)
        log.seal()
        entries, sound = list(log.entries()), log.verify()
        told = {token: list(log.entries(token=token)) for token in {entry.token for entry in entries}}
        marks = [entry.number for entry in entries[::7]] + [utc(dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))]
        later = [log.later_than(mark) for mark in marks]
        assert compact(connection, tables) == len(entries) == sound.entries
        assert sum(connection.scalar(text(f"SELECT count(*) FROM {table.entries}")) for table in tables) == 0
        log = AuditLog(connection)
        assert (list(log.entries()), log.verify()) == (entries, sound)
        assert list(map(ascii, log.entries())) == list(map(ascii, entries))
        assert [log.later_than(mark) for mark in marks] == later
        assert list(log.newest()) == entries[::-1]
        for token, mine in told.items():
            assert list(log.entries(token=token)) == mine
            assert list(log.entries(mine[0].number - 1, mine[-1].number, token=token)) == mine
        some = tables[:2]
        assert list(log.entries(tables=some)) == [entry for entry in entries if entry.table in some]
    for tamper in (
        "UPDATE csv_audit_batches SET content = x'00' WHERE first = (SELECT max(first) FROM csv_audit_batches)",
        "UPDATE csv_audit_batches SET content = x'28b52ffd' WHERE first = (SELECT min(first) FROM csv_audit_batches)",
        "DELETE FROM csv_audit_batches WHERE first = (SELECT max(first) FROM csv_audit_batches)",
        "UPDATE csv_audit_batches SET token = 'x' WHERE first = (SELECT min(first) FROM csv_audit_batches)",
        "UPDATE csv_audit_batches SET at = '2020' WHERE first = (SELECT min(first) FROM csv_audit_batches)",
        "UPDATE csv_audit_batches SET last = last + 1 WHERE first = (SELECT min(first) FROM csv_audit_batches)",
        "UPDATE csv_audit_batches SET first = 0 WHERE first = (SELECT min(first) FROM csv_audit_batches)",
    ):
        with engine.connect() as connection:
            assert connection.exec_driver_sql(tamper).rowcount == 1, tamper
            assert AuditLog(connection).verify().broken is not None, tamper
            connection.rollback()


def test_undo_takes_nothing_back_where_a_row_was_changed_since(engine: Engine) -> None:
    with engine.begin() as connection:
        log = AuditLog(connection)
        log.install()
        log.track("parents")
        connection.exec_driver_sql("INSERT INTO parents VALUES (1, 'a', 1), (2, 'b', 2)")
    with engine.begin() as connection:
        log = AuditLog(connection)
        begun = log.begin({"why": "a mistake"})
        connection.exec_driver_sql("UPDATE parents SET name = name || '!'")
        log.end(begun)
    with engine.begin() as connection:
        log = AuditLog(connection)
        connection.exec_driver_sql("UPDATE parents SET r = 5 WHERE id = 1")
        mistake = list(log.entries(token=begun.token))
        [conflict] = undo(connection, mistake)
        assert (conflict.change.before, conflict.change.after) == ((1, "a", 1), (1, "a!", 1))
        assert conflict.present == (1, "a!", 5)
        assert mistake[0].diff() == {"name": {"old": "a", "new": "a!"}}
        names = connection.exec_driver_sql("SELECT name FROM parents").scalars().all()
        assert names == ["a!", "b!"]
        connection.exec_driver_sql("UPDATE parents SET r = 1 WHERE id = 1")
        assert undo(connection, mistake) == []
        assert connection.exec_driver_sql("SELECT name FROM parents").scalars().all() == ["a", "b"]
        assert [entry.type for entry in log.entries()][-2:] == ["update", "update"]


def test_undo_takes_nothing_back_where_another_row_has_what_is_to_be_unique(engine: Engine) -> None:
    with engine.begin() as connection:
        log = AuditLog(connection)
        log.install()
        log.track("parents")
        connection.exec_driver_sql("INSERT INTO parents VALUES (1, 'a', 1), (2, 'b', 2)")
        before = connection.exec_driver_sql("SELECT number FROM csv_audit_context").scalar_one()
        connection.exec_driver_sql("DELETE FROM parents WHERE id = 1")
        connection.exec_driver_sql("UPDATE parents SET r = 3")
        deleted = list(log.entries(before))
        connection.exec_driver_sql("INSERT INTO parents VALUES (3, 'A', 1)")
        [conflict] = undo(connection, deleted)
        assert (conflict.change.before, conflict.change.after) == ((1, "a", 1), None)
        assert conflict.reason == "parents: id=1: UNIQUE constraint failed: parents.name"
        there = connection.exec_driver_sql("SELECT id, name, r FROM parents").all()
        assert there == [(2, "b", 3), (3, "A", 1)]
        with pytest.raises(AuditError, match="parents: the row id=2 is not as the audit log tells"):
            replay(connection, deleted[1:])


def test_rows_that_swap_what_is_unique_are_undone(engine: Engine) -> None:
    with engine.begin() as connection:
        log = AuditLog(connection)
        log.install()
        log.track("parents")
        connection.exec_driver_sql("INSERT INTO parents VALUES (1, 'a', 1), (2, 'b', 2)")
        before = connection.exec_driver_sql("SELECT number FROM csv_audit_context").scalar_one()
        for told in ("'-' WHERE id = 1", "'a' WHERE id = 2", "'b' WHERE id = 1"):
            connection.exec_driver_sql(f"UPDATE parents SET name = {told}")
        assert undo(connection, log.entries(before)) == []
        assert connection.exec_driver_sql("SELECT id, name FROM parents").all() == [(1, "a"), (2, "b")]
