"""A file that is watched through a link, once the link leads to another file."""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli


@pytest.fixture
def moved(cli: "Cli") -> "Cli":
    """`current.csv` was added while it led to one.csv, and leads to two.csv now."""
    cli.write("one.csv", "id\n1\n")
    cli.write("two.csv", "id\n2\n")
    link = cli.folder / "current.csv"
    link.symlink_to("one.csv")
    cli("csv_watcher_add", "current.csv")
    link.unlink()
    link.symlink_to("two.csv")
    cli("csv_watch", "--once")
    return cli


def test_the_history_goes_on_with_what_the_link_leads_to_and_the_list_says_so(moved: "Cli") -> None:
    [row] = moved.json("csv_watcher_list")
    one, two, current = (os.path.realpath(moved.folder) + f"/{name}.csv" for name in ("one", "two", "current"))
    assert (row["csv_file"], row["state"], row["version"]) == (one, "ok", 2)
    assert row["reason"] == f"It is read through the link {current}, which leads to {two} now."
    assert moved.export("current.csv", 2) == b"id\n2\n"


def test_no_version_is_put_back_in_place_of_another_file(moved: "Cli") -> None:
    moved.write("one.csv", "id\n5\n")
    line = moved.refused("csv_history_restore", "one.csv", "1")
    assert "one.csv is read through the link " in line
    assert "two.csv now, and that is another file; name the link to put the version there" in line
    assert [(moved.folder / f"{name}.csv").read_text() for name in ("one", "two")] == ["id\n5\n", "id\n2\n"]
    assert moved.counts("one.csv") == [(1, 0, 0), (1, 0, 1)]
    moved("csv_history_restore", "current.csv", "1")
    assert [(moved.folder / f"{name}.csv").read_text() for name in ("one", "two")] == ["id\n5\n", "id\n1\n"]


def test_the_file_that_the_link_left_can_be_watched_once_the_link_is_not(moved: "Cli") -> None:
    moved.write("one.csv", "id\n5\n")
    line = moved.refused("csv_watcher_add", "one.csv")
    assert "its history is that of the link " in line
    assert line.endswith("csv_watcher_delete current.csv")
    moved("csv_watcher_delete", "current.csv")
    assert "version 3" in moved("csv_watcher_add", "one.csv")
    moved("csv_history_restore", "one.csv", "1")
    assert (moved.folder / "one.csv").read_text() == "id\n1\n"


def test_a_link_that_leads_to_its_first_file_still_has_versions_put_back_there(cli: "Cli") -> None:
    cli.write("one.csv", "id\n1\n")
    (cli.folder / "current.csv").symlink_to("one.csv")
    cli("csv_watcher_add", "current.csv")
    cli.write("one.csv", "id\n2\n")
    cli("csv_watch", "--once")
    cli("csv_history_restore", "current.csv", "1")
    assert (cli.folder / "one.csv").read_text() == "id\n1\n"
    assert (cli.folder / "current.csv").is_symlink()
    assert cli.json("csv_watcher_list")[0]["reason"] is None
