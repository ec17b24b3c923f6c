"""Runs in the ledger, where it matters what was noted when."""

import datetime as dt
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import servers
from sqlalchemy import text
from sqlalchemy.engine import URL

from csv_manager.core.errors import StoreError
from csv_manager.core.hosts import host, process_age
from csv_manager.core.model import WatcherOptions
from csv_manager.pipeline.store import Store
from csv_manager.store.engine import writing
from csv_manager.store.ledger import forget_runs


def _open(tmp_path: Path, url: str | URL) -> Store:
    return Store(url=url, archive=tmp_path / "archive", row_limit=9)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with _open(tmp_path, f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store in each of the databases."""
    if request.param == "sqlite":
        with _open(tmp_path, f"sqlite:///{tmp_path / 'store.db'}") as opened:
            yield opened
        return
    with servers.database(request.param) as url, _open(tmp_path, url) as opened:
        yield opened


def test_a_run_whose_first_stage_takes_long_knows_its_configuration_still(store: Store) -> None:
    with store.runs.run("/a.csv", WatcherOptions(key=("id",)), cause="change") as run:
        store.runs.tick()  # as while a large file is read
        run.begin("0" * 64)
        run.note.state = "success"
    [noted] = store.catalog.ledger.all()
    assert (noted.id, noted.state) == (run.id, "success")
    assert store.catalog.ledger.configuration(noted.configuration)["arguments"]["key"] == ["id"]


def test_a_run_that_could_not_be_noted_is_noted_as_a_new_one_later(store: Store, tmp_path: Path) -> None:
    broken = "CREATE TRIGGER broken BEFORE INSERT ON csv_tasks BEGIN SELECT RAISE(ABORT, 'broken'); END"
    with writing(store.catalog.engine) as connection:
        connection.exec_driver_sql(broken)
    with store.runs.run("/a.csv", WatcherOptions(), cause="change") as run:
        with pytest.raises(StoreError, match="broken"):
            run.begin("0" * 64)
        assert run.id is None
        with writing(store.catalog.engine) as connection:
            connection.exec_driver_sql("DROP TRIGGER broken")
        run.note.state = "success"
    with closing(_open(tmp_path, f"sqlite:///{tmp_path / 'store.db'}")) as other:
        [noted] = other.catalog.ledger.all()
        assert (noted.id, noted.state, len(other.catalog.ledger.tasks(noted.id))) == (run.id, "success", 5)


def _fail(store: Store, words: str) -> None:
    with store.runs.run("/a.csv", WatcherOptions(), cause="change") as run:
        run.begin("0" * 64)
        raise ValueError(words)


def _succeed(store: Store, path: str) -> None:
    with store.runs.run(path, WatcherOptions(), cause="change") as run:
        run.begin("0" * 64)
        run.note.state = "success"


def test_a_run_that_was_forgotten_while_it_went_on_holds_nobody_up(any_store: Store) -> None:
    store = any_store
    store.runs.ring = lambda: None  # as while files are watched
    with store.runs.run("/a.csv", WatcherOptions(), cause="change") as run:
        run.begin("0" * 64)
        with writing(store.catalog.engine) as connection:
            forget_runs(connection, "/a.csv")
        run.note.state = "success"
    store.runs.tick()
    _succeed(store, "/b.csv")
    store.runs.tick()
    assert [(noted.csv_file, noted.state) for noted in store.catalog.ledger.all()] == [("/b.csv", "success")]


@pytest.mark.parametrize("words", ["a \udce9 b", "a \0 b", "x" * 20_000])
def test_an_exception_of_any_words_is_noted_and_counted(any_store: Store, words: str) -> None:
    store = any_store
    for _ in range(3):
        with pytest.raises(ValueError, match=r"\w"):
            _fail(store, words)
    [noted] = store.catalog.ledger.all()
    assert (noted.state, noted.attempts) == ("failed", 3)
    assert noted.error is not None
    assert noted.error[0] == words[0]
    assert store.catalog.ledger.tasks(noted.id)[0].exception_type == "ValueError"


def test_a_run_that_cannot_be_noted_is_let_go_of_once_others_can(
    any_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store = any_store
    store.runs.ring = lambda: None
    with store.runs.run("/bad.csv", WatcherOptions(), cause="change") as bad:
        bad.note.state = "success"
        bad.note.cause = "\udce9"  # which no database takes
    for path in ("/a.csv", "/b.csv"):
        _succeed(store, path)
    store.runs.tick()
    store.runs.tick()
    assert {noted.csv_file for noted in store.catalog.ledger.all()} == {"/a.csv", "/b.csv"}
    assert {noted.state for noted in store.catalog.ledger.all()} == {"success"}
    assert "What happened to /bad.csv cannot be noted" in caplog.text


def test_a_run_of_a_command_says_that_it_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_manager.pipeline.runs._NOTE_SECONDS", 0.05)
    monkeypatch.setattr("csv_manager.pipeline.runs._BEAT_SECONDS", 0.05)
    with store.runs.run("/a.csv", WatcherOptions(), cause="restore:1") as run:
        deadline = time.monotonic() + 30
        while not store.catalog.ledger.all():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        [first] = store.catalog.ledger.all()
        while store.catalog.ledger.all()[0].heartbeat == first.heartbeat:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        run.note.state = "success"
    [noted] = store.catalog.ledger.all()
    assert (noted.id, noted.state, noted.started) == (first.id, "success", first.started)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process began")
def test_a_run_of_a_process_before_this_one_of_its_number_is_finished(store: Store) -> None:
    with store.runs.run("/a.csv", WatcherOptions(), cause="change") as run:
        run.begin("0" * 64)
        assert store.catalog.ledger.finish_dead() == []  # it is this one's
        age = process_age(os.getpid())
        assert age is not None
        before = dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(seconds=age + 60)
        with writing(store.catalog.engine) as connection:
            told = {"at": before.isoformat(" ", "microseconds"), "host": host()}
            connection.execute(text("UPDATE csv_runs SET heartbeat = :at WHERE host = :host"), told)
        assert store.catalog.ledger.finish_dead() == [run.id]
        run.note.state = "success"
    [noted] = store.catalog.ledger.all()
    assert noted.state == "success"  # it was alive all the same


def test_runs_wait_for_a_store_that_is_not_there_and_are_asked_for_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.runs.ring = lambda: None
    for path in ("/a.csv", "/b.csv", "/c.csv"):
        with store.runs.run(path, WatcherOptions(), cause="change") as run:
            run.note.state = "success"
    asked: list[int] = []

    def unreachable(notes: list[object], *_: object) -> None:
        asked.append(len(notes))
        raise StoreError("The store: connection refused.")

    with monkeypatch.context() as patch:
        patch.setattr(store.runs.ledger, "note", unreachable)
        with pytest.raises(StoreError, match="refused"):
            store.runs.tick()
    assert asked == [3]
    store.runs.tick()
    assert {noted.csv_file for noted in store.catalog.ledger.all()} == {"/a.csv", "/b.csv", "/c.csv"}
