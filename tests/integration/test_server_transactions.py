"""Transactions on real servers, whatever isolation a role or a server has by default."""

import concurrent.futures
import threading
from collections.abc import Iterator

import pytest
import servers
from at_once import make_at_once
from sqlalchemy import Column, MetaData, String, Table, event, text
from sqlalchemy.engine import URL

from csv_manager.store.engine import make_engine, reading, using, writing
from csv_manager.store.upgrade import open_schema


@pytest.fixture(params=["postgresql", "mariadb"])
def place(request: pytest.FixtureRequest) -> Iterator[URL]:
    """A database with a table that holds one number."""
    with servers.database(request.param) as url:
        servers.execute(url, "CREATE TABLE counter (value INTEGER)", "INSERT INTO counter VALUES (0)")
        yield url


def other_default(url: URL, level: str) -> URL:
    """The URL with connections whose isolation is another one by default."""
    if url.get_backend_name() == "postgresql":
        option = level.replace(" ", r"\ ")
        return url.update_query_dict({"options": f"-c default_transaction_isolation={option}"})
    return url.update_query_dict({"init_command": f"SET SESSION TRANSACTION ISOLATION LEVEL {level}"})


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED"])
def test_who_writes_sees_what_the_one_before_committed(place: URL, level: str) -> None:
    with using(other_default(place, level)) as engine, concurrent.futures.ThreadPoolExecutor(4) as pool:

        def count(_: int) -> None:
            with writing(engine) as connection:
                value = connection.execute(text("SELECT value FROM counter")).scalar_one()
                connection.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})

        list(pool.map(count, range(20)))
        with reading(engine) as connection:
            assert connection.execute(text("SELECT value FROM counter")).scalar_one() == 20


@pytest.mark.parametrize("level", ["READ COMMITTED", "READ UNCOMMITTED"])
def test_who_reads_sees_one_state(place: URL, level: str) -> None:
    with using(other_default(place, level)) as engine, reading(engine) as connection:
        before = connection.execute(text("SELECT value FROM counter")).scalar_one()
        with writing(engine) as other:
            other.execute(text("UPDATE counter SET value = 7"))
        assert connection.execute(text("SELECT value FROM counter")).scalar_one() == before == 0


_MAKING = """
import sys
from sqlalchemy import Column, Integer, MetaData, Table
from csv_manager.store.engine import make_engine
from csv_manager.store.upgrade import create_tables

tables = [Table(f"t{number}", MetaData(), Column("id", Integer, primary_key=True)) for number in range(8)]
engine = make_engine(sys.argv[1], snapshots=False)
print("ready", flush=True)
sys.stdin.readline()
create_tables(engine, None, tables)
print("made")
"""


def test_many_processes_may_make_the_tables_of_plugins_at_once(warehouse: str) -> None:
    make_at_once(_MAKING, warehouse, 4)


def test_who_comes_while_the_store_is_made_waits_for_it() -> None:
    with servers.database("mariadb") as url, using(url) as maker, using(url) as other:
        seen = threading.Event()

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if "version_num" in statement:
                seen.set()

        event.listen(other, "after_cursor_execute", note)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            opened: list[concurrent.futures.Future[None]] = []

            def come(_connection: object, _cursor: object, statement: str, *_: object) -> None:
                if "CREATE TABLE csv_targets" in statement:  # of the newest migration; those before are committed
                    opened.append(pool.submit(open_schema, other))
                    assert seen.wait(60)

            event.listen(maker, "before_cursor_execute", come)
            open_schema(maker)
            assert [each.result() for each in opened] == [None]


def test_tables_are_made_in_memory_while_a_session_has_its_only_connection() -> None:
    from sqlalchemy.orm import Session

    from csv_manager.store.upgrade import create_tables

    engine = make_engine("sqlite://", snapshots=False)
    first, second = (Table(name, MetaData(), Column("name", String(9), primary_key=True)) for name in ("one", "two"))
    create_tables(engine, None, [first])
    with Session(engine) as session:
        session.execute(first.insert().values(name="kept"))
        create_tables(engine, None, [second])
        assert session.execute(first.select()).all() == [("kept",)]
        assert session.execute(second.select()).all() == []
    engine.dispose()
