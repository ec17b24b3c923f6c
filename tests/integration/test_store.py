"""The store: its schema and migrations, compare-and-set, leases, purge."""

import concurrent.futures
import contextlib
import datetime as dt
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from at_once import make_at_once

from csv_manager.core.errors import LostRaceError, StoreBusyError, StoreError, WatcherExistsError
from csv_manager.core.findings import Finding
from csv_manager.core.model import ColumnChange, CsvFormat, RowChange, Signature, WatcherOptions
from csv_manager.store import schema
from csv_manager.store.catalog import Catalog
from csv_manager.store.engine import dispose, make_engine, reading, writing
from csv_manager.store.history import NewVersion
from csv_manager.store.patience import hurrying
from csv_manager.store.sql_dialects import sqlite

SIGNATURE = Signature(1, 2, 3, 4, 5)
FINDING = Finding(code="key", message="the key is not unique", line=2, column=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "watcher_db.db"


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    with contextlib.closing(Catalog(f"sqlite:///{path}")) as opened:
        yield opened


def test_a_store_is_opened_while_another_process_makes_it(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE mine (a)")
        other.execute("BEGIN IMMEDIATE")
        opened = make_engine(f"sqlite:///{path}")
        with concurrent.futures.ThreadPoolExecutor() as pool:

            def open_it() -> Any:
                with writing(opened) as connection:
                    return connection.exec_driver_sql("PRAGMA journal_mode").scalar()

            mode = pool.submit(open_it)
            with pytest.raises(TimeoutError):
                mode.result(timeout=0.3)
            other.execute("COMMIT")
            assert mode.result(timeout=60) == "wal"
        opened.dispose()


def test_a_connection_that_somebody_has_still_is_closed_once_it_is_given_back(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'store.db'}", snapshots=False)
    connection = engine.connect()
    opened: Any = connection.connection.dbapi_connection
    dispose(engine)
    assert opened.execute("SELECT 1").fetchone() == (1,)
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened.execute("SELECT 1")


def test_a_database_that_can_have_no_log_is_used_without_one() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        sqlite._write_ahead(connection.cursor())
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("memory",)


def test_a_new_database_is_its_users_alone_also_behind_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to("store.db")
    mask = os.umask(0)
    try:
        with contextlib.closing(Catalog(f"sqlite:///{link}")), contextlib.closing(Catalog("sqlite://")):
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(mask)
    assert modes == dict.fromkeys(("link.db", "store.db", "store.db-wal", "store.db-shm"), 0o600)


def version(sha256: str = "a" * 64, **values: Any) -> NewVersion:
    told: dict[str, Any] = {
        "base": None, "cause": "change", "status": "ok", "sha256": sha256, "size": 3, "rows": 1, "inserted": 1,
        "updated": 0, "deleted": 0, "columns": ("a",), "column_change": ColumnChange(), "csv_format": CsvFormat(),
        "key": (), "ignore": (), "findings": (), "changes": None,
    }  # fmt: skip
    return NewVersion(**(told | values))


def insert(value: str) -> RowChange:
    return RowChange(op="insert", key=None, before=None, after={"a": value}, line=2)


def test_the_migrations_end_at_the_revision_and_make_the_tables_that_are_used(catalog: Catalog) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with reading(catalog.engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert context.get_current_revision() == schema.REVISION
        differences = compare_metadata(context, schema.metadata)
    names = {getattr(difference[0], "name", difference[0]) for difference in differences if difference}
    # The unique indexes of csv_watchers stand in the migration alone: the tutorial's table cannot have them inline.
    assert names <= {"remove_index"}


def test_a_store_of_a_newer_csv_manager_is_refused_with_one_line(catalog: Catalog, path: Path) -> None:
    catalog.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE csv_manager_schema SET version_num = '9999'")
        connection.commit()
    with pytest.raises(StoreError, match=r"watcher_db\.db was made by a newer csv_manager \(schema 9999"):
        Catalog(f"sqlite:///{path}")


def test_the_tutorials_table_is_adopted_with_its_rows(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE csv_watchers (id INTEGER NOT NULL, csv_file VARCHAR(2048) NOT NULL, interval INTEGER,"
            " PRIMARY KEY (id))"
        )
        connection.execute(
            "INSERT INTO csv_watchers (csv_file, interval) VALUES ('test2.csv', 2), ('/data/a.csv', NULL)"
        )
        connection.commit()
    with contextlib.closing(Catalog(f"sqlite:///{path}")) as catalog:
        assert [(w.csv_file, w.options.interval) for w in catalog.watchers.all()] == [
            ("/data/a.csv", 10),
            ("test2.csv", 2),
        ]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO csv_watchers (csv_file, interval) VALUES ('later.csv', 3)")
        connection.commit()
    with contextlib.closing(Catalog(f"sqlite:///{path}")) as catalog:
        assert len(catalog.watchers.all()) == 3


def test_a_store_of_the_first_schema_is_upgraded_with_its_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import command

    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        Catalog(f"sqlite:///{path}").close()
    time = "2026-03-02 09:15:07.000000"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM csv_manager_schema").fetchall() == [("0001",)]
        connection.execute("INSERT INTO csv_files (path, path_sha, latest, head) VALUES ('/a.csv', 'x', 1, 1)")
        connection.execute("INSERT INTO csv_watchers (csv_file, interval, file_id) VALUES ('/a.csv', 10, 1)")
        connection.execute(
            "INSERT INTO csv_versions (file_id, number, created, cause, status, sha256, size, inserted, updated,"
            " deleted, columns, csv_format, row_key, ignored, position, stored)"
            " VALUES (1, 1, ?, 'add', 'ok', 's', 3, 1, 0, 0, '[]', '{}', '[]', '[]', 1, 0)",
            [time],
        )
        connection.execute("INSERT INTO csv_services VALUES ('one', 'host', 1, ?, ?)", [time, time])
        connection.commit()
    with contextlib.closing(Catalog(f"sqlite:///{path}")) as catalog:
        [watcher] = catalog.watchers.all()
        [file] = catalog.history.files().values()
        assert (watcher.path, file.path, file.link, file.feed_id) == ("/a.csv", "/a.csv", None, None)
        assert [told.cause for told in catalog.history.versions(file)] == ["add"]
        assert [service.files for service in catalog.services.all()] == [None]
        assert catalog.outbox.failures() == []


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.write_text("this is no database, but a text that is long enough to be looked at as one" * 9)
    with pytest.raises(StoreError, match="it is no SQLite database"):
        Catalog(f"sqlite:///{path}")


def test_only_one_of_two_commits_against_the_same_latest_version_is_written(catalog: Catalog) -> None:
    history = catalog.history
    assert history.commit("/a.csv", version(), expected=0, signature=SIGNATURE) == 1
    with pytest.raises(LostRaceError):
        history.commit("/a.csv", version("b" * 64), expected=0, signature=SIGNATURE)
    file = history.file("/a.csv")
    assert file is not None
    assert (file.latest, file.head, file.state) == (1, 1, "ok")
    assert [told.sha256 for told in history.versions(file)] == ["a" * 64]
    assert len(catalog.outbox.since(0)) == 1


def test_a_held_version_moves_latest_and_not_head(catalog: Catalog) -> None:
    from csv_manager.core.model import Finding

    history = catalog.history
    history.commit("/a.csv", version(), expected=0, signature=SIGNATURE)
    held = version("b" * 64, status="held", base=1, findings=(Finding(code="source-error", message="no csv"),))
    history.commit("/a.csv", held, expected=1, signature=SIGNATURE)
    file = history.file("/a.csv")
    assert file is not None
    assert (file.latest, file.head, file.state, file.reason) == (2, 1, "held", "no csv")
    assert history.versions(file)[0].findings == held.findings


def test_a_watcher_that_cannot_be_stored_takes_its_version_with_it(catalog: Catalog) -> None:
    options = WatcherOptions(name="prices")
    catalog.history.commit("/a.csv", version(), expected=0, signature=SIGNATURE, watcher=options)
    with pytest.raises(WatcherExistsError, match=r"The name 'prices' belongs to /a\.csv"):
        catalog.history.commit("/b.csv", version("b" * 64), expected=0, signature=SIGNATURE, watcher=options)
    assert list(catalog.history.files()) == ["/a.csv"]
    assert len(catalog.outbox.since(0)) == 1


def test_positions_only_grow_over_all_files_and_rows_come_back_in_order(catalog: Catalog) -> None:
    history = catalog.history
    rows = tuple(insert(str(number)) for number in range(2500))
    history.commit("/a.csv", version(), expected=0, signature=SIGNATURE)
    history.commit("/b.csv", version(base=1, inserted=2500, changes=rows), expected=0, signature=SIGNATURE)
    history.commit("/a.csv", version("b" * 64, inserted=0), expected=1, signature=SIGNATURE)
    told = [(entry.path, entry.version, entry.position, entry.positions) for entry in catalog.outbox.since(0)]
    assert told == [("/a.csv", 1, 1, 1), ("/b.csv", 1, 2, 2500), ("/a.csv", 2, 2502, 1)]
    assert [entry.position for entry in catalog.outbox.since(1)] == [2, 2502]
    assert [entry.position for entry in catalog.outbox.since(100)] == [2, 2502]
    assert catalog.outbox.end() == 2502
    file = history.file("/b.csv")
    assert file is not None
    recorded = history.version(file.id, 1)
    assert recorded is not None
    assert tuple(history.rows(file.id, recorded)) == rows


def test_positions_only_grow_where_the_database_does_not_tell_what_it_updated(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog.engine.dialect, "update_returning", False)
    catalog.history.commit("/a.csv", version(inserted=4), expected=0, signature=SIGNATURE)
    catalog.history.commit("/b.csv", version(), expected=0, signature=SIGNATURE)
    assert [(entry.position, entry.positions) for entry in catalog.outbox.since(0)] == [(1, 4), (5, 1)]
    assert catalog.outbox.end() == 5


def test_threads_that_write_wait_for_each_other_and_not_in_sqlite(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_manager.store.sql_dialects.sqlite.BUSY_SECONDS", 0)

    def write(catalog: Catalog, number: int) -> None:
        with writing(catalog.engine) as connection:
            time.sleep(0.02)
            connection.exec_driver_sql("UPDATE csv_counters SET value = value + ?", (number,))

    with contextlib.closing(Catalog(f"sqlite:///{path}")) as catalog, concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(write, [catalog] * 12, range(12)))
        assert catalog.outbox.end() == sum(range(12))


def test_a_thread_does_not_wait_for_ever_for_one_that_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_manager.store.sql_dialects.sqlite._TURN_SECONDS", 0.05)
    with contextlib.closing(Catalog(f"sqlite:///{path}")) as catalog, concurrent.futures.ThreadPoolExecutor(1) as pool:
        with writing(catalog.engine):
            waiting = pool.submit(catalog.services.beat, "one")
            with pytest.raises(StoreBusyError, match="another process is writing to it and did not finish in time"):
                waiting.result()
        catalog.services.beat("one")
        assert catalog.services.alive() == 1


def test_who_is_in_a_hurry_waits_for_another_process_once_and_not_again_and_again(path: Path) -> None:
    with (
        contextlib.closing(Catalog(f"sqlite:///{path}")) as catalog,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with hurrying(0.05):
            for name in ("one", "two"):
                with pytest.raises(StoreBusyError, match="another process is writing to it"):
                    catalog.services.beat(name)
            with pytest.raises(StoreBusyError):
                catalog.check_free()
        other.execute("ROLLBACK")
        with hurrying(0):
            catalog.services.beat("one")
        with writing(catalog.engine) as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 10_000
        assert catalog.services.alive() == 1


def test_a_lease_keeps_others_out_until_it_is_given_back_or_old(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = catalog.outbox
    outbox.register("alert", replay=True)
    assert outbox.claim("alert", "one") == 0
    assert outbox.claim("alert", "two") is None
    assert outbox.owner("alert") == "one"
    outbox.advance("alert", "two", 9)
    outbox.advance("alert", "one", 5)
    outbox.release("alert", "two")
    assert outbox.claim("alert", "two") is None
    assert outbox.claim("alert", "two", dead="one") == 5
    outbox.release("alert", "two")
    monkeypatch.setattr("csv_manager.store.outbox.LEASE", dt.timedelta(seconds=-1))
    assert outbox.claim("alert", "three") == 5
    assert outbox.claim("alert", "four") == 5


def test_a_new_receiver_starts_at_the_end_and_an_old_one_where_it_was(catalog: Catalog) -> None:
    catalog.history.commit("/a.csv", version(inserted=4), expected=0, signature=SIGNATURE)
    catalog.outbox.register("new", replay=False)
    catalog.outbox.register("all", replay=True)
    assert (catalog.outbox.claim("new", "me"), catalog.outbox.claim("all", "me")) == (4, 0)
    catalog.outbox.register("new", replay=True)
    assert catalog.outbox.claim("new", "me") == 4


def test_why_a_receiver_could_not_be_told_stands_there_until_it_is(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = catalog.outbox
    for name in ("alert", "other"):
        outbox.register(name, replay=True)
        outbox.claim(name, "me")
    for number in range(3):
        told = version(f"{number:064}", inserted=4, status="ok" if number != 1 else "held", findings=[FINDING])
        catalog.history.commit("/a.csv", told, expected=number, signature=SIGNATURE)
    outbox.release("alert", "somebody else", "it was not theirs to tell")
    assert outbox.failures() == []
    outbox.release("alert", "me", "RuntimeError: boom")
    [failure] = outbox.failures()
    assert (failure.name, failure.error, failure.behind) == ("alert", "RuntimeError: boom", 2)
    with monkeypatch.context() as patch:
        patch.setattr("csv_manager.store.outbox._FORGOTTEN", dt.timedelta())
        assert outbox.failures() == []
    outbox.claim("alert", "me")
    outbox.release("alert", "me")  # it was interrupted
    assert outbox.failures() == [failure]
    outbox.claim("alert", "me")
    outbox.advance("alert", "me", 2)  # in the middle of a version, which it is to be told again
    assert outbox.failures() == []
    outbox.release("alert", "me", "RuntimeError: again")
    assert [(failure.error, failure.behind) for failure in outbox.failures()] == [("RuntimeError: again", 2)]
    outbox.claim("alert", "me")
    outbox.release("alert", "me", "KeyError: 'id'")
    catalog.history.purge(catalog.history.files()["/a.csv"])
    assert outbox.failures() == []  # there is nothing to tell any more


def test_purge_forgets_all_of_a_file_and_leaves_the_contents_of_others(catalog: Catalog) -> None:
    history = catalog.history
    history.commit("/a.csv", version(), expected=0, signature=SIGNATURE)
    history.commit("/a.csv", version("b" * 64, base=1, changes=(insert("x"),)), expected=1, signature=SIGNATURE)
    history.commit("/b.csv", version("b" * 64), expected=0, signature=SIGNATURE)
    file = history.file("/a.csv")
    assert file is not None
    assert history.contents() == {"a" * 64, "b" * 64}
    history.purge(file)
    assert history.contents() == {"b" * 64}
    assert history.file("/a.csv") is None
    assert [entry.path for entry in catalog.outbox.since(0)] == ["/b.csv"]
    with reading(catalog.engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM csv_changes").scalar() == 0


def test_a_transaction_that_fails_leaves_nothing_not_even_a_table(catalog: Catalog) -> None:
    def fail() -> None:
        with writing(catalog.engine) as connection:
            connection.exec_driver_sql("CREATE TABLE half_done (x)")
            connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(StoreError):
        fail()
    with reading(catalog.engine) as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'half_done'").scalar()
    assert found == 0


def test_services_are_alive_while_their_heart_beats(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.services.beat("one")
    catalog.services.beat("one")
    assert catalog.services.alive() == 1
    monkeypatch.setattr("csv_manager.store.services.DEAD_SECONDS", -1)
    assert catalog.services.alive() == 0
    monkeypatch.undo()
    catalog.services.end("one")
    assert catalog.services.alive() == 0


def test_the_revision_is_the_newest_migration_that_ships() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    import csv_manager.store.migrations

    config = Config()
    config.set_main_option("script_location", str(Path(csv_manager.store.migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.REVISION]


def test_many_processes_may_make_the_store_at_once(path: Path) -> None:
    code = (
        "import sys, alembic.command\nfrom csv_manager.store.catalog import Catalog\n"
        "print('ready', flush=True)\nsys.stdin.readline()\nCatalog(sys.argv[1]).close()\nprint('made')"
    )
    make_at_once(code, f"sqlite:///{path}", 5)
    with contextlib.closing(Catalog(f"sqlite:///{path}")) as catalog:
        assert catalog.outbox.end() == 0


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("id INTEGER PRIMARY KEY, csv_file VARCHAR(2048) NOT NULL, interval INT", "csv_changes"),
        ("badge TEXT, csv_file TEXT", "another program; set WATCHER_DATABASE_LOCATION"),
    ],
    ids=["fails to upgrade", "another program's"],
)
def test_a_store_that_is_refused_or_fails_to_upgrade_is_left_as_it_was(path: Path, columns: str, said: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE csv_watchers ({columns})")
        connection.execute("INSERT INTO csv_watchers (csv_file) VALUES ('a.csv')")
        connection.execute("CREATE TABLE csv_changes (something_else TEXT)")
        connection.commit()
        before = list(connection.iterdump())
    with pytest.raises(StoreError, match=said):
        Catalog(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


def test_of_many_threads_that_commit_against_the_same_version_one_wins(catalog: Catalog) -> None:
    history = catalog.history
    start = threading.Barrier(6)

    def commit(number: int) -> int | None:
        start.wait(30)
        with contextlib.suppress(LostRaceError):
            return history.commit("/a.csv", version(f"{number:064}"), expected=0, signature=SIGNATURE)
        return None

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(commit, range(6)))
    assert sorted(number for number in numbers if number) == [1]
    file = history.file("/a.csv")
    assert file is not None
    [recorded] = history.versions(file)
    assert recorded.sha256 == f"{numbers.index(1):064}"
    assert [(entry.version, entry.position) for entry in catalog.outbox.since(0)] == [(1, 1)]


def test_the_tutorials_relative_paths_are_listed_as_missing_with_the_fix(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from csv_manager.applications.csv_manager_app import main

    for name in list(os.environ):
        if name.startswith("CSV_MANAGER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CSV_MANAGER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data.csv"
    data.write_text("a\n1\n")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE csv_watchers (id INTEGER PRIMARY KEY, csv_file VARCHAR(2048), interval INT)")
        connection.executemany(
            "INSERT INTO csv_watchers (csv_file, interval) VALUES (?, 2)", [("data.csv",), (str(data),)]
        )
        connection.commit()
    assert main(["csv_watcher_list", "--format", "json"]) == 0
    absolute, relative = json.loads(capsys.readouterr().out)
    assert (absolute["csv_file"], absolute["interval"], absolute["state"]) == (str(data), 2, "waiting")
    assert (relative["csv_file"], relative["interval"], relative["state"]) == ("data.csv", 2, "missing")
    assert "csv_manager csv_watcher_delete data.csv && csv_manager csv_watcher_add data.csv" in relative["reason"]
