"""Folders and globs: what is in them now and what comes later is watched, each file with a history of its own."""

import os
import shutil
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., "Service"]

ONE = "id,v\n1,a\n"
TWO = "id,v\n1,b\n"


def test_a_new_file_in_a_folder_is_recorded_as_it_comes(cli: "Cli", service: "Start") -> None:
    cli.write("in/a.csv", ONE)
    told = cli("csv_watcher_add", "in", "--key", "id")
    assert told.splitlines()[-1] == "Added in: 1 file now, and each new one as it comes."
    with service("--rows") as running:
        cli.write("in/b.csv", ONE)
        running.wait_told("in/b.csv", "version 1 ")
        cli.write("in/b.csv", TWO)
        running.wait_told("id=1", "v a → b")
        (cli.folder / "in" / "a.csv").replace(cli.folder / "in" / "c.csv")
        running.wait_told("in/c.csv", "version 1 ")
        running.wait_said("in/a.csv is missing")
        assert running.stop() == 0
    assert cli.listed() == {"in/a.csv": ("missing", 1), "in/b.csv": ("ok", 2), "in/c.csv": ("ok", 1)}
    assert cli.counts("in/b.csv") == [(1, 0, 0), (0, 1, 0)]


def test_a_check_from_cron_finds_new_files_and_records_nothing_twice(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli("csv_watcher_add", "in")
    cli.write("in/b.csv", ONE)
    assert [line.split()[2] for line in cli("csv_watch", "--once").splitlines()] == ["in/b.csv"]
    assert cli("csv_watch", "--once") == ""
    (cli.folder / "in" / "a.csv").unlink()
    cli("csv_watch", "--once")
    assert cli.listed() == {"in/a.csv": ("missing", 1), "in/b.csv": ("ok", 1)}


def test_a_quoted_glob_is_watched_with_the_files_that_match_later(cli: "Cli", service: "Start") -> None:
    cli.write("in/day-1.csv", ONE)
    cli.write("in/other.csv", ONE)
    cli("csv_watcher_add", "in/day-*", "--name", "days")
    with service() as running:
        for name in ("in/other-2.csv", "in/day-2.csv.tmp", "in/.day-3.csv", "in/day-4.txt"):
            cli.write(name, ONE)
        running.wait_told("in/day-4.txt", "version 1 ")
        assert running.stop() == 0
    assert cli.listed() == {"in/day-1.csv": ("ok", 1), "in/day-4.txt": ("ok", 1)}
    assert [version["version"] for version in cli.json("csv_history_list", "days")] == [1, 1]
    assert cli.json("csv_watcher_show", "days")[0]["files"] == 2


def test_folders_below_are_watched_too_when_asked_also_those_that_come_later(cli: "Cli", service: "Start") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("in/sub/b.csv", ONE)
    cli.write("in/old/c.csv", ONE)
    cli("csv_watcher_add", "in", "--recursive", "--exclude", "old/")
    with service() as running:
        cli.write("in/new/deep/d.csv", ONE)
        running.wait_told("in/new/deep/d.csv", "version 1 ")
        cli.write("outside/e.csv", ONE)
        (cli.folder / "outside").rename(cli.folder / "in" / "moved")
        running.wait_told("in/moved/e.csv", "version 1 ")
        cli.write("in/old/f.csv", ONE)
        cli.write("in/moved/e.csv", TWO)
        running.wait_told("in/moved/e.csv", "version 2 ")
        assert running.stop() == 0
    told = {"in/a.csv", "in/sub/b.csv", "in/new/deep/d.csv", "in/moved/e.csv"}
    assert set(cli.listed()) == told


def test_a_folder_that_is_deleted_and_made_again_is_seen_again(cli: "Cli", service: "Start") -> None:
    cli.write("in/a.csv", ONE)
    cli("csv_watcher_add", "in", "-i", "3600")
    with service() as running:
        shutil.rmtree(cli.folder / "in")
        running.wait_said("in/a.csv is missing")
        cli.write("in/a.csv", TWO)
        cli.write("in/b.csv", ONE)
        running.wait_told("in/a.csv", "version 2 ")
        running.wait_told("in/b.csv", "version 1 ")
        assert running.stop() == 0
    assert cli.listed() == {"in/a.csv": ("ok", 2), "in/b.csv": ("ok", 1)}


def test_a_folder_that_does_not_exist_yet_is_watched_once_it_is_there(cli: "Cli", service: "Start") -> None:
    assert "no such file" in cli.refused("csv_watcher_add", "later/")
    cli("csv_watcher_add", "later/", "--missing-ok", "-i", "3600")
    assert cli.listed() == {"later": ("missing", None)}
    with service() as running:
        running.wait_said("later is missing")
        cli.write("later/a.csv", ONE)
        running.wait_told("later/a.csv", "version 1 ")
        assert running.stop() == 0
    assert cli.listed() == {"later/a.csv": ("ok", 1)}


def test_the_first_version_of_a_file_is_what_it_was_added_with_whoever_records_it(cli: "Cli", service: "Start") -> None:
    for number in range(9):
        cli.write(f"in/{number}.csv", ONE)
    with service() as running:
        cli("csv_watcher_add", "in", "-i", "60")
        cli.write("in/9.csv", ONE)
        running.wait_told("9.csv  version 1")
        cli.write("in/9.csv", TWO)
        running.wait_told("9.csv  version 2")
        assert running.stop() == 0
    causes = [[version["cause"] for version in cli.versions(f"in/{number}.csv")] for number in range(10)]
    assert causes == [["add"]] * 9 + [["add", "change"]]


def test_an_empty_folder_waits(cli: "Cli") -> None:
    (cli.folder / "in").mkdir()
    assert "the folder holds no CSV file" in cli.refused("csv_watcher_add", "in")
    assert "no file matches" in cli.refused("csv_watcher_add", "in/*.csv")
    assert cli("csv_watcher_add", "in", "--missing-ok") == "Added in: no file yet, and each new one as it comes.\n"
    assert cli.listed() == {"in": ("waiting", None)}


def test_nothing_of_a_folder_is_stored_if_one_file_cannot_be_used(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("in/b.csv", "x,v\n1,a\n")
    assert "in/b.csv" in cli.refused("csv_watcher_add", "in", "--key", "id")
    assert cli.json("csv_watcher_list") == []
    cli("csv_watcher_add", "in", "--key", "id", "--exclude", "b.csv")
    assert cli.listed() == {"in/a.csv": ("ok", 1)}


def test_one_file_of_a_folder_may_be_watched_otherwise(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("in/b.csv", ONE)
    cli("csv_watcher_add", "in")
    assert "no more with in" in cli("csv_watcher_set", "in/b.csv", "--key", "id")
    for name in ("in/a.csv", "in/b.csv"):
        cli.write(name, TWO)
    cli("csv_watch", "--once")
    assert cli.counts("in/a.csv")[-1] == (1, 0, 1)
    assert cli.counts("in/b.csv")[-1] == (0, 1, 0)
    cli("csv_watcher_set", "in", "--key", "id")
    assert {row["csv_file"][-5:]: row["key"] for row in cli.json("csv_watcher_list")} == {
        "a.csv": ["id"],
        "b.csv": ["id"],
    }


def test_one_file_of_a_folder_may_be_left_out(cli: "Cli") -> None:
    for name in ("in/a.csv", "in/b.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "in")
    assert cli("csv_watcher_delete", "in/b.csv") == "Left in/b.csv out of in; its history stays.\n"
    for name in ("in/a.csv", "in/b.csv"):
        cli.write(name, TWO)
    cli("csv_watch", "--once")
    assert cli.listed() == {"in/a.csv": ("ok", 2)}
    assert len(cli.versions("in/b.csv")) == 1


def test_a_folder_is_watched_no_longer_and_its_files_keep_their_history(cli: "Cli") -> None:
    for name in ("in/a.csv", "in/b.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "in")
    assert cli("csv_watcher_delete", "in") == "Deleted the watcher of in; the history of its files stays.\n"
    assert cli.json("csv_watcher_list") == []
    assert len(cli.json("csv_history_list", "in")) == 2
    cli("csv_watcher_add", "in")
    assert cli.listed() == {"in/a.csv": ("ok", 1), "in/b.csv": ("ok", 1)}
    cli("csv_watcher_delete", "in", "--purge", "--yes")
    assert "no history" in cli.refused("csv_history_list", "in")


def test_a_file_that_is_watched_on_its_own_is_not_watched_by_its_folder(cli: "Cli", service: "Start") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("in/b.csv", ONE)
    cli("csv_watcher_add", "in/a.csv", "--key", "id")
    assert "Added in: 1 file now" in cli("csv_watcher_add", "in")
    with service() as running:
        cli.write("in/a.csv", TWO)
        running.wait_told("in/a.csv", "+0 ~1 -0")
        cli("csv_watcher_delete", "in/a.csv")
        cli.write("later.csv", ONE)
        cli("csv_watcher_add", "later.csv")
        cli.write("later.csv", TWO)
        running.wait_told("later.csv", "version 2 ")  # so the service has seen what was deleted before
        cli.write("in/a.csv", ONE)
        running.wait_told("in/a.csv", "+1 ~0 -1")
        assert running.stop() == 0
    assert cli.listed() == {"in/a.csv": ("ok", 3), "in/b.csv": ("ok", 1), "later.csv": ("ok", 2)}


def test_a_folder_on_the_command_line_is_watched_while_the_service_runs(cli: "Cli", service: "Start") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("b.csv", ONE)
    cli("csv_watcher_add", "b.csv")
    with service("in", "-i", "60") as running:
        running.wait_told("in/a.csv", "version 1 ")
        cli.write("b.csv", TWO)
        cli.write("in/c.csv", ONE)
        running.wait_told("in/c.csv", "version 1 ")
        assert running.stop() == 0
        assert not any("b.csv" in line for line in running.told)
    assert len(cli.versions("in/c.csv")) == 1


def test_polling_finds_what_events_would_tell(cli: "Cli", service: "Start") -> None:
    cli.write("in/a.csv", ONE)
    cli("csv_watcher_add", "in", "--poll", "-i", "0.2")
    with service() as running:
        cli.write("in/a.csv", TWO)
        cli.write("in/b.csv", ONE)
        running.wait_told("in/a.csv", "version 2 ")
        running.wait_told("in/b.csv", "version 1 ")
        assert running.stop() == 0
    assert cli.json("csv_watcher_show", "in/a.csv")[0]["polled"] == "that is asked for"


def test_a_paused_file_is_not_looked_at_until_it_is_resumed(cli: "Cli", service: "Start") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("in/b.csv", ONE)
    cli.write("c.csv", ONE)
    cli("csv_watcher_add", "in", "c.csv")
    assert cli("csv_watcher_resume", "in/a.csv") == "Resumed in/a.csv: nothing is different.\n"
    assert cli("csv_watcher_pause", "in/a.csv", "c.csv").splitlines() == [
        "Paused in/a.csv: paused; on its own from now on, no more with in.",
        "Paused c.csv: paused.",
    ]
    with service() as running:
        for name in ("in/a.csv", "c.csv", "in/b.csv"):
            cli.write(name, TWO)
        running.wait_told("in/b.csv", "version 2 ")
        assert {path: state for path, (state, _) in cli.listed().items()} == {
            "c.csv": "paused",
            "in/a.csv": "paused",
            "in/b.csv": "ok",
        }
        assert len(running.told) == 1
        cli("csv_watcher_resume", "in/a.csv", "c.csv")
        running.wait_told("in/a.csv", "version 2 ")
        running.wait_told("c.csv", "version 2 ")
        assert running.stop() == 0


def test_a_whole_folder_may_be_paused(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli("csv_watcher_add", "in")
    cli("csv_watcher_pause", "in")
    cli.write("in/a.csv", TWO)
    assert cli("csv_watch", "--once") == ""
    cli("csv_watcher_resume", "in")
    assert "in/a.csv  version 2" in cli("csv_watch", "--once")


def test_what_cannot_be_read_in_a_folder_is_told_wherever_the_folder_is_looked_at(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("in/secret/b.csv", ONE)
    cli("csv_watcher_add", "in", "--recursive")
    (cli.folder / "in" / "secret").chmod(0)
    (cli.folder / "in" / "later.csv").symlink_to("nowhere")
    os.mkfifo(cli.folder / "in" / "pipe.csv")
    with open(os.path.join(os.fsencode(cli.folder / "in"), b"caf\xe9.csv"), "w") as file:
        file.write(ONE)
    with cli.within_rights():
        done = cli.run("csv_watch", "--once")
        assert done.returncode == 1
        told = done.stderr.decode()
        assert "in/secret is unreadable (" in told
        assert "in/pipe.csv is unreadable (" in told
        assert "in is unreadable (" in told
        assert ("caf\\xe9.csv: the name is not valid" in told) or ("later.csv: a link to nowhere" in told)
        assert "And 1 more." in told
        states = cli.listed()
        assert states["in/pipe.csv"] == ("unreadable", None)
        assert states["in"] == ("unreadable", None)
        assert states["in/secret/b.csv"][0] in ("unreadable", "missing")
        done = cli.run("csv_status", "--format", "json")
        assert done.returncode == 1
        done = cli.run("csv_watcher_verify", "in", "--format", "csv")
        assert done.returncode == 1
        drifted = {
            line.split(",")[0].rsplit("/", 1)[-1]: line.split(",")[1] for line in done.stdout.decode().splitlines()[1:]
        }
    assert drifted == dict.fromkeys(("secret", "later.csv", "pipe.csv", "caf\\xe9.csv", "b.csv"), "unreadable")
    (cli.folder / "in" / "secret").chmod(0o755)
    cli.write("in/nowhere", ONE)
    for name in (b"pipe.csv", b"caf\xe9.csv"):
        os.unlink(os.path.join(os.fsencode(cli.folder / "in"), name))
    cli("csv_watch", "--once")
    assert {state for state, _ in cli.listed().values()} == {"ok"}
    assert cli.json("csv_watcher_verify") == []
    assert '"problems": []' in cli("csv_status", "--format", "json")


def test_a_folder_is_added_without_what_cannot_be_read_in_it(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    os.mkfifo(cli.folder / "in" / "pipe.csv")
    done = cli.run("csv_watcher_add", "in")
    assert done.returncode == 0
    assert b"Not read: " in done.stderr
    assert b"pipe.csv: this is a named pipe, no regular file." in done.stderr
    assert cli.listed() == {"in/a.csv": ("ok", 1)}


def test_what_a_folder_leaves_out_by_now_is_watched_no_longer(cli: "Cli") -> None:
    for path in ("in/a.csv", "in/b.csv", "in/below/c.csv"):
        cli.write(path, ONE)
    cli("csv_watcher_add", "in", "-r")
    assert len(cli.listed()) == 3
    told = "Changed in: not recursive; 1 file of it watched no longer.\n"
    assert cli("csv_watcher_set", "in", "--no-recursive") == told
    assert set(cli.listed()) == {"in/a.csv", "in/b.csv"}
    assert "left out: b.*; 1 file of it watched no longer" in cli("csv_watcher_set", "in", "--exclude", "b.*")
    assert set(cli.listed()) == {"in/a.csv"}
    cli("csv_watcher_set", "in", "--exclude", "", "--recursive")
    cli("csv_watch", "--once")
    assert len(cli.listed()) == 3
    assert cli.counts("in/b.csv") == [(1, 0, 0)]


def test_a_folder_whose_only_file_cannot_be_used_is_refused(cli: "Cli") -> None:
    cli.write("in/a.csv", "id,v\n1,a\n1,b\n")
    assert "in/a.csv" in cli.refused("csv_watcher_add", "in", "--key", "id")
    assert cli.json("csv_watcher_list") == []


def test_a_folder_that_is_not_there_yet_is_found_by_each_spelling(cli: "Cli") -> None:
    cli("csv_watcher_add", f"{cli.folder}/later/", "--missing-ok")
    for path in (f"{cli.folder}/later/", f"{cli.folder}/later", "later/", "later"):
        assert len(cli.json("csv_watcher_show", path)) == 1


def test_a_watcher_that_takes_the_number_of_a_deleted_one_is_picked_up(cli: "Cli", service: "Start") -> None:
    for name in "abc":
        cli.write(f"{name}.csv", ONE)
    cli("csv_watcher_add", "a.csv")
    cli("csv_watcher_add", "b.csv")
    with service() as running:
        os.kill(running.process.pid, signal.SIGSTOP)
        cli("csv_watcher_delete", "b.csv")
        cli("csv_watcher_add", "c.csv")
        os.kill(running.process.pid, signal.SIGCONT)
        running.wait_told("c.csv", "version 1 ")
        cli.write("c.csv", TWO)
        running.wait_told("c.csv", "version 2 ")
        assert running.stop() == 0


def test_a_watcher_that_is_added_while_the_store_is_locked_is_picked_up_later(cli: "Cli", service: "Start") -> None:
    cli.write("a.csv", ONE)
    cli("csv_watcher_add", "a.csv")
    with service() as running:
        os.kill(running.process.pid, signal.SIGSTOP)
        cli.write("in/b.csv", ONE)
        cli("csv_watcher_add", "in")
        cli.change("UPDATE csv_files SET feed_id = NULL")  # so that picking up writes
        with cli.alone():
            os.kill(running.process.pid, signal.SIGCONT)
            running.wait_said("It is tried again")
        cli.write("in/b.csv", TWO)
        running.wait_told("in/b.csv", "version 2 ")
        assert running.stop() == 0
