"""Folders and globs that want the same files: the one that begins deeper has them, whoever came first."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

OLD = "id,v\n1,x\n2,y\n"
NEW = "id,v\n1,x\n2,z\n"

ABOVE = ("in", "--recursive", "--done", "delete", "--settle", "0")
BELOW = ("in/keep", "--key", "id", "--settle", "0")


@pytest.mark.parametrize("order", [(ABOVE, BELOW), (BELOW, ABOVE)], ids=["above first", "below first"])
def test_a_file_belongs_to_the_folder_that_is_nearest_to_it(cli: "Cli", order: tuple[tuple[str, ...], ...]) -> None:
    kept, gone = cli.write("in/keep/a.csv", OLD), cli.write("in/b.csv", OLD)
    cli.write("in/keep/c.txt", OLD)
    for arguments in order:
        cli("csv_watcher_add", *arguments)
    cli.run("csv_watch", "--once")
    assert (kept.exists(), gone.exists()) == (True, False)
    later, again = cli.write("in/keep/later.csv", OLD), cli.write("in/b.csv", NEW)
    kept.write_text(NEW)
    cli.run("csv_watch", "--once")
    assert (kept.exists(), later.exists(), again.exists()) == (True, True, False)
    assert cli.counts(kept)[-1] == (0, 1, 0)
    assert cli.run("csv_watcher_verify").returncode == 0
    states = cli.listed()
    assert {path: state for path, state in states.items() if path != "in"} == {
        "in/keep/a.csv": ("ok", 2),
        "in/keep/later.csv": ("ok", 1),
    }


def test_what_a_folder_below_has_is_said_where_one_above_is_added(cli: "Cli") -> None:
    for name in "ab":
        cli.write(f"in/keep/{name}.csv", OLD)
    cli("csv_watcher_add", "in/keep")
    assert "2 files in it stay with in/keep." in cli.notes("csv_watcher_add", "in", "-r")


def test_a_glob_has_its_files_before_the_folder(cli: "Cli") -> None:
    cli.write("in/a-1.csv", OLD)
    cli.write("in/b-1.csv", OLD)
    cli("csv_watcher_add", "in/a-*.csv", "--name", "a")
    cli("csv_watcher_add", "in", "--name", "all")
    cli.write("in/a-2.csv", OLD)
    cli.run("csv_watch", "--once")
    names = {row["csv_file"].rpartition("/")[2]: row["name"] for row in cli.json("csv_watcher_list")}
    assert names == {"a-1.csv": "a", "a-2.csv": "a", "b-1.csv": "all"}


def test_what_a_paused_folder_has_is_left_alone_by_the_one_above(cli: "Cli", service: "Callable[..., Service]") -> None:
    kept, gone = cli.write("in/keep/a.csv", OLD), cli.write("in/b.csv", OLD)
    for arguments in (BELOW, ABOVE):
        cli("csv_watcher_add", *arguments)
    running = service(before=["-v"])
    running.wait(lambda: not gone.exists(), "in/b.csv being deleted")
    cli("csv_watcher_pause", "in/keep")
    running.wait_said("Watcher changed for")
    kept.write_text(NEW)
    cli.write("in/c.csv", OLD)
    running.wait(lambda: not (gone.parent / "c.csv").exists(), "in/c.csv being deleted")
    assert kept.read_text() == NEW
    assert len(cli.versions(kept)) == 1
    cli("csv_watcher_resume", "in/keep")
    running.wait_told("a.csv  version 2  +0 ~1 -0")
    cli("csv_watcher_delete", "in/keep")
    running.wait(lambda: not kept.exists(), "in/keep/a.csv being deleted, which belongs to in now")


def test_a_folder_below_that_is_added_later_takes_its_files(cli: "Cli", service: "Callable[..., Service]") -> None:
    path = cli.write("in/keep/a.csv", OLD)
    cli("csv_watcher_add", "in", "-r", "--settle", "0")
    running = service(before=["-v"])
    cli("csv_watcher_add", *BELOW)
    running.wait_said("Watcher started for " + str(path.parent.resolve()))
    path.write_text(NEW)
    running.wait_told("a.csv  version 2  +0 ~1 -0")
    cli("csv_watcher_delete", "in/keep")
    running.wait_said("Watcher ended for")
    path.write_text(OLD)
    running.wait_told("a.csv  version 3  +1 ~0 -1")
