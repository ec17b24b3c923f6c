"""What is noted of the folders that are watched: seldom, but soon where something in one cannot be watched."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from csv_manager.core.errors import StoreError
from csv_manager.core.model import WatcherOptions
from csv_manager.core.sightings import FolderCheck
from csv_manager.framework.target_databases import TargetDatabases
from csv_manager.pipeline.listening import Listening
from csv_manager.pipeline.runtime import Defaults, Runtime
from csv_manager.pipeline.store import Store
from csv_manager.pipeline.syncing import Syncing

DEADLINE = 120


class Noting:
    """A service on one folder, with what was noted of it; while it is `broken` nothing can be noted."""

    def __init__(self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.notes: list[FolderCheck] = []
        self.is_broken = False
        self.failures = self.ticks = 0
        self._path = str(folder)
        self._changed = threading.Condition()
        self._checked = store.catalog.folders.checked
        monkeypatch.setattr(store.catalog.folders, "checked", self._note)
        self.runtime = Runtime(
            lambda: store,
            Defaults(settle=0.01),
            Syncing(lambda: store, TargetDatabases(dict), print),
            Listening(frozenset),
            check=lambda: None,
            on_version=lambda _: None,
            on_state=lambda *_: None,
        )
        self.runtime.ticks.append(self._tick)
        self.runtime.watch(self._path, WatcherOptions(interval=0.05, feed="files"))

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE), f"waited in vain for {what}: {self.notes}"

    def _note(self, checks: Mapping[str, FolderCheck]) -> None:
        with self._changed:
            if self.is_broken:
                self.failures += 1
                self._changed.notify_all()
                raise StoreError
        self._checked(checks)
        with self._changed:
            self.notes.append(checks[self._path])
            self._changed.notify_all()

    def _tick(self) -> None:
        with self._changed:
            self.ticks += 1
            self._changed.notify_all()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    (path / "a.csv").write_text("id\n1\n")
    return path


@pytest.fixture
def noting(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Noting]:
    """A service whose ordinary notes are so seldom that only the first one is made."""
    monkeypatch.setattr("csv_manager.pipeline.runtime._CHECKS_SECONDS", 3600)
    with Store(url=f"sqlite:///{tmp_path / 'watcher_db.db'}", archive=tmp_path / "archive", row_limit=1) as store:
        made = Noting(store, folder, monkeypatch)
        made.runtime.start()
        try:
            made.wait(lambda: bool(made.notes), "the first note")
            yield made
        finally:
            made.runtime.stop()


def test_what_cannot_be_watched_is_noted_soon_and_that_it_can_again_too(noting: Noting, folder: Path) -> None:
    later = folder / "later.csv"
    later.symlink_to("nowhere")
    noting.wait(lambda: bool(noting.notes[-1].reason), "the trouble")
    assert "later.csv: a link to nowhere" in (noting.notes[-1].reason or "")
    later.unlink()
    noting.wait(lambda: noting.notes[-1].reason is None, "that all is well again")
    assert len(noting.notes) == 3


def test_where_nothing_changes_nothing_is_noted_soon(noting: Noting, folder: Path) -> None:
    before = noting.ticks
    (folder / "a.csv").write_text("id\n2\n")
    noting.wait(lambda: noting.ticks > before + 4, "some rounds")
    assert len(noting.notes) == 1


def test_what_cannot_be_noted_is_noted_once_it_can(noting: Noting, folder: Path) -> None:
    noting.is_broken = True
    (folder / "later.csv").symlink_to("nowhere")
    noting.wait(lambda: noting.failures > 1, "a second attempt")
    noting.is_broken = False
    noting.wait(lambda: bool(noting.notes[-1].reason), "the trouble")
