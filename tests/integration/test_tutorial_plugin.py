"""The tutorial's plugin as its user runs it: by commands, over restarts and kills, each change told once."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from csv_manager.framework.app import shutdown
from csv_manager.patterns import CsvWatcherPattern

DEADLINE = 120

#: A program as the tutorial has it: groundwork first, the plugin, then the command line.
PROGRAM = """
import sys
from groundwork import App
from seed_plugin import CsvWatcherDbPlugin

app = App([sys.argv.pop(1)], plugins=[CsvWatcherDbPlugin])
app.plugins.activate(["CsvWatcherDbPlugin"])
app.commands.start_cli()
"""

#: The same program with a receiver; it prints what it is told until its stdin ends.
WATCHING = """
import json, sys
from groundwork import App
from seed_plugin import CsvWatcherDbPlugin

app = App([sys.argv[1]], plugins=[CsvWatcherDbPlugin])
app.plugins.initialise_by_names(["CsvWatcherDbPlugin"])


def tell(sender, csv_file, new_rows, missing_rows, **_):
    print("TOLD", json.dumps([list(new_rows), list(missing_rows)]), flush=True)


app.signals.connect("teller", "csv_watcher_change", tell, app, "tells")
app.plugins.activate(["CsvWatcherDbPlugin"])
sys.stdin.read()
"""


class Later(CsvWatcherPattern):
    """A receiver with a watermark that is activated after the watchers have started."""

    def activate(self) -> None:
        self.told: list[int] = []
        self.changed = threading.Condition()
        self.csv_watcher.on_change(self.tell, name="later")

    def tell(self, change: Any) -> None:
        with self.changed:
            self.told.append(change.version)
            self.changed.notify_all()

    def wait(self, *versions: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.told == [*versions], DEADLINE), self.told


class Tutorial:
    """One database of the tutorial's plugin, and the apps and programs that run on it."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.database = folder / "home" / "watcher_db.db"
        self.config = folder / "configuration.py"
        self.config.write_text(
            f"APP_NAME = 'tutorial'\nAPP_PATH = {str(folder / 'home')!r}\nCSV_SETTLE = 0.05\n"
            f"WATCHER_DATABASE_NAME = 'tutorial_db'\nWATCHER_DATABASE_CONNECTION = 'sqlite:///{self.database}'\n"
        )
        self._stack = stack

    def start(self, *later: type[Any]) -> tuple[Any, Any, list[dict[str, Any]]]:
        """A new App on the same database, its plugin, and what its signal has said so far."""
        from groundwork import App
        from seed_plugin import CsvWatcherDbPlugin

        app = App([str(self.config)], plugins=[CsvWatcherDbPlugin, *later])
        self._stack.callback(shutdown, app)
        app.plugins.initialise_by_names(["CsvWatcherDbPlugin"])
        told: list[dict[str, Any]] = []

        def listen(_sender: Any, **said: Any) -> None:
            told.append(said)

        app.told = listen  # a signal holds its receivers weakly
        app.signals.connect("listener", "csv_watcher_change", listen, app, "listens")
        app.plugins.activate(["CsvWatcherDbPlugin", *(clazz.__name__ for clazz in later)])
        plugin = app.plugins.get("CsvWatcherDbPlugin")
        assert plugin.active
        return app, plugin, told

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command of the program as a process of its own."""
        command = [sys.executable, "-c", PROGRAM, str(self.config), *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=DEADLINE, check=False
        )

    def watch(self) -> "subprocess.Popen[str]":
        """The program with a receiver, just started."""
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHING, str(self.config)],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        return dict(os.environ) | {"PYTHONPATH": path}

    def stored(self) -> list[tuple[str, float]]:
        """The rows of csv_watchers, asked of SQLite alone."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return connection.execute("SELECT csv_file, interval FROM csv_watchers ORDER BY id").fetchall()


@pytest.fixture
def tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tutorial]:
    for name in list(os.environ):
        if name.startswith("CSV_MANAGER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CSV_MANAGER_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with contextlib.ExitStack() as stack:
        yield Tutorial(tmp_path, stack)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text("id,v\n1,a\n")
    return path


def rest(app: Any) -> None:
    """Wait until everything that is new in a watched file was recorded and told."""
    assert app.csv_watcher.runtime.service.wait_at_rest(DEADLINE)


def rows(told: list[dict[str, Any]]) -> list[tuple[list[Any], list[Any]]]:
    return [(list(said["new_rows"]), list(said["missing_rows"])) for said in told]


def test_changes_made_between_two_runs_are_told_once(tutorial: Tutorial, data: Path) -> None:
    app, plugin, told = tutorial.start()
    plugin.csv_watcher_add(str(data), 60)
    rest(app)
    assert rows(told) == [([{"id": "1", "v": "a"}], [])]
    shutdown(app)
    data.write_text("id,v\n1,b\n2,c\n2,c\n")
    app, _, told = tutorial.start()
    rest(app)
    assert [said["csv_file"] for said in told] == [str(data.resolve())]
    assert rows(told) == [
        ([{"id": "1", "v": "b"}, {"id": "2", "v": "c"}, {"id": "2", "v": "c"}], [{"id": "1", "v": "a"}])
    ]
    shutdown(app)
    app, _, told = tutorial.start()
    rest(app)
    assert told == []


def test_a_watcher_that_was_deleted_stays_deleted(tutorial: Tutorial, data: Path) -> None:
    app, plugin, _ = tutorial.start()
    plugin.csv_watcher_add(str(data), 60)
    rest(app)
    plugin.csv_watcher_delete(str(data))
    shutdown(app)
    data.write_text("id,v\n1,b\n")
    app, plugin, told = tutorial.start()
    rest(app)
    assert (told, plugin.Watcher.query.all(), plugin.csv_watcher.get()) == ([], [], {})


def test_a_watcher_that_cannot_be_activated_is_rolled_back(tutorial: Tutorial, data: Path) -> None:
    app, plugin, told = tutorial.start()
    plugin.csv_watcher_add(str(data), 0)
    assert plugin.Watcher.query.all() == []
    assert tutorial.stored() == []
    plugin.csv_watcher_add(str(data), 60)
    rest(app)
    assert tutorial.stored() == [(str(data), 60)]
    assert len(told) == 1


def test_a_file_that_comes_later_is_watched_when_it_does(tutorial: Tutorial, tmp_path: Path) -> None:
    app, plugin, told = tutorial.start()
    path = tmp_path / "later.csv"
    plugin.csv_watcher_add(str(path), 60)
    rest(app)
    assert told == []
    path.write_text("id\n1\n")
    condition = threading.Event()
    app.heard = lambda *_, **__: condition.set()
    app.signals.connect("heard", "csv_watcher_change", app.heard, app, "hears")
    assert condition.wait(DEADLINE)
    assert rows(told) == [([{"id": "1"}], [])]


def test_a_stored_watcher_that_is_no_use_keeps_no_other_from_being_loaded(tutorial: Tutorial, data: Path) -> None:
    app, plugin, _ = tutorial.start()
    plugin.csv_watcher_add(str(data), 60)
    rest(app)
    plugin.db.add(plugin.Watcher(csv_file="/no/where.csv", interval=0))
    plugin.db.commit()
    shutdown(app)
    data.write_text("id,v\n1,b\n")
    app, plugin, told = tutorial.start()
    rest(app)
    assert list(plugin.csv_watcher.get()) == [str(data.resolve())]
    assert len(told) == 1


def test_a_receiver_with_a_watermark_that_is_activated_last_misses_nothing(tutorial: Tutorial, data: Path) -> None:
    app, plugin, _ = tutorial.start(Later)
    plugin.csv_watcher_add(str(data), 60)
    app.plugins.get("Later").wait(1)
    shutdown(app)
    data.write_text("id,v\n1,b\n")
    app, _, _ = tutorial.start()  # the version is recorded, and the receiver is not there
    rest(app)
    shutdown(app)
    data.write_text("id,v\n1,c\n")
    app, _, _ = tutorial.start(Later)
    app.plugins.get("Later").wait(2, 3)


def test_its_commands_end_and_keep_what_they_stored(tutorial: Tutorial, data: Path) -> None:
    assert tutorial.run("csv_watcher_add", data, "-i", "7").returncode == 0
    other = data.with_name("other.csv")
    other.write_text("id\n1\n")
    assert tutorial.run("csv_watcher_add", other).returncode == 0
    assert tutorial.stored() == [(str(data), 7), (str(other), 10)]
    assert tutorial.run("csv_watcher_delete", data).returncode == 0
    assert tutorial.stored() == [(str(other), 10)]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["csv_watcher_add", "-h"], 0, "-i, --interval INTEGER"),
        (["csv_watcher_add"], 2, "Missing argument 'CSV_FILE'"),
        (["csv_watcher_add", "x.csv", "-i", "soon"], 2, "'soon' is no whole number"),
        (["csv_watcher_ad"], 2, "No such command 'csv_watcher_ad'"),
    ],
)
def test_its_command_line_helps_and_refuses(
    tutorial: Tutorial, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app, _, _ = tutorial.start()
    with pytest.raises(SystemExit) as ended:
        app.commands.start_cli(arguments)
    shown = capsys.readouterr()
    assert ended.value.code == code
    assert said in (shown.err if code else shown.out)
    assert "Traceback" not in shown.err
    assert tutorial.stored() == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_that_was_killed_tells_what_changed_meanwhile_once(tutorial: Tutorial, data: Path, end: int) -> None:
    assert tutorial.run("csv_watcher_add", data, "-i", "60").returncode == 0
    first = tutorial.watch()
    data.write_text("id,v\n1,b\n")
    told = until(first.stdout, [{"id": "1", "v": "b"}])
    first.send_signal(end)
    assert first.wait(DEADLINE) != 0
    data.write_text("id,v\n1,c\n")
    second = tutorial.watch()
    assert until(second.stdout, [{"id": "1", "v": "c"}]) == [[[{"id": "1", "v": "c"}], [{"id": "1", "v": "b"}]]]
    data.write_text("id,v\n1,c\n2,d\n")
    assert until(second.stdout, [{"id": "2", "v": "d"}]) == [[[{"id": "2", "v": "d"}], []]]
    second.communicate(timeout=DEADLINE)
    assert second.returncode == 0
    # What was there at first was told by the command that added it, or by the first run, or was edited before.
    assert told[-1][0] == [{"id": "1", "v": "b"}]
    assert len(told) <= 2


def until(stream: IO[str] | None, new_rows: list[Any]) -> list[Any]:
    """What a program tells, up to the change with these new rows."""
    assert stream is not None
    told = []
    for line in stream:
        if line.startswith("TOLD "):  # groundwork logs to stdout
            told.append(json.loads(line.removeprefix("TOLD ")))
            if told[-1][0] == new_rows:
                return told
    raise AssertionError(f"the program ended; it told {told}")
