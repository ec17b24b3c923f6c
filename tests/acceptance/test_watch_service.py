"""csv_watch as a running service: what is edited is told, once, and signals end it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli, Service

Start = Callable[..., "Service"]

OLD = "id,v\n1,x\n2,y\n"

#: Runs a command in the terminal that its stdin is.
IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

#: Has its process told to end as soon as the watchers are loaded.
EARLY = """
import os, signal
from csv_manager.patterns import CsvWatcherPattern


class Early(CsvWatcherPattern):
    def activate(self):
        self.csv_watcher.each_tick(lambda: os.kill(os.getpid(), signal.SIGTERM))
"""


@pytest.fixture
def data(cli: "Cli") -> "Cli":
    """data.csv, with a stored watcher with a key."""
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id", "-i", "60")
    return cli


def test_edits_appends_and_atomic_saves_are_told_a_line_each(data: "Cli", service: Start) -> None:
    running = service()
    data.write("data.csv", OLD.replace("x", "X"))
    assert running.wait_told("version 2").endswith("data.csv  version 2  +0 ~1 -0  2 rows")
    with (data.folder / "data.csv").open("a") as file:
        file.write("3,z\n")
    assert running.wait_told("version 3").endswith("+1 ~0 -0  3 rows")
    beside = data.write(".data.csv.swp", "id,v\n2,y\n3,z\n")
    beside.replace(data.folder / "data.csv")
    assert running.wait_told("version 4").endswith("+0 ~0 -1  2 rows")
    assert running.stop() == 0
    assert len(running.told) == 3
    assert data.counts("data.csv") == [(2, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)]


def test_an_editor_that_moves_the_old_file_away_first_is_understood(data: "Cli", service: Start) -> None:
    running = service()
    path = data.folder / "data.csv"
    path.rename(data.folder / "data.csv~")
    data.write("data.csv", OLD + "3,z\n")
    running.wait_told("version 2", "+1 ~0 -0")
    assert running.stop() == 0
    assert data.counts("data.csv") == [(2, 0, 0), (1, 0, 0)]


def test_rows_are_told_below_their_version(data: "Cli", service: Start) -> None:
    running = service("--rows", "--limit", "2")
    data.write("data.csv", "id,v\n1,X\n3,a\n4,b\n")
    running.wait_told("more")
    assert running.told[0].endswith("version 2  +2 ~1 -1  3 rows")
    assert running.told[1:] == ["  - id=2  v=y", "  ~ id=1  v x → X", "  … and 2 more"]
    assert running.stop() == 0


def test_jsonl_has_positions_that_only_grow_and_can_be_resumed_from(data: "Cli", service: Start) -> None:
    running = service("--format", "jsonl")
    data.write("data.csv", OLD.replace("x", "X"))
    running.wait_changes(1)
    data.write("data.csv", "id,v\n1,X\n4,z\n")
    live = running.wait_changes(3)
    assert running.stop() == 0
    assert [(change["version"], change["seq"], change["op"]) for change in live] == [
        (2, 0, "update"),
        (3, 0, "delete"),
        (3, 1, "insert"),
    ]
    path = os.path.realpath(data.folder / "data.csv")
    assert live[0] == {
        "position": live[0]["position"], "csv_file": path, "version": 2, "seq": 0, "op": "update",
        "key": {"id": "1"}, "before": {"id": "1", "v": "x"}, "after": {"id": "1", "v": "X"}, "line": 2,
    }  # fmt: skip
    everything = service("--format", "jsonl", "--from", "0")
    told = everything.wait_changes(5)
    assert everything.stop() == 0
    positions = [change["position"] for change in told]
    assert positions == sorted(set(positions))
    assert told[2:] == live
    resumed = service("--format", "jsonl", "--from", str(live[1]["position"]))
    resumed.wait_changes(1)
    data.write("data.csv", "id,v\n1,X\n4,Z\n")
    told = resumed.wait_changes(2)
    assert resumed.stop() == 0
    assert told[0] == live[2]
    assert told[1]["position"] > told[0]["position"]
    assert len(resumed.told) == 2


def test_a_file_that_is_deleted_and_back_is_told_as_itself(data: "Cli", service: Start) -> None:
    running = service()
    path = data.folder / "data.csv"
    path.unlink()
    running.wait_said("data.csv is missing")
    data.write("data.csv", OLD + "3,z\n")
    running.wait_told("version 2", "+1 ~0 -0")
    assert running.stop() == 0
    assert data.counts("data.csv") == [(2, 0, 0), (1, 0, 0)]


def test_a_folder_that_is_deleted_and_made_again_is_seen_again(cli: "Cli", service: Start) -> None:
    cli.write("deep/data.csv", OLD)
    cli("csv_watcher_add", "deep/data.csv", "-i", "0.5")
    running = service()
    (cli.folder / "deep/data.csv").unlink()
    (cli.folder / "deep").rmdir()
    running.wait_said("data.csv is missing")
    cli.write("deep/data.csv", OLD + "3,z\n")
    running.wait_told("version 2")
    cli.write("deep/data.csv", OLD)
    running.wait_told("version 3")
    assert running.stop() == 0


def test_a_watcher_added_meanwhile_is_picked_up_and_told(cli: "Cli", service: Start) -> None:
    running = service()
    assert "No file is watched yet" in running.said[0]
    cli.write("new.csv", OLD)
    assert "Nothing is watching" not in cli.notes("csv_watcher_add", "new.csv", "-i", "60")
    running.wait_told("new.csv  version 1")
    cli.write("new.csv", OLD + "3,z\n")
    running.wait_told("new.csv  version 2", "+1 ~0 -0")
    assert running.stop() == 0
    assert len(running.told) == 2


def test_a_watcher_deleted_meanwhile_is_followed_no_longer(data: "Cli", service: Start) -> None:
    running = service()
    data("csv_watcher_delete", "data.csv")
    data.write("other.csv", OLD)
    data("csv_watcher_add", "other.csv", "-i", "60")
    data.write("other.csv", OLD + "3,z\n")
    running.wait_told("other.csv  version 2")  # so the deletion, which was earlier, was seen too
    data.write("data.csv", OLD + "3,z\n")
    data.write("other.csv", OLD)
    running.wait_told("other.csv  version 3")
    assert running.stop() == 0
    assert data.counts("data.csv") == [(2, 0, 0)]
    assert not any("data.csv" in line for line in running.told)


def test_a_watcher_changed_meanwhile_is_followed_as_it_is_now(cli: "Cli", service: Start) -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv")
    running = service()
    cli("csv_watcher_set", "data.csv", "--key", "id")
    cli.write("other.csv", OLD)
    cli("csv_watcher_add", "other.csv")
    cli.write("other.csv", OLD + "3,z\n")
    running.wait_told("other.csv  version 2")  # so the change, which was earlier, was seen too
    cli.write("data.csv", OLD.replace("x", "X"))
    running.wait_told("data.csv  version 2  +0 ~1 -0")
    assert running.stop() == 0


def test_a_restart_tells_nothing_twice_and_a_change_made_meanwhile_once(data: "Cli", service: Start) -> None:
    first = service()
    data.write("data.csv", OLD.replace("x", "X"))
    first.wait_told("version 2")
    assert first.stop() == 0
    data.write("data.csv", OLD.replace("x", "X") + "3,z\n")
    second = service()
    second.wait_told("version 3  +1 ~0 -0")
    assert second.stop() == 0
    third = service()
    data.write("data.csv", OLD)
    third.wait_told("version 4")
    assert third.stop() == 0
    assert (len(first.told), len(second.told), len(third.told)) == (1, 1, 1)
    assert data.counts("data.csv") == [(2, 0, 0), (0, 1, 0), (1, 0, 0), (0, 1, 1)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_service_cleanly(data: "Cli", service: Start, number: int) -> None:
    running = service()
    assert "Nothing is watching" not in data.notes("csv_watcher_list")
    assert running.stop(number) == 0
    assert running.said[-1] == "Stopped."
    assert not any("Traceback" in line for line in running.said)
    assert "Nothing is watching" in data.notes("csv_watcher_list")


def test_a_service_under_nohup_outlives_its_terminal(data: "Cli", service: Start) -> None:
    data.prefix = ["nohup"]
    running = service()
    data.prefix = []
    running.process.send_signal(signal.SIGHUP)
    data.write("data.csv", OLD + "3,z\n")
    running.wait_told("version 2")
    assert running.stop() == 0


def test_a_service_whose_terminal_is_closed_ends_as_it_should(data: "Cli") -> None:
    ours, its = os.openpty()
    command = [sys.executable, "-c", IN_TERMINAL, *data.command("csv_watch")]
    with subprocess.Popen(
        command, cwd=data.folder, env=data.environment, stdin=its, stdout=its, stderr=its, start_new_session=True
    ) as running:
        os.close(its)
        said = b""
        while b"Watching 1 file." not in said:
            said += os.read(ours, 1000)
        os.close(ours)
        try:
            assert running.wait(120) == 0
        finally:
            running.kill()
    assert data("csv_status") == "1 ok; nothing is watching now.\n"


@pytest.mark.parametrize(("once", "code", "said"), [(False, 0, "Stopped."), (True, 143, "Stopped before everything")])
def test_a_signal_that_comes_before_watching_begins_ends_it_too(data: "Cli", once: bool, code: int, said: str) -> None:
    plugin = data.write("early.py", EARLY)
    done = data.run("--plugin", plugin, "csv_watch", *["--once"][: int(once)])
    assert done.returncode == code
    assert done.stderr.decode().startswith(said)
    assert done.stdout == b""
    assert data("csv_status") == "1 ok; nothing is watching now.\n"


def test_a_service_that_is_started_while_the_store_is_locked_waits_until_it_can(data: "Cli", service: Start) -> None:
    with data.alone():
        starting = service(wait=False)
        line = starting.wait_said("another process is writing to it")
        assert line.endswith("It is tried again until it can be done. Ctrl-C stops.")
        starting.wait(lambda: not data.run("csv_status").returncode, "that the store can be read")
        assert starting.said == [line]
    starting.wait_said("Watching 1 file.")
    data.write("data.csv", OLD + "3,z\n")
    starting.wait_told("version 2")
    assert starting.stop() == 0
    assert starting.said == [line, "Watching 1 file. Ctrl-C stops.", "Stopped."]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_that_waits_for_the_store(data: "Cli", service: Start, number: int) -> None:
    with data.alone():
        starting = service(wait=False)
        starting.wait_said("another process is writing to it")
        assert starting.stop(number) == 0
    assert starting.said[1:] == ["Stopped."]
    assert data.json("csv_status")["problems"] == []


@pytest.mark.sqlite
def test_a_service_does_not_wait_for_a_store_that_cannot_be_used(data: "Cli") -> None:
    (data.home / "watcher_db.db").write_bytes(b"this is no database" * 99)
    assert "it is no SQLite database" in data.refused("csv_watch")


def test_what_is_held_is_said_on_stderr_where_stdout_is_for_programs(data: "Cli", service: Start) -> None:
    running = service("--format", "jsonl")
    data.write("data.csv", "id,v\n1,x\n1,y\n")
    line = running.wait_said("version 2")
    assert "data.csv  version 2  held: the key is not unique" in line
    assert running.stop() == 0
    assert running.said == ["Watching 1 file. Ctrl-C stops.", line, "Stopped."]
    for arguments in ((), ("--format", "jsonl")):
        again = service(*arguments)
        again.wait_said("data.csv is held (the key is not unique")
        data.write("new.csv", OLD)
        data("csv_watcher_add", "new.csv")
        again.wait(lambda again=again: bool(again.told), "that a file is told")  # type: ignore[misc]
        assert again.stop() == 0
        assert len([line for line in again.said if "held" in line]) == 1
        data("csv_watcher_delete", "new.csv", "--purge", "--yes")


def test_the_service_ends_while_another_program_writes_to_the_store_and_says_what_is_not_noted(
    data: "Cli", service: Start
) -> None:
    running = service()
    with data.alone():
        (data.folder / "data.csv").unlink()
        running.wait_said("data.csv is missing")
        assert running.stop() == 0
    [line] = [line for line in running.said if "another process is writing to it" in line and "tried again" not in line]
    assert "That watching ended is not noted there" in line
    assert running.said[-1] == "Stopped."
    for _ in range(2):  # a check is no service, and does not take over
        assert "ended without a word" in data("csv_status", code=1)
        data("csv_watch", "--once")
    assert service().stop() == 0
    assert "ended without a word" not in data("csv_status", code=1)


@pytest.mark.sqlite
def test_the_end_of_the_service_is_noted_though_something_else_cannot_be(data: "Cli", service: Start) -> None:
    running = service()
    data.change("CREATE TRIGGER broken BEFORE UPDATE ON csv_files BEGIN SELECT RAISE(ABORT, 'broken'); END")
    (data.folder / "data.csv").unlink()
    running.wait_said("data.csv is missing")
    assert running.stop() == 0
    assert any("broken" in line for line in running.said)
    assert data.query("SELECT count(*) FROM csv_services") == [(0,)]


def test_the_service_ends_once_nobody_reads_it(data: "Cli") -> None:
    reader, writer = os.pipe()
    with subprocess.Popen(
        data.command("csv_watch", "--from", "0"),
        cwd=data.folder,
        env=data.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
    ) as running:
        os.close(reader)
        os.close(writer)
        _, stderr = running.communicate(timeout=120)
    assert running.returncode == 0, stderr
    assert b"Traceback" not in stderr


def test_a_file_without_a_watcher_is_watched_while_the_service_runs(cli: "Cli", service: Start) -> None:
    cli.write("data.csv", OLD)
    running = service("data.csv", "-i", "5")
    assert running.said[0].startswith("Watching 1 file.")
    running.wait_told("data.csv  version 1  +2 ~0 -0")
    cli.write("data.csv", OLD + "3,z\n")
    running.wait_told("data.csv  version 2  +1 ~0 -0")
    assert running.stop() == 0
    assert cli.json("csv_watcher_list") == []
    assert cli.counts("data.csv") == [(2, 0, 0), (1, 0, 0)]


def test_a_watcher_stored_meanwhile_is_the_one_that_counts(cli: "Cli", service: Start) -> None:
    cli.write("data.csv", OLD)
    running = service("data.csv", "-i", "60", before=["-v"])
    running.wait_told("data.csv  version 1  +2 ~0 -0")
    cli("csv_watcher_add", "data.csv", "--key", "id")
    running.wait_said("Watcher started for")
    cli.write("data.csv", OLD.replace("2,y", "2,z"))
    running.wait_told("data.csv  version 2  +0 ~1 -0")
    cli("csv_watcher_delete", "data.csv")
    running.wait_said("Watcher ended for")
    cli.write("data.csv", OLD)
    running.wait_told("data.csv  version 3  +1 ~0 -1")


def test_a_watcher_stored_for_a_file_of_a_plugin_is_the_one_that_counts(cli: "Cli", service: Start) -> None:
    path = cli.write("data.csv", OLD)
    cli.environment["CSV_MANAGER_CSV_FILES"] = str(path)
    running = service(before=["-v"])
    running.wait_told("data.csv  version 1  +2 ~0 -0")
    cli("csv_watcher_add", "data.csv", "--key", "id")
    running.wait_said("Watcher started for")
    cli.write("data.csv", OLD.replace("2,y", "2,z"))
    running.wait_told("data.csv  version 2  +0 ~1 -0")


def test_a_file_of_a_named_folder_that_is_paused_is_left_alone(cli: "Cli", service: Start) -> None:
    cli.write("drop/a.csv", OLD)
    cli.write("drop/b.csv", OLD)
    cli("csv_watcher_add", "drop", "--key", "id")
    running = service("drop", before=["-v"])
    cli("csv_watcher_pause", "drop/a.csv")
    running.wait_said("drop/a.csv")
    cli.write("drop/a.csv", OLD + "3,z\n")
    cli.write("drop/b.csv", OLD + "3,z\n")
    running.wait_told("b.csv  version 2")
    cli.write("drop/b.csv", OLD)
    running.wait_told("b.csv  version 3")
    assert running.stop() == 0
    assert cli.listed() == {"drop/a.csv": ("paused", 1), "drop/b.csv": ("ok", 3)}


def test_named_files_are_watched_and_no_others(data: "Cli", service: Start) -> None:
    data.write("other.csv", OLD)
    data("csv_watcher_add", "other.csv", "-i", "60")
    running = service("data.csv")
    data.write("other.csv", OLD + "3,z\n")
    data.write("data.csv", OLD + "3,z\n")
    running.wait_told("data.csv  version 2")
    data.write("data.csv", OLD)
    running.wait_told("data.csv  version 3")
    assert running.stop() == 0
    assert data.counts("other.csv") == [(2, 0, 0)]
    assert not any("other.csv" in line for line in running.told)


def test_a_content_that_is_no_csv_is_told_as_held(data: "Cli", service: Start) -> None:
    running = service()
    data.write("data.csv", "id,v\n1,x\n1,y\n")
    assert "the key is not unique" in running.wait_told("version 2", "held")
    data.write("data.csv", OLD + "3,z\n")
    running.wait_told("version 3  +1 ~0 -0")
    assert running.stop() == 0
