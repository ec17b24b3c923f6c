"""What a plugin author gets: csv_watcher, on_change with its watermark, activation, and the testing kit."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csv_manager import testing
from csv_manager.applications import CSV_MANAGER_APP
from csv_manager.core.errors import CsvManagerError, OptionError, WatcherExistsError
from csv_manager.framework import app as framework
from csv_manager.patterns import CsvWatcherPattern

DEADLINE = 120


class PriceAlert(CsvWatcherPattern):
    """Say which prices fell."""

    def activate(self) -> None:
        self.fell: list[tuple[int, Any, str, str]] = []
        self.csv_watcher.on_change(self.tell, files="*/prices.csv", name="price_alert")

    def tell(self, change: Any) -> None:
        for row in change.updated:
            if float(row.after["price"]) < float(row.before["price"]):
                self.fell.append((change.version, row.key, row.before["price"], row.after["price"]))


class Collector(CsvWatcherPattern):
    """Collects what the signals say."""

    def activate(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.changed = threading.Condition()
        for signal in ("csv_watcher_change", "csv_version_held", "csv_watcher_state"):
            self.signals.connect(f"collector_{signal}", signal, self.receiver(signal), "collects")

    def receiver(self, signal: str) -> Any:
        def receive(_sender: Any, **told: Any) -> None:
            with self.changed:
                self.told.append((signal, told))
                self.changed.notify_all()

        self.__dict__.setdefault("_kept", []).append(receive)
        return receive

    def wait(self, signal: str, count: int = 1) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]]:
            return [told for name, told in self.told if name == signal]

        with self.changed:
            assert self.changed.wait_for(lambda: len(found()) >= count, DEADLINE), self.told
        return found()


def test_the_kit_drives_a_plugin_by_hand() -> None:
    with testing.app(PriceAlert) as app:
        app.write("prices.csv", "id,price\n1,5\n2,7\n", key=["id"])
        assert app.settle() == [1]
        app.write("prices.csv", "id,price\n1,4\n2,8\n")
        assert app.settle() == [2]
        assert app.settle() == []
        assert app.plugins["PriceAlert"].fell == [(2, {"id": "1"}, "5", "4")]
        assert [(change["op"], change["line"]) for change in app.changes()] == [("update", 2), ("update", 3)]
        assert [change["op"] for change in app.changes("prices.csv", 1)] == ["insert", "insert"]
        assert app.findings() == []
        app.write("prices.csv", "id,price\n1,4\n1,8\n")
        assert app.settle() == [3]
        assert [finding["code"] for finding in app.findings()] == ["primary-key"]
        folder = app.folder
    assert not folder.exists()


def test_a_receiver_sees_only_the_files_that_it_asked_for() -> None:
    with testing.app(PriceAlert) as app:
        for price in ("5", "4"):
            app.write("other.csv", f"id,price\n1,{price}\n", key=["id"])
            app.settle()
        assert app.plugins["PriceAlert"].fell == []


def test_the_signals_say_what_they_promise() -> None:
    with testing.app(Collector) as app:
        path = app.write("data.csv", "id,v\n1,a\n2,b\n", key="id")
        app.settle()
        app.write("data.csv", "id,v\n1,A\n3,c\n")
        app.settle()
        app.write("data.csv", "id,v\n1,A\n1,c\n")
        app.settle()
        first, second = app.plugins["Collector"].wait("csv_watcher_change", 2)
        assert len(first["new_rows"]) == 2
        assert set(second) == {"csv_file", "new_rows", "missing_rows", "change_set", "version"}
        assert (second["csv_file"], second["version"], second["change_set"].counts) == (path, 2, (1, 1, 1))
        assert list(second["new_rows"]) == [{"id": "1", "v": "A"}, {"id": "3", "v": "c"}]
        assert sorted(row["v"] for row in second["missing_rows"]) == ["a", "b"]
        assert len(second["missing_rows"]) == 2
        [held] = app.plugins["Collector"].wait("csv_version_held")
        assert (held["csv_file"], held["version"]) == (path, 3)
        assert "id='1' in lines 2 and 3" in held["reason"]
        assert len(app.plugins["Collector"].wait("csv_watcher_change", 2)) == 2


def test_register_get_and_unregister_on_plugin_and_app_level(tmp_path: Path) -> None:
    with testing.app(Collector, PriceAlert) as app:
        plugin, other = app.plugins["Collector"], app.plugins["PriceAlert"]
        path = tmp_path / "data.csv"
        path.write_text("a\n1\n")
        watcher = plugin.csv_watcher.register(str(path), 5, "a file")
        assert (watcher.csv_file, watcher.interval, watcher.description) == (str(path.resolve()), 5, "a file")
        assert not watcher.running
        assert plugin.csv_watcher.get(str(path)) is watcher
        assert other.csv_watcher.get(str(path)) is None
        assert app.app.csv_watcher.get() == {str(path.resolve()): watcher}
        with pytest.raises(WatcherExistsError, match="is registered by Collector already"):
            other.csv_watcher.register(str(tmp_path / "." / "data.csv"), 5)
        for interval in (0, -1, float("nan")):
            with pytest.raises(OptionError, match="--interval must be more than 0 seconds"):
                plugin.csv_watcher.register(str(tmp_path / "other.csv"), interval)
        with pytest.raises(OptionError, match="--interval must be a number of seconds, not '5'"):
            plugin.csv_watcher.register(str(tmp_path / "other.csv"), "5")
        with pytest.raises(OptionError, match="A receiver price_alert exists already"):
            plugin.csv_watcher.on_change(print, name="price_alert")
        plugin.csv_watcher.unregister(str(path))
        assert app.app.csv_watcher.get(str(path)) is None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CSV_MANAGER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CSV_MANAGER_CSV_SETTLE", "0.05")
    (tmp_path / "home" / "plugins").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def embedded(home: Path) -> Iterator[Any]:
    assert home
    started: list[CSV_MANAGER_APP] = []

    def start() -> Any:
        application = CSV_MANAGER_APP()
        started.append(application)
        application.app.plugins.classes.register([Collector])
        application.app.csv_plugins += ("Collector",)
        application.plugins.append("Collector")
        application.activate()
        return application

    yield start
    for application in started:
        application.stop()


def test_an_embedding_app_watches_what_is_stored_and_no_receiver_misses_a_change(embedded: Any, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    application = embedded()
    plugin = application.app.plugins.get("CsvWatcherDbPlugin")
    assert application.app.csv_watcher.running
    assert plugin.Watcher.query.all() == []
    plugin.csv_watcher_add(str(path), 10)
    assert [(row.csv_file, row.interval) for row in plugin.Watcher.query.all()] == [(str(path.resolve()), 10)]
    assert plugin.csv_watcher.get(str(path)).running
    path.write_text("a\n1\n2\n")
    told = application.app.plugins.get("Collector").wait("csv_watcher_change", 2)
    assert [list(change["new_rows"]) for change in told] == [[{"a": "1"}], [{"a": "2"}]]
    application.stop()
    assert not application.app.csv_watcher.running

    path.write_text("a\n1\n2\n3\n")
    application = embedded()
    [told_again] = application.app.plugins.get("Collector").wait("csv_watcher_change")
    assert (told_again["version"], list(told_again["new_rows"])) == (3, [{"a": "3"}])
    plugin = application.app.plugins.get("CsvWatcherDbPlugin")
    plugin.csv_watcher_delete(str(path))
    assert plugin.csv_watcher.get(str(path)) is None
    assert plugin.Watcher.query.all() == []
    with pytest.raises(CsvManagerError, match="is not watched"):
        plugin.csv_watcher_delete(str(path))


def test_files_of_the_settings_are_watched(embedded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    monkeypatch.setenv("CSV_MANAGER_CSV_FILES", str(path))
    monkeypatch.setenv("CSV_MANAGER_CSV_INTERVAL", "3")
    application = embedded()
    watcher = application.app.plugins.get("CsvWatcherPlugin").csv_watcher.get(str(path))
    assert (watcher.running, watcher.interval) == (True, 3)
    [told] = application.app.plugins.get("Collector").wait("csv_watcher_change")
    assert told["version"] == 1
    watcher.stop()
    assert not watcher.running


def test_few_threads_watch_many_files_and_all_are_gone_in_the_end(embedded: Any, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    application = embedded()
    plugin = application.app.plugins.get("Collector")
    for number in range(40):
        path = tmp_path / f"{number}.csv"
        path.write_text(f"a\n{number}\n")
        plugin.csv_watcher.register(str(path)).run()
    plugin.wait("csv_watcher_change", 40)
    started = set(threading.enumerate()) - before
    assert len(started) <= 10
    assert all(thread.daemon for thread in started)
    application.stop()
    for thread in started:
        thread.join(DEADLINE)
        assert not thread.is_alive()


class Odd(BaseException):
    """As most of groundwork's own errors are."""


class Follower(Collector):
    """Follows versions with watermarks: one receiver from now on, one from the oldest on, and one that fails."""

    def activate(self) -> None:
        super().activate()
        self.failing = 0
        self.csv_watcher.on_change(self.fail, name="a_failing")
        self.csv_watcher.on_change(self.follow("now"), name="now")
        self.csv_watcher.on_change(self.follow("oldest"), name="oldest", replay=True)

    def follow(self, name: str) -> Any:
        def receive(change: Any) -> None:
            with self.changed:
                self.told.append((name, {"version": change.version}))
                self.changed.notify_all()

        return receive

    def fail(self, _change: Any) -> None:
        if self.failing:
            self.failing -= 1
            raise Odd("not now")
        self.follow("a_failing")(_change)

    def versions(self, name: str, count: int) -> list[int]:
        return [told["version"] for told in self.wait(name, count)]


def embed(*classes: type[Any], watching: bool = True) -> Any:
    application = CSV_MANAGER_APP(watching=watching)
    application.app.plugins.classes.register(list(classes))
    names = [clazz.__name__ for clazz in classes]
    application.app.csv_plugins += tuple(names)
    application.plugins += names
    application.activate()
    return application


def test_receivers_go_on_where_they_were_and_new_ones_where_they_asked_to(
    home: Path, embedded: Any, tmp_path: Path
) -> None:
    assert home
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    application = embedded()
    application.app.plugins.get("CsvWatcherDbPlugin").csv_watcher_add(str(path), 60)
    application.stop()
    path.write_text("a\n2\n")
    with contextlib.closing(Stopping(embed(Follower))) as running:
        plugin = running.app.plugins.get("Follower")
        assert plugin.versions("oldest", 2) == [1, 2]
        assert plugin.versions("now", 1) == [2]
    path.write_text("a\n3\n")
    application = embedded()  # Follower is not there when this is recorded
    application.app.plugins.get("Collector").wait("csv_watcher_change")
    application.stop()
    path.write_text("a\n4\n")
    with contextlib.closing(Stopping(embed(Follower))) as running:
        plugin = running.app.plugins.get("Follower")
        for name in ("now", "oldest", "a_failing"):
            assert plugin.versions(name, 2) == [3, 4]


def test_a_receiver_that_raises_one_of_groundworks_errors_ends_nothing_and_is_told_again(
    home: Path, tmp_path: Path
) -> None:
    assert home
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    with contextlib.closing(Stopping(embed(Follower))) as running:
        plugin = running.app.plugins.get("Follower")
        plugin.failing = 2
        plugin.csv_watcher.register(str(path), 60).run()
        assert plugin.versions("now", 1) == [1]
        path.write_text("a\n2\n")
        assert plugin.versions("now", 2) == [1, 2]
        assert plugin.versions("a_failing", 2) == [1, 2]


def test_a_receiver_that_takes_its_time_holds_up_neither_ticks_nor_recordings(home: Path, tmp_path: Path) -> None:
    assert home
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    begun, go_on, ticked = threading.Event(), threading.Event(), threading.Event()

    def take_time(_change: Any) -> None:
        begun.set()
        assert go_on.wait(DEADLINE)

    with contextlib.closing(Stopping(embed(Collector))) as running:
        plugin = running.app.plugins.get("Collector")
        plugin.csv_watcher.on_change(take_time, name="slow")
        plugin.csv_watcher.register(str(path), 60).run()
        assert begun.wait(DEADLINE)
        plugin.csv_watcher.each_tick(ticked.set)
        assert ticked.wait(DEADLINE)
        path.write_text("a\n2\n")
        assert [told["version"] for told in plugin.wait("csv_watcher_change", 2)] == [1, 2]
        go_on.set()


def test_a_plugin_stops_its_own_watchers_and_no_other(home: Path, tmp_path: Path) -> None:
    assert home
    paths = [tmp_path / name for name in ("mine.csv", "other.csv")]
    for path in paths:
        path.write_text("a\n1\n")
    with contextlib.closing(Stopping(embed(Collector, PriceAlert))) as running:
        mine, other = running.app.plugins.get("Collector"), running.app.plugins.get("PriceAlert")
        mine.csv_watcher.register(str(paths[0]), 60).run()
        watcher = other.csv_watcher.register(str(paths[1]), 60)
        watcher.run()
        mine.csv_watcher.unregister(str(paths[1]))
        mine.csv_watcher.unregister("/no/where.csv")
        assert watcher.running
        assert running.app.csv_watcher.get(str(paths[1])) is watcher
        mine.wait("csv_watcher_change", 2)
        watcher.stop()
        paths[1].write_text("a\n2\n")
        watcher.run()
        [*_, last] = mine.wait("csv_watcher_change", 3)
        assert (last["csv_file"], last["version"]) == (str(paths[1].resolve()), 2)
        running.app.plugins.deactivate(["PriceAlert"])
        assert running.app.csv_watcher.get() == {str(paths[0].resolve()): mine.csv_watcher.get(str(paths[0]))}


def test_with_watching_off_an_app_activates_and_no_thread_starts(home: Path, embedded: Any, tmp_path: Path) -> None:
    assert home
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    application = embedded()
    application.app.plugins.get("CsvWatcherDbPlugin").csv_watcher_add(str(path), 60)
    application.stop()
    before = set(threading.enumerate())
    with contextlib.closing(Stopping(embed(Collector, watching=False))) as running:
        assert set(threading.enumerate()) == before
        assert not running.app.csv_watcher.running


def test_in_a_bare_app_our_plugin_loads_what_is_stored_and_watches_it(home: Path, tmp_path: Path) -> None:
    from groundwork import App

    from csv_manager.plugins.csv_watcher_db_plugin.csv_watcher_db_plugin import CsvWatcherDbPlugin

    config = tmp_path / "configuration.py"
    config.write_text(f"APP_PATH = {str(home)!r}\nCSV_SETTLE = 0.05\n")
    path = tmp_path / "data.csv"
    path.write_text("a\n1\n")
    for number in (1, 2):
        app = App([str(config)], plugins=[Collector, CsvWatcherDbPlugin])
        app.plugins.initialise_by_names(["CsvWatcherDbPlugin"])
        app.plugins.activate(["Collector", "CsvWatcherDbPlugin"])
        with contextlib.closing(Stopping(app=app)):
            plugin = app.plugins.get("CsvWatcherDbPlugin")
            if number == 1:
                plugin.csv_watcher_add(str(path), 60)
            assert plugin.csv_watcher.get(str(path)).running
            assert [row.csv_file for row in plugin.Watcher.query.all()] == [str(path.resolve())]
            path.write_text(f"a\n{number}\nx\n")
            told = app.plugins.get("Collector").wait("csv_watcher_change", 3 - number)
            assert told[-1]["version"] == number + 1


class Stopping:
    """An application that is stopped in the end, whatever happens."""

    def __init__(self, application: Any = None, app: Any = None) -> None:
        self.app = app or application.app

    def close(self) -> None:
        framework.shutdown(self.app)
