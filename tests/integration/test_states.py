"""What is wrong with files: kept in memory at once, stored many files at a time, and told in order."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from csv_manager.core.errors import StoreError
from csv_manager.core.model import WatcherOptions
from csv_manager.pipeline.states import States
from csv_manager.pipeline.store import Store
from csv_manager.pipeline.watched import Defaults, Watched


class Kept:
    """States on a real store, with what was told and how often there was something to store."""

    def __init__(self, home: Path) -> None:
        self.path = home / "watcher_db.db"
        self.store = Store(url=f"sqlite:///{self.path}", archive=home / "archive", row_limit=1)
        self.watched = Watched(lambda: self.store, Defaults())
        self.told: list[tuple[str, str]] = []
        self.rung = 0
        self.states = States(lambda: self.store, self.watched, self._ring, lambda *told: self.told.append(told[:2]))

    def watch(self, *paths: str) -> None:
        for path in paths:
            self.watched.put(path, WatcherOptions(), None)

    def see(self, path: str, state: str) -> None:
        self.states.see(path, path, state, None if state in ("ok", "gone") else f"{path} is {state}.")

    def stored(self) -> dict[str, str]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return dict(connection.execute("SELECT path, state FROM csv_files"))

    def _ring(self) -> None:
        self.rung += 1


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    made.store.close()


def test_what_is_seen_is_stored_when_that_is_asked_for_and_told_after_it(kept: Kept) -> None:
    kept.watch("/a.csv")
    kept.see("/a.csv", "unreadable")
    assert (kept.stored(), kept.told, kept.rung) == ({}, [], 1)
    assert kept.states.failed() == {"/a.csv"}
    assert kept.states.store()
    assert (kept.stored(), kept.told) == ({"/a.csv": "unreadable"}, [])
    kept.states.tell()
    assert kept.told == [("/a.csv", "unreadable")]
    assert not kept.states.store()


def test_the_states_of_many_files_are_stored_in_few_transactions(kept: Kept) -> None:
    paths = [f"/{number}.csv" for number in range(1200)]
    kept.watch(*paths)
    for path in paths:
        kept.see(path, "missing")
    commits: list[object] = []
    event.listen(kept.store.catalog.engine, "commit", commits.append)
    kept.states.store()
    assert len(commits) == 3
    assert kept.stored() == dict.fromkeys(paths, "missing")
    kept.states.tell()
    assert kept.told == [(path, "missing") for path in paths]


def test_what_came_back_before_it_was_stored_is_not_told(kept: Kept) -> None:
    kept.watch("/a.csv", "/b.csv")
    kept.see("/a.csv", "missing")
    kept.see("/b.csv", "missing")
    kept.see("/a.csv", "ok")
    kept.states.store()
    kept.states.tell()
    assert kept.stored() == {"/a.csv": "ok", "/b.csv": "missing"}
    assert kept.told == [("/b.csv", "missing")]


def test_what_a_locked_store_refused_is_stored_later_unless_it_changed(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.watch("/a.csv", "/b.csv")
    kept.see("/a.csv", "unreadable")
    kept.see("/b.csv", "unreadable")
    with monkeypatch.context() as patched, contextlib.closing(sqlite3.connect(kept.path)) as other:
        patched.setattr("csv_manager.store.sql_dialects.sqlite.BUSY_SECONDS", 0)
        other.execute("BEGIN IMMEDIATE")
        kept.store.catalog.engine.dispose()
        with contextlib.closing(
            Store(url=f"sqlite:///{kept.path}", archive=kept.path.parent, row_limit=1)
        ) as impatient:
            patched.setattr(kept, "store", impatient)
            with pytest.raises(StoreError, match="another process is writing"):
                kept.states.store()
    kept.states.tell()
    assert kept.told == [("/a.csv", "unreadable"), ("/b.csv", "unreadable")]  # people need not wait for the store
    kept.see("/b.csv", "ok")
    kept.states.store()
    kept.states.tell()
    assert kept.stored() == {"/a.csv": "unreadable", "/b.csv": "ok"}
    assert kept.told[2:] == [("/b.csv", "ok")]


def test_a_file_that_went_before_it_was_recorded_is_forgotten(kept: Kept) -> None:
    kept.watch("/a.csv")
    for state in ("unreadable", "gone", "unreadable"):
        kept.see("/a.csv", state)
        kept.states.store()
        kept.states.tell()
        assert kept.stored() == ({} if state == "gone" else {"/a.csv": "unreadable"})
    assert kept.told == [("/a.csv", "unreadable")] * 2


def test_of_what_is_not_watched_any_more_nothing_is_stored(kept: Kept) -> None:
    kept.watch("/a.csv")
    kept.see("/a.csv", "missing")
    kept.watched.remove("/a.csv")
    kept.states.forget("/a.csv")
    kept.states.store()
    assert kept.stored() == {}


def test_a_folder_s_state_is_told_and_not_stored(kept: Kept) -> None:
    kept.states.see_folder("/folder", "missing", "/folder: no such folder.")
    kept.states.store()
    kept.states.see_folder("/folder", "ok", None)
    kept.states.store()
    kept.states.tell()
    assert kept.told == [("/folder", "missing"), ("/folder", "ok")]
    assert kept.stored() == {}
