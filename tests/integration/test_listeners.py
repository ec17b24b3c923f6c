"""Listeners of the event record: those of plugins, and the record in another database."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import URL, create_engine, text

from csv_manager import testing
from csv_manager.core import Event
from csv_manager.core.errors import ConfigurationError, PluginError
from csv_manager.patterns import CsvEventPattern
from csv_manager.pipeline import listening

FRUIT = "id,price\n1,5\n2,7\n"
RUNS = "SELECT status, all_valid FROM named_paths_group_run ORDER BY at"


class Hearing(CsvEventPattern):
    """Hears of everything, unless it is told to fail."""

    def activate(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.failures = 0
        self.csv_events.register("hearing", self.hear, "Hears of everything.")

    def hear(self, event: Event) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("it was asleep")
        self.heard.append((event.table, event.values.get("status")))


class Others(CsvEventPattern):
    """Is of a group of its own."""

    def activate(self) -> None:
        self.heard: list[Event] = []
        self.csv_events.register("others", self.heard.append, group="web")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits before it is tried again."""
    monkeypatch.setattr(listening, "_PAUSES", (0, 0))
    monkeypatch.setattr(listening, "_RETRY_SECONDS", 0)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield URL.create("sqlite", database=str(tmp_path / "record.db"))
        return
    with servers.database(request.param) as url:
        yield url


def record_in(url: URL) -> dict[str, Any]:
    return {"EVENTS": {"connection_string": url.render_as_string(hide_password=False)}}


def ask(url: URL, question: str) -> list[tuple[Any, ...]]:
    engine = create_engine(url)
    with contextlib.closing(engine.raw_connection()):
        pass
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question))]
    finally:
        engine.dispose()


def test_a_plugin_is_told_every_event_in_order() -> None:
    with testing.app(Hearing) as app:
        app.write("data.csv", FRUIT)
        assert app.settle() == [1]
        assert app.plugins["Hearing"].heard == [
            ("named_paths_group_run", "started"),
            ("named_paths", None),
            ("named_file", None),
            ("named_paths_group_run", "complete"),
        ]
        assert app.app.csv_watcher.store.catalog.events.waiting("hearing") == []


def test_one_that_fails_now_and_then_is_told_all_the_same() -> None:
    with testing.app(Hearing) as app:
        app.plugins["Hearing"].failures = 2
        app.write("data.csv", FRUIT)
        app.settle()
        assert len(app.plugins["Hearing"].heard) == 4
        [run] = app.app.csv_watcher.store.runs.ledger.all()
        assert run.state == "success"


def test_one_that_fails_again_and_again_fails_the_run_until_it_was_told() -> None:
    with testing.app(Hearing) as app:
        hearing, store = app.plugins["Hearing"], app.app.csv_watcher.store
        hearing.failures = 99
        app.write("data.csv", FRUIT)
        assert app.settle() == [1]
        [run] = store.runs.ledger.all()
        assert (run.state, run.version) == ("failed", 1)
        assert "listener hearing could not be told: Listener hearing: it was asleep" in run.error
        assert [task.name for task in store.runs.ledger.tasks(run.id) if task.state == "failed"] == ["events hearing"]
        [backlog] = store.catalog.events.backlogs()
        assert (backlog.listener, backlog.count) == ("hearing", 2)
        hearing.failures = 0
        assert app.app.csv_watcher.runtime.deliver()
        assert len(hearing.heard) == 4
        assert store.runs.ledger.find(run.id).state == "success"
        assert store.catalog.events.backlogs() == []


def test_groups_choose_who_is_told() -> None:
    with testing.app(Hearing, Others, EVENTS={"groups": "web"}) as app:
        app.write("data.csv", FRUIT)
        app.settle()
        assert app.plugins["Hearing"].heard == []
        assert len(app.plugins["Others"].heard) == 4
        with app.app.csv_watcher.store.catalog.engine.connect() as connection:  # the group sql is not chosen
            assert connection.execute(text("SELECT count(*) FROM named_file")).scalar() == 0


def test_a_group_that_nobody_has_is_refused() -> None:
    with testing.app(Hearing, EVENTS={"groups": ["default", "sgl"]}) as app:
        app.write("data.csv", FRUIT)
        with pytest.raises(ConfigurationError, match=r"no plugin has a listener of the group sgl; did you mean sql\?"):
            app.settle()


def test_a_name_is_one_plugins() -> None:
    class Again(Hearing):
        """As the other one."""

    with testing.app(Hearing) as app, pytest.raises(PluginError, match="there is a listener 'hearing' already"):
        Again(app.app).activate()
    with testing.app(Hearing) as app, pytest.raises(PluginError, match="'sql' already"):
        app.plugins["Hearing"].csv_events.register("sql", print)


def test_the_record_is_in_the_database_that_the_settings_name(elsewhere: URL) -> None:
    with testing.app(**record_in(elsewhere)) as app:
        app.write("data.csv", FRUIT)
        assert app.settle() == [1]
        app.write("data.csv", FRUIT + "3,1\n")
        assert app.settle() == [2]
        with app.app.csv_watcher.store.catalog.engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM named_file")).scalar() == 0
    assert ask(elsewhere, RUNS) == [("complete", "Y"), ("complete", "Y")]
    joined = "SELECT mark, paths_count FROM named_paths_group_run r JOIN named_file f ON f.uuid = r.named_file_uuid"
    joined += " JOIN named_paths p ON p.uuid = r.named_paths_uuid ORDER BY mark"
    assert ask(elsewhere, joined) == [("1", 0), ("2", 0)]


def test_what_is_told_twice_is_there_once(elsewhere: URL) -> None:
    with testing.app(**record_in(elsewhere)) as app:
        app.write("data.csv", FRUIT)
        store = app.app.csv_watcher.store
        told, store.catalog.events.told = store.catalog.events.told, lambda _: 1 / 0  # it dies behind the commit
        with pytest.raises(ZeroDivisionError):
            app.settle()
        store.catalog.events.told = told
        assert app.app.csv_watcher.runtime.deliver()
        assert store.catalog.events.waiting("sql") == []
    assert ask(elsewhere, RUNS) == [("complete", "Y")]
    assert ask(elsewhere, "SELECT count(*) FROM named_file") == [(1,)]


def test_nobody_changes_the_record_there(elsewhere: URL) -> None:
    with testing.app(**record_in(elsewhere)) as app:
        app.write("data.csv", FRUIT)
        app.settle()
    engine = create_engine(elsewhere)
    for statement in ("UPDATE named_file SET file_size = 1", "DELETE FROM named_paths_group_run"):
        with pytest.raises(Exception, match="immutable"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


def test_tables_that_are_there_get_their_triggers(elsewhere: URL) -> None:
    from csv_manager.store.schema import event_tables

    engine = create_engine(elsewhere)
    for table in event_tables:
        table.create(engine)
    with testing.app(**record_in(elsewhere)) as app:
        app.write("data.csv", FRUIT)
        app.settle()
    with pytest.raises(Exception, match="immutable"), engine.begin() as connection:
        connection.execute(text("UPDATE named_file SET file_size = 1"))
    engine.dispose()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE named_file (uuid VARCHAR(40) PRIMARY KEY)", "named_file .* it has no column at"),
        ("CREATE TABLE instance_run (uuid INTEGER PRIMARY KEY)", "instance_run .* its column uuid is not a text"),
        ("CREATE TABLE named_paths (uuid VARCHAR(8) PRIMARY KEY)", "has room for 8 characters, not 40"),
    ],
)
def test_a_table_of_another_shape_is_refused_before_anything_is_stored(elsewhere: URL, made: str, said: str) -> None:
    engine = create_engine(elsewhere)
    with engine.begin() as connection:
        connection.execute(text(made))
    engine.dispose()
    with testing.app(**record_in(elsewhere)) as app:
        app.write("data.csv", FRUIT)
        with pytest.raises(ConfigurationError, match=said):
            app.settle()
        assert app.app.csv_watcher.store.files() == []


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_bind_has_the_record_with_its_two_users(kind: str) -> None:
    with servers.users(kind, "owner") as users:
        told = {
            "dialect": kind,
            "address": users.user.host,
            "port": users.user.port,
            "database": users.user.database,
            "user": f"{users.user.username}:{users.user.password}",
            "admin": f"{users.admin.username}:{users.admin.password}",
        }
        with testing.app(DATABASES={"record": told}, EVENTS={"connection_string": "record"}) as app:
            app.write("data.csv", FRUIT)
            app.settle()
        assert ask(users.user, RUNS) == [("complete", "Y")]
        engine = create_engine(users.user)
        for statement in ("DELETE FROM named_file", "DROP TRIGGER csv_named_file_delete", "TRUNCATE TABLE named_file"):
            with pytest.raises(Exception, match=r"(?i)immutable|denied|owner|syntax"), engine.begin() as connection:
                connection.execute(text(statement))
        engine.dispose()


def test_what_waited_for_another_database_goes_to_the_store_once_that_has_the_record(tmp_path: Path) -> None:
    away = {"EVENTS": {"connection_string": "postgresql://nobody@127.0.0.1:1/none"}}
    settings = {"WATCHER_DATABASE_LOCATION": str(tmp_path / "store.db"), "ARCHIVE_PATH": str(tmp_path / "archive")}
    with testing.app(**away, **settings) as app:
        app.write("data.csv", FRUIT)
        assert app.settle() == [1]  # no version is lost
        [run] = app.app.csv_watcher.store.runs.ledger.all()
        assert run.state == "failed"
    with testing.app(**settings) as app:
        store = app.app.csv_watcher.store
        assert app.app.csv_watcher.runtime.deliver()
        assert store.runs.ledger.find(run.id).state == "success"
    url = URL.create("sqlite", database=str(tmp_path / "store.db"))
    assert ask(url, RUNS) == [("complete", "Y")]
