"""csv_manager.testing: the kit that plugin authors test with."""

import gzip
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from csv_manager import testing
from csv_manager.core.errors import OptionError, PluginError, VersionNotFoundError
from csv_manager.patterns import CsvWatcherPattern

OLD = "id,price\n1,5.00\n2,7.00\n"
NEW = "id,price\n1,4.50\n2,7.25\n"


class PriceAlert(CsvWatcherPattern):
    """Say which prices fell."""

    def activate(self) -> None:
        self.csv_watcher.on_change(self.tell, files="*/prices.csv", name="price_alert")

    def tell(self, change: Any) -> None:
        for row in change.updated:
            if float(row.after["price"]) < float(row.before["price"]):
                print(change.version, row.key, row.before["price"], "to", row.after["price"])  # noqa: T201 - its purpose


class Historian(CsvWatcherPattern):
    """Keeps what it is told, from the first version on."""

    def activate(self) -> None:
        self.told: list[Any] = []
        self.csv_watcher.on_change(self.told.append, name="historian", replay=True)


class Broken(CsvWatcherPattern):
    """Cannot be activated."""

    def activate(self) -> None:
        raise ValueError("no luck today")


def test_the_plugin_of_fifteen_lines_says_which_prices_fell(capsys: pytest.CaptureFixture[str]) -> None:
    with testing.app(PriceAlert) as app:
        app.write("prices.csv", OLD, key="id")
        assert app.settle() == [1]
        app.write("prices.csv", NEW)
        assert app.settle() == [2]
        assert app.plugins["PriceAlert"].name == "PriceAlert"
    assert capsys.readouterr().out == "2 {'id': '1'} 5.00 to 4.50\n"


def test_changes_have_the_form_that_they_have_everywhere() -> None:
    with testing.app() as app:
        path = app.write("prices.csv", OLD, key=["id"])
        app.settle()
        app.write("prices.csv", "id,price\n1,4.50\n3,1\n")
        app.settle()
        assert path == app.path("prices.csv") == os.path.realpath(app.folder / "prices.csv")
        told = {"csv_file": path, "version": 2}
        assert app.changes() == [
            {**told, "seq": 0, "op": "delete", "key": {"id": "2"}, "before": {"id": "2", "price": "7.00"},
             "after": None, "line": 3},
            {**told, "seq": 1, "op": "update", "key": {"id": "1"}, "before": {"id": "1", "price": "5.00"},
             "after": {"id": "1", "price": "4.50"}, "line": 2},
            {**told, "seq": 2, "op": "insert", "key": {"id": "3"}, "before": None,
             "after": {"id": "3", "price": "1"}, "line": 3},
        ]  # fmt: skip
        assert [change["op"] for change in app.changes(version=1)] == ["insert", "insert"]


def test_a_receiver_is_told_each_version_once_in_order_whatever_the_file() -> None:
    with testing.app(Historian) as app:
        for number in range(3):
            app.write("a.csv", f"x\n{number}\n")
            app.write("b.csv", f"x\n{number}\n")
            assert app.settle() == [number + 1, number + 1]
            assert app.settle() == []
        told = [(Path(change.csv_file).name, change.version) for change in app.plugins["Historian"].told]
        assert told == [(name, number) for number in (1, 2, 3) for name in ("a.csv", "b.csv")]
        positions = [change.position for change in app.plugins["Historian"].told]
        assert positions == sorted(set(positions))


def test_with_several_files_changes_wants_a_name() -> None:
    with testing.app() as app:
        app.write("a.csv", "x\n1\n")
        app.write("b.csv", "x\n1\n2\n")
        app.settle()
        with pytest.raises(ValueError, match="Name one of the 2 files"):
            app.changes()
        assert len(app.changes("b.csv")) == 2


def test_a_file_may_be_watched_before_it_is_there_and_go_away() -> None:
    with testing.app(Historian) as app:
        app.watch("late.csv", key=("id",), ignore="seen")
        assert app.settle() == []
        with pytest.raises(VersionNotFoundError, match=r"late\.csv has no history"):
            app.changes()
        app.write("late.csv", "id,v,seen\n1,a,x\n")
        assert app.settle() == [1]
        Path(app.path("late.csv")).unlink()
        assert app.settle() == []
        app.write("late.csv", "id,v,seen\n1,a,y\n")
        app.settle()
        assert [tuple(change.change_set.counts) for change in app.plugins["Historian"].told] == [(1, 0, 0), (0, 0, 0)]


def test_bytes_are_written_as_they_are() -> None:
    with testing.app() as app:
        app.write("data.csv.gz", gzip.compress("näme\nÄ\n".encode("latin-1")))
        app.settle()
        assert [change["after"] for change in app.changes()] == [{"näme": "Ä"}]
        app.write("deep/er/data.csv", b"\xef\xbb\xbfa;b\r\n1;\xc3\xa4\r\n")
        app.settle()
        assert [change["after"] for change in app.changes("deep/er/data.csv")] == [{"a": "1", "b": "ä"}]


def test_findings_tell_why_a_version_is_held_and_end_with_it() -> None:
    with testing.app(Historian) as app:
        app.write("prices.csv", OLD, key="id")
        app.settle()
        assert app.findings() == []
        app.write("prices.csv", "id,price\n1,5.00\n1,6.00\n")
        assert app.settle() == [2]
        [finding] = app.findings()
        assert finding["code"] == "primary-key"
        assert "id='1' in lines 2 and 3" in finding["message"]
        app.write("prices.csv", "code,price\n1,5.00\n")
        assert app.settle() == [3]
        assert [finding["code"] for finding in app.findings()] == ["missing-label"]
        app.write("prices.csv", NEW)
        assert app.settle() == [4]
        assert app.findings() == []
        assert [(change.version, change.base) for change in app.plugins["Historian"].told] == [(1, None), (4, 1)]


def test_options_that_make_no_sense_are_refused_and_store_nothing() -> None:
    with testing.app() as app:
        with pytest.raises(OptionError, match="--interval must be more than 0"):
            app.watch("data.csv", interval=0)
        with pytest.raises(OptionError, match="A key column cannot be ignored: id"):
            app.watch("data.csv", key="id", ignore="id")
        assert app.settle() == []


def test_no_thread_runs_and_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(threading.enumerate())
    with testing.app(PriceAlert, Historian) as app:
        app.write("prices.csv", OLD)
        app.settle()
        assert set(threading.enumerate()) == before
        assert list(tmp_path.iterdir()) == [app.folder.parent]
        assert not app.app.csv_watcher.running
    assert list(tmp_path.iterdir()) == []


def test_a_plugin_that_cannot_be_activated_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(PluginError, match="Plugin Broken could not be activated: no luck today"):
        testing.app(Historian, Broken)
    assert list(tmp_path.iterdir()) == []


def test_the_outside_does_not_reach_in_and_is_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CSV_MANAGER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CSV_MANAGER_HISTORY_ROW_LIMIT", "1")
    monkeypatch.setenv("CSV_MANAGER_WATCHER_DATABASE_CONNECTION", "sqlite:////nowhere/at/all.db")
    before = dict(os.environ)
    with testing.app(MY_LIMIT=5) as app:
        assert dict(os.environ) == before
        assert app.app.config.get("HISTORY_ROW_LIMIT") == 100000
        assert app.app.config.get("MY_LIMIT") == 5
        app.write("data.csv", "x\n1\n2\n")
        assert app.settle() == [1]
    assert dict(os.environ) == before
    assert not (tmp_path / "home").exists()


def test_a_setting_that_is_given_is_in_force() -> None:
    with testing.app(HISTORY_ROW_LIMIT=1) as app:
        app.write("data.csv", "x\n1\n")
        app.settle()
        app.write("data.csv", "x\n2\n3\n")
        app.settle()
        newest = app.app.csv_watcher.store.file(app.path("data.csv")).latest()
        assert not newest.stored
        assert len(app.changes()) == 3


def test_two_apps_know_nothing_of_each_other() -> None:
    with testing.app(Historian) as one, testing.app(Historian) as other:
        one.write("data.csv", "x\n1\n")
        assert (one.settle(), other.settle()) == ([1], [])
        assert one.plugins["Historian"] is not other.plugins["Historian"]
        assert other.plugins["Historian"].told == []
