"""database_list, database_check and database_upgrade, on the databases that the settings tell of."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from csv_manager.store.schema import REVISION

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = pytest.mark.sqlite


@pytest.fixture
def several(cli: "Cli") -> "Cli":
    """The store in an SQLite file, one more, and a server that is not there."""
    config = cli.folder / "c.yaml"
    config.write_text(
        "databases:\n"
        "  other: {dialect: sqlite, path: other.db}\n"
        "  far: {dialect: postgresql, address: '127.0.0.1:1', database: d, user: 'me:s3cr3t', admin: 'boss:t0p'}\n"
    )
    cli.environment["CSV_MANAGER_CONFIG"] = str(config)
    return cli


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


def test_the_list_tells_of_each_where_it_is_and_how(several: "Cli") -> None:
    before = by_name(several.json("database_list"))
    assert list(before) == ["default", "other", "far"]
    assert (before["default"]["state"], before["default"]["schema"]) == ("empty", None)
    several("csv_watcher_list")  # which makes the store
    rows = by_name(several.json("database_list"))
    assert rows["default"] == {
        "name": "default", "dialect": "sqlite", "address": None, "database": str(several.home / "watcher_db.db"),
        "user": None, "admin": None, "state": "ok", "schema": REVISION, "reason": None,
    }  # fmt: skip
    assert rows["other"]["database"] == str(several.home / "other.db")
    far = rows["far"]
    assert (far["state"], far["address"], far["user"], far["admin"]) == ("unreachable", "127.0.0.1:1", "me", "boss")
    assert "refused" in far["reason"]
    for form in ("table", "json", "jsonl", "csv"):
        shown = several("database_list", "--format", form)
        assert ("s3cr3t" in shown, "t0p" in shown) == (False, False)


def test_checking_says_what_is_wrong_and_what_mends_it(several: "Cli") -> None:
    rows = json.loads(several("database_check", "default", "--format", "json", code=1))
    assert [(row["check"], row["result"]) for row in rows] == [
        ("reachable", "ok"),
        ("rights", "ok"),
        ("schema", "wrong"),
    ]
    assert rows[2]["reason"].endswith("csv_manager database_upgrade default mends it.")
    assert several("database_upgrade", "default") == f"default: csv_manager to {REVISION}.\n"
    assert several("database_upgrade", "default") == "default: up to date.\n"
    rows = several.json("database_check", "default")
    assert [row["result"] for row in rows] == ["ok"] * 3
    assert "Connection refused" in several("database_check", "far", code=1)


def test_the_statements_are_shown_and_nothing_is_done(several: "Cli") -> None:
    shown = several("database_upgrade", "default", "--sql")
    assert "CREATE TABLE csv_runs" in shown
    assert several.json("database_list")[0]["state"] == "empty"
    several("database_upgrade", "default")
    assert several("database_upgrade", "default", "--sql") == "-- default is up to date.\n"


def test_an_unknown_name_is_refused(several: "Cli") -> None:
    for command in ("database_check", "database_upgrade"):
        line = several.refused(command, "othr")
        assert line == "Error: There is no database 'othr' in the settings; did you mean other?"


def test_a_store_of_the_future_is_refused_and_left_alone(several: "Cli") -> None:
    several("csv_watcher_list")
    several.change("UPDATE csv_manager_schema SET version_num = '9999'")
    assert "was made by a newer csv_manager (schema 9999" in several.refused("csv_watcher_list")
    assert "was made by a newer csv_manager" in several.refused("database_upgrade", "default")
    assert several.json("database_list")[0]["state"] == "newer"
    assert several.query("SELECT version_num FROM csv_manager_schema") == [("9999",)]


def test_the_store_is_the_database_default(cli: "Cli") -> None:
    config = cli.write("c.yaml", 'databases:\n  default: {dialect: sqlite, path: "${PLACE}/mine.db"}\n')
    cli.environment["PLACE"] = str(cli.folder)
    cli.write("data.csv", "id\n1\n")
    cli("--config", config, "csv_watcher_add", "data.csv")
    assert (cli.folder / "mine.db").is_file()
    assert not Path(cli.home / "watcher_db.db").exists()
    assert len(json.loads(cli("--config", config, "csv_watcher_list", "--format", "json"))) == 1
    del cli.environment["PLACE"]
    assert "PLACE" in cli.refused("--config", config, "csv_watcher_list")
