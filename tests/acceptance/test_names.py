"""Names of watchers: each stands for one thing, and never for another file."""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

ONE = "id,v\n1,a\n"


def stored_name(cli: "Cli", path: str, name: str) -> None:
    """Give a watcher a name as an earlier version took it: before a file of that name came."""
    cli("csv_watcher_add", path, "--name", name)
    assert not os.path.lexists(cli.folder / name)
    cli.write(name, ONE)


@pytest.mark.parametrize("name", [".", "..", "--help", "-x", "a/b", "other.csv", "data", "gone.csv"])
def test_a_name_that_is_something_else_is_refused(cli: "Cli", name: str) -> None:
    for path in ("one.csv", "other.csv", "gone.csv", "data/x.csv"):
        cli.write(path, ONE)
    cli("csv_watcher_add", "gone.csv")
    (cli.folder / "gone.csv").unlink()
    before = cli.content()
    assert "--name" in cli.refused("csv_watcher_add", "one.csv", "--name", name)
    assert cli.content() == before
    cli("csv_watcher_add", "one.csv", "--name", "first")
    assert "--name" in cli.refused("csv_watcher_set", "first", "--name", name)
    assert cli.json("csv_watcher_show", "first")[0]["name"] == "first"


def test_a_watcher_may_be_given_the_name_that_it_has(cli: "Cli") -> None:
    cli.write("one.csv", ONE)
    stored_name(cli, "one.csv", "first")
    cli("csv_watcher_set", "one.csv", "--name", "first", "-i", "7")
    told = cli.json("csv_watcher_show", "first")[0]
    assert (told["name"], told["interval"]) == ("first", 7)


def test_a_file_with_the_name_of_anothers_watcher_is_refused_with_the_next_step(cli: "Cli") -> None:
    cli.write("n1.csv", ONE)
    stored_name(cli, "n1.csv", "n2.csv")
    told = cli.refused("csv_watcher_add", "n2.csv")
    assert "n2.csv is the name of the watcher of n1.csv" in told
    assert told.endswith("csv_manager csv_watcher_set n1.csv --name NAME")
    cli("csv_watcher_set", "n1.csv", "--name", "first")
    cli("csv_watcher_add", "n2.csv")
    assert sorted(cli.listed()) == ["n1.csv", "n2.csv"]


def test_adding_a_name_again_says_what_it_is(cli: "Cli") -> None:
    cli.write("n1.csv", ONE)
    cli("csv_watcher_add", "n1.csv", "--name", "first")
    assert "first is the name of the watcher of n1.csv" in cli.refused("csv_watcher_add", "first")


def test_a_stored_name_stands_for_its_watcher_still(cli: "Cli") -> None:
    cli.write("n1.csv", ONE)
    stored_name(cli, "n1.csv", "n2.csv")
    assert cli.json("csv_watcher_show", "n2.csv")[0]["csv_file"] == os.path.realpath(cli.folder / "n1.csv")
    assert len(cli.versions("n2.csv")) == 1
    assert "1 of 1 file " in cli.notes("csv_watcher_verify", "n2.csv")


@pytest.mark.parametrize("added", ["./n2.csv", "in"])
def test_a_watched_file_stands_before_a_name(cli: "Cli", added: str) -> None:
    cli.write("n1.csv", ONE + "2,b\n")
    (cli.folder / "in").mkdir()
    cli("csv_watcher_add", "n1.csv", "--name", "n2.csv")
    cli.write(added if added != "in" else "in/n2.csv", ONE)
    cli("csv_watcher_add", added)
    if added == "in":
        cli.folder /= "in"
    own = os.path.realpath(cli.folder / "n2.csv")
    assert cli.json("csv_watcher_show", "n2.csv")[0]["csv_file"] == own
    assert cli.counts("n2.csv") == [(1, 0, 0)]
    cli.write("n2.csv", ONE.replace("a", "c"))
    assert [line.split()[2] for line in cli("csv_watch", "--once", "n2.csv").splitlines()] == ["n2.csv"]
    cli.write("n2.csv", ONE)
    assert "0 of 1 file " in cli.notes("csv_watcher_verify", "n2.csv", code=1)
    (cli.folder / "n2.csv").unlink()
    cli("csv_watch", "--once", "n2.csv", "--missing-ok")
    cli("csv_watcher_delete", "n2.csv", "--purge", "--yes")
    [left] = [told for told in cli.json("csv_watcher_list") if told["version"]]
    assert (os.path.basename(left["csv_file"]), left["rows"]) == ("n1.csv", 2)
