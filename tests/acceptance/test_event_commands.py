"""The event record on the command line: where it is told to be, and what is said where it cannot be."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., "Service"]

FRUIT = "id,price\n1,5\n2,7\n"


@pytest.fixture
def place(cli: "Cli") -> Path:
    """The file that the settings have the record in; its folder cannot be made yet."""
    place = cli.folder / "record" / "events.db"
    place.parent.write_text("this is no folder")
    settings = f"events: {{dialect: sqlite, connection_string: 'sqlite:///{place}'}}\n"
    cli.home.mkdir(exist_ok=True)
    (cli.home / "configuration.yaml").write_text(settings)
    return place


def mend(place: Path) -> None:
    place.parent.unlink()
    place.parent.mkdir()


def runs(place: Path) -> list[Any]:
    with closing(sqlite3.connect(place)) as database:
        return [status for (status,) in database.execute("SELECT status FROM named_paths_group_run ORDER BY at")]


def states(cli: "Cli") -> list[str]:
    return [run["state"] for run in cli.json("csv_run_list")]


def test_a_record_that_cannot_be_written_fails_the_run_and_loses_nothing(cli: "Cli", place: Path) -> None:
    file = cli.write("prices.csv", FRUIT)
    said = cli.notes("csv_watcher_add", file, code=1)
    assert "The event record's listener sql could not be told: The database" in said
    assert states(cli) == ["failed"]
    assert cli.counts(file) == [(2, 0, 0)]
    [problem] = json.loads(cli("csv_status", "--format", "json", code=1))["problems"]
    assert problem["state"] == "behind"
    assert problem["reason"].startswith("1 event since ")
    assert " is not told yet: " in problem["reason"]
    assert problem["command"] == "csv_manager -v csv_watch --once"
    mend(place)
    cli("csv_watch", "--once")
    assert states(cli) == ["success"]
    assert runs(place) == ["complete"]
    cli("csv_status")


def test_a_service_tells_it_as_soon_as_it_can(cli: "Cli", place: Path, service: "Start") -> None:
    with service() as running:
        file = cli.write("prices.csv", FRUIT)
        assert "sql could not be told" in cli.notes("csv_watcher_add", file, code=1)
        running.wait(lambda: states(cli) == ["failed"], "the failed run")
        mend(place)
        running.wait(lambda: place.exists() and states(cli) == ["success"], "the record to be told")
        assert runs(place) == ["complete"]


def test_what_is_wrong_with_the_settings_is_told_before_anything_is_stored(cli: "Cli") -> None:
    cli.home.mkdir(exist_ok=True)
    file = cli.write("prices.csv", FRUIT)
    for text, said in (
        ("events: {connection_string: RECORD}", "names the environment variable RECORD, which is not set"),
        ("events: {groups: sgl}", "no plugin has a listener of the group sgl; did you mean sql?"),
        ("events: {connection_string: 'sqlite:///wrong.db'}", "a table named_file that is none of an event record"),
    ):
        (cli.home / "configuration.yaml").write_text(text)
        if "wrong" in text:
            with closing(sqlite3.connect(cli.home / "wrong.db")) as database:
                database.execute("CREATE TABLE named_file (id INTEGER)")
        assert said in cli.refused("csv_watcher_add", file)
    (cli.home / "configuration.yaml").unlink()
    assert cli.json("csv_watcher_list") == []
