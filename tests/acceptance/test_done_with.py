"""Drop folders: what becomes of a file that is recorded."""

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., "Service"]

DAYS = ["id,v\n1,a\n", "id,v\n1,b\n", "id,v\n1,b\n2,c\n"]


@pytest.mark.parametrize("feed", ["files", "series"])
def test_a_recorded_file_is_deleted_if_that_is_asked_for(cli: "Cli", service: "Start", feed: str) -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", feed, "--done", "delete")
    with service() as running:
        cli.write("drop/day-2.csv", DAYS[1])
        running.wait(lambda: not os.listdir(cli.folder / "drop"), "the empty folder")
        cli.write("drop/day-2.csv", DAYS[2])
        running.wait_told("version 2 " if feed == "files" else "version 3 ")
        running.wait(lambda: not os.listdir(cli.folder / "drop"), "the empty folder")
        assert running.stop() == 0
        assert not any("missing" in line for line in running.said)
    histories = ["drop"] if feed == "series" else ["drop/day-1.csv", "drop/day-2.csv"]
    assert sum(len(cli.versions(path)) for path in histories) == 3
    assert '"problems": []' in cli("csv_status", "--format", "json")


@pytest.mark.parametrize("feed", ["files", "series"])
@pytest.mark.parametrize("done", ["delete", "move:done"])
def test_a_folder_whose_files_are_all_done_with_is_ok(cli: "Cli", feed: str, done: str) -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", feed, "--done", done)
    cli("csv_watch", "--once")
    assert os.listdir(cli.folder / "drop") == []
    [before] = cli.json("csv_watcher_list")
    assert (before["state"], before["version"]) == ("ok", 1 if feed == "series" else None)
    assert before["reason"] == (
        None if feed == "series" else "Its files are recorded and gone; day-1.csv was the last one."
    )
    assert before["last_change"] <= before["last_check"]
    cli("csv_watch", "--once")
    [after] = cli.json("csv_watcher_list")
    assert (after["state"], after["last_change"]) == ("ok", before["last_change"])
    assert after["last_check"] > before["last_check"]
    assert cli("csv_status") == "1 ok; nothing is watching now.\n"
    cli.write("drop/day-1.csv", DAYS[1])
    if feed == "files":
        assert cli.json("csv_watcher_list")[0]["state"] == "waiting"
    assert "version 2" in cli("csv_watch", "--once")


def test_a_folder_of_which_nothing_was_recorded_is_waiting(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop/day-1.csv")
    cli("csv_watcher_add", "drop", "--exclude", "day-1.csv", "--missing-ok", "--done", "delete")
    (cli.folder / "drop" / "day-1.csv").unlink()
    assert cli.listed() == {"drop": ("waiting", None), "drop/day-1.csv": ("missing", 1)}


def test_a_recorded_file_is_moved_if_that_is_asked_for_and_no_file_is_replaced(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--recursive", "--done", "move:drop/done")
    for content in DAYS:
        cli.write("drop/day-1.csv", content)
        cli("csv_watch", "--once")
    assert os.listdir(cli.folder / "drop") == ["done"]
    moved = {
        name: (cli.folder / "drop" / "done" / name).read_text() for name in os.listdir(cli.folder / "drop" / "done")
    }
    assert moved == {"day-1.csv": DAYS[0], "day-1-2.csv": DAYS[1], "day-1-3.csv": DAYS[2]}
    assert len(cli.versions("drop/day-1.csv")) == 3


def test_a_file_that_was_written_to_while_nothing_watched_is_recorded_before_it_is_deleted(cli: "Cli") -> None:
    path = cli.write("drop/day-1.csv", DAYS[0])
    os.utime(path, (1, 1))
    cli("csv_watcher_add", "drop", "--done", "delete", "--key", "id")
    cli.write("drop/day-1.csv", DAYS[1])
    os.utime(path, (1, 1))  # of the same size and time
    cli("csv_watch", "--once")
    assert os.listdir(cli.folder / "drop") == []
    assert cli.counts("drop/day-1.csv") == [(1, 0, 0), (0, 1, 0)]


def test_a_held_file_of_a_series_stays_whatever_is_restarted(cli: "Cli") -> None:
    cli.write("drop/day-2.csv", DAYS[1])
    cli("csv_watcher_add", "drop", "--feed", "series", "--done", "delete")
    cli("csv_watch", "--once")
    cli.write("drop/day-1.csv", DAYS[0])
    for _ in range(2):
        cli("csv_watch", "--once", code=1)
    assert os.listdir(cli.folder / "drop") == ["day-1.csv"]


def test_a_file_that_is_added_by_its_own_path_is_none_of_the_series_any_more(cli: "Cli") -> None:
    for day in (1, 2):
        cli.write(f"drop/day-{day}.csv", DAYS[day - 1])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id", "--done", "delete")
    told = cli("csv_watcher_add", "drop/day-2.csv")
    assert "on its own from now on, no more with drop." in told
    cli.write("drop/day-3.csv", DAYS[2])
    assert "no more with drop." in cli("csv_watcher_add", "drop/day-3.csv")
    assert cli("csv_watch", "--once") == ""
    assert sorted(os.listdir(cli.folder / "drop")) == ["day-2.csv", "day-3.csv"]
    assert cli.json("csv_watcher_verify") == []
    cli.write("drop/day-2.csv", DAYS[2])
    assert "drop/day-2.csv  version 2 " in cli("csv_watch", "--once", "drop/day-2.csv")
    assert cli.counts("drop") == [(1, 0, 0), (0, 1, 0)]


def test_a_held_file_stays(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--key", "id", "--done", "delete")
    cli.write("drop/day-2.csv", "x\n1\n")
    cli("csv_watch", "--once", code=1)
    assert os.listdir(cli.folder / "drop") == ["day-2.csv"]


def test_a_file_stays_until_every_receiver_was_told(cli: "Cli") -> None:
    plugin = cli.folder / "failing.py"
    plugin.write_text(
        "from csv_manager.patterns import CsvWatcherPattern\n"
        "class Failing(CsvWatcherPattern):\n"
        "    def activate(self):\n"
        "        self.csv_watcher.on_change(self.tell, name='failing', replay=True)\n"
        "    def tell(self, change):\n"
        "        import os\n"
        f"        if not os.path.exists({str(cli.folder / 'open')!r}): raise ValueError('closed')\n"
    )
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--done", "delete")
    cli("--plugin", plugin, "csv_watch", "--once", code=1)
    assert os.listdir(cli.folder / "drop") == ["day-1.csv"]
    cli.write("open", "")
    cli("--plugin", plugin, "csv_watch", "--once")
    assert os.listdir(cli.folder / "drop") == []


def test_a_file_that_cannot_be_moved_is_told_and_stays(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--done", "move:done")
    cli.write("done", "a file, no folder\n")
    assert "it is recorded, but cannot be moved" in cli.notes("csv_watch", "--once", code=1)
    assert os.listdir(cli.folder / "drop") == ["day-1.csv"]
    (cli.folder / "done").unlink()
    cli("csv_watch", "--once")
    assert os.listdir(cli.folder / "done") == ["day-1.csv"]
    assert len(cli.versions("drop/day-1.csv")) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells that a file is open")
@pytest.mark.parametrize("done", ["delete", "move:done"])
def test_a_file_that_is_open_for_writing_stays_until_it_is_closed(cli: "Cli", service: "Start", done: str) -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--done", done, "--key", "id")
    path = cli.folder / "drop" / "day-2.csv"
    with service() as running:
        with path.open("w") as file:
            file.write("id,v\n1,a\n")
            file.flush()
            running.wait_told("day-2.csv", "version 1 ")
            running.wait(lambda: not (cli.folder / "drop" / "day-1.csv").exists(), "that the other file is gone")
            assert path.exists()
            file.write("2,b\n")
        running.wait_told("day-2.csv", "version 2 ")
        running.wait(lambda: not path.exists(), "that the file is gone")
        assert running.stop() == 0
    assert cli.counts("drop/day-2.csv") == [(1, 0, 0), (1, 0, 0)]


@pytest.mark.parametrize("feed", ["files", "series"])
def test_a_file_that_cannot_be_moved_is_failing_until_it_can(cli: "Cli", service: "Start", feed: str) -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", feed, "--done", "move:file/done")
    blocker = cli.write("file", "no folder")
    done = cli.run("csv_watch", "--once")
    assert done.returncode == 1
    assert b"is failing (" in done.stderr
    assert b"cannot be moved to " in done.stderr
    with service() as running:
        running.wait_said("is failing")
        cli.write("drop/day-2.csv", DAYS[1])
        running.wait_told("day-2.csv" if feed == "files" else "version 2 ")
        assert "failing" in {row["state"] for row in cli.json("csv_watcher_list")}
        blocker.unlink()
        running.wait(lambda: not os.listdir(cli.folder / "drop"), "the empty folder")
        running.wait_said("is ok")
        assert running.stop() == 0
    assert '"problems": []' in cli("csv_status", "--format", "json")
    assert sorted(os.listdir(cli.folder / "file" / "done")) == ["day-1.csv", "day-2.csv"]


def test_files_cannot_be_moved_to_where_they_are_or_onto_a_file(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli.write("file.txt", "no folder")
    (cli.folder / "link").symlink_to("drop")
    for target, words in (
        ("drop", "is where the files are"),
        ("link", "is where the files are"),
        ("file.txt", "no folder"),
    ):
        for paths in ("drop", "drop/*.csv"):
            assert words in cli.refused("csv_watcher_add", paths, "--done", f"move:{target}")
    assert cli.json("csv_watcher_list") == []
    cli("csv_watcher_add", "drop", "--done", "move:done")
    assert "is where the files are" in cli.refused("csv_watcher_set", "drop", "--done", "move:drop")
    assert "drop/day-1.csv is one file; --done is for" in cli.refused(
        "csv_watcher_set", "drop/day-1.csv", "--done", "delete"
    )
    assert len(cli.json("csv_watcher_list")) == 1
