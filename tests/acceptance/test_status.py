"""csv_status and csv_watcher_verify: whether all is well, and what is not."""

import json
import os
import shlex
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., "Service"]

ONE = "id,v\n1,a\n"


def status(cli: "Cli", code: int = 0) -> Any:
    return json.loads(cli("csv_status", "--format", "json", code=code))


def drifts(cli: "Cli", *paths: str, code: int = 0) -> dict[str, str]:
    told = json.loads(cli("csv_watcher_verify", *paths, "--format", "json", code=code))
    return {os.path.relpath(row["csv_file"], os.path.realpath(cli.folder)): row["drift"] for row in told}


def test_with_nothing_to_watch_all_is_well(cli: "Cli") -> None:
    store = cli.store
    assert cli("csv_status") == f"no file is watched in the store {store}; nothing is watching now.\n"
    assert status(cli) == {"store": store, "states": {}, "services": 0, "problems": []}
    assert drifts(cli) == {}


@pytest.mark.parametrize("command", [["csv_watch", "--once"], ["csv_watcher_verify"]])
def test_a_store_that_watches_nothing_is_named_since_it_may_be_the_wrong_one(cli: "Cli", command: list[str]) -> None:
    none = f"No file is watched: the store {cli.store} has no watcher; csv_watcher_add FILE adds one."
    assert cli.notes(*command) == f"{none}\n"
    cli.write("a.csv", ONE)
    cli("csv_watcher_add", "a.csv")
    assert "No file is watched" not in cli.notes(*command)


def test_the_states_are_counted_and_each_problem_comes_with_the_command_that_mends_it(cli: "Cli") -> None:
    for name in ("ok.csv", "gone.csv", "held.csv", "rest.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "ok.csv", "gone.csv", "held.csv", "rest.csv", "--key", "id")
    cli("csv_watcher_pause", "rest.csv")
    (cli.folder / "gone.csv").unlink()
    cli.write("held.csv", "x\n1\n")
    cli("csv_watch", "--once", code=1)
    told = status(cli, code=1)
    assert told["states"] == {"held": 1, "missing": 1, "ok": 1, "paused": 1}
    problems = {os.path.basename(problem["csv_file"]): problem for problem in told["problems"]}
    assert sorted(problems) == ["gone.csv", "held.csv"]
    assert problems["gone.csv"]["command"] == "csv_manager csv_watcher_delete gone.csv"
    assert "key column 'id' is not in the header" in problems["held.csv"]["reason"]
    assert cli("csv_history_show", "held.csv") == cli(*problems["held.csv"]["command"].split()[1:])
    lines = cli("csv_status", code=1).splitlines()
    assert lines[0] == "1 held, 1 missing, 1 ok, 1 paused; nothing is watching now."
    assert "    csv_manager csv_watcher_delete gone.csv" in lines
    cli.write("gone.csv", ONE)
    cli.write("held.csv", ONE)
    cli("csv_watch", "--once")
    assert status(cli)["problems"] == []


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_problems_are_told_in_every_format(cli: "Cli", form: str) -> None:
    cli.write("gone.csv", ONE)
    cli("csv_watcher_add", "gone.csv")
    (cli.folder / "gone.csv").unlink()
    lines = cli("csv_status", "--format", form, code=1).splitlines()
    assert ("csv_file,state,reason,command" in lines) == (form == "csv")
    assert "gone.csv" in lines[-1]


def test_a_service_that_ended_without_a_word_is_a_problem_until_another_watches(cli: "Cli", service: "Start") -> None:
    cli.write("a.csv", ONE)
    cli("csv_watcher_add", "a.csv")
    with service() as running:
        assert status(cli)["services"] == 1
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        [problem] = status(cli, code=1)["problems"]
        assert (problem["state"], problem["command"]) == ("dead", "csv_manager csv_watch")
    cli("csv_watch", "--once")
    assert status(cli, code=1)["problems"] == [problem]
    assert [row["state"] for row in json.loads(cli("csv_service_status", "--format", "json", code=1))] == ["dead"]
    with service() as running:
        assert status(cli)["problems"] == []
        assert running.stop() == 0
    assert status(cli)["services"] == 0


def test_a_check_that_ended_without_a_word_is_a_problem_until_the_next_check(cli: "Cli") -> None:
    cli.write("a.csv", ONE)
    cli("csv_watcher_add", "a.csv", "--settle", "60")
    cli.write("a.csv", ONE + "2,b\n")
    with subprocess.Popen(cli.command("csv_watch", "--once"), cwd=cli.folder, env=cli.environment) as check:
        try:
            while not status(cli)["services"]:
                assert check.poll() is None
        finally:
            check.kill()
    [problem] = status(cli, code=1)["problems"]
    assert (problem["state"], problem["command"]) == ("dead", "csv_manager csv_watch --once")
    assert problem["reason"].startswith("The check on ")
    assert problem["reason"] in cli("csv_status", code=1).splitlines()
    cli("csv_watcher_set", "a.csv", "--settle", "0.1")
    cli("csv_watch", "--once")
    assert status(cli)["problems"] == []


def test_what_differs_from_what_is_recorded_is_named(cli: "Cli") -> None:
    for name in ("same.csv", "changed.csv", "gone.csv", "in/a.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "same.csv", "changed.csv", "gone.csv", "in")
    assert drifts(cli) == {}
    assert "4 of 4 files hold what is recorded." in cli.notes("csv_watcher_verify")
    stat = os.stat(cli.folder / "changed.csv")
    cli.write("changed.csv", ONE.replace("a", "b"))
    os.utime(cli.folder / "changed.csv", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (cli.folder / "gone.csv").unlink()
    cli.write("in/new.csv", ONE)
    assert drifts(cli, code=1) == {"changed.csv": "changed", "gone.csv": "missing", "in/new.csv": "unrecorded"}
    assert drifts(cli, "in", code=1) == {"in/new.csv": "unrecorded"}
    assert drifts(cli, "same.csv", "in/a.csv") == {}
    cli("csv_watch", "--once")
    assert drifts(cli, code=1) == {"gone.csv": "missing"}


def test_what_cannot_be_read_is_named(cli: "Cli") -> None:
    path = cli.write("a.csv", ONE)
    cli("csv_watcher_add", "a.csv")
    path.chmod(0)
    with cli.within_rights():
        assert drifts(cli, code=1) == {"a.csv": "unreadable"}


def test_a_folder_in_whose_place_a_file_is_is_missing_wherever_it_is_told(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli("csv_watcher_add", "in")
    shutil.rmtree(cli.folder / "in")
    cli.write("in", ONE)
    assert drifts(cli, code=1) == {"in/a.csv": "missing"}
    said = cli.notes("csv_watch", "--once")
    assert "in is missing (no such folder;" in said
    assert "in/a.csv is missing (no such file;" in said
    assert status(cli, code=1)["states"] == {"missing": 1}
    assert drifts(cli, code=1) == {"in/a.csv": "missing"}
    (cli.folder / "in").unlink()
    cli.write("in/a.csv", ONE)
    cli("csv_watch", "--once")
    assert drifts(cli) == {}


def test_what_a_running_service_is_about_to_record_is_no_drift(cli: "Cli", service: "Start") -> None:
    cli.write("a.csv", ONE)
    cli("csv_watcher_add", "a.csv", "--settle", "2")
    with service() as running:
        cli.write("a.csv", "id,v\n1,b\n")
        assert drifts(cli) == {}
        running.wait_told("a.csv", "version 2 ")
        assert running.stop() == 0


def test_a_path_that_is_not_watched_is_refused(cli: "Cli") -> None:
    cli.write("a.csv", ONE)
    cli("csv_watcher_add", "a.csv")
    assert "none.csv is not watched and has no history" in cli.refused("csv_watcher_verify", "none.csv")


def test_a_file_that_only_has_a_history_is_refused_as_that(cli: "Cli") -> None:
    cli.write("a.csv", ONE)
    cli("csv_watch", "--once", "a.csv")
    told = cli.refused("csv_watcher_verify", "a.csv")
    assert "a.csv is not watched, so nothing is expected of it" in told
    assert "csv_history_list" in told


def test_the_reason_of_a_paused_file_that_changed_is_that_it_is_paused(cli: "Cli") -> None:
    cli.write("a.csv", ONE)
    cli("csv_watcher_add", "a.csv")
    cli("csv_watcher_pause", "a.csv")
    assert drifts(cli) == {}
    cli.write("a.csv", ONE.replace("a", "b"))
    [told] = json.loads(cli("csv_watcher_verify", "--format", "json", code=1))
    assert told["drift"] == "changed"
    assert "It is paused: csv_watcher_resume" in told["reason"]
    (cli.folder / "a.csv").unlink()
    [told] = json.loads(cli("csv_watcher_verify", "--format", "json", code=1))
    assert told["reason"] == "The file is missing; its versions are kept."


def test_a_missing_folder_is_one_problem(cli: "Cli") -> None:
    for name in ("in/a.csv", "in/b.csv", "in/deep/c.csv", "other/d.csv", "other/e.csv", "lone/f.csv", "ok.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "in", "--recursive")
    cli("csv_watcher_add", "other/d.csv", "other/e.csv", "lone/f.csv", "ok.csv")
    shutil.rmtree(cli.folder / "in" / "deep")
    for name in ("other", "lone"):
        shutil.rmtree(cli.folder / name)
    assert problems_of(cli) == {
        "in/deep/c.csv": "csv_manager csv_watcher_delete in/deep/c.csv",
        "lone/f.csv": "csv_manager csv_watcher_delete lone/f.csv",
        "other": "csv_manager csv_watcher_delete other",
    }
    shutil.rmtree(cli.folder / "in")
    told = status(cli, code=1)
    assert told["states"] == {"missing": 6, "ok": 1}
    [folder] = [problem for problem in told["problems"] if problem["csv_file"] == os.path.realpath(cli.folder / "in")]
    assert folder["reason"].startswith(f"{folder['csv_file']}: no such folder, and so none of 3 files of it;")
    for command in problems_of(cli).values():
        cli(*shlex.split(command)[1:])
    assert status(cli)["states"] == {"ok": 1}


def problems_of(cli: "Cli") -> dict[str, str]:
    """The command of each problem, by its path in the folder."""
    folder = os.path.realpath(cli.folder)
    problems = status(cli, code=1)["problems"]
    return {os.path.relpath(problem["csv_file"], folder): problem["command"] for problem in problems}


@pytest.mark.parametrize("name", ["-d.csv", "new\nline.csv", "it's $HOME.csv", "tab\t\x1b[1m\u200b.csv", "ü b.csv"])
def test_the_command_can_be_copied_whatever_the_name(cli: "Cli", name: str) -> None:
    cli.write(name, ONE)
    cli("csv_watcher_add", f"./{name}")
    (cli.folder / name).unlink()
    [problem] = status(cli, code=1)["problems"]
    assert problem["command"].isprintable()
    bin_folder = os.path.dirname(cli.command()[0])
    environment = cli.environment | {"PATH": f"{bin_folder}{os.pathsep}{cli.environment['PATH']}"}
    subprocess.run(["bash", "-c", problem["command"]], cwd=cli.folder, env=environment, check=True)
    assert cli.json("csv_watcher_list") == []


def test_the_command_that_looks_at_a_link_names_the_link(cli: "Cli") -> None:
    cli.write("day.csv", ONE)
    link = cli.folder / "latest.csv"
    link.symlink_to("day.csv")
    assert cli("csv_watcher_add", "latest.csv").startswith("Added latest.csv: version 1")
    link.unlink()
    link.symlink_to("latest.csv")
    cli("csv_watch", "--once", code=1)
    assert list(problems_of(cli).values()) == ["ls -l latest.csv"]


def test_a_held_file_is_held_still_after_its_folder_was_away(cli: "Cli") -> None:
    cli.write("in/a.csv", "id,v\n1,a\n")
    cli("csv_watcher_add", "in", "--key", "id")
    cli.write("in/a.csv", "id,v\n1,a\n1,b\n")
    assert cli.run("csv_watch", "--once").returncode == 1
    (cli.folder / "in").rename(cli.folder / "away")
    cli("csv_watch", "--once")
    (cli.folder / "away").rename(cli.folder / "in")
    done = cli.run("csv_watch", "--once")
    assert done.returncode == 1
    assert cli.json("csv_watcher_list")[0]["state"] == "held"
    assert cli.run("csv_status").returncode == 1


def test_a_held_file_without_a_stored_watcher_is_told_at_every_check(cli: "Cli") -> None:
    cli.write("in/a.csv", "id,v\n1,a\n")
    cli("csv_watch", "--once", "in")
    cli.write("in/a.csv", b"PK\x03\x04 no table")
    for _ in range(2):
        done = cli.run("csv_watch", "--once", "in")
        assert done.returncode == 1
        assert b"held" in done.stdout + done.stderr
