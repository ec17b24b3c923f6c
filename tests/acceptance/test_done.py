"""`--done`: what a killed process had taken aside, and states that end once a file is done with."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from csv_manager.pipeline.consuming import aside_of

if TYPE_CHECKING:
    from conftest import Cli

#: What is watched, and how.
DROPS = {
    "files": ("drop", "-r"),
    "series": ("drop", "-r", "--feed", "series", "--key", "id"),
    "glob": ("drop/*/*.csv",),
}
ONE, TWO = "id,v\n1,a\n", "id,v\n1,b\n"


def take_aside(path: Path) -> Path:
    """Leave a file as a process does that is killed after it took it aside."""
    aside = Path(aside_of(str(path)))
    aside.parent.mkdir(exist_ok=True)
    return path.rename(aside)


def left(cli: "Cli") -> list[str]:
    """The files in the drop folder and below it, hidden ones too."""
    return sorted(path.name for path in (cli.folder / "drop").rglob("*") if path.is_file())


def drifts(cli: "Cli", *paths: str, code: int) -> dict[str, str]:
    """What of each file is not as it is recorded, by its name."""
    answer = cli("csv_watcher_verify", *paths, "--format", "csv", code=code)
    return {os.path.basename(line.split(",")[0]): line.split(",")[1] for line in answer.splitlines()[1:]}


@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("name", ["c.csv", "c" * 250 + ".csv"])
def test_an_unrecorded_content_that_was_left_aside_is_told_of_and_recorded(cli: "Cli", drop: str, name: str) -> None:
    path = cli.write(f"drop/2025/{name}", ONE)
    cli("csv_watcher_add", *DROPS[drop], "--done", "delete")
    path.write_text(TWO)
    take_aside(path)
    assert drifts(cli, code=1) == {name: "unrecorded"}
    assert drifts(cli, "drop" if drop != "glob" else DROPS[drop][0], code=1) == {name: "unrecorded"}
    cli("csv_watch", "--once")
    assert left(cli) == []
    assert drifts(cli, code=0) == {}
    assert len(cli.versions("drop" if drop == "series" else path)) == 2
    assert '"problems": []' in cli("csv_status", "--format", "json")


@pytest.mark.parametrize("drop", DROPS)
def test_a_recorded_file_that_was_left_aside_is_done_with_or_gets_its_name_again(cli: "Cli", drop: str) -> None:
    path = cli.write("drop/2025/c.csv", ONE)
    cli("csv_watcher_add", *DROPS[drop], "--done", "delete")
    take_aside(path)
    assert drifts(cli, code=0) == {}
    cli("csv_watcher_set", DROPS[drop][0], "--done", "keep")
    for _ in range(2):
        cli("csv_watch", "--once")
        assert left(cli) == ["c.csv"]
    take_aside(path)
    path.write_text(TWO)  # a newer one
    cli("csv_watch", "--once")
    assert left(cli) == ["c.csv"]
    assert len(cli.versions("drop" if drop == "series" else path)) == 2
    cli("csv_watcher_set", DROPS[drop][0], "--done", "move:done")
    take_aside(path)
    cli("csv_watch", "--once")
    assert left(cli) == []
    assert os.listdir(cli.folder / "done") == ["c.csv"]
    assert '"problems": []' in cli("csv_status", "--format", "json")


def test_a_file_that_was_left_aside_gets_its_name_again_when_its_watcher_goes(cli: "Cli") -> None:
    path = cli.write("drop/2025/c.csv", ONE)
    cli("csv_watcher_add", *DROPS["series"], "--done", "delete")
    take_aside(path)
    cli("csv_watcher_pause", "drop")
    cli("csv_watch", "--once")
    assert left(cli) == [".csv_manager-done-c.csv"]
    cli("csv_watcher_delete", "drop", "--yes")
    assert left(cli) == ["c.csv"]


@pytest.mark.parametrize("drop", ["files", "series"])
@pytest.mark.parametrize("what", ["mended", "gone", "kept"])
def test_a_file_that_could_not_be_moved_fails_no_longer_once_it_may_be(cli: "Cli", drop: str, what: str) -> None:
    path = cli.write("drop/2025/c.csv", ONE)
    cli("csv_watcher_add", *DROPS[drop], "--done", "move:done")
    blocker = cli.write("done", "a file, no folder\n")
    cli("csv_watch", "--once", code=1)
    assert "failing" in {state for state, _ in cli.listed().values()}
    if what == "kept":
        cli("csv_watcher_set", "drop", "--done", "keep")
    else:
        blocker.unlink()
    if what == "gone":  # as a process leaves it that is killed before it notes what it did
        (cli.folder / "done").mkdir()
        path.rename(cli.folder / "done" / "c.csv")
    cli("csv_watch", "--once")
    assert left(cli) == (["c.csv"] if what == "kept" else [])
    assert '"problems": []' in cli("csv_status", "--format", "json")
