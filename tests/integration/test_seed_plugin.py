"""The tutorial's plugin runs on our framework: in a bare groundwork App, over a restart, told once."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from groundwork import App
from seed_plugin import CsvWatcherDbPlugin

from csv_manager import framework
from csv_manager.framework.app import shutdown

DEADLINE = 120


class Listener:
    """Collects what the signal csv_watcher_change says."""

    def __init__(self, app: Any) -> None:
        self.told: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        app.signals.connect("listener", "csv_watcher_change", self.listen, app, "collects")

    def listen(self, sender: Any, **told: Any) -> None:
        with self._changed:
            self.told.append({"sender": sender, **told})
            self._changed.notify_all()

    def wait(self, count: int) -> list[dict[str, Any]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= count, DEADLINE), self.told
        return self.told


@pytest.fixture
def config(tmp_path: Path) -> str:
    home = tmp_path / "home"
    home.mkdir()
    path = tmp_path / "configuration.py"
    path.write_text(
        f"APP_NAME = 'seed'\nAPP_PATH = {str(home)!r}\nCSV_SETTLE = 0.05\n"
        "WATCHER_DATABASE_LOCATION = APP_PATH + '/watcher_db.db'\n"
        "WATCHER_DATABASE_CONNECTION = 'sqlite:///' + WATCHER_DATABASE_LOCATION\n"
    )
    return str(path)


@pytest.fixture
def apps(config: str) -> Iterator[Any]:
    started: list[Any] = []

    def start() -> tuple[Any, Any, Listener]:
        app = App([config], plugins=[CsvWatcherDbPlugin])
        started.append(app)
        # The pattern registers the signal when the plugin is made; a receiver of the app connects before it watches.
        app.plugins.initialise_by_names(["CsvWatcherDbPlugin"])
        listener = Listener(app)
        app.plugins.activate(["CsvWatcherDbPlugin"])
        return app, app.plugins.get("CsvWatcherDbPlugin"), listener

    yield start
    for app in started:
        shutdown(app)


def test_the_tutorials_plugin_watches_lists_deletes_and_survives_a_restart(apps: Any, tmp_path: Path) -> None:
    assert framework
    path = tmp_path / "test.csv"
    path.write_text("id,v\n1,a\n")
    app, plugin, listener = apps()
    assert plugin.active
    plugin.csv_watcher_add(str(path), 10)
    [first] = listener.wait(1)
    assert first["csv_file"] == str(path.resolve())
    assert list(first["new_rows"]) == [{"id": "1", "v": "a"}]
    assert list(first["missing_rows"]) == []
    assert plugin.csv_watcher.get(str(path)).running
    assert app.csv_watcher.get(str(path)) is plugin.csv_watcher.get(str(path))
    path.write_text("id,v\n1,b\n")
    second = listener.wait(2)[1]
    assert (list(second["new_rows"]), list(second["missing_rows"])) == (
        [{"id": "1", "v": "b"}],
        [{"id": "1", "v": "a"}],
    )
    assert second["version"] == 2
    shutdown(app)
    assert not plugin.csv_watcher.get(str(path))

    path.write_text("id,v\n1,b\n2,c\n")
    app, plugin, listener = apps()
    assert [(watcher.csv_file, watcher.interval) for watcher in plugin.Watcher.query.all()] == [(str(path), 10)]
    [third] = listener.wait(1)
    assert list(third["new_rows"]) == [{"id": "2", "v": "c"}]
    assert third["version"] == 3
    plugin.csv_watcher_delete(str(path))
    assert plugin.Watcher.query.all() == []


def test_a_second_add_of_the_same_file_stores_no_second_watcher(apps: Any, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("id,v\n1,a\n")
    _, plugin, listener = apps()
    plugin.csv_watcher_add(str(path), 10)
    plugin.csv_watcher_add(str(path), 10)
    listener.wait(1)
    assert plugin.Watcher.query.count() == 1


def test_the_plugins_commands_are_click_commands_of_the_app(apps: Any) -> None:
    app, _, _ = apps()
    assert {"csv_watcher_list", "csv_watcher_add", "csv_watcher_delete"} <= set(app.commands.get())
    with pytest.raises(SystemExit) as ended:
        app.commands.start_cli(["csv_watcher_add", "--help"], prog_name="seed")
    assert ended.value.code == 0


def test_ours_and_the_tutorials_plugin_read_the_same_store(apps: Any, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("id,v\n1,a\n")
    app, plugin, listener = apps()
    plugin.csv_watcher_add(str(path), 7)
    listener.wait(1)
    [stored] = app.csv_watcher.store.catalog.watchers.all()
    assert (stored.csv_file, stored.options.interval) == (str(path), 7)
    assert [version.number for version in app.csv_watcher.store.file(str(path)).versions()] == [1]
