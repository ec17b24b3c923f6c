"""csv_watch --once: everything is checked once, for cron."""

import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cli

OLD = "id,v\n1,x\n2,y\n"
NEW = "id,v\n1,x\n2,Y\n3,z\n"


def test_once_prints_a_line_a_version_and_nothing_the_second_time(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    assert cli("csv_watch", "--once") == ""
    cli.write("data.csv", NEW)
    [line] = cli("csv_watch", "--once").splitlines()
    assert line.endswith("data.csv  version 2  +1 ~1 -0  3 rows")
    assert cli("csv_watch", "--once") == ""
    assert cli.counts("data.csv") == [(2, 0, 0), (1, 1, 0)]


def test_once_prints_the_rows_too_if_asked(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli.write("data.csv", NEW)
    lines = cli("csv_watch", "--once", "--rows").splitlines()
    assert lines[1:] == ["  ~ id=2  v y → Y", "  + id=3  v=z"]


def test_once_resumes_a_stream_from_a_position(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli.write("data.csv", NEW)
    cli("csv_watch", "--once")
    lines = cli("csv_watch", "--once", "--format", "jsonl", "--from", "0").splitlines()
    assert len(lines) == 4
    assert cli("csv_watch", "--once", "--format", "jsonl", "--from", "3").splitlines() == lines[3:]
    assert cli("csv_watch", "--once", "--format", "jsonl", "--from", "4") == ""


def test_a_position_that_the_store_has_not_reached_is_refused(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli.write("data.csv", NEW)
    for arguments in (("--once",), ("--format", "jsonl")):
        told = cli.refused("csv_watch", *arguments, "--from", "3")
        assert "--from 3: the store's last position is 2;" in told
        assert "--from 2 goes on from its end" in told
    assert len(cli("csv_watch", "--once", "--format", "jsonl", "--from", "2").splitlines()) == 2


def test_once_of_named_files_checks_only_these(cli: "Cli") -> None:
    for name in ("a.csv", "b.csv"):
        cli.write(name, OLD)
        cli("csv_watcher_add", name)
        cli.write(name, NEW)
    [line] = cli("csv_watch", "--once", "a.csv").splitlines()
    assert "a.csv  version 2" in line
    assert [told["version"] for told in cli.json("csv_watcher_list")] == [2, 1]


def test_once_of_a_file_without_a_watcher_keeps_its_history_and_stores_no_watcher(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    assert "version 1" in cli("csv_watch", "--once", "data.csv")
    cli.write("data.csv", NEW)
    assert "version 2" in cli("csv_watch", "--once", "data.csv")
    assert cli.json("csv_watcher_list") == []
    assert cli.counts("data.csv") == [(2, 0, 0), (2, 0, 1)]


def test_once_watches_the_files_of_the_settings(cli: "Cli") -> None:
    path = cli.write("data.csv", OLD)
    cli.environment["CSV_MANAGER_CSV_FILES"] = str(path)
    assert "version 1" in cli("csv_watch", "--once")
    [told] = cli.json("csv_watcher_list")
    assert (told["csv_file"], told["version"]) == (os.path.realpath(path), 1)


def test_once_with_nothing_to_watch_is_no_error(cli: "Cli") -> None:
    assert cli("csv_watch", "--once") == ""


def test_a_content_that_is_no_csv_is_held_and_the_next_good_one_goes_through(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
    for bad in (b"id,v\n1,x\n1,y\n", b"nr,v\n1,x\n", picture):
        cli.write("data.csv", bad)
        assert "held" in cli("csv_watch", "--once", code=1)
        [told] = cli.json("csv_watcher_list")
        assert told["state"] == "held"
        assert told["reason"]
        said = cli.run("csv_watch", "--once")
        assert (said.returncode, said.stdout) == (1, b"")
        assert b"data.csv is held (" in said.stderr
    cli.write("data.csv", NEW)
    assert "version 5  +1 ~1 -0" in cli("csv_watch", "--once")
    versions = cli.versions("data.csv")
    assert [version["status"] for version in versions] == ["ok", "held", "held", "held", "ok"]
    assert cli.export("data.csv", 4) == picture
    assert [change["op"] for change in cli.changes("data.csv", "head")] == ["update", "insert"]
    assert cli.export("data.csv", "head~1") == OLD.encode()
    assert cli.json("csv_watcher_list")[0]["state"] == "ok"


def test_what_is_held_is_said_at_every_check_also_where_stdout_is_for_programs(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli.write("data.csv", "id,v\n1,x\n1,y\n")
    for words in ("data.csv  version 2  held: the key is not unique", "data.csv is held (the key is not unique"):
        done = cli.run("csv_watch", "--once", "--format", "jsonl")
        assert (done.returncode, done.stdout) == (1, b"")
        [line] = done.stderr.decode().splitlines()
        assert words in line


def test_what_is_named_and_paused_is_said_to_be(cli: "Cli") -> None:
    for name in ("a.csv", "drop/b.csv"):
        cli.write(name, OLD)
    cli("csv_watcher_add", "a.csv", "drop")
    cli("csv_watcher_pause", "a.csv", "drop")
    for name in ("a.csv", "drop", "drop/b.csv"):
        said = f"{name} is paused (It is not looked at until csv_watcher_resume.)\n"
        assert cli.notes("csv_watch", "--once", name) == said
    assert cli.notes("csv_watch", "--once") == ""


def test_a_store_that_another_program_writes_to_for_long_ends_a_check(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv")
    with cli.alone():
        assert "another process is writing to it" in cli.refused("csv_watch", "--once")


def test_a_held_content_is_judged_anew_when_the_options_change(cli: "Cli") -> None:
    cli.write("data.csv", "id,v\n1,x\n")
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli.write("data.csv", "id,v\n1,x\n1,y\n")
    assert "held" in cli("csv_watch", "--once", code=1)
    assert "held" in cli("csv_watcher_set", "data.csv", "--settle", "0.2")
    assert cli("csv_watch", "--once", code=1) == ""
    assert len(cli.versions("data.csv")) == 2
    assert "read anew at the next check" in cli("csv_watcher_set", "data.csv", "--key", "")
    assert "version 3  +1 ~0 -0" in cli("csv_watch", "--once")
    assert [version["status"] for version in cli.versions("data.csv")] == ["ok", "held", "ok"]
    assert cli("csv_watch", "--once") == ""


def test_a_watcher_added_again_reads_the_same_whether_the_bytes_changed_or_not(cli: "Cli") -> None:
    content = "a line\n1,x\n2,y\n"
    shown = []
    for change in ("", "3,z\n"):
        name = f"data{len(change)}.csv"
        cli.write(name, content)
        cli("csv_watcher_add", name, "--skip-lines", "1", "--no-header")
        cli("csv_watcher_delete", name)
        cli.write(name, content + change)
        cli("csv_watcher_add", name)
        shown.append(cli.json("csv_watcher_show", name)[0]["csv_format"])
    assert shown[0] == shown[1]


def test_once_does_not_wait_for_a_file_that_never_rests(cli: "Cli") -> None:
    path = cli.write("log.csv", OLD)
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "log.csv", "data.csv", "--max-wait", "0.3")
    cli.write("data.csv", NEW)
    stop = threading.Event()

    def write_on() -> None:
        with path.open("a") as file:
            while not stop.wait(0.004):
                file.write("9,x\n")
                file.flush()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        done = cli.run("csv_watch", "--once")
    finally:
        stop.set()
        writer.join()
    if done.returncode:  # it was caught at no moment of rest
        assert b"log.csv is waiting (" in done.stderr
        assert b"busy" in done.stderr
    else:
        assert b"log.csv  version 2" in done.stdout
    assert b"data.csv  version 2" in done.stdout
    assert "log.csv" in cli("csv_watch", "--once")
    assert cli("csv_watch", "--once") == ""


def test_once_keeps_to_every_over_its_runs(cli: "Cli") -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--every", "3600")
    cli.write("data.csv", NEW)
    assert cli("csv_watch", "--once") == ""
    assert len(cli.versions("data.csv")) == 1
    cli("csv_watcher_set", "data.csv", "--every", "0")
    assert "version 2" in cli("csv_watch", "--once")


def test_a_check_that_is_stopped_says_so(cli: "Cli") -> None:
    cli.write("a.csv", OLD)
    cli("csv_watcher_add", "a.csv")
    cli("csv_watcher_set", "a.csv", "--settle", "60")
    cli.write("a.csv", NEW)
    with subprocess.Popen(
        cli.command("-v", "csv_watch", "--once"), cwd=cli.folder, env=cli.environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = ""
        while "Watcher started for" not in said:
            said += process.stderr.readline()
        time.sleep(0.5)
        process.terminate()
        said += process.stderr.read()
    assert process.returncode == 143
    assert "Stopped before everything was checked" in said


def test_a_stored_file_that_is_gone_does_not_keep_the_others_from_being_checked(cli: "Cli") -> None:
    for name in "ab":
        cli.write(f"{name}.csv", OLD)
        cli("csv_watcher_add", f"{name}.csv")
    (cli.folder / "a.csv").unlink()
    cli.write("b.csv", NEW)
    done = cli.run("csv_watch", "--once", "a.csv", "b.csv")
    assert done.returncode == 0
    assert b"a.csv is missing" in done.stderr
    assert b"b.csv  version 2" in done.stdout
    assert "no such file" in cli.refused("csv_watch", "--once", "c.csv")
