"""What csv_watcher_list and csv_watcher_show tell of a folder's or glob's watcher, and what becomes of its files."""

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli

ONE = "id,v\n1,a\n"


def shown(cli: "Cli", path: str) -> dict[str, Any]:
    """What csv_watcher_show tells in JSON."""
    [told] = cli.json("csv_watcher_show", path)
    return dict(told)


def fields(cli: "Cli", path: str) -> dict[str, str]:
    """What csv_watcher_show tells people, by the names of its lines."""
    lines = [line.split(None, 1) for line in cli("csv_watcher_show", path).splitlines()]
    return {line[0]: line[1] for line in lines if len(line) > 1}


def test_show_tells_how_a_folder_is_watched(cli: "Cli") -> None:
    for name in ("in/a.csv", "in/b.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "in", "--key", "id", "-i", "3", "--name", "drop")
    told = shown(cli, "drop")
    assert told["csv_file"] == os.path.realpath(cli.folder / "in")
    assert (told["name"], told["interval"], told["key"], told["kind"]) == ("drop", 3, ["id"], "files")
    assert (told["state"], told["reason"], told["files"], told["feed"]) == ("ok", None, 2, None)
    assert told["last_change"].endswith("Z")
    lines = fields(cli, "in")
    assert {name: lines[name] for name in ("name", "interval", "key", "kind", "state", "files")} == {
        "name": "drop", "interval": "3", "key": "id", "kind": "files", "state": "ok", "files": "2",
    }  # fmt: skip


def test_the_state_of_a_folder_says_what_is_wrong(cli: "Cli") -> None:
    for name in ("in/a.csv", "in/b.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "in", "--key", "id")
    cli.write("in/b.csv", ONE + "1,b\n")
    cli("csv_watch", "--once", code=1)
    assert (shown(cli, "in")["state"], shown(cli, "in")["reason"]) == ("ok", "Of its files, 1 held, 1 ok.")
    cli("csv_watcher_pause", "in")
    assert shown(cli, "in")["state"] == "paused"
    cli("csv_watcher_resume", "in")
    (cli.folder / "in").rename(cli.folder / "away")
    told = shown(cli, "in")
    assert told["state"] == "missing"
    assert "no such folder" in told["reason"]


def test_show_tells_that_a_folder_is_a_series_and_how_many_files_it_took(cli: "Cli") -> None:
    for name in ("drop/day-1.csv", "drop/day-2.csv", "drop/day-3.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    told = shown(cli, "drop")
    assert (told["kind"], told["files"], told["feed"], told["version"]) == ("series", 3, None, 1)
    assert fields(cli, "drop")["kind"] == "series"
    assert fields(cli, "drop")["files"] == "3"


def test_the_list_tells_which_files_belong_to_a_folder(cli: "Cli") -> None:
    for name in ("in/a.csv", "in/b.csv", "lone.csv"):
        cli.write(name, ONE)
    cli("csv_watcher_add", "in", "lone.csv")
    cli("csv_watcher_set", "in/b.csv", "-i", "5")
    folder = os.path.realpath(cli.folder)
    feeds = {os.path.relpath(told["csv_file"], folder): told["feed"] for told in cli.json("csv_watcher_list")}
    assert feeds == {"in/a.csv": os.path.join(folder, "in"), "in/b.csv": None, "lone.csv": None}
    header, _, first, *_ = cli("csv_watcher_list").splitlines()
    assert header.split()[-1] == "feed"
    assert first.split()[-1] == os.path.join(folder, "in")
    told = shown(cli, "in/a.csv")
    assert (told["kind"], told["feed"], told["files"]) == ("file", os.path.join(folder, "in"), None)


@pytest.mark.parametrize("path", ["in", "in/*.csv"])
def test_a_folder_whose_files_all_have_watchers_waits_for_nothing(cli: "Cli", path: str) -> None:
    cli.write("in/a.csv", ONE)
    cli("csv_watcher_add", path)
    cli("csv_watcher_set", "in/a.csv", "-i", "3")
    for _ in range(2):
        assert cli.listed() == {path: ("ok", None), "in/a.csv": ("ok", 1)}
        cli("csv_watch", "--once")
    assert "belongs to another watcher" in shown(cli, path)["reason"]
    cli.write("in/b.csv", ONE)
    assert cli.listed()[path][0] == "waiting"
    cli("csv_watch", "--once")
    assert cli.listed() == {"in/a.csv": ("ok", 1), "in/b.csv": ("ok", 1)}


def test_the_files_of_a_folder_may_belong_to_one_that_is_nearer(cli: "Cli") -> None:
    cli.write("in/deep/a.csv", ONE)
    cli("csv_watcher_add", "in/deep")
    cli("csv_watcher_add", "in", "--recursive")
    assert cli.listed() == {"in": ("ok", None), "in/deep/a.csv": ("ok", 1)}
    assert shown(cli, "in")["files"] == 0


def test_a_linked_folder_is_told_by_its_link(cli: "Cli") -> None:
    cli.write("r1/p.csv", ONE)
    (cli.folder / "current").symlink_to("r1")
    assert cli("csv_watcher_add", "current").splitlines() == [
        "Added current/p.csv: version 1, 1 row (comma, utf-8, header).",
        "Added current: 1 file now, and each new one as it comes.",
    ]


def test_a_file_that_was_paused_is_given_back_to_its_folder(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli("csv_watcher_add", "in", "--key", "id")
    assert "on its own from now on, no more with in" in cli("csv_watcher_pause", "in/a.csv")
    cli("csv_watcher_resume", "in/a.csv")
    told = cli("csv_watcher_delete", "in/a.csv")
    assert told == "Deleted the watcher of in/a.csv; its history stays, and in watches it again.\n"
    cli("csv_watch", "--once")
    assert shown(cli, "in/a.csv")["feed"] == os.path.realpath(cli.folder / "in")
    assert cli("csv_watcher_delete", "in/a.csv") == "Left in/a.csv out of in; its history stays.\n"
