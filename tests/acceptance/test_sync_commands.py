"""csv_sync_* and csv_load: tables that follow files, by the command line."""

import json
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., Service]

ONE, TWO = "id,v\n1,a\n2,b\n", "id,v\n1,a\n3,c\n"


def rows(cli: "Cli", query: str = "SELECT * FROM data ORDER BY 1") -> list[tuple[Any, ...]]:
    database = sqlite3.connect(cli.folder / "target.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_a_table_follows_a_file(cli: "Cli") -> None:
    cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    said = cli("csv_sync_add", "data.csv", "--database", "sqlite:///target.db")
    assert "CREATE TABLE data (" in said
    assert said.endswith("target.db: data  version 1 of data.csv  +2 ~0 -0  2 rows\n")
    cli.write("data.csv", TWO)
    cli("csv_watch", "--once")
    assert rows(cli) == [(1, "a"), (3, "c")]
    [told] = cli.json("csv_sync_list")
    assert told["database"] == f"sqlite:///{cli.folder.resolve() / 'target.db'}"
    names = ("table", "mode", "key", "state", "version", "head", "rows", "reason")
    assert tuple(told[name] for name in names) == ("data", "mirror", ["id"], "ok", 2, 2, 2, None)
    assert "follows data.csv already" in cli.refused(
        "csv_sync_add", "data.csv", "--database", f"sqlite:///{cli.folder.resolve() / 'target.db'}"
    )
    cli("csv_sync_rollback", "data.csv", "--to", "head~1", "--yes")
    assert rows(cli) == [(1, "a"), (2, "b")]
    assert cli.json("csv_sync_list")[0]["state"] == "pinned"
    [told] = cli.json("csv_sync_run", "data.csv")
    assert (told["version"], told["inserted"], told["deleted"]) == (2, 1, 1)
    assert cli.notes("csv_sync_run") == "Every table is at the newest version of its file.\n"
    cli("csv_sync_delete", "data.csv")
    assert cli.json("csv_sync_list") == []
    assert rows(cli) == [(1, "a"), (3, "c")]


def test_a_service_brings_tables_to_new_versions(cli: "Cli", service: "Start") -> None:
    cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli("csv_sync_add", "data.csv", "--database", "sqlite:///target.db")
    watching = service()
    cli.write("data.csv", TWO)
    watching.wait(lambda: cli.json("csv_sync_list")[0]["version"] == 2, "the table at version 2")
    assert rows(cli) == [(1, "a"), (3, "c")]


def test_a_table_can_be_followed_again_once_its_watcher_is_deleted(cli: "Cli") -> None:
    cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    add = ("csv_sync_add", "data.csv", "--database", "sqlite:///target.db")
    cli(*add)
    assert "stays as it is, and follows nothing any more." in cli("csv_watcher_delete", "data.csv", "--yes")
    cli("csv_watcher_add", "data.csv", "--key", "id")
    assert "is there already and has rows" in cli.refused(*add)
    cli(*add, "--adopt")
    assert rows(cli) == [(1, "a"), (2, "b")]


def test_a_plan_does_nothing(cli: "Cli") -> None:
    cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli("csv_sync_add", "data.csv", "--database", "sqlite:///target.db", "--no-run")
    assert "would be at version 1 of data.csv" in cli("csv_sync_run", "--plan")
    assert rows(cli, "SELECT name FROM sqlite_schema") == []
    cli("csv_sync_run")
    assert rows(cli) == [(1, "a"), (2, "b")]


def test_types_are_told_and_columns_get_other_names(cli: "Cli") -> None:
    cli.write("data.csv", "id,v\n1,7\n")
    cli("csv_watcher_add", "data.csv", "--key", "id")
    to = ("--database", "sqlite:///target.db")
    assert "'number' is no type" in cli.refused("csv_sync_add", "data.csv", *to, "--type", "v=number")
    assert "'v' is not as --type COLUMN=TYPE" in cli.refused("csv_sync_add", "data.csv", *to, "--type", "v")
    cli("csv_sync_add", "data.csv", *to, "--type", "v=text", "--evolution", "discard_row")
    cli.write("data.csv", "id,w\n1,007\nx,8\n")
    cli("csv_watch", "--once")
    [told] = cli.json("csv_sync_run", "data.csv", "--rename", "v=w")
    assert told["changes"] == ["the column 'v' is called 'w' now"]
    assert told["left_out"].startswith("1 row left out, the first at ")
    assert "line 3: column 'id': 'x' is text" in told["left_out"]
    assert rows(cli) == [(1, "007")]
    assert "A column was not renamed" in cli.notes("csv_sync_run", "data.csv", "--rename", "v=w")


def test_a_folder_has_one_table_and_a_bad_file_stops_no_other(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("in/b.csv", ONE)
    cli("csv_watcher_add", "in", "--key", "id")
    cli("csv_sync_add", "in", "--database", "sqlite:///target.db", "--evolution", "freeze")
    cli("csv_check_add", "in", "--max-deleted", "100%")
    cli.write("in/a.csv", ONE.replace("1,a", "x,a"))
    cli.write("in/b.csv", TWO)
    said = cli.run("csv_watch", "--once")
    assert said.returncode == 1
    assert b"line 2: column 'id': 'x' is text, and the column is bigint" in said.stderr
    assert rows(cli, "SELECT id, v FROM \"in\" WHERE _csv_file LIKE '%b.csv' ORDER BY 1") == [(1, "a"), (3, "c")]
    states = {row["csv_file"][-5:]: row["state"] for row in cli.json("csv_sync_list", "in")}
    assert states == {"a.csv": "failed", "b.csv": "ok"}
    failed = cli.json("csv_run_list", "--state", "failed")
    assert [row["version"] for row in failed] == [2]
    assert "is failed, at version 1." in cli("csv_run_retry", failed[0]["run"], code=1)
    [problem] = [
        each for each in json.loads(cli("csv_status", "--format", "json", code=1))["problems"] if each["csv_file"]
    ]
    assert problem["command"].startswith("csv_manager csv_sync_run ")
    cli.write("in/a.csv", TWO)
    cli("csv_watch", "--once")
    assert {row["state"] for row in cli.json("csv_sync_list")} == {"ok"}


def test_what_is_wrong_is_said_and_nothing_is_made(cli: "Cli") -> None:
    cli.write("data.csv", ONE)
    refused = cli.refused("csv_sync_add", "data.csv", "--database", "sqlite:///target.db")
    assert "is not watched" in refused
    cli("csv_watcher_add", "data.csv")
    add = ("csv_sync_add", "data.csv", "--database")
    assert "has a password" in cli.refused(*add, "postgresql://me:secret@localhost/db")
    assert "secret" not in cli.refused(*add, "postgresql://me:secret@localhost/db")
    assert "There is no database 'nowhere'" in cli.refused(*add, "nowhere")
    assert "csv_manager's own" in cli.refused(*add, "sqlite:///target.db", "--table", "csv_versions")
    assert "'other' is not in the header" in cli.refused(*add, "sqlite:///target.db", "--key", "other")
    assert "no name of a table" in cli.refused(*add, "sqlite:///target.db", "--table", "a.")
    assert cli.json("csv_sync_list") == []
    cli.write("data.csv", "id,v\n1,a\n1,b\n")
    cli("csv_watch", "--once")
    assert "the key is not unique: id='1' in lines 2 and 3" in cli.refused(*add, "sqlite:///target.db", "--key", "id")
    assert cli.json("csv_sync_list") == []
    assert rows(cli, "SELECT name FROM sqlite_schema WHERE name = 'data'") == []


def test_a_file_is_loaded_once(cli: "Cli") -> None:
    cli.write("data.csv", ONE)
    load = ("csv_load", "data.csv", "--database", "sqlite:///target.db")
    assert cli.json(*load)[0]["inserted"] == 2
    assert "has rows already" in cli.refused(*load)
    cli(*load, "--mode", "append")
    assert len(rows(cli)) == 4
    keyed = (*load, "--table", "keyed", "--key", "id")
    cli(*keyed)
    cli.write("data.csv", TWO.replace("1,a", "1,z"))
    [told] = cli.json(*load, "--table", "keyed")  # by the table's own key
    assert (told["inserted"], told["updated"], told["deleted"]) == (1, 1, 0)
    [told] = cli.json(*keyed, "--mode", "mirror")
    assert (told["inserted"], told["updated"], told["deleted"]) == (0, 0, 1)
    cli.write("data.csv", "id,v\nx,a\n")
    assert "line 2: column 'id': 'x' is text" in cli.refused(*keyed)
    assert rows(cli, "SELECT * FROM keyed ORDER BY 1") == [(1, "z"), (3, "c")]
