"""Links in watched folders: a file has one history, whatever names lead to it."""

import errno
import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., "Service"]

ONE = "id,v\n1,a\n"
TWO = "id,v\n1,b\n"
CONTENTS = {name: f"id,v\n1,{name}\n" for name in "abc"}


def test_a_link_beside_its_target_is_another_name_of_it_wherever_it_leads(cli: "Cli") -> None:
    for name, content in CONTENTS.items():
        cli.write(f"in/{name}.csv", content)
    latest = cli.folder / "in" / "latest.csv"
    latest.symlink_to("a.csv")
    cli("csv_watcher_add", "in")
    for target in ("c.csv", "b.csv", "a.csv"):
        latest.unlink()
        latest.symlink_to(target)
        cli("csv_watch", "--once")
    cli.write("in/a.csv", "id,v\n1,A\n")
    cli("csv_watch", "--once")
    assert cli.listed() == {"in/a.csv": ("ok", 2), "in/b.csv": ("ok", 1), "in/c.csv": ("ok", 1)}
    (cli.folder / "in" / "b.csv").unlink()
    cli("csv_watch", "--once")
    assert cli.listed()["in/a.csv"] == ("ok", 2)
    latest.unlink()
    cli("csv_watch", "--once")
    assert cli.listed() == {"in/a.csv": ("ok", 2), "in/b.csv": ("missing", 1), "in/c.csv": ("ok", 1)}
    cli.write("in/b.csv", CONTENTS["b"])
    assert cli.json("csv_watcher_verify") == []


def test_two_links_to_one_file_outside_are_one_history_until_they_part(cli: "Cli") -> None:
    for name in "ab":
        cli.write(f"out/{name}.csv", CONTENTS[name])
    (cli.folder / "in").mkdir()
    for name in "12":
        (cli.folder / "in" / f"{name}.csv").symlink_to("../out/a.csv")
    cli("csv_watcher_add", "in")
    assert len(cli.versions("out/a.csv")) == 1
    second = cli.folder / "in" / "2.csv"
    second.unlink()
    second.symlink_to("../out/b.csv")
    cli("csv_watch", "--once")
    assert len(cli.versions("out/a.csv")) == 1
    assert len(cli.versions("out/b.csv")) == 1
    assert cli.json("csv_watcher_verify") == []


def test_a_file_with_a_watcher_of_its_own_is_not_read_by_a_link_in_a_watched_folder(
    cli: "Cli", service: "Start"
) -> None:
    cli.write("out/a.csv", CONTENTS["a"])
    cli.write("in/b.csv", CONTENTS["b"])
    cli("csv_watcher_add", "in")
    link = cli.folder / "in" / "l.csv"
    with service() as running:
        link.symlink_to("../out/a.csv")
        running.wait_told("out/a.csv", "version 1 ")
        cli("csv_watcher_add", "out/a.csv")
        cli.write("out/a.csv", CONTENTS["c"])
        running.wait_told("out/a.csv", "version 2 ")
        link.unlink()
        cli.write("in/b.csv", CONTENTS["a"])
        running.wait_told("in/b.csv", "version 2 ")
        cli.write("out/a.csv", CONTENTS["b"])
        running.wait_told("out/a.csv", "version 3 ")
        assert running.stop() == 0
    assert cli.listed() == {"in/b.csv": ("ok", 2), "out/a.csv": ("ok", 3)}


def test_paths_through_a_folder_that_is_a_link_stand_for_what_is_read_by_them(cli: "Cli") -> None:
    for release in "12":
        for name, content in CONTENTS.items():
            cli.write(f"{release}/below/{name}.csv", content + release)
    current = cli.folder / "current"
    current.symlink_to("1")
    cli("csv_watcher_add", "current", "-r")
    current.unlink()
    current.symlink_to("2")
    cli("csv_watch", "--once")
    for path in ("current", "current/below", "current/below/*.csv", "current/*/*.csv"):
        assert len(cli.json("csv_history_list", path)) == 6, path
        assert cli.json("csv_watcher_verify", path) == [], path
    assert cli.json("csv_watcher_show", "current/below/a.csv")[0]["version"] == 2


def test_a_file_of_a_folder_that_becomes_a_link_keeps_its_history(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("real/a.csv", TWO)
    cli("csv_watcher_add", "in", "--key", "id")
    (cli.folder / "in" / "a.csv").unlink()
    (cli.folder / "in" / "a.csv").symlink_to("../real/a.csv")
    cli("csv_watch", "--once")
    cli.write("real/a.csv", ONE)
    cli("csv_watch", "--once")
    assert cli.listed() == {"in/a.csv": ("ok", 3)}


def test_a_link_that_leads_elsewhere_is_followed_with_one_history(cli: "Cli", service: "Start") -> None:
    for number, content in enumerate((ONE, TWO, "id,v\n1,c\n"), 1):
        cli.write(f"v{number}/a.csv", content)
    current = cli.folder / "current"
    current.symlink_to("v1")
    cli("csv_watcher_add", "current/a.csv", "-i", "3600", "--key", "id")
    with service("--rows") as running:
        for number in (2, 3):
            (cli.folder / "next").symlink_to(f"v{number}")
            (cli.folder / "next").rename(current)
            running.wait_told("version " + str(number))
        cli.write("v3/a.csv", "id,v\n1,d\n")
        running.wait_told("id=1", "c → d")
        assert running.stop() == 0
    assert cli.counts("current/a.csv") == [(1, 0, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0)]
    cli("csv_history_restore", "current/a.csv", "2")
    assert (cli.folder / "v3" / "a.csv").read_text() == TWO
    assert current.is_symlink()


def test_a_folder_that_is_a_link_is_watched_wherever_it_leads(cli: "Cli", service: "Start") -> None:
    for release, content in ((1, ONE), (2, TWO)):
        cli.write(f"releases/{release}/a.csv", content)
    cli.write("releases/2/b.csv", ONE)
    current = cli.folder / "current"
    current.symlink_to("releases/1")
    cli("csv_watcher_add", "current", "--key", "id", "-i", "3600")
    with service() as running:
        (cli.folder / "next").symlink_to("releases/2")
        (cli.folder / "next").replace(current)
        running.wait_told("a.csv", "version 2 ", "+0 ~1 -0")
        running.wait_told("b.csv", "version 1 ")
        cli.write("releases/2/b.csv", TWO)
        running.wait_told("b.csv", "version 2 ")
        assert running.stop() == 0
    assert cli.counts("current/a.csv") == [(1, 0, 0), (0, 1, 0)]
    assert cli.json("csv_watcher_show", "current")[0]["link"] == str(current.absolute())
    assert len(cli.json("csv_history_list", "current")) == 4
    assert cli.json("csv_watcher_verify", "current") == []
    cli.write("current/b.csv", "id,v\n1,c\n")
    assert "b.csv  version 3" in cli("csv_watch", "--once", "current")
    assert "watched already" in cli.refused("csv_watcher_add", "current")
    cli("csv_watcher_delete", "current")
    assert cli.json("csv_watcher_list") == []


@pytest.mark.parametrize("watched", ["in", "in/loop.csv"])
def test_a_link_that_leads_in_a_circle_is_unreadable_for_the_same_reason_wherever_it_is_told(
    cli: "Cli", watched: str
) -> None:
    loop = cli.write("in/loop.csv", ONE)
    cli("csv_watcher_add", watched)
    loop.unlink()
    loop.symlink_to("loop.csv")
    reason = f"{os.path.realpath(cli.folder / 'in')}/loop.csv: {os.strerror(errno.ELOOP)}"
    [row] = cli.json("csv_watcher_list")
    assert (row["state"], row["reason"]) == ("unreadable", f"{reason}.")
    assert f"in/loop.csv is unreadable ({os.strerror(errno.ELOOP)}; " in cli.notes("csv_watch", "--once", code=1)
    [row] = cli.json("csv_watcher_list")
    assert (row["state"], row["reason"]) == ("unreadable", f"{reason}; it is tried again once an interval.")
    done = cli.run("csv_watcher_verify", "--format", "jsonl")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["drift"], told["reason"]) == ("unreadable", f"{reason}.")
    loop.unlink()
    cli.write("in/loop.csv", TWO)
    assert "version 2" in cli("csv_watch", "--once")
    assert cli.listed() == {"in/loop.csv": ("ok", 2)}
