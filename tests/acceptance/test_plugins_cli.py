"""Plugins that were never packaged, receivers of changes, and the document of the history."""

import json
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cli, Service

Start = Callable[..., "Service"]

OLD = "id,v\n1,x\n2,y\n"

#: Writes a line for each change to the file told.jsonl; raises at the version that the file `raise_at` names, and
#: ends its process as a crash does at the one that `die_at` names.
TELLER = """
import json, os, signal
from pathlib import Path
from csv_manager.patterns import CsvWatcherPattern

HERE = Path(__file__).parent


class Teller(CsvWatcherPattern):
    def activate(self):
        self.csv_watcher.on_change(self.tell, files="*/data.csv", name="teller")

    def tell(self, change):
        if self._is_named("die_at", change):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._is_named("raise_at", change):
            raise RuntimeError("not now")
        rows = [[row.op, row.before, row.after] for row in change.change_set]
        with (HERE / "told.jsonl").open("a") as file:
            file.write(json.dumps([change.version, rows]) + "\\n")

    def _is_named(self, name, change):
        path = HERE / name
        return path.exists() and int(path.read_text()) == change.version
"""

#: Says at which version it is to the pipe `told`, and goes on once somebody opens the pipe `go`.
SLOW = """
from pathlib import Path
from csv_manager.patterns import CsvWatcherPattern


class Slow(CsvWatcherPattern):
    def activate(self):
        self.csv_watcher.on_change(self.tell, name="slow")

    def tell(self, change):
        Path("told").write_text(f"{change.version}\\n")
        Path("go").read_text()
"""

COMMAND = """
from csv_manager.patterns import CsvCommandsPattern


class Greeter(CsvCommandsPattern):
    def activate(self):
        self.commands.register("greet", "Greet.", self.greet)

    def greet(self):
        self.answer([{"hello": "world"}], ["hello"], "json")
"""


@pytest.fixture
def teller(cli: "Cli") -> "Path":
    """data.csv is watched; the plugin Teller, loaded from the home, was told of version 1."""
    path = cli.write("../home/plugins/teller.py", TELLER)
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    return path.parent


def told(folder: "Path") -> list[int]:
    """The versions that Teller was told, in order."""
    path = folder / "told.jsonl"
    return [json.loads(line)[0] for line in path.read_text().splitlines()] if path.exists() else []


def test_a_plugin_file_adds_its_command(cli: "Cli") -> None:
    plugin = cli.write("greeter.py", COMMAND)
    assert json.loads(cli("--plugin", plugin, "greet")) == [{"hello": "world"}]
    assert "greet" in cli("--plugin", "greeter.py", "--help")
    assert "greet" in cli.refused("greet")


def test_the_plugins_of_the_home_are_loaded_by_themselves(cli: "Cli") -> None:
    cli.write("../home/plugins/greeter.py", COMMAND)
    assert json.loads(cli("greet")) == [{"hello": "world"}]


def test_an_unknown_name_in_plugins_lists_the_known_ones(cli: "Cli") -> None:
    cli.environment["CSV_MANAGER_PLUGINS_EXTRA"] = "CsvWatcherDbPlugn"
    line = cli.refused("csv_watcher_list")
    assert "CsvWatcherDbPlugn" in line
    assert "did you mean CsvWatcherDbPlugin?" in line
    for known in ("CsvHistoryPlugin", "CsvConfigPlugin", "CsvDemoPlugin"):
        assert known in line


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("class A:\n    def f(:\n", ["line 2", "SyntaxError"]),
        ("import os\nimport no_such_module\n", ["line 2", "no_such_module"]),
        ("X = 1\nraise SystemExit(3)\n", ["line 2", "it ends the program (SystemExit 3)"]),
        ("X = 1\n", ["defines no plugin", "CsvWatcherPattern"]),
        (COMMAND.replace('"greet", ', '"csv_watch", '), ["csv_watch", "already"]),
        (COMMAND.replace("self.commands.register", "1 / 0; self.commands.register"), ["Greeter", "division by zero"]),
        (COMMAND.replace("self.commands.register", "raise SystemExit(3); self.x"), ["Greeter", "SystemExit 3"]),
    ],
    ids=["syntax", "import", "exit", "empty", "taken", "activation", "activation that exits"],
)
def test_a_plugin_file_that_cannot_be_used_is_told_in_one_line(cli: "Cli", text: str, parts: list[str]) -> None:
    cli.write("bad.py", text)
    line = cli.refused("--plugin", "bad.py", "csv_watcher_list")
    for part in parts:
        assert part in line


def test_a_plugin_file_that_is_not_there_is_told(cli: "Cli") -> None:
    assert "nowhere.py" in cli.refused("--plugin", "nowhere.py", "csv_watcher_list")


def test_a_receiver_is_told_each_version_once_and_in_order(cli: "Cli", teller: "Path", service: Start) -> None:
    assert told(teller) == [1]
    running = service()
    cli.write("data.csv", OLD.replace("x", "X"))
    running.wait_told("version 2")
    cli.write("data.csv", "id,v\n1,X\n")
    running.wait_told("version 3")
    assert running.stop() == 0
    cli("csv_watch", "--once")
    lines = [json.loads(line) for line in (teller / "told.jsonl").read_text().splitlines()]
    assert lines[1:] == [
        [2, [["update", {"id": "1", "v": "x"}, {"id": "1", "v": "X"}]]],
        [3, [["delete", {"id": "2", "v": "y"}, None]]],
    ]


def test_a_receiver_is_told_only_of_its_files(cli: "Cli", teller: "Path") -> None:
    cli.write("other.csv", OLD)
    cli("csv_watcher_add", "other.csv")
    assert told(teller) == [1]


def test_what_a_killed_service_had_committed_and_not_delivered_is_told_afterwards(
    cli: "Cli", teller: "Path", service: Start
) -> None:
    (teller / "die_at").write_text("2")
    running = service()
    cli.write("data.csv", OLD.replace("x", "X"))
    assert running.process.wait(30) == -signal.SIGKILL
    assert [version["version"] for version in cli.versions("data.csv")] == [1, 2]
    assert told(teller) == [1]
    (teller / "die_at").unlink()
    _end_lease(cli)
    again = service()
    cli.write("data.csv", OLD)
    again.wait_told("version 3")
    assert again.stop() == 0
    cli("csv_watch", "--once")
    assert told(teller) == [1, 2, 3]


def test_a_receiver_that_raised_is_told_the_same_again_and_in_order(cli: "Cli", teller: "Path") -> None:
    (teller / "raise_at").write_text("2")
    for value in "abc":
        cli.write("data.csv", OLD.replace("x", value))
        said = cli.notes("csv_watch", "--once", code=1)
        assert "teller" in said
        assert "not now" in said
        assert "Traceback" not in said
    assert told(teller) == [1]
    (teller / "raise_at").unlink()
    cli("csv_watch", "--once")
    assert told(teller) == [1, 2, 3, 4]
    assert len(cli.versions("data.csv")) == 4


def test_a_receiver_that_raised_is_a_problem_until_it_is_told(cli: "Cli", teller: "Path", service: Start) -> None:
    assert json.loads(cli("csv_status", "--format", "json"))["problems"] == []
    (teller / "raise_at").write_text("2")
    cli.write("data.csv", OLD.replace("x", "X"))
    assert "failed; it is tried again with the same version. PluginError: Receiver teller: not now." in cli.notes(
        "csv_watch", "--once", code=1
    )
    words = "receiver teller is 1 version behind: not now"
    command = "csv_manager -v csv_watch --once"
    problem = {"csv_file": None, "state": "behind", "reason": words, "command": command}
    assert json.loads(cli("csv_status", "--format", "json", code=1))["problems"] == [problem]
    assert cli("csv_status", code=1) == f"1 ok; nothing is watching now.\n{words}\n    {command}\n"
    assert cli("csv_status", "--format", "csv", code=1).splitlines()[1] == f",behind,{words},{command}"
    running = service()
    cli.write("data.csv", OLD)
    running.wait_told("version 3")
    (teller / "raise_at").write_text("3")
    running.wait(lambda: "not now" not in cli.run("csv_status").stdout.decode() or told(teller) == [1, 2], "version 2")
    assert "receiver teller is 1 version behind" in cli("csv_status", code=1)
    (teller / "raise_at").unlink()
    running.wait(lambda: cli.run("csv_status").returncode == 0, "that all is well")
    assert told(teller) == [1, 2, 3]
    assert running.stop() == 0


def test_a_receiver_that_was_not_told_yet_is_no_problem(cli: "Cli", teller: "Path") -> None:
    (teller / "teller.py").rename(teller / "teller.txt")
    cli.write("data.csv", OLD.replace("x", "X"))
    cli("csv_watch", "--once")
    assert json.loads(cli("csv_status", "--format", "json"))["problems"] == []


def test_a_receiver_that_raises_harms_no_other(cli: "Cli", teller: "Path") -> None:
    second = cli.write("../home/plugins/second.py", TELLER.replace("eller", "eller2").replace("_at", "_2_at"))
    second.write_text(second.read_text().replace("told.jsonl", "told_2.jsonl"))
    (teller / "raise_at").write_text("2")
    cli.write("data.csv", OLD.replace("x", "X"))
    cli("csv_watch", "--once", code=1)
    assert told(teller) == [1]
    assert [json.loads(line)[0] for line in (teller / "told_2.jsonl").read_text().splitlines()] == [2]


def test_the_history_is_a_document_that_can_be_written(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv")
    cli.write("data.csv", OLD + "3,z\n")
    cli("csv_watch", "--once")
    target = cli.folder / "documents"
    target.mkdir()
    cli("doc_write", "-q", target)
    texts = [path.read_text() for path in target.rglob("*") if path.is_file()]
    [text] = [text for text in texts if "CSV Watcher Documentation" in text]
    assert str((cli.folder / "data.csv").resolve()) in text
    assert "Version 2" in text
    assert "1 inserted, 0 updated, 0 deleted" in text


def test_the_document_counts_the_stored_watchers(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv")
    target = cli.folder / "documents"
    target.mkdir()
    cli("doc_write", "-q", target)
    assert any("Registered csv watchers: 1" in path.read_text() for path in target.rglob("*") if path.is_file())


def test_the_list_of_plugins_tells_what_each_is_for(cli: "Cli") -> None:
    shown: Any = cli("plugin_list")
    for name in ("CsvWatcherPlugin", "CsvWatcherDbPlugin", "CsvHistoryPlugin", "CsvDocumentPlugin"):
        assert name in shown


def _end_lease(cli: "Cli") -> None:
    """Let the minute pass after which a killed process has lost its lease on a receiver."""
    cli.change("UPDATE csv_receivers SET lease_until = '2000-01-01 00:00:00.000000'")


def test_a_receiver_that_another_process_is_telling_did_not_fail(cli: "Cli", service: Start) -> None:
    plugin = cli.write("slow.py", SLOW)
    for name in ("told", "go"):
        os.mkfifo(cli.folder / name)
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "-i", "60")
    running = service(before=("--plugin", plugin))
    cli.write("data.csv", OLD + "3,z\n")
    assert (cli.folder / "told").read_text() == "2\n"
    said = cli.notes("--plugin", plugin, "csv_watch", "--once")
    process = running.process.pid
    assert said == f"Receiver slow is being told by process {process}; what that leaves is told at the next check.\n"
    (cli.folder / "go").write_text("")
    assert running.stop() == 0
    assert cli.notes("--plugin", plugin, "csv_watch", "--once") == ""
